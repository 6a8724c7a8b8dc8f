"""`Examples`: texts and labels that belong together, checked, and split without leaks."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasft._checks import check_int
from kerasft.data._labels import prepare_labels, prepare_weights
from kerasft.data._texts import check_texts, fold
from kerasft.errors import DataError

_CLASSES_SHOWN = 6


class Examples:
    """Labelled texts, checked when they are put together.

    `len` counts them; an index gives one `(text, label)`, a slice, an index array or a boolean mask
    gives `Examples` again.

    Args:
        texts: A list, array or column of texts; bytes are read as UTF-8.
        labels: One label per text (whole numbers for classes, floats for regression, or texts that
            name the classes), or one row of 0 and 1 per text where several labels can hold.
        sample_weight: One weight per text, or None.
        class_names: The names of the classes in order. Labels that are texts are numbered by it;
            without it their classes are named in sorted order.

    Attributes:
        texts: The texts, a list of `str`.
        labels: `int32` of shape `(examples,)` for classes, `float32` for regression, `float32` of
            shape `(examples, labels)` for several labels.
        sample_weight: `float32` of shape `(examples,)`, or None.
        class_names: A tuple, or None.

    Raises:
        DataError: no texts, blank texts, something that is no text, labels of another length,
            missing or unknown labels; naming the row and the value.

    Example:
        >>> from kerasft.data import Examples
        >>> reviews = Examples(["Fine.", "Dull.", "A joy."], ["good", "bad", "good"])
        >>> reviews
        Examples(3 texts: 1 bad, 2 good)
        >>> reviews.labels
        array([1, 0, 1], dtype=int32)
        >>> reviews[:2].texts
        ['Fine.', 'Dull.']
    """

    def __init__(
        self,
        texts: Any,
        labels: Any,
        sample_weight: Any = None,
        class_names: Sequence[str] | None = None,
    ):
        self.texts = check_texts(texts)
        self.labels, self.class_names = prepare_labels(
            labels, len(self.texts), class_names=class_names, name_classes=True
        )
        self.sample_weight = prepare_weights(sample_weight, len(self.texts))

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, index: Any) -> "Examples | tuple[str, Any]":
        if isinstance(index, (int, np.integer)):
            return self.texts[index], self.labels[index]
        try:
            rows = np.arange(len(self))[np.asarray(index) if isinstance(index, list) else index]
        except IndexError as error:
            raise DataError(
                f"An index must select among {len(self):,} examples. Received: {error}."
            ) from error
        if not len(rows):
            raise DataError("A selection must hold at least one example. Received: none.")
        return self._take(rows)

    def _take(self, rows: np.ndarray) -> "Examples":
        # What was checked needs no second check, which would cost as much as the first.
        part = object.__new__(Examples)
        part.texts = [self.texts[row] for row in rows]
        part.labels = self.labels[rows]
        part.class_names = self.class_names
        part.sample_weight = None if self.sample_weight is None else self.sample_weight[rows]
        return part

    def split(self, *sizes: float | int | None, seed: int = 0) -> tuple["Examples", ...]:
        r"""Cut into parts at random, each with the same mix of classes.

        Texts that differ only in case and whitespace always land in the same part, so that no
        part is tested on what another was trained on; where that leaves no other way, a part misses
        its size by less than the largest such group. Classes are balanced by scikit-learn's
        `StratifiedShuffleSplit`; regression targets and several labels are drawn at random.

        Args:
            *sizes: The size of each part: a fraction of the whole, a number of examples, or None
                (once) for all that is left. What no part asks for is left out.
            seed: The same seed gives the same parts.

        Returns:
            One `Examples` for each size, each in the order of the whole.

        Raises:
            DataError: sizes that are none or exceed the whole, or a class with too few examples.

        Example:
            >>> from kerasft.data import Examples
            >>> whole = Examples([f"Text {n}" for n in range(10)], [0, 1] * 5)
            >>> train, valid = whole.split(0.8, 0.2, seed=1)
            >>> print(train, valid, sep="\n")
            Examples(8 texts: 4 of class 0, 4 of class 1)
            Examples(2 texts: 1 of class 0, 1 of class 1)
        """
        check_int("seed", seed, minimum=0)
        counts, rest = self._counts(sizes)
        remaining = np.arange(len(self))
        # Duplicates share a group; each group goes to one part as a whole.
        number_of: dict[str, int] = {}
        groups = np.array([number_of.setdefault(fold(text), len(number_of)) for text in self.texts])
        random = np.random.default_rng(seed)
        rows: list[np.ndarray] = [np.empty(0, dtype=int)] * len(sizes)
        for part in sorted(range(len(sizes)), key=lambda part: part == rest):
            if part == rest or counts[part] == len(remaining):
                rows[part], remaining = remaining, np.empty(0, dtype=int)
            else:
                drawn = self._draw(remaining, groups, counts[part], random)
                rows[part], remaining = drawn, np.setdiff1d(remaining, drawn)
            if not len(rows[part]):
                raise DataError(
                    f"`sizes` must leave at least one example for each part. Received: {sizes!r} "
                    f"for {len(self):,} examples."
                )
        return tuple(self._take(np.sort(part)) for part in rows)

    def _counts(self, sizes: tuple[float | int | None, ...]) -> tuple[list[int], int | None]:
        """How many examples each part gets, and which part takes what is left."""
        rule = "`sizes` must be fractions between 0 and 1, whole numbers, and at most one None"
        if not sizes or sum(size is None for size in sizes) > 1:
            raise DataError(f"{rule}. Received: {sizes!r}.")
        rest = sizes.index(None) if None in sizes else None
        counts = []
        for size in sizes:
            if size is None:
                counts.append(0)
            elif isinstance(size, float) and 0 < size <= 1:
                counts.append(round(size * len(self)))
            elif isinstance(size, (int, np.integer)) and not isinstance(size, bool) and size > 0:
                counts.append(int(size))
            else:
                raise DataError(f"{rule}. Received: {sizes!r}.")
        fractions = [size for size in sizes if isinstance(size, float)]
        if len(fractions) == len(sizes) and abs(sum(fractions) - 1) < 1e-6:
            rest = int(np.argmax(fractions))  # rounding must not lose an example
            counts[rest] = len(self) - sum(counts) + counts[rest]
        if sum(counts) > len(self):
            raise DataError(
                f"`sizes` must not exceed the {len(self):,} examples there are. Received: "
                f"{sizes!r}, which is {sum(counts):,}."
            )
        return counts, rest

    def _draw(
        self, rows: np.ndarray, groups: np.ndarray, count: int, random: np.random.Generator
    ) -> np.ndarray:
        """`count` of `rows`, whole groups only, as stratified as the labels allow."""
        from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit

        _, first, sizes = np.unique(groups[rows], return_index=True, return_counts=True)
        representatives = rows[first]
        wanted = round(count * len(representatives) / len(rows))
        by_class = self.labels.ndim == 1 and self.labels.dtype.kind == "i"
        splitter = (StratifiedShuffleSplit if by_class else ShuffleSplit)(
            n_splits=1,
            test_size=max(1, min(wanted, len(representatives) - 1)),
            random_state=int(random.integers(2**31)),
        )
        try:
            others, chosen = next(splitter.split(representatives, self.labels[representatives]))
        except ValueError as error:
            raise DataError(
                f"`sizes` must leave each class an example in each part. Received: a part of "
                f"{count:,} from {self!r}. scikit-learn says: {error}"
            ) from error
        chosen = _fit_size(list(chosen), list(others), sizes, count)
        return rows[np.isin(groups[rows], groups[representatives[chosen]])]

    def __repr__(self) -> str:
        return f"Examples({len(self):,} texts: {self._describe_labels()})"

    def _describe_labels(self) -> str:
        if self.labels.ndim == 2:
            names = self.class_names or [f"label {n}" for n in range(self.labels.shape[1])]
            counts = [float(total) for total in self.labels.sum(axis=0)]
            parts = [f"{count:,g} {name}" for name, count in zip(names, counts, strict=True)]
        elif self.labels.dtype.kind == "i":
            present, totals = np.unique(self.labels, return_counts=True)
            parts = [
                f"{total:,} {self.class_names[value] if self.class_names else f'of class {value}'}"
                for value, total in zip(present, totals, strict=True)
            ]
        else:
            return f"targets from {self.labels.min():g} to {self.labels.max():g}"
        more = len(parts) - _CLASSES_SHOWN
        return ", ".join(parts[:_CLASSES_SHOWN] + ([f"{more} more classes"] if more > 0 else []))


def _fit_size(chosen: list[int], others: list[int], sizes: np.ndarray, count: int) -> list[int]:
    """Give back groups, or take further ones, until those chosen have `count` members.

    Both lists are in random order, so that neither single texts nor copies are preferred.
    """
    excess = int(sizes[chosen].sum()) - count
    step, candidates = (1, chosen) if excess > 0 else (-1, others)
    moved = set()
    for group in candidates:
        if sizes[group] <= excess * step:
            excess -= step * int(sizes[group])
            moved.add(group)
    if step == 1:
        return [group for group in chosen if group not in moved]
    return chosen + [group for group in others if group in moved]
