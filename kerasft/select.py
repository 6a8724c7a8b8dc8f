"""Which variables: one vocabulary for freezing, rates, decay and adapters.

A selector is a value. It prints as it is written, compares by what it says, and combines with
`&`, `|` and `~`. Where a selector is expected a string will do: it is a path pattern, matched in
full, in which `*` stands for anything.

Example:
    >>> from kerasft import select
    >>> select.LastBlocks(2) & ~select.Norms()
    LastBlocks(count=2) & ~Norms()
    >>> select.Path("block_*") | "head"
    Path(pattern='block_*') | Path(pattern='head')
"""

import dataclasses
import fnmatch
import re
from functools import lru_cache
from typing import Any

import keras

from kerasft._checks import check_int, check_type, did_you_mean, fail, nearest
from kerasft.errors import SelectorError, UnsupportedError
from kerasft.structure import Structure, VariableView

__all__ = [
    "Backbone",
    "Biases",
    "Block",
    "Embeddings",
    "Everything",
    "FirstBlocks",
    "Head",
    "LastBlocks",
    "LayerClass",
    "Norms",
    "Path",
    "Selector",
    "as_selector",
    "resolve",
]

_RULE = "a selector"

_register = keras.saving.register_keras_serializable(package="kerasft")


class Selector:
    """Base class of all selectors. To write one, subclass and override `matches`.

    Make the subclass a `@dataclasses.dataclass(frozen=True)`, and register it with Keras, for
    equality, `repr` and a config that goes round.

    Example:
        >>> import dataclasses, keras
        >>> from kerasft import select
        >>> @keras.saving.register_keras_serializable(package="doc")
        ... @dataclasses.dataclass(frozen=True)
        ... class Larger(select.Selector):
        ...     than: int
        ...     def matches(self, variable):
        ...         return variable.size > self.than
        >>> Larger(1000) & ~select.Embeddings()
        Larger(than=1000) & ~Embeddings()
    """

    def matches(self, variable: VariableView) -> bool:
        """Whether the variable is one of those meant."""
        raise UnsupportedError(
            f"{type(self).__name__} does not say what it selects. Override "
            "`matches(self, variable)`."
        )

    def parts(self) -> tuple["Selector", ...]:
        """The selectors that this one is made of; each must match something by itself."""
        return ()

    def __and__(self, other: "Selector | str") -> "Selector":
        return And(self, as_selector(other))

    def __or__(self, other: "Selector | str") -> "Selector":
        return Or(self, as_selector(other))

    def __rand__(self, other: str) -> "Selector":
        return And(as_selector(other), self)

    def __ror__(self, other: str) -> "Selector":
        return Or(as_selector(other), self)

    def __invert__(self) -> "Selector":
        return Not(self)

    def get_config(self) -> dict[str, Any]:
        """The arguments, so that it can be made again."""
        fields: tuple[Any, ...] = dataclasses.fields(self) if dataclasses.is_dataclass(self) else ()
        return {
            field.name: keras.saving.serialize_keras_object(getattr(self, field.name))
            for field in fields
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Selector":
        """Make it again from `get_config`'s result."""
        return cls(**{name: keras.saving.deserialize_keras_object(v) for name, v in config.items()})


@_register
@dataclasses.dataclass(frozen=True)
class And(Selector):
    """What both select. Written `a & b`."""

    left: Selector
    right: Selector

    def __post_init__(self) -> None:
        for name in ("left", "right"):
            check_type(name, getattr(self, name), Selector, _RULE)

    def matches(self, variable: VariableView) -> bool:
        """Whether both match."""
        return self.left.matches(variable) and self.right.matches(variable)

    def parts(self) -> tuple[Selector, ...]:
        """Both sides."""
        return self.left, self.right

    def __repr__(self) -> str:
        return f"{_bracketed(self.left, Or)} & {_bracketed(self.right, (And, Or))}"


@_register
@dataclasses.dataclass(frozen=True)
class Or(Selector):
    """What either selects. Written `a | b`."""

    left: Selector
    right: Selector

    def __post_init__(self) -> None:
        for name in ("left", "right"):
            check_type(name, getattr(self, name), Selector, _RULE)

    def matches(self, variable: VariableView) -> bool:
        """Whether one of them matches."""
        return self.left.matches(variable) or self.right.matches(variable)

    def parts(self) -> tuple[Selector, ...]:
        """Both sides."""
        return self.left, self.right

    def __repr__(self) -> str:
        return f"{self.left!r} | {_bracketed(self.right, Or)}"


@_register
@dataclasses.dataclass(frozen=True)
class Not(Selector):
    """What the other leaves. Written `~a`."""

    selector: Selector

    def __post_init__(self) -> None:
        check_type("selector", self.selector, Selector, _RULE)

    def matches(self, variable: VariableView) -> bool:
        """Whether the other does not match."""
        return not self.selector.matches(variable)

    def parts(self) -> tuple[Selector, ...]:
        """The selector that is turned round."""
        return (self.selector,)

    def __repr__(self) -> str:
        return f"~{_bracketed(self.selector, (And, Or))}"


def _bracketed(selector: Selector, kinds: type | tuple[type, ...]) -> str:
    return f"({selector!r})" if isinstance(selector, kinds) else repr(selector)


@_register
@dataclasses.dataclass(frozen=True)
class Path(Selector):
    """Variables whose path, or the path of a layer that holds them, fits a pattern in full.

    Args:
        pattern: A shell pattern: `*` is anything, slashes too, `?` one character, `[ab]` one of
            them. `"transformer_layer_5"` is all of that layer; `"*/bias"` every bias.

    Example:
        >>> from kerasft import select
        >>> select.Path("*/bias") & "transformer_layer_*"
        Path(pattern='*/bias') & Path(pattern='transformer_layer_*')
    """

    pattern: str

    def __post_init__(self) -> None:
        check_type("pattern", self.pattern, str, "a path pattern, as a string")
        if not self.pattern:
            fail("pattern", self.pattern, "a path pattern, not empty", error=SelectorError)

    def matches(self, variable: VariableView) -> bool:
        """Whether the path, or a beginning of it that ends at a slash, fits."""
        fits = _compiled(self.pattern).match
        parts = variable.path.split("/")
        return any(fits("/".join(parts[:end])) for end in range(len(parts), 0, -1))


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(fnmatch.translate(pattern))


@_register
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
        return any(base.__name__ == self.name for base in type(variable.layer.layer).__mro__)


@_register
@dataclasses.dataclass(frozen=True)
class Block(Selector):
    """Variables of one block of the backbone.

    Args:
        index: Its number, from 0 (embeddings or stem); negative numbers count from the end.

    Example:
        >>> from kerasft import select
        >>> select.Block(0) | select.Block(-1)
        Block(index=0) | Block(index=-1)
    """

    index: int

    def __post_init__(self) -> None:
        check_int("index", self.index)

    def matches(self, variable: VariableView) -> bool:
        """Whether the variable lies in this block."""
        layer = variable.layer
        if self.index >= 0:
            return layer.block == self.index
        return layer.blocks_from_end == -1 - self.index


@_register
@dataclasses.dataclass(frozen=True)
class LastBlocks(Selector):
    """Variables of the last blocks of the backbone.

    Args:
        count: How many blocks, counted from the output.

    Example:
        >>> from kerasft import select
        >>> select.LastBlocks(2) | select.Head()
        LastBlocks(count=2) | Head()
    """

    count: int

    def __post_init__(self) -> None:
        check_int("count", self.count, minimum=1)

    def matches(self, variable: VariableView) -> bool:
        """Whether the variable lies in one of them."""
        place = variable.layer.blocks_from_end
        return place is not None and place < self.count


@_register
@dataclasses.dataclass(frozen=True)
class FirstBlocks(Selector):
    """Variables of the first blocks of the backbone.

    Args:
        count: How many blocks, counted from the input; block 0 holds the embeddings or the stem.

    Example:
        >>> from kerasft import select
        >>> ~select.FirstBlocks(3)
        ~FirstBlocks(count=3)
    """

    count: int

    def __post_init__(self) -> None:
        check_int("count", self.count, minimum=1)

    def matches(self, variable: VariableView) -> bool:
        """Whether the variable lies in one of them."""
        place = variable.layer.block
        return place is not None and place < self.count


@_register
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
        kinds = [base.__name__ for base in type(variable.layer.layer).__mro__]
        return any("Normalization" in kind or kind.endswith("Norm") for kind in kinds)


@_register
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
        return name == "beta" or name == "bias" or name.endswith("_bias")


@_register
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
        kinds = [base.__name__ for base in type(variable.layer.layer).__mro__]
        return any("Embedding" in kind for kind in kinds)


@_register
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


@_register
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


@_register
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


def as_selector(value: Selector | str) -> Selector:
    """A selector as it is; a string as a `Path` pattern.

    Args:
        value: A selector, or a path pattern.

    Raises:
        ArgumentError: For anything else.

    Example:
        >>> from kerasft import select
        >>> select.as_selector("*/bias")
        Path(pattern='*/bias')
    """
    if isinstance(value, str):
        return Path(value)
    return check_type("selector", value, Selector, "a selector or a path pattern (a string)")


def resolve(value: Selector | str, structure: Structure) -> list[VariableView]:
    """The variables that a selector means in one model, in the model's order.

    Args:
        value: A selector, or a path pattern.
        structure: The model, taken apart.

    Returns:
        At least one `VariableView`.

    Raises:
        SelectorError: If the selector, or any part that it is combined of, matches nothing.
            The message offers the nearest right spellings.

    Example:
        >>> import keras
        >>> from kerasft import select
        >>> from kerasft.structure import take_apart
        >>> layers = [keras.layers.Dense(4, name=name) for name in ("a", "b", "top")]
        >>> structure = take_apart(keras.Sequential([keras.Input((4,)), *layers]))
        >>> [variable.path for variable in select.resolve("*/bias", structure)]
        ['a/bias', 'b/bias', 'top/bias']
        >>> select.resolve("*/bais", structure)
        Traceback (most recent call last):
            ...
        kerasft.errors.SelectorError: A path pattern must match at least one path in full. ...
    """
    selector = as_selector(value)
    _check_parts(selector, structure)
    return [variable for variable in structure.variables if selector.matches(variable)]


def _check_parts(selector: Selector, structure: Structure) -> None:
    for part in selector.parts():
        _check_parts(part, structure)
    if any(selector.matches(variable) for variable in structure.variables):
        return
    model = f"model {structure.model.name!r}"
    if isinstance(selector, Path):
        raise SelectorError(
            f"A path pattern must match at least one path in full. Received: {selector.pattern!r}, "
            f"which matches nothing in {model}. {_offer(selector.pattern, structure)}"
        )
    if isinstance(selector, LayerClass):
        kinds = sorted({variable.layer.kind for variable in structure.variables})
        hint = did_you_mean(selector.name, kinds) or f"It has: {', '.join(kinds)}."
        raise SelectorError(
            f"A layer class must be one that the model has. Received: {selector.name!r}, "
            f"which {model} does not have. {hint}"
        )
    raise SelectorError(
        f"A selector must match at least one variable. Received: {selector!r}, which matches "
        f"nothing in {model}; it has {len(structure.blocks)} blocks"
        f"{' and a head' if structure.head else ' and no head'}."
    )


def _offer(pattern: str, structure: Structure) -> str:
    paths = _paths(structure)
    found = nearest(pattern, paths)
    if not found:
        word = max(re.split(r"[*?/\[\]]", pattern), key=len)
        found = [path for path in paths if word and word.lower() in path.lower()][:3]
    shown = found or paths[:3]
    return f"{'The nearest paths are' if found else 'Paths look like'} {', '.join(shown)}."


def _paths(structure: Structure) -> list[str]:
    paths: dict[str, None] = {}
    for variable in structure.variables:
        parts = variable.path.split("/")
        paths.update(dict.fromkeys("/".join(parts[:end]) for end in range(1, len(parts) + 1)))
    return list(paths)
