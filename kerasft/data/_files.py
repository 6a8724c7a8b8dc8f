"""Rows of CSV and JSONL files, with messages that name the file and the line."""

import contextlib
import csv
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kerasft.errors import DataError, SourceError


def _open(path: str | os.PathLike, encoding: str) -> Any:
    try:
        return open(Path(path), newline="", encoding=encoding)
    except (OSError, LookupError) as error:
        raise SourceError(f"Cannot read {os.fspath(path)!r}: {error}.") from error


def csv_rows(
    path: str | os.PathLike, delimiter: str, encoding: str
) -> Iterator[tuple[int, dict[str, Any]]]:
    """(Line number, row) for each row."""
    with _open(path, encoding) as file, _unlimited_fields(), _readable(path, encoding):
        reader = csv.DictReader(file, delimiter=delimiter, strict=True)
        if reader.fieldnames is None:
            raise DataError(f"{os.fspath(path)!r} must hold at least one text. Received: nothing.")
        try:
            for row in reader:
                if None in row or None in row.values():
                    raise DataError(
                        f"Each row of {os.fspath(path)!r} must have the "
                        f"{len(reader.fieldnames)} columns {reader.fieldnames}. Received: more or "
                        f"fewer in the row that ends in line {reader.line_num}. Put texts with "
                        f"{delimiter!r} or line breaks into double quotes."
                    )
                yield reader.line_num, row
        except csv.Error as error:
            raise DataError(
                f"{os.fspath(path)!r} must be a CSV file. Received: {error} in line "
                f"{reader.line_num}."
            ) from error


def json_rows(path: str | os.PathLike, encoding: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """(Line number, object) for each line that is not blank."""
    with _open(path, encoding) as file, _readable(path, encoding):
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise DataError(
                    f"{os.fspath(path)!r} must have one JSON object per line. Received: {error} in "
                    f"line {number}."
                ) from error
            if not isinstance(row, dict):
                raise DataError(
                    f"{os.fspath(path)!r} must have one JSON object per line. Received: "
                    f"{line.strip()[:80]!r} in line {number}."
                )
            yield number, row


@contextlib.contextmanager
def _unlimited_fields() -> Iterator[None]:
    """Let `csv` read texts of more than 128 KiB; its limit belongs to the whole process."""
    limit = csv.field_size_limit(sys.maxsize)
    try:
        yield
    finally:
        csv.field_size_limit(limit)


@contextlib.contextmanager
def _readable(path: str | os.PathLike, encoding: str) -> Iterator[None]:
    try:
        yield
    except UnicodeDecodeError as error:
        raise DataError(
            f"{os.fspath(path)!r} must be text encoded as {encoding!r}. Received: {error.reason} "
            f"near byte {error.start}. Give its encoding, for example encoding='latin-1'."
        ) from error
