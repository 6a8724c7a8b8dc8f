"""Batches of at most so many tokens, padding counted, and as many of them in every pass.

How many batches a budget makes depends on which lengths meet. So what is fixed here are seats: how
many batches there are, how many rows each has, and how far it is padded. They follow from the
lengths alone. What each pass draws is who sits where, among the seats that are long enough.
"""

import numpy as np

from kerasft.data._plans import Batch, let_two_lengths_come_first
from kerasft.errors import DataError


class TokenBudgetPlan:
    """Batches whose rows times padded length stay within a budget.

    Without `shuffle` the examples are cut from the longest to the shortest, each batch as full as
    the budget allows: as few batches as there can be. With it they are dealt to windows first, so
    that each window has its share of every length, and each window is cut by itself; what fills
    no batch there is cut once more for all windows together. So all batches are full but one, and
    there is one shape for each length that batches are padded to, and one for the remainder.

    Args:
        padded: The length that each example alone would be padded to, shape `(examples,)`.
        max_tokens: The budget.
        window: How many batches are cut together when shuffled, as nearly as they can be dealt.
        shuffle: Whether seats are to be had for passes that differ.
        drop_remainder: Whether the batch that is not full is left out.

    Raises:
        DataError: one example exceeds the budget, or all together do not fill a batch where the
            remainder is dropped.
    """

    def __init__(
        self, padded: np.ndarray, max_tokens: int, window: int, shuffle: bool, drop_remainder: bool
    ):
        _check_budget(padded, max_tokens)
        self._padded = padded
        longest_first = np.sort(padded)[::-1]
        sizes, lengths, rest = _cut(longest_first, max_tokens)
        windows = -(-(len(sizes) + bool(rest.size)) // window)
        if shuffle and windows > 1:
            parts = [_cut(longest_first[n::windows], max_tokens) for n in range(windows)]
            over = np.sort(np.concatenate([rest for _, _, rest in parts]))[::-1]
            *more, rest = _cut(over, max_tokens)
            sizes = [size for part in parts for size in part[0]] + more[0]
            lengths = [length for part in parts for length in part[1]] + more[1]
        if rest.size and not drop_remainder:
            sizes, lengths = [*sizes, len(rest)], [*lengths, int(rest[0])]
        if not sizes:
            raise DataError(
                f"`drop_remainder` must leave a batch. Received: {len(padded):,} examples, which "
                f"do not fill one with max_tokens_per_batch={max_tokens}."
            )
        self._sizes, self._lengths = np.array(sizes), np.array(lengths)
        self._whole = self._sizes == max_tokens // np.maximum(1, self._lengths)
        self.num_batches, self.num_examples = len(sizes), sum(sizes)

    def batches(self, random: np.random.Generator | None) -> list[Batch]:
        """The batches of a pass, in the order in which it has them."""
        if random is None:
            rows = np.argsort(-self._padded, kind="stable")[: self.num_examples]
            order = np.arange(self.num_batches)
        else:
            rows = self._draw(random)
            order = random.permutation(self.num_batches)
        cut = np.split(rows, np.cumsum(self._sizes)[:-1])
        first = let_two_lengths_come_first(
            self._lengths[order], self._whole[order], is_sorted=random is None
        )
        return [Batch(cut[batch], int(self._lengths[batch])) for batch in order[first]]

    def _draw(self, random: np.random.Generator) -> np.ndarray:
        """The rows, seat by seat: every way to seat them has the same chance.

        From the longest on, each may sit wherever it fits and is free: whoever comes later fits
        there too.
        """
        # The remainder, which is cut last, is no longer than any other batch. So whichever rows, as
        # many as it held, are left out for it, seats that are long enough are left for the rest.
        stays = random.permutation(len(self._padded))[: self.num_examples]
        seats = np.repeat(self._lengths, self._sizes)
        row_in = np.empty(self.num_examples, dtype="int64")
        free = np.empty(0, dtype="int64")
        rows_by_length = _by_length(self._padded[stays], stays)
        seats_by_length = _by_length(seats, np.arange(len(seats)))
        for length in sorted({*rows_by_length, *seats_by_length}, reverse=True):
            rows = rows_by_length.get(length, free[:0])
            free = np.concatenate([free, seats_by_length.get(length, free[:0])])
            free = random.permutation(free)
            row_in[free[: len(rows)]] = rows
            free = free[len(rows) :]
        return row_in


def _cut(longest_first: np.ndarray, max_tokens: int) -> tuple[list[int], list[int], np.ndarray]:
    """The sizes and lengths of the full batches, and what is left over."""
    sizes, lengths, start = [], [], 0
    while start < len(longest_first):
        length = int(longest_first[start])
        size = max_tokens // max(1, length)
        if start + size > len(longest_first):
            break
        sizes.append(size)
        lengths.append(length)
        start += size
    return sizes, lengths, longest_first[start:]


def _by_length(lengths: np.ndarray, values: np.ndarray) -> dict[int, np.ndarray]:
    """The values that go with each length."""
    order = np.argsort(lengths, kind="stable")
    found, starts = np.unique(lengths[order], return_index=True)
    return dict(zip(found.tolist(), np.split(values[order], starts[1:]), strict=True))


def _check_budget(padded: np.ndarray, max_tokens: int) -> None:
    too_long = np.flatnonzero(padded > max_tokens)
    if too_long.size:
        raise DataError(
            "`max_tokens_per_batch` must hold the longest example, padding counted. Received: "
            f"max_tokens_per_batch={max_tokens}, while {too_long.size:,} of {len(padded):,} "
            f"examples take more, the first in row {too_long[0]} with {padded[too_long[0]]}. Raise "
            "it, or let the preprocessor cut texts with a smaller `sequence_length`."
        )
