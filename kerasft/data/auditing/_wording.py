"""How findings put numbers and texts into words."""

from collections.abc import Iterable

_LONGEST = 60


def quote(text: str) -> str:
    """The beginning of a text between quotes, on one line."""
    text = "".join(letter if letter.isprintable() else " " for letter in text[: 4 * _LONGEST])
    text = " ".join(text.split())
    return repr(text if len(text) <= _LONGEST else text[: _LONGEST - 3].rstrip() + "...")


def share(count: int, total: int, what: str) -> str:
    """`37 of 2,000 test texts (1.9%)`."""
    return f"{count:,} of {total:,} {what} ({percent(count / total)})"


def counted(count: int, noun: str) -> str:
    """`1 text`, `2 texts`."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def percent(fraction: float) -> str:
    """A share with as many digits as it needs to be more than nothing and less than all."""
    for digits in (1, 2, 3):
        shown = f"{fraction:.{digits}%}"
        if fraction in (0, 1) or float(shown[:-1]) not in (0, 100):
            break
    return shown


def are(count: int) -> str:
    """The verb for so many."""
    return "is" if count == 1 else "are"


def listed(names: Iterable[object], at_most: int = 5) -> str:
    """Names in quotes, the first few, and how many more there are."""
    names = list(names)
    shown = ", ".join(
        repr(name) if isinstance(name, str) else str(name) for name in names[:at_most]
    )
    return shown + (f" and {len(names) - at_most:,} more" if len(names) > at_most else "")
