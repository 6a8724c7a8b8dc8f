"""The values that a fit may change, as they were at its best epoch."""

from typing import Any

import keras
import numpy as np

from kerasft.structure import changeable_variables

__all__ = ["BestWeights"]


class BestWeights:
    """A copy, in host memory, of what a fit may change, and of nothing else.

    A frozen variable keeps its value, so there is nothing to put back. Only when it is unfrozen
    later in the same fit will it leave the value that it had at the best epoch: `follow`, called
    before such a variable takes its first step, adds it to the copy.

    Example:
    >>> import keras
    >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4), keras.layers.Dense(1)])
    >>> model.layers[0].trainable = False
    >>> best = BestWeights()
    >>> best.record(model)
    >>> best.nbytes                         # a kernel of shape (4, 1) and a bias, in float32
    20
    >>> model.layers[1].set_weights([keras.ops.zeros((4, 1)), keras.ops.zeros((1,))])
    >>> best.restore()
    >>> bool(keras.ops.all(model.layers[1].kernel == 0))
    False
    """

    def __init__(self) -> None:
        self._values: dict[int, tuple[Any, np.ndarray]] = {}

    @property
    def variables(self) -> list[Any]:
        """The variables of which a value is kept."""
        return [variable for variable, _ in self._values.values()]

    @property
    def nbytes(self) -> int:
        """Bytes of host memory that the values take."""
        return sum(value.nbytes for _, value in self._values.values())

    def record(self, model: keras.Model) -> None:
        """Keep the values of now, in place of any that were kept before."""
        self._values = {}  # given up first, so that two copies never stand side by side
        self.follow(model)

    def follow(self, model: keras.Model) -> None:
        """Add the variables that have become changeable since, at their values of now."""
        for variable in changeable_variables(model):
            if id(variable) not in self._values:
                # The array may share memory with the variable, as it does in PyTorch.
                self._values[id(variable)] = (variable, np.asarray(variable).copy())

    def restore(self) -> None:
        """Put the values back. They stay kept."""
        for variable, value in self._values.values():
            variable.assign(value)
