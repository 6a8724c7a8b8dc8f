"""Which examples go together, and how far they are padded: batches of similar length."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasft._checks import check_int, check_type, fail


def group_by_length(
    lengths: np.ndarray,
    batch_size: int,
    window: int,
    random: np.random.Generator | None = None,
    rows: np.ndarray | None = None,
) -> list[np.ndarray]:
    """Cut examples into batches of similar length.

    Without `random` they go from the longest to the shortest. With it they are shuffled, sorted
    within windows of `window` batches, cut, and the batches shuffled: similar lengths together, yet
    other companions in each epoch (as in fairseq and in Hugging Face's `group_by_length`).

    Args:
        lengths: Shape `(examples,)`.
        batch_size: Examples per batch; the last one of the sort may hold fewer.
        window: How many batches are sorted together.
        random: Where the order comes from.
        rows: The examples to be used; all by default.

    Returns:
        For each batch the rows in it, each row in exactly one batch.
    """
    rows = np.arange(len(lengths)) if rows is None else rows
    if random is None:
        return _cut(rows[np.argsort(-lengths[rows], kind="stable")], batch_size)
    order = rows[random.permutation(len(rows))]
    batches = []
    for part in _cut(order, batch_size * window):
        batches += _cut(part[np.argsort(-lengths[part], kind="stable")], batch_size)
    return [batches[index] for index in random.permutation(len(batches))]


def rows_of_whole_batches(
    padded: np.ndarray, batch_size: int, random: np.random.Generator | None = None
) -> np.ndarray:
    """Leave out as many examples as do not fill a batch.

    Without `random` these are the last. With it they are drawn, so that each pass leaves out
    others; but one of the longest examples always stays, and enough of the short ones for two
    batches of different lengths if there are enough at all. Otherwise one pass could have batches
    of a single length, and a later one could not be read with the shapes that Keras took from it.

    Args:
        padded: The length that each example alone would be padded to, shape `(examples,)`.
        batch_size: Examples per batch.
        random: Where the choice comes from.

    Returns:
        The rows that stay, in ascending order.
    """
    count = len(padded) - len(padded) % batch_size
    if random is None:
        return np.arange(count)
    longest = random.choice(np.flatnonzero(padded == padded.max()), 1)
    others = random.permutation(np.delete(np.arange(len(padded)), longest))
    kept = np.concatenate([longest, others[: count - 1]])
    if _can_differ(padded, batch_size) and not _can_differ(padded[kept], batch_size):
        others = others[np.argsort(padded[others], kind="stable")]
        kept = np.concatenate([longest, others[: count - 1]])
    return np.sort(kept)


def _can_differ(padded: np.ndarray, batch_size: int) -> bool:
    """Whether a batch could hold short examples only, and another one the longest."""
    return len(padded) >= 2 * batch_size and np.sort(padded)[batch_size - 1] < padded.max()


def let_first_two_differ(
    batches: list[np.ndarray],
    padded: np.ndarray,
    batch_size: int,
    random: np.random.Generator | None = None,
) -> list[np.ndarray]:
    """Order the batches so that the first two have different lengths, if any two can have.

    Keras on TensorFlow derives the shapes of a whole fit from the batches 0 and 1. If they agree
    in length, every later batch must have that length, in every epoch.

    Args:
        batches: What `group_by_length` made.
        padded: The length that each example alone would be padded to, shape `(examples,)`.
        batch_size: Examples per batch.
        random: Where the order comes from, None for the sorted order.

    Returns:
        The batches, at most two of them in other places; or, where all of these happened to have
        one length although other epochs can bring others, batches cut from a full sort.
    """
    lengths = np.array([padded[rows].max() for rows in batches])
    other = np.flatnonzero(lengths != lengths[0])
    if not other.size and random is not None and len(batches) > 1:
        # Rows in random order within one length, so that this epoch too has its own batches.
        rows = np.sort(np.concatenate(batches))
        order = rows[random.permutation(len(rows))]
        batches = _cut(order[np.argsort(-padded[order], kind="stable")], batch_size)
        lengths = np.array([padded[rows].max() for rows in batches])
        other = np.flatnonzero(lengths != lengths[0])
    if other.size and other[0] != 1:
        # In the sorted order the farthest one is moved, so that what follows stays sorted.
        place = other[-1] if random is None else other[0]
        moved = batches.pop(place)
        batches.insert(1, moved)
    if len(batches) > 1 and len(batches[0]) < batch_size:
        # Keras builds a model on several devices with the first batch, and wants it whole.
        batches[0], batches[1] = batches[1], batches[0]
    return batches


def check_padded_lengths(padded_lengths: Any, maximum_length: int | None) -> Sequence[int] | None:
    """A list of lengths, none above what the model or the preprocessor takes; or None."""
    if padded_lengths is None:
        return None
    rule = "a list of the lengths that batches may be padded to, or None"
    check_type("padded_lengths", padded_lengths, Sequence, rule)
    if isinstance(padded_lengths, str) or not padded_lengths:
        fail("padded_lengths", padded_lengths, rule)
    for length in padded_lengths:
        check_int("padded_lengths", length, minimum=1, maximum=maximum_length)
    return padded_lengths


def padded_lengths_of(
    lengths: np.ndarray,
    multiple: int,
    maximum: int | None = None,
    padded_lengths: Sequence[int] | None = None,
) -> np.ndarray:
    """The length that each example alone would be padded to.

    Args:
        lengths: Shape `(examples,)`.
        multiple: Lengths are rounded up to a multiple of this,
        maximum: but not beyond this;
        padded_lengths: or, where these are given, to the smallest of these that holds them.
    """
    if padded_lengths is not None:
        allowed = np.sort(np.asarray(padded_lengths))
        return allowed[np.searchsorted(allowed, lengths)]
    padded = -(-lengths // multiple) * multiple
    return padded if maximum is None else np.minimum(padded, maximum)


def _cut(rows: np.ndarray, size: int) -> list[np.ndarray]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]
