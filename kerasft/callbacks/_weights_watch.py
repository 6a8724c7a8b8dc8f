"""How far weights have moved, told from some of their values."""

import math
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasft.structure import walk

__all__ = ["WeightsWatch", "spoilt"]

# So many values of a weight are kept, all of them where it has no more. Drawn at random, they tell
# a norm within a few percent, and a change of anything but single rows for certain.
_VALUES = 2048


class WeightsWatch:
    """The values of some places of each weight, as they were when it was made.

    Args:
        model: The model; its weights are told apart by their flags as they are now.
    """

    def __init__(self, model: keras.Model) -> None:
        draws = np.random.default_rng(0)
        self.trained = [_Watched(v, draws) for v in model.trainable_variables if _floats(v)]
        trained = {id(watched.variable) for watched in self.trained}
        self.frozen = [
            _Watched(v, draws) for v in _parameters(model) if _floats(v) and id(v) not in trained
        ]

    def is_of(self, model: keras.Model) -> bool:
        """Whether the same weights are flagged to train as when this was made."""
        now = {id(v) for v in model.trainable_variables if _floats(v)}
        return now == {id(watched.variable) for watched in self.trained}

    def moved(self) -> float:
        """How far the weights that train have moved, as a share of their size at first.

        Weights that no gradient reaches do not count: were all units of a layer dead, the large
        weights that stand still would hide how far the others went.
        """
        distance = size = 0.0
        for watched in self.trained:
            count = math.prod(watched.variable.shape)
            change = float(np.mean(np.square(watched.now() - watched.first)))
            if change != 0:
                distance += count * change
                size += count * float(np.mean(np.square(watched.first)))
        if not self.trained or math.isnan(distance):
            return math.nan
        return math.sqrt(distance / size) if size > 0 else (math.inf if distance > 0 else 0.0)

    def changed(self) -> tuple[int, int]:
        """How many weights have changed: of those flagged to train, and of those flagged frozen."""
        return _count_changed(self.trained), _count_changed(self.frozen)


class _Watched:
    """Some values of one weight."""

    def __init__(self, variable: Any, draws: np.random.Generator) -> None:
        self.variable = variable
        count = math.prod(variable.shape)
        self._places = None
        if count > _VALUES:
            self._places = np.sort(draws.integers(0, count, _VALUES)).astype("int32")
        self.first = self.now()

    def now(self) -> np.ndarray:
        """The values as they are at present."""
        values = ops.reshape(ops.convert_to_tensor(self.variable), (-1,))
        if self._places is not None:
            # Taken where the weight lies: a frozen backbone on a GPU stays there.
            values = ops.take(values, self._places)
        return ops.convert_to_numpy(ops.cast(values, "float32")).astype("float64")


def spoilt(variables: Iterable[Any]) -> list[str]:
    """The paths of the variables that hold NaN or infinity."""
    return [
        variable.path
        for variable in variables
        if _floats(variable)
        and not bool(ops.convert_to_numpy(ops.all(ops.isfinite(ops.convert_to_tensor(variable)))))
    ]


def _count_changed(watched: list[_Watched]) -> int:
    # NaN is a change too, and equal to nothing.
    return sum(not np.array_equal(one.now(), one.first) for one in watched)


def _parameters(model: keras.Model) -> list[Any]:
    """The variables that were made to be trained, each once; moving statistics are not."""
    found: dict[int, Any] = {}
    for _, layer in [("", model), *walk(model)]:
        found.update({id(v): v for v in layer._trainable_variables})
    return list(found.values())


def _floats(variable: Any) -> bool:
    return "float" in keras.backend.standardize_dtype(variable.dtype)
