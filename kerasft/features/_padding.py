"""What a model does with padding, found out by trying it on one example."""

import dataclasses
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from kerasft.data import LengthGroupedBatches
from kerasft.errors import UnsupportedError
from kerasft.features._index import Index
from kerasft.features._layout import Layout, alike, shortest_float
from kerasft.features._store import CachedFeatures, Store
from kerasft.features._values import MemoryValues
from kerasft.features.cut import Cut

# The same features, with padding and with zeros in its place: outputs that differ by more than this
# come of reading it. A sum over another number of zeros may round differently.
_READS_BEYOND = {"float64": 1e-11, "float32": 1e-5, "float16": 3e-3, "bfloat16": 2e-2}


@dataclasses.dataclass(frozen=True)
class Padding:
    """How features are to be stored.

    Attributes:
        length_axes: For each boundary tensor, the axes that are as long as the batch is padded.
        keep_to: None where features are stored unpadded; where the trainable part reads what
            stands at padded places, the length to which all examples are padded.
        shapes: For each boundary tensor, the shape of one example's value as stored.
        length: The length of that example.
        any_length: Whether it was seen that features do not depend on the length to which a batch
            is padded, so that they serve batches of other lengths too.
    """

    length_axes: tuple[tuple[int, ...], ...]
    keep_to: int | None = None
    shapes: tuple[tuple[int, ...], ...] = ()
    length: int = 1
    any_length: bool = False

    def applied_to(self, layouts: list[Layout]) -> list[Layout]:
        """The layouts with what was found out."""
        keeps = self.keep_to is not None
        return [
            dataclasses.replace(layout, length_axes=axes, keeps_padding=keeps)
            for layout, axes in zip(layouts, self.length_axes, strict=True)
        ]


def find_padding(
    parts: Cut, run: Callable[[Any], list[np.ndarray]], data: LengthGroupedBatches
) -> Padding:
    """Find out which axes follow the length of a batch, and whether padding may be thrown away.

    The shortest example is run twice, padded as little and as far as these data ever pad it.

    Raises:
        UnsupportedError: If features change with the length that the batch is padded to, so that
            they cannot be kept from one batch for another.
    """
    computed = shortest_float(parts.frozen)
    padded = data._padded
    shortest = int(np.argmin(data.lengths))
    near, far = int(padded[shortest]), int(padded.max())
    rows = np.array([shortest])
    values_near = run(data.collate(rows, near))
    if near == far == int(data.lengths.min()):
        return Padding(tuple(() for _ in parts.boundary), None, _shapes(parts, values_near))
    values_far = values_near if near == far else run(data.collate(rows, far))
    axes = tuple(
        _length_axes(tensor, one.shape, other.shape, near, far)
        for tensor, one, other in zip(parts.boundary, values_near, values_far, strict=True)
    )

    def stored(values: list[np.ndarray], length: int, keeps_padding: bool) -> list[np.ndarray]:
        """What would come out of a cache that these values were put into."""
        lengths = data.lengths[rows]
        stores = []
        for tensor, value, own in zip(parts.boundary, values, axes, strict=True):
            layout = Layout.of(
                tensor, computed=computed, length_axes=own, keeps_padding=keeps_padding
            )
            stores.append(Store(layout, MemoryValues(layout.raw), Index(layout.rank)))
            stores[-1].put(np.array([0]), value, lengths)
        return keras.tree.flatten(CachedFeatures(stores)(np.array([0]), length))

    unpadded = stored(values_far, far, keeps_padding=False)
    reads_padding = not all(
        alike(one, other, _READS_BEYOND[shortest_float(parts.trainable)])
        for one, other in zip(_outputs(parts, unpadded), _outputs(parts, values_far), strict=True)
    )
    reach = near if reads_padding else int(data.lengths[shortest])
    kept = stored(values_far, reach, reads_padding)
    for tensor, one, other in zip(
        parts.boundary, kept, stored(values_near, reach, reads_padding), strict=True
    ):
        if not alike(one, other, Layout.of(tensor, computed=computed).rounding):
            raise UnsupportedError(
                f"The frozen part's output {tensor.name!r} changes with the length that a batch is "
                f"padded to (tried {near} and {far}), so that features cannot be kept from one "
                "batch for another. Take a head, or a pooling, that leaves padding out (a kerasft "
                "head does), or pad every batch to one length, with "
                "`Batches(..., pad_to_multiple_of=...)`."
            )
    if reads_padding:
        kept = stored(values_far, far, keeps_padding=True)
    any_length = near != far and not reads_padding
    length = int(data.lengths[shortest])
    return Padding(axes, far if reads_padding else None, _shapes(parts, kept), length, any_length)


def _shapes(parts: Cut, values: list[np.ndarray]) -> tuple[tuple[int, ...], ...]:
    return tuple(
        value.shape if Layout.of(tensor).shared else value.shape[1:]
        for tensor, value in zip(parts.boundary, values, strict=True)
    )


def _length_axes(
    tensor: Any, one: tuple[int, ...], other: tuple[int, ...], near: int, far: int
) -> tuple[int, ...]:
    found = []
    for axis, size in enumerate(tensor.shape):
        if axis == 0 or size is not None:
            continue
        if one[axis] == near and other[axis] == far:
            found.append(axis)
        elif one[axis] != other[axis]:
            raise UnsupportedError(
                f"Axis {axis} of the frozen part's output {tensor.name!r} is {one[axis]} and "
                f"{other[axis]} long where batches are padded to {near} and {far}, so that "
                "features cannot be kept unpadded. Train without the cache; or pad every batch "
                "to one length, with `Batches(..., pad_to_multiple_of=...)`."
            )
    return tuple(found)


def _outputs(parts: Cut, features: list[np.ndarray]) -> list[np.ndarray]:
    inputs = [keras.ops.convert_to_tensor(f) for f in features]
    outputs = parts.trainable(inputs if len(inputs) > 1 else inputs[0], training=False)
    return [keras.ops.convert_to_numpy(output) for output in keras.tree.flatten(outputs)]
