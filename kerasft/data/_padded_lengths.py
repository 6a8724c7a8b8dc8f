"""How far batches are padded: to multiples, to given lengths, or to the best few for the data."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasft._checks import check_int, check_type, fail
from kerasft.errors import DataError


def check_padded_lengths(
    padded_lengths: Any, maximum_length: int | None
) -> int | Sequence[int] | None:
    """Lengths, none above what the model or the preprocessor takes; how many to choose; or None."""
    if padded_lengths is None:
        return None
    rule = "a list of the lengths that batches may be padded to, how many to choose, or None"
    is_number = isinstance(padded_lengths, (int, np.integer))
    if is_number and (isinstance(padded_lengths, bool) or padded_lengths < 1):
        fail("padded_lengths", padded_lengths, rule)
    if is_number:
        return padded_lengths
    check_type("padded_lengths", padded_lengths, Sequence, rule)
    if isinstance(padded_lengths, str) or not padded_lengths:
        fail("padded_lengths", padded_lengths, rule)
    for length in padded_lengths:
        check_int("padded_lengths", length, minimum=1, maximum=maximum_length)
    return padded_lengths


def pad_each(
    lengths: np.ndarray,
    multiple: int,
    maximum: int | None = None,
    padded_lengths: int | Sequence[int] | None = None,
) -> np.ndarray:
    """The length that each example alone would be padded to.

    Args:
        lengths: Shape `(examples,)`.
        multiple: Lengths are rounded up to a multiple of this,
        maximum: but not beyond this;
        padded_lengths: then, where this is a number, to the best so many of these multiples; or,
            where it is a list, to the smallest in it that holds them, in place of a multiple.

    Raises:
        DataError: an example is longer than all the lengths in the list.
    """
    if padded_lengths is not None and not isinstance(padded_lengths, (int, np.integer)):
        allowed = np.sort(np.asarray(padded_lengths))
        _check_holds(lengths, allowed, padded_lengths)
        return allowed[np.searchsorted(allowed, lengths)]
    padded = -(-lengths // multiple) * multiple
    if maximum is not None:
        padded = np.minimum(padded, maximum)
    if padded_lengths is None:
        return padded
    allowed = np.array(choose_lengths(padded, int(padded_lengths)))
    return allowed[np.searchsorted(allowed, padded)]


def choose_lengths(lengths: np.ndarray, count: int) -> list[int]:
    """The lengths to pad to that waste the least padding, at most `count` of them.

    Exactly the best, by dynamic programming over the histogram: the fewest tokens that hold all
    examples up to the e-th length with one length more are the least, over all s, of the tokens of
    the examples up to the s-th and of those above it, each padded to the e-th. This takes
    `count * values**2` additions for so many distinct lengths. A padded length is always one that
    occurs: any other could be lowered to the next that does.

    Args:
        lengths: Shape `(examples,)`.
        count: How many lengths there may be.

    Returns:
        The lengths in ascending order, fewer than `count` if fewer occur.
    """
    values, examples = np.unique(lengths, return_counts=True)
    values = values.astype("int64")
    up_to = np.concatenate([[0], np.cumsum(examples)])
    least = np.full(len(values) + 1, np.iinfo("int64").max // 2)
    least[0] = 0
    starts = []
    for _ in range(min(count, len(values))):
        start, tokens = np.zeros(len(least), dtype="int64"), np.zeros_like(least)
        for end in range(1, len(least)):
            candidates = least[:end] + values[end - 1] * (up_to[end] - up_to[:end])
            start[end] = candidates.argmin()
            tokens[end] = candidates[start[end]]
        starts.append(start)
        least = tokens
    chosen, end = [], len(values)
    for start in reversed(starts):
        if end:
            chosen.append(int(values[end - 1]))
            end = start[end]
    return chosen[::-1]


def _check_holds(lengths: np.ndarray, allowed: np.ndarray, padded_lengths: Sequence[int]) -> None:
    too_long = np.flatnonzero(lengths > allowed[-1])
    if too_long.size:
        raise DataError(
            f"`padded_lengths` must hold every example. Received: "
            f"padded_lengths={list(padded_lengths)}, while {too_long.size:,} of "
            f"{len(lengths):,} examples are longer, the first in row {too_long[0]} with "
            f"length {lengths[too_long[0]]}. Add a length, or let the preprocessor cut "
            f"texts: `sequence_length={allowed[-1]}`."
        )
