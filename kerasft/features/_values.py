"""Flat arrays that grow at their end, in memory or in a file."""

import os
from pathlib import Path
from typing import Protocol

import numpy as np


class Values(Protocol):
    """A flat array of one dtype that grows at its end."""

    def append(self, values: np.ndarray) -> int:
        """Add values, and say where they begin."""
        ...

    def array(self) -> np.ndarray:
        """All that was added."""
        ...


class MemoryValues:
    """Kept in memory.

    Args:
        dtype: Of the values.
        capacity: How many are expected. Memory that is set aside and not written costs nothing.
    """

    def __init__(self, dtype: np.dtype, capacity: int = 0) -> None:
        self._array = np.empty(max(capacity, 1024), dtype)
        self._size = 0

    def append(self, values: np.ndarray) -> int:
        """Add values, and say where they begin."""
        start, end = self._size, self._size + values.size
        if end > len(self._array):
            grown = np.empty(max(end, 2 * len(self._array)), self._array.dtype)
            grown[:start] = self._array[:start]
            self._array = grown
        self._array[start:end] = values.reshape(-1)
        self._size = end
        return start

    def array(self) -> np.ndarray:
        """All that was added."""
        return self._array[: self._size]


class FileValues:
    """Kept in a file, which is read as a memory-mapped array.

    Args:
        path: The file; it is made, or gone on with.
        dtype: Of the values.
        keep: How many values of an existing file are kept; what comes after them is cut off.
    """

    def __init__(self, path: Path, dtype: np.dtype, keep: int = 0) -> None:
        self.path = path
        self._dtype = np.dtype(dtype)
        self._size = keep
        with open(path, "ab") as file:
            file.truncate(keep * self._dtype.itemsize)
        # Unbuffered: a row that the index names is in the file.
        self._file = open(path, "ab", buffering=0)  # noqa: SIM115
        self._view: np.ndarray | None = None

    def append(self, values: np.ndarray) -> int:
        """Add values, and say where they begin."""
        start = self._size
        _write(self._file, np.ascontiguousarray(values))
        self._size += values.size
        self._view = None
        return start

    def array(self) -> np.ndarray:
        """All that was added, mapped into memory and read as it is used."""
        if self._view is None:
            self._view = mapped(self.path, self._dtype, self._size)
        return self._view

    def sync(self) -> None:
        """Have all of it on the disk for good."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Nothing more is added."""
        self._file.close()


def mapped(path: Path, dtype: np.dtype, size: int) -> np.ndarray:
    """A file as a read-only array of `size` values."""
    if not size:  # an empty file cannot be mapped
        return np.empty(0, dtype)
    return np.memmap(path, dtype, mode="r", shape=(size,))


def _write(file: object, values: np.ndarray) -> None:
    """All of it: an unbuffered file may take less than it was given."""
    rest = values.reshape(-1).view("uint8").data
    while rest:
        rest = rest[file.write(rest) :]  # type: ignore[attr-defined]
