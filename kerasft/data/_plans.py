"""What all plans of batches share: a batch, how its size is said, and which two come first."""

from typing import NamedTuple, Protocol

import numpy as np

from kerasft._checks import check_int, fail

BATCH_SIZE = 32  # as in Keras's `fit`


class Batch(NamedTuple):
    """One batch of a pass: its rows in the data as they were given, and its padded length."""

    rows: np.ndarray
    length: int


class Plan(Protocol):
    """Which examples go together in each pass.

    Keras takes the number of steps of a pass from `num_batches`, so it is the same in every pass.
    """

    num_batches: int
    num_examples: int

    def batches(self, random: np.random.Generator | None) -> list[Batch]:
        """The batches of a pass, drawn from `random`; in a fixed order where it is None."""


def check_batch_size(batch_size: int | None, max_tokens_per_batch: int | None) -> int | None:
    """The fixed batch size, `BATCH_SIZE` where nothing is said; None for a budget of tokens."""
    if max_tokens_per_batch is None:
        return BATCH_SIZE if batch_size is None else check_int("batch_size", batch_size, minimum=1)
    check_int("max_tokens_per_batch", max_tokens_per_batch, minimum=1)
    if batch_size is not None:
        fail(
            "batch_size",
            batch_size,
            f"None where max_tokens_per_batch={max_tokens_per_batch} is given",
            "A batch has either so many examples or so many tokens.",
        )
    return None


def let_two_lengths_come_first(
    lengths: np.ndarray, whole: np.ndarray, is_sorted: bool
) -> list[int]:
    """An order of the batches in which the first two differ in length, if any two do.

    Keras on TensorFlow derives the shapes of a whole fit from the batches 0 and 1. If they agree
    in length, every later batch must have that length, in every epoch.

    Args:
        lengths: What each batch is padded to, shape `(batches,)`.
        whole: Whether each batch is more than a remainder, shape `(batches,)`.
        is_sorted: Whether the batches are sorted by length and are to stay so behind the first two.

    Returns:
        The numbers of the batches, at most two of them in other places.
    """
    order = list(range(len(lengths)))
    other = np.flatnonzero(lengths != lengths[0])
    if other.size and other[0] != 1:
        # In the sorted order the farthest one is moved, so that what follows stays sorted.
        order.insert(1, order.pop(other[-1] if is_sorted else other[0]))
    if len(order) > 1 and not whole[order[0]]:
        # Keras builds a model on several devices with the first batch, and wants it whole.
        order[0], order[1] = order[1], order[0]
    return order
