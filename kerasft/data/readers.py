"""`read_csv` and `read_jsonl`: labelled texts out of files."""

import contextlib
import os
from collections.abc import Sequence
from typing import Any

from kerasft._checks import check_bool, did_you_mean
from kerasft.data._files import csv_rows, json_rows
from kerasft.data._labels import check_class_names
from kerasft.data.examples import Examples
from kerasft.errors import DataError


def read_csv(
    path: str | os.PathLike,
    text: str = "text",
    label: str | Sequence[str] = "label",
    sample_weight: str | None = None,
    class_names: Sequence[str] | None = None,
    drop_blank: bool = False,
    delimiter: str = ",",
    encoding: str = "utf-8-sig",
) -> Examples:
    r"""Read a CSV file whose first row names its columns.

    Labels that are all numbers are taken as numbers; others name classes, which are numbered in
    the order of `class_names`, or sorted. Give `class_names` when you read several files for one
    model, so that each class has the same number in all of them.

    Args:
        path: The file.
        text: The column of the texts.
        label: The column of the labels; a list of columns of 0 and 1 where several labels can hold
            (their names become the class names).
        sample_weight: The column of the weights, or None.
        class_names: The names of the classes in order, or None.
        drop_blank: Leave out rows whose text is blank, instead of refusing them.
        delimiter: What stands between columns; `"\t"` for tab-separated files.
        encoding: The file's text encoding; a byte order mark is skipped.

    Returns:
        The `Examples`.

    Raises:
        SourceError: the file cannot be read.
        DataError: a column is missing, a row is broken, or a text or label is unusable.

    Example:
        >>> import pathlib, tempfile
        >>> from kerasft.data import read_csv
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "reviews.csv")
        ...     _ = path.write_text("text,label\nA joy.,positive\nSo dull.,negative\n")
        ...     read_csv(path)
        Examples(2 texts: 1 negative, 1 positive)
    """
    rows = list(csv_rows(path, delimiter, encoding))
    return _examples(rows, path, text, label, sample_weight, class_names, drop_blank, from_csv=True)


def read_jsonl(
    path: str | os.PathLike,
    text: str = "text",
    label: str | Sequence[str] = "label",
    sample_weight: str | None = None,
    class_names: Sequence[str] | None = None,
    drop_blank: bool = False,
    encoding: str = "utf-8-sig",
) -> Examples:
    r"""Read a file with one JSON object per line.

    Args:
        path: The file.
        text: The key of the texts.
        label: The key of the labels (numbers, texts that name classes, or lists of 0 and 1); a list
            of keys where several labels can hold.
        sample_weight: The key of the weights, or None.
        class_names: The names of the classes in order, or None: sorted.
        drop_blank: Leave out lines whose text is blank, instead of refusing them.
        encoding: The file's text encoding; a byte order mark is skipped.

    Returns:
        The `Examples`.

    Raises:
        SourceError: the file cannot be read.
        DataError: a line is no JSON object, a key is missing, or a text or label is unusable.

    Example:
        >>> import pathlib, tempfile
        >>> from kerasft.data import read_jsonl
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "reviews.jsonl")
        ...     _ = path.write_text('{"text": "A joy.", "label": 1}\n{"text": "Bad.", "label": 0}')
        ...     read_jsonl(path)
        Examples(2 texts: 1 of class 0, 1 of class 1)
    """
    rows = list(json_rows(path, encoding))
    return _examples(
        rows, path, text, label, sample_weight, class_names, drop_blank, from_csv=False
    )


def _examples(
    rows: list[tuple[int, dict[str, Any]]],
    path: str | os.PathLike,
    text: str,
    label: str | Sequence[str],
    sample_weight: str | None,
    class_names: Sequence[str] | None,
    drop_blank: bool,
    from_csv: bool,
) -> Examples:
    """Put rows together; messages name the file and the line."""
    check_bool("drop_blank", drop_blank)
    several = not isinstance(label, str)
    label_columns = [label] if isinstance(label, str) else list(label)
    if several and class_names is None:
        class_names = label_columns
    columns = [text, *label_columns, *([sample_weight] if sample_weight else [])]
    if not rows:
        raise DataError(f"{os.fspath(path)!r} must hold at least one text. Received: no rows.")
    for number, row in rows if not from_csv else rows[:1]:
        for column in columns:
            if column not in row:
                where = "" if from_csv else f" in line {number}"
                raise DataError(
                    f"{os.fspath(path)!r} must have the column {column!r}. Received: the columns "
                    f"{list(row)}{where}. {did_you_mean(column, row)}".rstrip()
                )
    if drop_blank:
        rows = [pair for pair in rows if str(pair[1][text]).strip()]
    try:
        values = [[row[column] for column in label_columns] for _, row in rows]
        labels = values if several else [value[0] for value in values]
        if from_csv:
            labels = _from_csv_labels(labels, [line for line, _ in rows], class_names)
        weights = [row[sample_weight] for _, row in rows] if sample_weight else None
        return Examples([row[text] for _, row in rows], labels, weights, class_names)
    except DataError as error:
        raise DataError(f"{os.fspath(path)!r} cannot be used: {error}") from error


def _from_csv_labels(
    labels: list[Any], lines: list[int], class_names: Sequence[str] | None
) -> list[Any]:
    """Labels of a CSV file, where all is text, as the numbers that they mean."""
    cells = [cell for value in labels for cell in (value if isinstance(value, list) else [value])]
    per_row = len(cells) // max(len(labels), 1)
    empty = [lines[at // per_row] for at, cell in enumerate(cells) if not cell.strip()]
    if empty:
        raise DataError(
            f"`labels` must not be missing. Received: an empty cell in line {empty[0]}"
            + (f" and {len(empty) - 1:,} more." if len(empty) > 1 else ".")
        )
    names = check_class_names(class_names) or ()
    if any(cell in names for cell in cells):
        return labels
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            if labels and isinstance(labels[0], list):
                return [[kind(cell) for cell in row] for row in labels]
            return [kind(cell) for cell in labels]
    return labels
