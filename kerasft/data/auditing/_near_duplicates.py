"""The search for pairs of similar texts, without comparing each with each.

Locality-sensitive hashing finds the candidates: sketches are cut into bands, and texts that agree
in a whole band are candidates. Each is then checked by the exact Jaccard similarity of its letter
windows, so that no pair is reported that is not as similar as it is said to be.

The bands are compared by sorting, and of texts that agree in a band only neighbours in the sort are
paired. So the work grows with the number of texts and not with its square, even where thousands
were made from one template; there not all pairs are found, but those that are most alike.

Reference: Leskovec, Rajaraman and Ullman, "Mining of Massive Datasets", chapter 3.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from kerasft.data.auditing._shingles import HASHES, jaccard, window_set

# A pair that is just as similar as asked becomes a candidate with this probability.
_RECALL = 0.99
# How far apart in the sort of one band two texts may stand.
_NEIGHBOURS = 4
# Where there are more candidates per text than this, the most alike of each kind are checked.
_CHECKED_PER_TEXT = 8
_PART = 8192
_KEPT_WINDOWS = 10_000_000
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


class Pairs(NamedTuple):
    """Pairs of texts by number, `first` below `second`, and how similar they are."""

    first: np.ndarray
    second: np.ndarray
    similarity: np.ndarray


def find_pairs(
    sketches: np.ndarray,
    letters_of: Callable[[int], str],
    similarity: float,
    kinds: np.ndarray | None = None,
) -> Pairs:
    """The pairs of texts that are at least so similar.

    Args:
        sketches: What `Sketches` made, shape `(texts, HASHES)`.
        letters_of: `letters_of(number)` gives the letters of a text again.
        similarity: The least Jaccard similarity.
        kinds: Shape `(texts, properties)`: where too many are alike, pairs that differ in a
            property (the split, the label) are not crowded out by those that do not.

    Returns:
        The pairs, in order.
    """
    first, second = _candidates(sketches, _rows_per_band(similarity))
    estimates = _estimate(sketches, first, second)
    error = np.sqrt(similarity * (1 - similarity) / HASHES)
    likely = estimates >= similarity - 3 * error
    first, second, estimates = first[likely], second[likely], estimates[likely]
    if len(first) > _CHECKED_PER_TEXT * len(sketches):
        best = _best_of_each(first, second, estimates, kinds)
        first, second = first[best], second[best]
    set_of = _Sets(letters_of)
    exact = np.array(
        [jaccard(set_of(one), set_of(other)) for one, other in zip(first, second, strict=True)]
    )
    found = exact >= similarity
    return Pairs(first[found], second[found], exact[found])


def _rows_per_band(similarity: float) -> int:
    """The most rows per band, and so the fewest candidates, with which enough pairs are found."""
    rows = 1
    while rows < HASHES and _chance(similarity, rows + 1) >= _RECALL:
        rows += 1
    return rows


def _chance(similarity: float, rows: int) -> float:
    """That two texts agree in all rows of at least one band."""
    return 1 - (1 - similarity**rows) ** (HASHES // rows)


def _candidates(sketches: np.ndarray, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Pairs that agree in a band, and stand near each other where many agree in it."""
    count, bands = len(sketches), HASHES // rows
    key = np.zeros((bands, count), dtype=np.uint64)
    for row in range(rows):
        key = key * _MULTIPLIER + sketches[:, row : bands * rows : rows].T
    pairs = [np.empty(0, dtype=np.int64)]
    for band in range(bands):
        # By this band first and by the next ones then, so that the most alike stand together.
        order = np.lexsort([key[(band + later) % bands] for later in (2, 1, 0)])
        bucket = np.cumsum(np.diff(key[band, order], prepend=0) != 0)
        for step in range(1, min(_NEIGHBOURS, count - 1) + 1):
            same = bucket[step:] == bucket[:-step]
            one, other = order[:-step][same], order[step:][same]
            pairs.append(np.minimum(one, other) * count + np.maximum(one, other))
    found = np.concatenate(pairs)
    found.sort()  # in place, and several times as fast as `np.unique` on millions
    found = found[np.diff(found, prepend=-1) != 0]
    return (found // count).astype(np.int32), (found % count).astype(np.int32)


def _estimate(sketches: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    estimates = np.empty(len(first), dtype=np.float32)
    for start in range(0, len(first), _PART):
        part = slice(start, start + _PART)
        estimates[part] = (sketches[first[part]] == sketches[second[part]]).mean(axis=1)
    return estimates


def _best_of_each(
    first: np.ndarray, second: np.ndarray, estimates: np.ndarray, kinds: np.ndarray | None
) -> np.ndarray:
    """The pairs that are, for one of their texts, among the most alike of their kind."""
    kind = np.zeros(len(first), dtype=np.int8)
    for column in [] if kinds is None else kinds.T:
        kind = 2 * kind + (column[first] != column[second])
    pair = np.tile(np.arange(len(first), dtype=np.int32), 2)
    group = np.concatenate([first, second]).astype(np.int64) * 8 + np.tile(kind, 2)
    order = np.lexsort((-estimates[pair], group))
    new = np.flatnonzero(np.diff(group[order], prepend=-1))
    rank = np.arange(len(order)) - np.repeat(new, np.diff(new, append=len(order)))
    return np.unique(pair[order[rank < _CHECKED_PER_TEXT]])


class _Sets:
    """The windows of each text, made when they are first asked for and kept while there is room."""

    def __init__(self, letters_of: Callable[[int], str]):
        self._letters_of = letters_of
        self._kept: dict[int, np.ndarray] = {}
        self._size = 0

    def __call__(self, number: int) -> np.ndarray:
        found = self._kept.get(number)
        if found is None:
            found = window_set(self._letters_of(number))
            self._size += len(found)
            if self._size > _KEPT_WINDOWS:
                self._kept.clear()
                self._size = len(found)
            self._kept[number] = found
        return found
