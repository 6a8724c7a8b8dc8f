"""Selectors by what a layer or a weight is."""

import dataclasses

import keras

from kerasft._checks import check_type, did_you_mean
from kerasft.errors import SelectorError
from kerasft.select.selector import Selector
from kerasft.structure import Structure, VariableView


def _class_names(variable: VariableView) -> list[str]:
    """The class of the layer that owns a variable, and those it derives from, by name."""
    return [base.__name__ for base in type(variable.layer.layer).__mro__]


@keras.saving.register_keras_serializable(package="kerasft")
@dataclasses.dataclass(frozen=True)
class LayerClass(Selector):
    """Variables of layers of one class.

    Args:
        name: The class name, such as `"LayerNormalization"`.

    Example:
        >>> from kerasft import select
        >>> select.LayerClass("Conv2D") | select.LayerClass("Dense")
        LayerClass(name='Conv2D') | LayerClass(name='Dense')
    """

    name: str

    def __post_init__(self) -> None:
        check_type("name", self.name, str, "the name of a layer class, as a string")

    def matches(self, variable: VariableView) -> bool:
        """Whether the owning layer's class, or one it derives from, has this name."""
        return self.name in _class_names(variable)

    def check(self, structure: Structure) -> None:
        """Raise where no layer with weights is of the class, and offer those that there are."""
        if not any(self.matches(variable) for variable in structure.variables):
            kinds = sorted({variable.layer.kind for variable in structure.variables})
            hint = did_you_mean(self.name, kinds) or f"It has: {', '.join(kinds)}."
            raise SelectorError(
                f"A layer class must be one that the model has. Received: {self.name!r}, "
                f"which model {structure.model.name!r} does not have. {hint}"
            )


@keras.saving.register_keras_serializable(package="kerasft")
@dataclasses.dataclass(frozen=True)
class Norms(Selector):
    """Scales and offsets of normalization layers, of any kind.

    Example:
        >>> from kerasft import select
        >>> select.Norms() | select.Biases()
        Norms() | Biases()
    """

    def matches(self, variable: VariableView) -> bool:
        """Whether the owning layer normalizes, by its class name."""
        names = _class_names(variable)
        return any("Normalization" in name or name.endswith("Norm") for name in names)


@keras.saving.register_keras_serializable(package="kerasft")
@dataclasses.dataclass(frozen=True)
class Biases(Selector):
    """Bias vectors of all layers; a normalization's offset counts as one.

    Example:
        >>> from kerasft import select
        >>> select.Biases() & select.LastBlocks(4)
        Biases() & LastBlocks(count=4)
    """

    def matches(self, variable: VariableView) -> bool:
        """Whether the variable is named as a bias or an offset."""
        name = variable.variable.name
        return name in ("beta", "bias") or name.endswith("_bias")


@keras.saving.register_keras_serializable(package="kerasft")
@dataclasses.dataclass(frozen=True)
class Embeddings(Selector):
    """Embedding tables: tokens, positions, segments.

    Example:
        >>> from kerasft import select
        >>> select.Backbone() & ~select.Embeddings()
        Backbone() & ~Embeddings()
    """

    def matches(self, variable: VariableView) -> bool:
        """Whether the owning layer embeds, by its class name."""
        return any("Embedding" in name for name in _class_names(variable))
