"""Which texts are copies of which, over all splits, and what follows from it."""

import dataclasses
import hashlib
from collections.abc import Collection, Sequence
from functools import cached_property

import numpy as np

from kerasft._progress import in_parts, progress
from kerasft.data.auditing._near_duplicates import Pairs, find_pairs
from kerasft.data.auditing._shingles import Sketches, letters, plain
from kerasft.data.auditing._splits import Split

_PART = 500
_SHOW_PROGRESS_FROM = 5_000


@dataclasses.dataclass
class Copies:
    """Groups of copies, and pairs of groups that are nearly the same.

    All arrays but the last have one entry per text that can be used, split after split.

    Args:
        split: The number of its split.
        row: Its row there.
        label: A number that differs by more than `tolerance` where labels contradict each other;
            NaN where the label cannot be used.
        exact: The number of its group of exact copies.
        near: The number of its group of texts with the same words; exact copies share it too.
        pairs: The pairs of such groups that are nearly the same.
        tolerance: How far apart two labels may be that agree.
        num_splits: How many splits there are.
    """

    split: np.ndarray
    row: np.ndarray
    label: np.ndarray
    exact: np.ndarray
    near: np.ndarray
    pairs: Pairs
    tolerance: float
    num_splits: int

    @cached_property
    def neighbours(self) -> dict[int, list[tuple[int, float]]]:
        """For each group that has any, the groups that are nearly the same, and how similar."""
        found: dict[int, list[tuple[int, float]]] = {}
        for one, other, similarity in zip(*(part.tolist() for part in self.pairs), strict=True):
            found.setdefault(one, []).append((other, similarity))
            found.setdefault(other, []).append((one, similarity))
        return found

    @cached_property
    def _exact_in(self) -> np.ndarray:
        """Whether each group of exact copies has one in each split."""
        return _members(self.exact, self.split, self.num_splits)

    @cached_property
    def _near_in(self) -> np.ndarray:
        """Whether each group, or one that is nearly the same, has a text in each split."""
        own = _members(self.near, self.split, self.num_splits)
        found = own.copy()
        np.logical_or.at(found, self.pairs.first, own[self.pairs.second])
        np.logical_or.at(found, self.pairs.second, own[self.pairs.first])
        return found

    def shared(self, split: int, other: int) -> tuple[np.ndarray, np.ndarray]:
        """The rows of a split whose text is also in another: word for word, and nearly so."""
        mine = self.split == split
        exactly = mine & self._exact_in[self.exact, other]
        nearly = mine & self._near_in[self.near, other] & ~exactly
        return self.row[exactly], self.row[nearly]

    @cached_property
    def _contradicted(self) -> tuple[np.ndarray, np.ndarray]:
        exactly = self._apart(self.exact, None)
        return exactly, self._apart(self.near, self.pairs) & ~exactly

    def contradicted(self, split: int) -> tuple[np.ndarray, np.ndarray]:
        """The rows whose text, the same or nearly so, has another label somewhere."""
        mine = self.split == split
        return tuple(self.row[mine & found] for found in self._contradicted)  # type: ignore[return-value]

    def _apart(self, group: np.ndarray, pairs: Pairs | None) -> np.ndarray:
        """Whether each text has a label too far off in its group, or in one paired with it."""
        known = ~np.isnan(self.label)
        least = np.full(group.max(initial=-1) + 1, np.inf)
        most = -least
        np.minimum.at(least, group[known], self.label[known])
        np.maximum.at(most, group[known], self.label[known])
        if pairs is not None:
            own_least, own_most = least.copy(), most.copy()
            for one, other in ((pairs.first, pairs.second), (pairs.second, pairs.first)):
                np.minimum.at(least, one, own_least[other])
                np.maximum.at(most, one, own_most[other])
        label = np.where(known, self.label, 0.0)
        farthest = np.maximum(most[group] - label, label - least[group])
        return known & (farthest > self.tolerance)

    def repeats(
        self, split: int, left_out: Collection[int] = (), near: bool = True
    ) -> tuple[list[int], list[int]]:
        """The rows of a split that repeat an earlier one with the same label.

        Args:
            split: The number of the split.
            left_out: Rows that are not looked at, as if they were not there.
            near: Whether to look for those that nearly repeat one too.

        Returns:
            The rows that repeat one word for word, and those that do so nearly. Each has an earlier
            row that is in neither list.
        """
        seen: dict[int, list[float]] = {}
        kept: dict[int, list[float]] = {}
        exactly, nearly = [], []
        mine = np.flatnonzero((self.split == split) & ~np.isnan(self.label))
        columns = (self.row[mine], self.exact[mine], self.near[mine], self.label[mine])
        for row, exact, group, label in zip(*(c.tolist() for c in columns), strict=True):
            if row in left_out:
                continue
            if self._agrees(label, seen.setdefault(exact, [])):
                exactly.append(row)
                continue
            seen[exact].append(label)
            alike = (group, *(other for other, _ in self.neighbours.get(group, ())))
            if near and any(self._agrees(label, kept.get(other, ())) for other in alike):
                nearly.append(row)
            else:
                kept.setdefault(group, []).append(label)
        return exactly, nearly

    def _agrees(self, label: float, labels: Sequence[float]) -> bool:
        return any(abs(label - other) <= self.tolerance for other in labels)

    def partner(
        self, split: int, row: int, others: np.ndarray, exact: bool
    ) -> tuple[int, int, float] | None:
        """Of the texts marked in `others` the one most like this: split, row and similarity."""
        me = int(np.flatnonzero((self.split == split) & (self.row == row))[0])
        others = others & (np.arange(len(others)) != me)
        if exact:
            found = np.flatnonzero(others & (self.exact == self.exact[me]))
            return self._named(int(found[0]), 1.0) if len(found) else None
        similar = dict(self.neighbours.get(int(self.near[me]), ())) | {int(self.near[me]): 1.0}
        found = np.flatnonzero(others & np.isin(self.near, [*similar]))
        if not len(found):
            return None
        best = max(found.tolist(), key=lambda text: similar[int(self.near[text])])
        return self._named(best, similar[int(self.near[best])])

    def _named(self, text: int, similarity: float) -> tuple[int, int, float]:
        return int(self.split[text]), int(self.row[text]), similarity


