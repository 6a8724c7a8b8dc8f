"""Where the values of one boundary tensor are kept, example by example."""

from typing import Any

import numpy as np

from kerasft.errors import UnsupportedError
from kerasft.features.cut import has_batch_axis

# Rounding differs with the shape of a batch, by this much of the largest value and not more.
_ROUNDING = {"float64": 1e-9, "float32": 1e-3, "bfloat16": 0.1, "float16": 0.03}


class Store:
    """The values of one boundary tensor for every example.

    Args:
        tensor: The symbolic tensor.
        lengths: The length of each example.
        length_axes: Which of its axes are as long as the batch is padded.
        keep_padding: Whether what stands at padded places is kept too.
    """

    def __init__(
        self, tensor: Any, lengths: np.ndarray, length_axes: tuple[int, ...], keep_padding: bool
    ) -> None:
        self._name = tensor.name
        self._dtype = tensor.dtype
        self._shared = not has_batch_axis(tensor)
        self._length_axes = length_axes
        self._keep_padding = keep_padding
        self._lengths = lengths
        self._values: list[np.ndarray | None] = [None] * len(lengths)
        self._common: np.ndarray | None = None
        self._latest: np.ndarray | None = None

    def put(self, rows: np.ndarray, values: np.ndarray) -> None:
        """Keep a batch's values."""
        if self._shared:
            if self._common is not None and not alike(self._common, values, self._dtype):
                raise UnsupportedError(
                    f"The boundary tensor {self._name!r} has no batch axis, and yet another value "
                    "for each batch. Let the cut fall elsewhere: choose another freeze policy."
                )
            self._common = values
            return
        if len(values) != len(rows):
            raise UnsupportedError(
                f"The boundary tensor {self._name!r} has {len(values)} rows for a batch of "
                f"{len(rows)} examples. Let the cut fall elsewhere: choose another freeze policy."
            )
        for row, value in zip(rows, values, strict=True):
            if not self._keep_padding:
                value = self._cut(value, self._lengths[row])
            # DeBERTa hands the same table of distances on for every example: one copy does.
            if self._latest is None or not np.array_equal(value, self._latest):
                self._latest = value.copy()
            self._values[row] = self._latest

    def take(self, rows: np.ndarray, length: int) -> np.ndarray:
        """Some examples' values, padded to `length`: with what stood there, or with zeros."""
        if self._shared:
            return self._common  # type: ignore[return-value]
        values = [self._cut(self._values[row], length) for row in rows]  # type: ignore[arg-type]
        shape = list(values[0].shape)
        for axis in self._length_axes:
            shape[axis - 1] = length
        batch = np.zeros((len(rows), *shape), values[0].dtype)
        for target, value in zip(batch, values, strict=True):
            target[tuple(slice(size) for size in value.shape)] = value
        return batch

    def _cut(self, value: np.ndarray, length: int) -> np.ndarray:
        return value[
            tuple(
                slice(length) if axis in self._length_axes else slice(None)
                for axis in range(1, value.ndim + 1)
            )
        ]


class CachedFeatures:
    """Stands where a preprocessor's padding stood: rows and a length in, inputs out."""

    def __init__(self, stores: list[Store]) -> None:
        self._stores = stores

    def __call__(self, rows: np.ndarray, length: int) -> Any:
        """The inputs of the trainable part for some examples."""
        inputs = tuple(store.take(rows, length) for store in self._stores)
        return inputs[0] if len(inputs) == 1 else inputs


def alike(one: np.ndarray, other: np.ndarray, dtype: str, share: float = 1.0) -> bool:
    """Whether two arrays are the same up to rounding, or to a share of what rounding may do.

    The dtype is that of the symbolic tensor: bfloat16 comes to NumPy as float32.
    """
    if one.shape != other.shape:
        return False
    if not one.size or dtype not in _ROUNDING:
        return bool(np.array_equal(one, other))
    margin = share * _ROUNDING[dtype]
    one, other = one.astype("float64"), other.astype("float64")
    return bool(np.max(np.abs(one - other)) <= margin * max(1.0, np.max(np.abs(other))))
