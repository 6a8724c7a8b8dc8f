"""Selectors by the part of the model: the head, the backbone, both."""

import dataclasses

import keras

from kerasft.select.selector import Selector
from kerasft.structure import VariableView


@keras.saving.register_keras_serializable(package="kerasft")
@dataclasses.dataclass(frozen=True)
class Head(Selector):
    """Everything in the head.

    Example:
        >>> from kerasft import select
        >>> select.Head() & ~select.Biases()
        Head() & ~Biases()
    """

    def matches(self, variable: VariableView) -> bool:
        """Whether the variable lies in the head."""
        return variable.layer.in_head


@keras.saving.register_keras_serializable(package="kerasft")
@dataclasses.dataclass(frozen=True)
class Backbone(Selector):
    """Everything that is not in the head.

    Example:
        >>> from kerasft import select
        >>> select.Backbone() & select.Norms()
        Backbone() & Norms()
    """

    def matches(self, variable: VariableView) -> bool:
        """Whether the variable lies outside the head."""
        return not variable.layer.in_head


@keras.saving.register_keras_serializable(package="kerasft")
@dataclasses.dataclass(frozen=True)
class Everything(Selector):
    """Every variable.

    Example:
        >>> from kerasft import select
        >>> select.Everything() & ~select.Norms()
        Everything() & ~Norms()
    """

    def matches(self, variable: VariableView) -> bool:
        """Always true."""
        return True