def find_copies(
    splits: Sequence[Split],
    labels: Sequence[np.ndarray],
    tolerance: float,
    similarity: float | None,
    show_progress: bool,
) -> Copies:
    """Group all texts, and pair the groups that are nearly the same."""
    usable = [np.flatnonzero(split.has_text) for split in splits]
    split_of = np.repeat(np.arange(len(splits)), [len(rows) for rows in usable])
    row_of = np.concatenate(usable)
    label = np.concatenate([values[rows] for values, rows in zip(labels, usable, strict=True)])
    grouping = _Grouping(similarity is not None)
    texts = list(zip(split_of.tolist(), row_of.tolist(), strict=True))
    show_from = _SHOW_PROGRESS_FROM if show_progress else len(texts) + 1
    for part in progress(in_parts(texts, _PART), "Comparing", len(texts), show_from, _PART):
        for split, row in part:
            grouping.add(splits[split].texts[row])
    exact, near = np.array(grouping.exact, dtype=int), np.array(grouping.near, dtype=int)
    if similarity is None or not len(texts):
        none = np.empty(0, dtype=int)
        pairs = Pairs(none, none, none.astype(float))
    else:
        first = np.flatnonzero(np.diff(np.maximum.accumulate(near), prepend=-1))
        where = [texts[place] for place in first]
        pairs = find_pairs(
            grouping.sketches.finish(),
            lambda group: letters(plain(splits[where[group][0]].texts[where[group][1]])),
            similarity,
            # What sets groups apart, so that not all pairs found are of one kind.
            np.stack(
                [
                    _members(near, split_of, len(splits)) @ 2.0 ** np.arange(len(splits)),
                    label[first],
                ],
                axis=1,
            ),
        )
    return Copies(split_of, row_of, label, exact, near, pairs, tolerance, len(splits))


class _Grouping:
    """Numbers for texts, equal where they are the same; digests, so that no text is kept twice."""

    def __init__(self, by_words: bool):
        self.exact: list[int] = []
        self.near: list[int] = []
        self.sketches = Sketches()
        self._by_words = by_words
        self._exact_of: dict[bytes, int] = {}
        self._near_of: dict[bytes, int] = {}
        self._near_of_exact: list[int] = []

    def add(self, text: str) -> None:
        text = plain(text)
        exact = self._exact_of.setdefault(_digest(text), len(self._exact_of))
        self.exact.append(exact)
        if exact == len(self._near_of_exact):
            self._near_of_exact.append(self._near(text) if self._by_words else exact)
        self.near.append(self._near_of_exact[exact])

    def _near(self, text: str) -> int:
        text = letters(text)
        digest = _digest(text)
        if digest not in self._near_of:
            self._near_of[digest] = len(self._near_of)
            self.sketches.add(text)
        return self._near_of[digest]


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def _members(group: np.ndarray, split: np.ndarray, num_splits: int) -> np.ndarray:
    found = np.zeros((group.max(initial=-1) + 1, num_splits), dtype=bool)
    found[group, split] = True
    return found
