"""Labels as an audit reads them: which can be used, what they mean, and what is wrong with them."""

import collections
import dataclasses
import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasft.data.auditing._splits import Split

# How one label can be unusable.
MISSING, OTHER_TYPE, FRACTIONAL, OUTSIDE, UNKNOWN = (
    "missing",
    "other type",
    "fractional",
    "outside",
    "unknown",
)


@dataclasses.dataclass
class Labels:
    """What the labels of all splits mean.

    Args:
        task: "classes" (one per text), "sets" (several labels per text) or "numbers".
        names: The names of the classes in order; None where they have none.
        named_by_texts: Whether the labels themselves gave the names.
        num_classes: How many classes there are, or labels in a set; 0 for numbers.
        values: For each split the class numbers, shape `(texts,)`, the sets, shape
            `(texts, labels)`, or the numbers; NaN in the rows that cannot be used.
        kinds: For each split, how many labels there are of each type.
        problems: For each split the rows that cannot be used, by why.
        other_names: The splits whose `Examples` name the classes otherwise.
    """

    task: str
    names: tuple[str, ...] | None
    named_by_texts: bool
    num_classes: int
    values: list[np.ndarray]
    kinds: list[collections.Counter]
    problems: list[dict[str, list[int]]]
    other_names: tuple[str, ...] = ()

    def usable(self, split: int) -> np.ndarray:
        """Whether each label of a split can be used."""
        values = self.values[split]
        return ~np.isnan(values.reshape(len(values), -1)).any(axis=1)

    def name_of(self, number: int) -> str:
        """What to call a class."""
        if self.names:
            return self.names[number]
        return f"label {number}" if self.task == "sets" else f"class {number}"

    def counts(self, split: int, rows: np.ndarray) -> np.ndarray:
        """How many of the rows have each class; for sets, how many have each label."""
        values = self.values[split][rows & self.usable(split)]
        if self.task == "sets":
            return values.sum(axis=0)
        return np.bincount(values.astype(int), minlength=self.num_classes)

    def one_hot(self, split: Split, rows: np.ndarray) -> list[Any] | None:
        """The labels of some rows as they came, where classes came as one-hot rows."""
        labels = [split.labels[row] for row in rows]
        rows_of_several = _kind(labels[0]) == "row" and len(labels[0]) > 1
        return labels if self.num_classes > 1 and rows_of_several else None

    def as_numbers(self) -> tuple[list[np.ndarray], float]:
        """One number per label and how far two may be apart that agree, for `Copies`."""
        if self.task == "classes":
            return self.values, 0.5
        if self.values[0].ndim == 1:
            spread = float(np.nanstd(np.concatenate(self.values)))
            return self.values, spread if spread > 0 else 0.5
        numbers_of: dict[bytes, int] = {}
        found = []
        for split, values in enumerate(self.values):
            rows = (values > 0.5 if self.task == "sets" else values).tolist()
            keys = [repr(row).encode() for row in rows]
            ids = np.array([float(numbers_of.setdefault(key, len(numbers_of))) for key in keys])
            found.append(np.where(self.usable(split), ids, np.nan))
        return found, 0.5


def read_labels(
    splits: Sequence[Split], num_classes: int | None, class_names: tuple[str, ...] | None
) -> Labels:
    """Find out what the labels are, by what most of them are."""
    cells = [_flat(split.labels) for split in splits]
    kinds = [collections.Counter(map(_kind, labels)) for labels in cells]
    total = sum(kinds, collections.Counter())
    whole, texts = total["whole number"] + total["bool"], total["text"]
    named = [split.source.class_names for split in splits if split.source is not None]
    names = class_names or next((given for given in named if given), None)
    if total["row"] > max(texts, whole + total["float"]):
        return _read_rows(cells, kinds, num_classes, names)
    if num_classes is None and names is None and total["float"] > whole + texts:
        values, problems = _read_all(cells, _number)
        return Labels("numbers", None, False, 0, values, kinds, problems)
    from_texts = names is None and texts > whole + total["float"]
    if from_texts:
        names = tuple(sorted({_text(c) for part in cells for c in part if _kind(c) == "text"}))
    count = 2 if num_classes == 1 else num_classes or (len(names) if names else None)
    reader = _ClassReader(names, count, from_texts)
    values, problems = _read_all(cells, reader)
    other_names = _renumber(splits, values, names)
    if count is None:
        known = np.concatenate([part[~np.isnan(part)] for part in values])
        count = int(known.max(initial=-1)) + 1
    return Labels("classes", names, from_texts, count, values, kinds, problems, other_names)


def _flat(labels: list[Any]) -> list[Any]:
    """The labels, and where all are rows of one, what is in the rows."""
    if labels and all(_kind(label) == "row" and len(label) == 1 for label in labels):
        return [label[0] for label in labels]
    return labels


