"""What a compiled model tells apart, as far as its loss and outputs tell."""

import dataclasses
import math
from typing import Any

import keras

__all__ = ["Task", "task_of"]


@dataclasses.dataclass(frozen=True)
class Task:
    """What a compiled model tells apart.

    Args:
        kind: How labels are written: `"numbers"` of classes, `"one_hot"`, `"binary"` (one output)
            or `"multilabel"`; `"other"` where it is no classification, or cannot be told.
        classes: How many classes there are, or None.
        chance: The loss of guessing evenly, or None.
        threshold: For `"binary"`, the output above which the second class is called.
    """

    kind: str = "other"
    classes: int | None = None
    chance: float | None = None
    threshold: float = 0.5

    @property
    def has_classes(self) -> bool:
        """Whether each example has one class."""
        return self.kind in ("numbers", "one_hot", "binary")


def task_of(model: keras.Model) -> Task:
    """The task of a model with one output and one of Keras's crossentropies."""
    loss = _only(getattr(model, "loss", None))
    outputs = _outputs(model)
    if isinstance(loss, str):
        loss = keras.losses.get(loss)
    name = type(loss).__name__ if isinstance(loss, keras.losses.Loss) else _name_of(loss)
    name = name.replace("_", "").lower()
    if outputs is None or loss is None:
        return Task()
    if name in ("sparsecategoricalcrossentropy", "categoricalcrossentropy"):
        if outputs < 2:
            return Task()
        kind = "numbers" if name.startswith("sparse") else "one_hot"
        return Task(kind, outputs, math.log(outputs))
    if name == "binarycrossentropy":
        threshold = 0.0 if getattr(loss, "from_logits", False) else 0.5
        if outputs == 1:
            return Task("binary", 2, math.log(2), threshold)
        return Task("multilabel", outputs, math.log(2), threshold)
    return Task()


def _only(loss: Any) -> Any:
    """The one loss of a model with one output."""
    values = list(loss.values()) if isinstance(loss, dict) else loss
    if isinstance(values, (list, tuple)):
        return values[0] if len(values) == 1 else None
    return values


def _outputs(model: keras.Model) -> int | None:
    """The last axis of the one output of shape `(batch, outputs)`, or None."""
    try:
        shape = model.output_shape
    except (AttributeError, ValueError):  # not a graph: nothing tells it before it has run
        return None
    if isinstance(shape, dict):
        shape = list(shape.values())
    if isinstance(shape, list):
        if len(shape) != 1:
            return None
        shape = shape[0]
    if not isinstance(shape, tuple) or len(shape) != 2 or not isinstance(shape[-1], int):
        return None
    return shape[-1]


def _name_of(loss: Any) -> str:
    return getattr(loss, "__name__", "")
