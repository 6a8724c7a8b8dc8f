"""Argument checks, in one message form.

Every message reads "`name` must be RULE. Received: name=VALUE (of type TYPE). HINT". Checks return
the value that they checked, so a constructor reads as a list of assignments.
"""

import difflib
import importlib
import math
import numbers
from collections.abc import Collection, Iterable
from types import ModuleType
from typing import Any, NoReturn, TypeVar

from kerasft.errors import ArgumentError, MissingDependencyError

T = TypeVar("T")

_LONGEST_VALUE = 200


def received(name: str, value: Any) -> str:
    """The middle of every message: the value as it came, and its type."""
    shown = repr(value)
    if len(shown) > _LONGEST_VALUE:
        shown = shown[:_LONGEST_VALUE] + "..."
    return f"Received: {name}={shown} (of type {type(value).__name__})."


def fail(
    name: str,
    value: Any,
    rule: str,
    hint: str = "",
    error: type[Exception] = ArgumentError,
) -> NoReturn:
    """Raise `error` in the one message form."""
    parts = [f"`{name}` must be {rule}.", received(name, value), hint]
    raise error(" ".join(part for part in parts if part))


def nearest(value: Any, candidates: Iterable[str], count: int = 3) -> list[str]:
    """The candidates spelled most like `value`, best first."""
    by_lower_case: dict[str, list[str]] = {}
    for candidate in candidates:
        by_lower_case.setdefault(candidate.lower(), []).append(candidate)
    found = difflib.get_close_matches(str(value).lower(), list(by_lower_case), count, cutoff=0.5)
    return [candidate for key in found for candidate in by_lower_case[key]][:count]


def did_you_mean(value: Any, candidates: Iterable[str], count: int = 3) -> str:
    """A hint that names the nearest spellings, or an empty string."""
    found = nearest(value, candidates, count)
    return f"Did you mean {_one_of(found)}?" if found else ""


def _one_of(names: Collection[str]) -> str:
    return " or ".join(repr(name) for name in names)


def check_int(
    name: str, value: Any, *, minimum: int | None = None, maximum: int | None = None, hint: str = ""
) -> int:
    """A whole number between bounds; a bool is not a number."""
    rule = "a whole number" + _bounds(minimum, maximum)
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        fail(name, value, rule, hint)
    number = int(value)
    if (minimum is not None and number < minimum) or (maximum is not None and number > maximum):
        fail(name, value, rule, hint)
    return number


def check_number(
    name: str,
    value: Any,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    below: float | None = None,
    above: float | None = None,
    hint: str = "",
) -> float:
    """A finite real number between bounds; `above` and `below` exclude the bound itself."""
    rule = "a number" + _bounds(minimum, maximum, above, below)
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        fail(name, value, rule, hint)
    try:
        number = float(value)
    except OverflowError:  # a whole number beyond the largest float
        number = math.inf
    inside = (
        (minimum is None or number >= minimum)
        and (maximum is None or number <= maximum)
        and (above is None or number > above)
        and (below is None or number < below)
        and math.isfinite(number)
    )
    if not inside:
        fail(name, value, rule, hint)
    return number


def check_bool(name: str, value: Any, hint: str = "") -> bool:
    """`True` or `False`, and nothing that merely behaves like them."""
    if not isinstance(value, bool):
        fail(name, value, "True or False", hint)
    return value


def check_type(name: str, value: T, kind: type | tuple[type, ...], rule: str, hint: str = "") -> T:
    """An instance of `kind`; `rule` says in words what that is."""
    if not isinstance(value, kind):
        fail(name, value, rule, hint)
    return value


def check_choice(name: str, value: Any, choices: Collection[str], hint: str = "") -> str:
    """One of a few names; a wrong one is answered with the nearest right one."""
    if not isinstance(value, str) or value not in choices:
        rule = f"one of {', '.join(repr(choice) for choice in choices)}"
        fail(name, value, rule, hint or did_you_mean(value, choices))
    return value


def require(module: str, package: str, purpose: str) -> ModuleType:
    """Import a package that not every installation has.

    Raises:
        MissingDependencyError: naming what it is for and the command that installs it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingDependencyError(
            f"{purpose} needs the package `{package}`, which could not be imported ({error}). "
            f'Install it with: pip install "{package}"'
        ) from error


def _bounds(
    minimum: float | None = None,
    maximum: float | None = None,
    above: float | None = None,
    below: float | None = None,
) -> str:
    parts = []
    if minimum is not None:
        parts.append(f"at least {_shown(minimum)}")
    if above is not None:
        parts.append(f"above {_shown(above)}")
    if maximum is not None:
        parts.append(f"at most {_shown(maximum)}")
    if below is not None:
        parts.append(f"below {_shown(below)}")
    return ", " + " and ".join(parts) if parts else ""


def _shown(bound: float) -> str:
    return str(bound) if isinstance(bound, int) else f"{bound:g}"
