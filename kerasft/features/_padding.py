"""What a model does with padding, found out by trying it on one example."""

import dataclasses
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from kerasft.data import LengthGroupedBatches
from kerasft.errors import UnsupportedError
from kerasft.features._store import CachedFeatures, Store, alike
from kerasft.features.cut import Cut


@dataclasses.dataclass(frozen=True)
class Padding:
    """How features are to be stored.

    Attributes:
        length_axes: For each boundary tensor, the axes that are as long as the batch is padded.
        keep_to: None where features are stored unpadded; where the trainable part reads what
            stands at padded places, the length to which all examples are padded.
    """

    length_axes: tuple[tuple[int, ...], ...]
    keep_to: int | None = None


def find_padding(
    parts: Cut, run: Callable[[Any], list[np.ndarray]], data: LengthGroupedBatches
) -> Padding:
    """Find out which axes follow the length of a batch, and whether padding may be thrown away.

    The shortest example is run twice, padded as little and as far as these data ever pad it.

    Raises:
        UnsupportedError: If features change with the length that the batch is padded to, so that
            they cannot be kept from one batch for another.
    """
    padded = data._padded
    shortest = int(np.argmin(data.lengths))
    near, far = int(padded[shortest]), int(padded.max())
    if near == far == int(data.lengths.min()):
        return Padding(tuple(() for _ in parts.boundary))
    rows = np.array([shortest])
    values_near = run(data.collate(rows, near))
    values_far = values_near if near == far else run(data.collate(rows, far))
    axes = tuple(
        _length_axes(tensor, one.shape, other.shape, near, far)
        for tensor, one, other in zip(parts.boundary, values_near, values_far, strict=True)
    )

    def stored(values: list[np.ndarray], length: int, keep_padding: bool) -> list[np.ndarray]:
        lengths = np.array([int(data.lengths[shortest])])
        stores = []
        for tensor, value, own in zip(parts.boundary, values, axes, strict=True):
            stores.append(Store(tensor, lengths, own, keep_padding))
            stores[-1].put(np.array([0]), value)
        return keras.tree.flatten(CachedFeatures(stores)(np.array([0]), length))

    unpadded = stored(values_far, far, keep_padding=False)
    reads_padding = not all(
        alike(one, other, symbol.dtype, share=0.01)
        for symbol, one, other in zip(
            parts.trainable.outputs,
            _outputs(parts, unpadded),
            _outputs(parts, values_far),
            strict=True,
        )
    )
    reach = near if reads_padding else int(data.lengths[shortest])
    for tensor, one, other in zip(
        parts.boundary,
        stored(values_far, reach, reads_padding),
        stored(values_near, reach, reads_padding),
        strict=True,
    ):
        if not alike(one, other, tensor.dtype):
            raise UnsupportedError(
                f"The frozen part's output {tensor.name!r} changes with the length that a batch is "
                f"padded to (tried {near} and {far}), so that features cannot be kept from one "
                "batch for another. Take a head, or a pooling, that leaves padding out (a kerasft "
                "head does), or pad every batch to one length, with "
                "`Batches(..., pad_to_multiple_of=...)`."
            )
    return Padding(axes, far if reads_padding else None)


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
    outputs = parts.trainable([keras.ops.convert_to_tensor(f) for f in features], training=False)
    return [keras.ops.convert_to_numpy(output) for output in keras.tree.flatten(outputs)]
