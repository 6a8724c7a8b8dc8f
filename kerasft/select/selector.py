"""The base class of all selectors, and what its operators make.

`&`, `|` and `~` make selectors, and a string on either side of them is a `Path`; each of these
classes derives from the base. They need one another, so they share this module.
"""

import dataclasses
import fnmatch
import re
from functools import lru_cache
from typing import Any

import keras

from kerasft._checks import check_type, fail
from kerasft.errors import SelectorError, UnsupportedError
from kerasft.select._nearest_paths import nearest_paths
from kerasft.structure import Structure, VariableView

_RULE = "a selector"


class Selector:
    """Base class of all selectors. To write one, subclass and override `matches`.

    Make the subclass a `@dataclasses.dataclass(frozen=True)`, and register it with Keras, for
    equality, `repr` and a config that goes round. The other hooks need no change.

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

    def check(self, structure: Structure) -> None:
        """Raise where the selector does not fit a model: where it matches nothing there.

        Args:
            structure: The model, taken apart.

        Raises:
            SelectorError: If it does not fit.
        """
        if not any(self.matches(variable) for variable in structure.variables):
            count = len(structure.blocks)
            raise SelectorError(
                f"A selector must match at least one variable. Received: {self!r}, which matches "
                f"nothing in model {structure.model.name!r}; it has {count} "
                f"block{'' if count == 1 else 's'} and {'a' if structure.head else 'no'} head."
            )

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


class _Pair(Selector):
    """Two selectors, side by side."""

    left: Selector
    right: Selector

    def __post_init__(self) -> None:
        check_type("left", self.left, Selector, _RULE)
        check_type("right", self.right, Selector, _RULE)

    def parts(self) -> tuple[Selector, ...]:
        """Both sides."""
        return self.left, self.right


@keras.saving.register_keras_serializable(package="kerasft")
@dataclasses.dataclass(frozen=True)
class And(_Pair):
    """What both select. Written `a & b`.

    Args:
        left: A selector.
        right: Another one.

    Example:
        >>> from kerasft import select
        >>> select.Norms() & "transformer_layer_*"
        Norms() & Path(pattern='transformer_layer_*')
    """

    left: Selector
    right: Selector

    def matches(self, variable: VariableView) -> bool:
        """Whether both match."""
        return self.left.matches(variable) and self.right.matches(variable)

    def __repr__(self) -> str:
        return f"{_bracketed(self.left, Or)} & {_bracketed(self.right, (And, Or))}"


@keras.saving.register_keras_serializable(package="kerasft")
@dataclasses.dataclass(frozen=True)
class Or(_Pair):
    """What either selects. Written `a | b`.

    Args:
        left: A selector.
        right: Another one.

    Example:
        >>> from kerasft import select
        >>> "block_3" | select.Head()
        Path(pattern='block_3') | Head()
    """

    left: Selector
    right: Selector

    def matches(self, variable: VariableView) -> bool:
        """Whether one of them matches."""
        return self.left.matches(variable) or self.right.matches(variable)

    def __repr__(self) -> str:
        return f"{self.left!r} | {_bracketed(self.right, Or)}"


@keras.saving.register_keras_serializable(package="kerasft")
@dataclasses.dataclass(frozen=True)
class Not(Selector):
    """What the other leaves. Written `~a`.

    Args:
        selector: The other one.

    Example:
        >>> from kerasft import select
        >>> ~(select.Norms() | select.Biases())
        ~(Norms() | Biases())
    """

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


@keras.saving.register_keras_serializable(package="kerasft")
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

    def check(self, structure: Structure) -> None:
        """Raise where the pattern fits no path of the model, and offer the nearest."""
        if not any(self.matches(variable) for variable in structure.variables):
            raise SelectorError(
                "A path pattern must match at least one path in full. Received: "
                f"{self.pattern!r}, which matches nothing in model {structure.model.name!r}. "
                f"{nearest_paths(self.pattern, structure)}"
            )


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(fnmatch.translate(pattern))


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
