"""Where each example's value lies in a flat array, and what shape it has."""

import zlib
from pathlib import Path
from typing import Any

import numpy as np

_ABSENT = -1


class Index:
    """Starts and shapes by row, and the same as a file that grows with each row.

    The file holds one record of 64-bit integers for each row in the order in which they were
    computed: the row, where its value starts, a checksum of its bytes, its shape.

    Args:
        rank: How many axes a value has.
        count: How many rows there are; more are added where it turns out to be more.
        path: The file, or None to keep none.
    """

    def __init__(self, rank: int, count: int = 0, path: Path | None = None) -> None:
        self._rank = rank
        self.starts = np.full(count, _ABSENT, "int64")
        self.shapes = np.zeros((count, rank), "int64")
        self._checksums = np.zeros(count, "int64")
        self._path = path
        self._file: Any = None

    def __contains__(self, row: int) -> bool:
        return row < len(self.starts) and self.starts[row] != _ABSENT

    def __len__(self) -> int:
        return int((self.starts != _ABSENT).sum())

    def add(self, row: int, start: int, value: np.ndarray) -> None:
        """Note where the value of a row lies."""
        checksum = _checksum(value) if self._path else 0
        self._note(row, start, checksum, value.shape)
        if self._path:
            if self._file is None:
                self._file = open(self._path, "ab", buffering=0)  # noqa: SIM115
            self._file.write(np.array([row, start, checksum, *value.shape], "int64").tobytes())

    def load(self, values: np.ndarray, repair: bool = True) -> int:
        """Read what the file says, up to the first row that is not whole in `values`.

        Args:
            values: The values.
            repair: Whether the rest of the file is cut off.

        Returns:
            Up to where values are in use.
        """
        width = 3 + self._rank
        raw = np.empty(0, "int64")
        if self._path and self._path.exists():
            raw = np.fromfile(self._path, "int64")
        records = raw[: len(raw) // width * width].reshape(-1, width)
        end = whole = 0
        for row, start, checksum, *shape in records.tolist():
            size = int(np.prod(shape, dtype="int64"))
            value = values[start : start + size]
            if row < 0 or start < 0 or len(value) < size or _checksum(value) != checksum:
                break
            self._note(row, start, checksum, shape)
            end, whole = max(end, start + size), whole + 1
        if self._path and repair and whole * width < len(raw):
            with open(self._path, "r+b") as file:
                file.truncate(whole * width * 8)
        return end

    def close(self) -> None:
        """Nothing more is added."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _note(self, row: int, start: int, checksum: int, shape: Any) -> None:
        if row >= len(self.starts):
            more = max(row + 1, 2 * len(self.starts)) - len(self.starts)
            self.starts = np.concatenate([self.starts, np.full(more, _ABSENT, "int64")])
            self.shapes = np.concatenate([self.shapes, np.zeros((more, self._rank), "int64")])
            self._checksums = np.concatenate([self._checksums, np.zeros(more, "int64")])
        self.starts[row] = start
        self.shapes[row] = shape
        self._checksums[row] = checksum


def _checksum(values: np.ndarray) -> int:
    return zlib.crc32(np.ascontiguousarray(values).reshape(-1).view("uint8").data)
