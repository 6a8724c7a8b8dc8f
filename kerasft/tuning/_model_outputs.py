"""What a model's outputs are, and how they become probabilities."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from kerasft._checks import fail
from kerasft.errors import DataError, UnsupportedError
from kerasft.evaluation.temperatures import logits as scaling
from kerasft.heads import Head

_PROBABILITIES = ("sigmoid", "softmax", "hard_sigmoid")
_REGRESSION_LOSSES = (
    "mean_squared_error",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_logarithmic_error",
    "huber",
    "huber_loss",
    "log_cosh",
)


class ModelSays(NamedTuple):
    """What a model tells about its own outputs; None where it tells nothing."""

    task: str | None = None
    from_logits: bool | None = None
    columns: int | None = None
    class_names: Sequence[str] | None = None
    head: Head | None = None


def what_the_model_says(model: keras.Model) -> ModelSays:
    """Read the task and the kind of outputs off the head, the last layer and the loss."""
    layer = _output_layer(model)
    shape = getattr(model, "output_shape", None) if getattr(model, "outputs", None) else None
    columns = shape[-1] if isinstance(shape, tuple) and len(shape) == 2 else None
    if isinstance(layer, Head) and layer.task is not None:
        logits = getattr(layer, "from_logits", None)
        names = getattr(layer, "class_names", None)
        columns = columns or getattr(layer, "num_classes", getattr(layer, "num_outputs", None))
        if layer.task == "regression" or logits is not None:
            return ModelSays(layer.task, logits, columns, names, layer)
    names = getattr(layer, "class_names", None)
    loss = _compiled_loss(model)
    name = _loss_name(loss)
    activation = getattr(getattr(layer, "activation", None), "__name__", "")
    if isinstance(layer, keras.layers.Softmax):
        activation = "softmax"
    logits = False if activation in _PROBABILITIES else None
    if logits is None and "crossentropy" in name:
        logits = bool(getattr(loss, "from_logits", False))
    task = None
    if name in _REGRESSION_LOSSES and activation not in _PROBABILITIES:
        task = "regression"
    elif columns == 1 and (activation in _PROBABILITIES or "crossentropy" in name):
        task = "binary"
    elif columns and activation == "softmax":
        task = "multiclass"
    elif columns and "crossentropy" in name:
        task = "multilabel" if name.startswith("binary") else "multiclass"
    return ModelSays(task, logits, columns, names)


def _output_layer(model: keras.Model) -> Any:
    """The layer whose output is the model's; for a subclassed model its only head, if any."""
    outputs = getattr(model, "outputs", None)
    if isinstance(model, keras.Sequential) and model.layers:
        layer = model.layers[-1]
    elif outputs:
        if len(outputs) > 1:
            raise UnsupportedError(
                f"A report needs a model with one output; {model.name!r} has {len(outputs)}. "
                "Evaluate each by itself: keras.Model(model.inputs, model.outputs[0])."
            )
        layer = outputs[0]._keras_history.operation
    else:
        heads = [layer for layer in model._flatten_layers() if isinstance(layer, Head)]
        return heads[0] if len(heads) == 1 else None
    return _output_layer(layer) if isinstance(layer, keras.Model) else layer


def _compiled_loss(model: keras.Model) -> Any:
    loss = getattr(model, "loss", None)
    if isinstance(loss, dict):
        loss = list(loss.values())
    return loss[0] if isinstance(loss, (list, tuple)) and len(loss) == 1 else loss


def _loss_name(loss: Any) -> str:
    """`binary_crossentropy` for the class, an instance, the function and the string alike."""
    if isinstance(loss, str):
        loss = keras.losses.get(loss)
    name = getattr(loss, "__name__", None) or type(loss).__name__
    known = getattr(loss, "fn", None)
    return getattr(known, "__name__", name) if loss is not None else ""


def to_probabilities(
    outputs: np.ndarray,
    labels: np.ndarray,
    task: str | None,
    from_logits: bool | None,
    temperature: Any = 1.0,
) -> np.ndarray:
    """Probabilities at a temperature; what is not known to be logits or none is refused."""
    if task == "regression" or outputs.ndim > 2:
        return outputs
    values = outputs.astype(np.float64)
    if not are_logits(values, labels, task, from_logits):
        if np.all(np.asarray(temperature) == 1):
            return outputs
        return _scaled(values, kind_of(values, labels, task), temperature)
    return scaling.to_probabilities(values, kind_of(values, labels, task), temperature)


def are_logits(
    values: np.ndarray, labels: np.ndarray, task: str | None, from_logits: bool | None
) -> bool:
    """Whether outputs are logits; refused where it is not known, or cannot be.

    Outputs that are neither are none here: `evaluate_arrays` says what is wrong with them.
    """
    if not np.isfinite(values).all():
        fail(
            "outputs",
            float(values[~np.isfinite(values)][0]),
            "finite numbers",
            "The model gives NaN or infinite values: look for NaN in its weights and inputs; "
            "training may have diverged.",
            DataError,
        )
    if from_logits is False:
        return False
    within = bool(((values >= 0) & (values <= 1)).all())
    if from_logits is None:
        if task is None and labels.dtype.kind == "f" and not np.all(labels == np.round(labels)):
            return False  # numbers for a regression: evaluate_arrays decides
        if not within:
            fail(
                "from_logits",
                None,
                "given for a model that does not say what its outputs are",
                f"They range from {values.min():.3g} to {values.max():.3g}, so they are no "
                "probabilities: pass from_logits=True if they are logits, or task='regression'.",
                DataError,
            )
        return False
    several = values.ndim == 2 and values.shape[1] > 1 and within
    if several and len(values) > 1 and bool((abs(values.sum(axis=1) - 1) < 1e-5).all()):
        fail(
            "from_logits",
            True,
            "False for outputs that already are probabilities",
            "Every row lies within [0, 1] and sums to one. Pass from_logits=False, and check the "
            "loss that the model was compiled with.",
            DataError,
        )
    return True


def kind_of(values: np.ndarray, labels: np.ndarray, task: str | None) -> str:
    """`"multiclass"` where the columns exclude each other (a softmax), else `"multilabel"`."""
    single = values.ndim == 1 or values.shape[1] == 1
    if single or task == "multilabel" or (task is None and _several_labels(labels, values)):
        return "multilabel"
    return "multiclass"


def _scaled(values: np.ndarray, kind: str, temperature: Any) -> np.ndarray:
    """Probabilities at a temperature; what are none stay as they are, to be refused."""
    sound = bool(((values >= 0) & (values <= 1)).all())
    if kind == "multiclass":
        sound = sound and bool((abs(values.sum(axis=1) - 1) < 1e-3).all())
    if not sound:
        return values
    return scaling.to_probabilities(scaling.to_logits(values, kind), kind, temperature)


def _several_labels(labels: np.ndarray, values: np.ndarray) -> bool:
    """Rows of 0 and 1 that are not one-hot."""
    same = labels.ndim == 2 and labels.shape == values.shape
    return same and bool((labels.sum(axis=1) != 1).any())