def _kind(label: Any) -> str:
    if isinstance(label, (bool, np.bool_)):
        return "bool"
    if isinstance(label, numbers.Integral):
        return "whole number"
    if isinstance(label, (str, bytes)):
        return "text"
    if label is None:
        return MISSING
    if isinstance(label, numbers.Real):
        return "float" if np.isfinite(float(label)) else MISSING
    return "row" if isinstance(label, (list, tuple, np.ndarray)) else OTHER_TYPE


def _text(label: Any) -> str:
    return label.decode(errors="replace") if isinstance(label, bytes) else label


def _read_all(
    cells: Sequence[list[Any]], reader: Any
) -> tuple[list[np.ndarray], list[dict[str, list[int]]]]:
    """Each label by `reader`, which gives its number or why it has none."""
    values, problems = [], []
    for labels in cells:
        numbers_of = np.full(len(labels), np.nan)
        wrong: dict[str, list[int]] = {}
        for row, label in enumerate(labels):
            found = reader(label)
            if isinstance(found, str):
                wrong.setdefault(found, []).append(row)
            else:
                numbers_of[row] = found
        values.append(numbers_of)
        problems.append(wrong)
    return values, problems


def _number(label: Any) -> float | str:
    kind = _kind(label)
    if kind in ("float", "whole number", "bool"):
        return float(label)
    return MISSING if kind == MISSING else OTHER_TYPE


class _ClassReader:
    """The number of the class that a label names."""

    def __init__(self, names: tuple[str, ...] | None, count: int | None, from_texts: bool):
        self.number_of = {name: number for number, name in enumerate(names or ())}
        self.count = count
        self.from_texts = from_texts

    def __call__(self, label: Any) -> float | str:
        kind = _kind(label)
        if kind == MISSING:
            return MISSING
        if kind == "text":
            if not self.number_of:
                return OTHER_TYPE
            return self.number_of.get(_text(label), UNKNOWN)
        if kind not in ("whole number", "bool", "float") or self.from_texts:
            return OTHER_TYPE
        number = float(label)
        if number != np.floor(number):
            return FRACTIONAL
        inside = number >= 0 and (self.count is None or number < self.count)
        return number if inside else OUTSIDE


def _renumber(
    splits: Sequence[Split], values: list[np.ndarray], names: tuple[str, ...] | None
) -> tuple[str, ...]:
    """Give equally named classes equal numbers; the splits that had numbered them otherwise."""
    other = []
    for place, split in enumerate(splits):
        own = split.source.class_names if split.source is not None else None
        if own is None or names is None or own == names:
            continue
        other.append(split.name)
        number_of = {name: float(number) for number, name in enumerate(names)}
        table = np.array([number_of.get(name, np.nan) for name in own])
        known = ~np.isnan(values[place])
        values[place][known] = table[values[place][known].astype(int)]
    return tuple(other)


def _read_rows(
    cells: Sequence[list[Any]],
    kinds: list[collections.Counter],
    num_classes: int | None,
    names: tuple[str, ...] | None,
) -> Labels:
    """Labels that are rows: sets of labels, one-hot classes, or several numbers."""
    lengths = collections.Counter(len(c) for part in cells for c in part if _kind(c) == "row")
    width = num_classes or (len(names) if names else lengths.most_common(1)[0][0])
    values, problems = [], []
    for labels in cells:
        found = np.full((len(labels), width), np.nan)
        wrong: dict[str, list[int]] = {}
        for row, label in enumerate(labels):
            read = [_number(cell) for cell in label] if _kind(label) == "row" else []
            if _kind(label) == MISSING or MISSING in read:
                wrong.setdefault(MISSING, []).append(row)
            elif len(read) != width or OTHER_TYPE in read:
                wrong.setdefault(OTHER_TYPE, []).append(row)
            else:
                found[row] = read
        values.append(found)
        problems.append(wrong)
    everything = np.concatenate(values)
    known = everything[~np.isnan(everything).any(axis=1)]
    outside = ((known < 0) | (known > 1)).any(axis=1)
    if num_classes is None and names is None and outside.sum() > len(known) / 2:
        return Labels("numbers", None, False, 0, values, kinds, problems)
    if len(known) and np.isin(known, (0, 1)).all() and (known.sum(axis=1) == 1).all():
        hot = [np.where(np.isnan(v[:, 0]), np.nan, v.argmax(axis=1)) for v in values]
        return Labels("classes", names, False, width, hot, kinds, problems)
    for found, wrong in zip(values, problems, strict=True):
        rows = np.flatnonzero(((found < 0) | (found > 1)).any(axis=1))
        if len(rows):
            wrong[OUTSIDE] = rows.tolist()
            found[rows] = np.nan
    return Labels("sets", names, False, width, values, kinds, problems)
