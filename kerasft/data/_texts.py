"""Checks that texts can be used, and one idea of when two texts are the same."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from kerasft._checks import fail
from kerasft.errors import DataError

_ROWS_SHOWN = 5


def fold(text: str) -> str:
    """The text as duplicates are compared: without differences of case and whitespace."""
    return " ".join(text.casefold().split())


def name_rows(rows: Iterable[int]) -> str:
    """Row numbers for a message: the first few, and how many more there are."""
    rows = [int(row) for row in rows]
    shown = ", ".join(str(row) for row in rows[:_ROWS_SHOWN])
    if len(rows) > _ROWS_SHOWN:
        shown += f" and {len(rows) - _ROWS_SHOWN:,} more"
    return ("row " if len(rows) == 1 else "rows ") + shown


def as_list(name: str, values: Any, what: str) -> list:
    """The elements of a list, tuple, array, tensor or column of a table."""
    if isinstance(values, (str, bytes)):
        fail(name, values, f"a list of {what}", "Put it into a list: [...].", DataError)
    if hasattr(values, "numpy"):
        values = values.numpy()
    if hasattr(values, "tolist"):
        values = values.tolist()
    if isinstance(values, dict) or not isinstance(values, Iterable):
        fail(name, values, f"a list, array or column of {what}", error=DataError)
    return list(values)


def check_texts(texts: Any, name: str = "texts") -> list[str]:
    """Texts as a list of `str`; bytes are read as UTF-8.

    Raises:
        DataError: nothing there, or something that is no text, or a blank text; with its row,
            counted from 0.
    """
    texts = as_list(name, texts, "texts")
    if not texts:
        raise DataError(f"`{name}` must hold at least one text. Received: an empty data set.")
    checked = [_check_text(name, row, text) for row, text in enumerate(texts)]
    blank = blank_rows(checked)
    if blank:
        raise DataError(
            f"`{name}` must not be blank. Received: nothing but whitespace in {name_rows(blank)} "
            f"(counted from 0) of {len(checked):,}. Leave these rows out (the readers do with "
            "drop_blank=True)."
        )
    return checked


def blank_rows(texts: Sequence[str]) -> list[int]:
    """The rows with nothing but whitespace."""
    return [row for row, text in enumerate(texts) if not text.strip()]


def _check_text(name: str, row: int, text: Any) -> str:
    if isinstance(text, bytes):
        try:
            return text.decode("utf-8")
        except UnicodeDecodeError as error:
            raise DataError(
                f"`{name}` given as bytes must be UTF-8. Received: {text[:80]!r} in row {row} "
                f"({error.reason} at byte {error.start})."
            ) from error
    if not isinstance(text, str):
        missing = text is None or (isinstance(text, float) and np.isnan(text))
        hint = "The text is missing: leave the row out." if missing else ""
        fail(f"{name}[{row}]", text, "a text (str)", hint, DataError)
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        fail(
            f"{name}[{row}]",
            text,
            "valid Unicode, without lone surrogates",
            "It was probably decoded with the wrong encoding.",
            DataError,
        )
    return str(text)
