"""Batches of a fixed number of examples of similar length."""

import numpy as np

from kerasft.data._plans import Batch, let_two_lengths_come_first
from kerasft.errors import DataError


class FixedSizePlan:
    """Batches of `batch_size` examples, each padded to its own longest.

    Args:
        lengths: Shape `(examples,)`.
        padded: The length that each example alone would be padded to, shape `(examples,)`.
        batch_size: Examples per batch.
        window: How many batches are sorted by length together when shuffled.
        drop_remainder: Whether examples that do not fill a batch are left out.

    Raises:
        DataError: the examples do not fill a batch where the remainder is dropped.
    """

    def __init__(
        self,
        lengths: np.ndarray,
        padded: np.ndarray,
        batch_size: int,
        window: int,
        drop_remainder: bool,
    ):
        self._lengths, self._padded = lengths, padded
        self._batch_size, self._window = batch_size, window
        self._drop_remainder = drop_remainder
        whole, rest = divmod(len(lengths), batch_size)
        self.num_batches = whole if drop_remainder or not rest else whole + 1
        self.num_examples = whole * batch_size if drop_remainder else len(lengths)
        if not self.num_batches:
            raise DataError(
                f"`drop_remainder` must leave a batch. Received: {len(lengths):,} examples with "
                f"batch_size={batch_size}."
            )

    def batches(self, random: np.random.Generator | None) -> list[Batch]:
        """The batches of a pass, in the order in which it has them."""
        rows = None
        if self._drop_remainder:
            rows = rows_of_whole_batches(self._padded, self._batch_size, random)
        grouped = group_by_length(self._lengths, self._batch_size, self._window, random, rows)
        grouped = let_first_two_differ(grouped, self._padded, self._batch_size, random)
        return [Batch(rows, int(self._padded[rows].max())) for rows in grouped]


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
    if (lengths == lengths[0]).all() and random is not None and len(batches) > 1:
        # Rows in random order within one length, so that this epoch too has its own batches.
        rows = np.sort(np.concatenate(batches))
        order = rows[random.permutation(len(rows))]
        batches = _cut(order[np.argsort(-padded[order], kind="stable")], batch_size)
        lengths = np.array([padded[rows].max() for rows in batches])
    whole = np.array([len(rows) == batch_size for rows in batches])
    first = let_two_lengths_come_first(lengths, whole, is_sorted=random is None)
    return [batches[index] for index in first]


def _cut(rows: np.ndarray, size: int) -> list[np.ndarray]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]
