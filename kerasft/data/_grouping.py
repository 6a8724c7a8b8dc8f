"""Which examples go together: batches of similar length."""

import numpy as np


def group_by_length(
    lengths: np.ndarray,
    batch_size: int,
    window: int,
    random: np.random.Generator | None = None,
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

    Returns:
        For each batch the rows in it, each row in exactly one batch.
    """
    if random is None:
        return _cut(np.argsort(-lengths, kind="stable"), batch_size)
    order = random.permutation(len(lengths))
    batches = []
    for part in _cut(order, batch_size * window):
        batches += _cut(part[np.argsort(-lengths[part], kind="stable")], batch_size)
    return [batches[index] for index in random.permutation(len(batches))]


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
        order = random.permutation(len(padded))
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


def _cut(rows: np.ndarray, size: int) -> list[np.ndarray]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]
