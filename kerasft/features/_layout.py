"""How the values of one boundary tensor are kept: in which dtype, and with or without padding."""

import dataclasses
from typing import Any

import keras
import numpy as np

from kerasft.errors import UnsupportedError
from kerasft.features.cut import has_batch_axis
from kerasft.structure import walk

STORED_DTYPES = ("float16", "bfloat16", "float32")

# Rounding differs with the shape of a batch, by this much of the largest value and not more.
_ROUNDING = {"float64": 1e-9, "float32": 1e-3, "bfloat16": 0.1, "float16": 0.03}


@dataclasses.dataclass(frozen=True)
class Layout:
    """What one boundary tensor is, and how its values are kept.

    Attributes:
        name: The symbolic tensor's name, for messages.
        dtype: Its dtype in the model.
        stored: The dtype in which it is kept.
        computed: The shortest float dtype in which the frozen part computes.
        rank: How many axes one example's value has.
        shared: Whether it has no batch axis, and one value for all examples.
        length_axes: Which of its axes are as long as the batch is padded, the batch axis being 0.
        keeps_padding: Whether what stands at padded places is kept too.
    """

    name: str
    dtype: str
    stored: str
    rank: int
    shared: bool
    computed: str = "float32"
    length_axes: tuple[int, ...] = ()
    keeps_padding: bool = False

    @classmethod
    def of(
        cls, tensor: Any, dtype: str | None = None, computed: str = "float32", **how: Any
    ) -> "Layout":
        """The layout of a symbolic tensor; `dtype` is for its values if they are of a float."""
        shared = not has_batch_axis(tensor)
        is_float = tensor.dtype in _ROUNDING
        return cls(
            name=tensor.name,
            dtype=tensor.dtype,
            stored=dtype if dtype and is_float else tensor.dtype,
            rank=len(tensor.shape) - (not shared),
            shared=shared,
            computed=computed,
            **how,
        )

    @property
    def rounding(self) -> float:
        """By how much of the largest value two computations of the same thing may differ."""
        if self.dtype not in _ROUNDING:
            return 0.0
        return max(_ROUNDING[dtype] for dtype in (self.dtype, self.stored, self.computed))

    @property
    def raw(self) -> np.dtype:
        """The dtype of the bytes: NumPy has no bfloat16 of its own."""
        return np.dtype("uint16" if self.stored == "bfloat16" else self.stored)

    def trimmed(self, value: np.ndarray, length: int) -> np.ndarray:
        """One example's value with its length axes cut to `length`."""
        return value[
            tuple(
                slice(length) if axis in self.length_axes else slice(None)
                for axis in range(1, value.ndim + 1)
            )
        ]

    def encode(self, values: np.ndarray) -> np.ndarray:
        """Values as the model gives them, in the bytes that are kept.

        Raises:
            UnsupportedError: If a value is too large for float16.
        """
        if self.stored == "bfloat16":
            import ml_dtypes

            return values.astype(ml_dtypes.bfloat16).view("uint16")
        with np.errstate(over="ignore"):
            kept = values.astype(self.raw, copy=False)
        if self.stored == "float16" and np.isinf(kept).any() and not np.isinf(values).any():
            raise UnsupportedError(
                f"Features must fit the dtype that they are kept in. Received: values up to "
                f"{np.abs(values).max():.3g} of {self.name!r}, where float16 ends at 65,504. Take "
                'dtype="bfloat16" or "float32".'
            )
        return kept

    def decode(self, kept: np.ndarray) -> np.ndarray:
        """What was kept, as numbers that every backend takes in."""
        if self.stored == "bfloat16":
            return (kept.astype("uint32") << 16).view("float32")
        if self.stored == "float16" and self.dtype != "float16":
            return kept.astype("float32")
        return kept


def shortest_float(model: keras.Model) -> str:
    """The shortest float dtype in which a layer of the model computes."""
    found = {layer.compute_dtype for _, layer in walk(model)} & set(_ROUNDING)
    return max(found, key=lambda dtype: _ROUNDING[dtype], default="float32")


def alike(one: np.ndarray, other: np.ndarray, rounding: float) -> bool:
    """Whether two arrays are the same up to rounding; exactly the same, where that is 0."""
    if one.shape != other.shape:
        return False
    if not one.size or not rounding:
        return bool(np.array_equal(one, other))
    one, other = one.astype("float64"), other.astype("float64")
    return bool(np.max(np.abs(one - other)) <= rounding * max(1.0, np.max(np.abs(other))))
