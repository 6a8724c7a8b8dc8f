"""The values of one boundary tensor, example by example."""

from typing import Any

import numpy as np

from kerasft.errors import DataError, UnsupportedError
from kerasft.features._index import Index
from kerasft.features._layout import Layout, alike
from kerasft.features._values import Values


class Store:
    """The values of one boundary tensor for every example.

    Args:
        layout: What the tensor is and how it is kept.
        values: Where its values go.
        index: Where it is noted which lies where.
    """

    def __init__(self, layout: Layout, values: Values, index: Index) -> None:
        self.layout = layout
        self.values = values
        self.index = index
        self._latest: tuple[np.ndarray, int] | None = None

    @property
    def nbytes(self) -> int:
        """The bytes of all values."""
        return self.values.array().nbytes

    def has(self, rows: np.ndarray) -> bool:
        """Whether the values of all these rows are there."""
        return all(row in self.index for row in ([0] if self.layout.shared else rows.tolist()))

    def put(self, rows: np.ndarray, batch: np.ndarray, lengths: np.ndarray | None = None) -> None:
        """Keep a batch's values, each cut to its example's length."""
        layout = self.layout
        if layout.shared:
            if 0 in self.index and not alike(self._value(0), batch, layout.rounding):
                raise UnsupportedError(
                    f"The boundary tensor {layout.name!r} has no batch axis, and yet another value "
                    "for each batch. Let the cut fall elsewhere: choose another freeze policy."
                )
            if 0 not in self.index:
                self._keep(0, layout.encode(batch))
            return
        if len(batch) != len(rows):
            raise UnsupportedError(
                f"The boundary tensor {layout.name!r} has {len(batch)} rows for a batch of "
                f"{len(rows)} examples. Let the cut fall elsewhere: choose another freeze policy."
            )
        kept = layout.encode(batch)
        former = tuple(self.index.shapes[0].tolist()) if 0 in self.index else kept.shape[1:]
        if lengths is None and kept.shape[1:] != former:
            raise DataError(
                "A data set must give all its examples at one length to be cached. Received: "
                f"batches for which {layout.name!r} has the shapes {former} and "
                f"{kept.shape[1:]} per example, so that features would be padded otherwise "
                "than by the model. Pad all to one length, or give `kerasft.data.Batches`."
            )
        for place, (row, value) in enumerate(zip(rows.tolist(), kept, strict=True)):
            if row in self.index:
                continue
            if lengths is not None and not layout.keeps_padding:
                value = layout.trimmed(value, int(lengths[place]))
            self._keep(row, value)

    def take(self, rows: np.ndarray, length: int) -> np.ndarray:
        """Some examples' values, padded to `length`: with what stood there, or with zeros."""
        if self.layout.shared:
            return self._value(0)
        values, starts = self.values.array(), self.index.starts[rows]
        shapes = self.index.shapes[rows]
        if not self.layout.length_axes and (shapes == shapes[0]).all():
            size = int(shapes[0].prod())
            batch = values[starts[:, None] + np.arange(size)] if size < 4096 else None
            if batch is None:
                batch = np.stack([values[start : start + size] for start in starts])
            return self.layout.decode(batch.reshape(len(rows), *shapes[0]))
        axes = [axis - 1 for axis in self.layout.length_axes]
        shape = shapes.max(axis=0)
        shape[axes] = length
        batch = np.zeros((len(rows), *shape), values.dtype)
        for target, start, own in zip(batch, starts.tolist(), shapes.tolist(), strict=True):
            value = values[start : start + int(np.prod(own))].reshape(own)
            value = self.layout.trimmed(value, length)
            target[tuple(map(slice, value.shape))] = value
        return self.layout.decode(batch)

    def _value(self, row: int) -> np.ndarray:
        start, shape = int(self.index.starts[row]), self.index.shapes[row]
        value = self.values.array()[start : start + int(shape.prod())]
        return self.layout.decode(value.reshape(shape))

    def _keep(self, row: int, value: np.ndarray) -> None:
        # DeBERTa hands the same table of distances on for every example: one copy does.
        if self._latest is None or not np.array_equal(value, self._latest[0]):
            self._latest = value.copy(), self.values.append(value)
        # Of what lies there, for the checksum: 0.0 and -0.0 are equal, and differ in a bit.
        self.index.add(row, self._latest[1], self._latest[0])


class CachedFeatures:
    """Stands where a preprocessor's padding stood: rows and a length in, inputs out."""

    def __init__(self, stores: list[Store]) -> None:
        self.stores = stores

    def __call__(self, rows: np.ndarray, length: int) -> Any:
        """The inputs of the trainable part for some examples."""
        inputs = tuple(store.take(rows, length) for store in self.stores)
        return inputs[0] if len(inputs) == 1 else inputs
