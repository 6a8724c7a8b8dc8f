"""What is shown, apart from how: headings, verdicts and tables as values."""

import dataclasses
from collections.abc import Callable
from typing import Any

from kerasft.evaluation.verdicts import Verdict

UNDEFINED = "\N{EN DASH}"
WIDTH = 80


@dataclasses.dataclass(frozen=True)
class Table:
    """Rows of strings under column names; the first column is text, the rest numbers.

    Args:
        title: What it shows.
        columns: The names of the columns.
        rows: One string per column and row.
        note: What a reader needs to know to read it; may be empty.
        text_columns: The numbers of the columns that hold text.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    text_columns: tuple[int, ...] = (0,)


@dataclasses.dataclass(frozen=True)
class Document:
    """A report or a comparison, ready to be shown in any form.

    Args:
        title: Its heading.
        lead: A sentence or two under the heading.
        verdicts: What it says in words.
        tables: What it shows in numbers.
        pictures: By title, functions that draw a matplotlib `Figure` when they are called.
    """

    title: str
    lead: str
    verdicts: tuple[Verdict, ...] = ()
    tables: tuple[Table, ...] = ()
    pictures: dict[str, Callable[[], Any]] = dataclasses.field(default_factory=dict)


def one_line(text: str, longest: int | None = None) -> str:
    """Text that cannot break a table or a terminal: no line breaks, no control characters."""
    text = "".join(letter if letter.isprintable() else " " for letter in text)
    text = " ".join(text.split())
    if longest is not None and len(text) > longest:
        return text[: longest - 3].rstrip() + "..."
    return text
