"""The passes of a data set as a `tf.data.Dataset`."""

import itertools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from kerasft.data._plans import Batch


def as_tf_data(
    read: Callable[[np.ndarray, int], tuple[Any, ...]],
    batches_of: Callable[[int], list[Batch]],
    *,
    first_pass: int,
    num_batches: int,
    size: int | None,
    length: int | None,
    longest: int,
) -> Any:
    """One more pass each time that it is gone through.

    Args:
        read: `read(rows, length)` gives a batch.
        batches_of: `batches_of(number)` gives the plan of a pass.
        first_pass: The number of the first one.
        num_batches: How many batches every pass has.
        size: How many rows every batch has, None where they differ.
        length: What every batch is padded to, None where they differ.
        longest: The most that any is padded to.

    Returns:
        A `tf.data.Dataset`.
    """
    import tensorflow as tf

    one = batches_of(first_pass)[0].rows[:1]
    narrow = read(one, longest)
    wide = narrow if length is not None else read(one, longest + 1)

    def spec(array: np.ndarray, wider: np.ndarray) -> Any:
        fixed = zip(array.shape[1:], wider.shape[1:], strict=True)
        shape = [size, *(axis if axis == other else None for axis, other in fixed)]
        return tf.TensorSpec(shape, array.dtype)

    numbers = itertools.count(first_pass)

    def batches() -> Any:
        for rows, length in batches_of(next(numbers)):
            yield read(rows, length)

    dataset = tf.data.Dataset.from_generator(
        batches, output_signature=keras.tree.map_structure(spec, narrow, wide)
    )
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(num_batches))
    return dataset.prefetch(tf.data.AUTOTUNE)
