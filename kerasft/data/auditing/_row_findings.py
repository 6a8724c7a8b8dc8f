"""Findings about single rows: texts and labels that cannot be used, or that read oddly."""

from collections.abc import Iterator, Sequence

import numpy as np

from kerasft._checks import did_you_mean
from kerasft.data._texts import fold
from kerasft.data.auditing import _labels
from kerasft.data.auditing._labels import Labels
from kerasft.data.auditing._splits import Split
from kerasft.data.auditing._wording import are, listed, percent, share
from kerasft.data.auditing.finding import Finding

_DROP = "Leave these rows out, as `cleaned` does, or mend them."
_EXAMPLES = 2

_TEXTS = {
    "missing": ("missing_texts", "no texts at all (None, or of another type)"),
    "blank": ("blank_texts", "blank"),
    "broken": ("broken_texts", "no valid Unicode, so probably read with the wrong encoding"),
}


def text_findings(splits: Sequence[Split]) -> Iterator[Finding]:
    """Texts that no model can be given."""
    for split in splits:
        for problem, rows in split.text_problems.items():
            name, what = _TEXTS[problem]
            yield Finding(
                name,
                "bad",
                f"{share(len(rows), len(split), f'{split.name} texts')} {are(len(rows))} {what}.",
                {"texts": len(rows), "share": len(rows) / len(split)},
                (f"{split.name} rows {listed(rows)}",),
                _DROP,
                (split.name,),
                {split.name: tuple(rows)},
            )


def label_findings(splits: Sequence[Split], labels: Labels) -> Iterator[Finding]:
    """Labels that cannot be used, mixed types, and names that hardly differ."""
    for place, split in enumerate(splits):
        yield from _mixed_types(split, labels, place)
        for problem, rows in labels.problems[place].items():
            if problem != _labels.OTHER_TYPE:
                yield _unusable(split, labels, problem, rows)
    yield from _whole_floats(splits, labels)
    if labels.other_names:
        yield Finding(
            "class_names_differ",
            "bad",
            f"The classes of {listed(labels.other_names)} are named or ordered otherwise than "
            f"{listed(labels.names or ())}, so that one number stands for different classes.",
            {"splits": len(labels.other_names)},
            remedy="Read all files with the same class_names=[...].",
            splits=labels.other_names,
        )
    yield from _spelling(labels)


def _mixed_types(split: Split, labels: Labels, place: int) -> Iterator[Finding]:
    kinds = {k: n for k, n in labels.kinds[place].items() if k != _labels.MISSING}
    rows = labels.problems[place].get(_labels.OTHER_TYPE, [])
    harmless = labels.task == "numbers" or len(kinds) < 2
    if not rows and harmless:
        return
    counted = " and ".join(f"{n:,} of type {kind}" for kind, n in sorted(kinds.items()))
    message = f"The {split.name} labels are {counted}."
    if rows:
        cannot = f"{len(rows):,} of {len(split):,} ({percent(len(rows) / len(split))})"
        message += f" {cannot} cannot be used beside the others."
    yield Finding(
        "label_types",
        "bad" if rows else "warning",
        message,
        {"labels": len(rows), "share": len(rows) / len(split)} | kinds,
        _cases(split, rows),
        "Give all labels in one type: whole numbers, or texts with class_names=[...]. Digits that "
        "were read as texts want int().",
        (split.name,),
        {split.name: tuple(rows)} if rows else {},
    )


def _unusable(split: Split, labels: Labels, problem: str, rows: list[int]) -> Finding:
    what = f"{split.name} labels"
    told = f"{share(len(rows), len(split), what)} {are(len(rows))} "
    remedy = _DROP
    highest = labels.num_classes - 1
    if problem == _labels.MISSING:
        name, told = "missing_labels", told + "missing (None, NaN or infinite)."
    elif problem == _labels.FRACTIONAL:
        name, told = "fractional_labels", told + "fractions, where whole numbers name classes."
    elif problem == _labels.UNKNOWN:
        name, told = "unknown_labels", told + f"none of the classes {listed(labels.names or ())}."
        hint = did_you_mean(split.labels[rows[0]], labels.names or ())
        remedy = f"{hint} {_DROP}".strip()
    elif labels.task == "sets":
        name, told = "labels_out_of_range", told + "outside of 0 to 1."
    else:
        name, told = "labels_out_of_range", told + f"outside of the classes 0 to {highest}."
        if _counted_from_one(split, labels):
            remedy = "They seem to be counted from 1: subtract 1 from all labels."
    return Finding(
        name,
        "bad",
        told,
        {"labels": len(rows), "share": len(rows) / len(split)},
        _cases(split, rows),
        remedy,
        (split.name,),
        {split.name: tuple(rows)},
    )


def _counted_from_one(split: Split, labels: Labels) -> bool:
    given = [label for label in split.labels if isinstance(label, (int, float))]
    return bool(given) and min(given) == 1 and max(given) == labels.num_classes


def _whole_floats(splits: Sequence[Split], labels: Labels) -> Iterator[Finding]:
    if labels.task != "numbers" or labels.values[0].ndim != 1:
        return
    values = np.concatenate(labels.values)
    values = values[~np.isnan(values)]
    different = len(np.unique(values))
    if len(values) and (values == np.floor(values)).all() and different < len(values) / 2:
        yield Finding(
            "float_labels",
            "warning",
            f"All labels are floats, yet whole, and only {different:,} different ones: kerasft and "
            "Keras take floats as numbers to predict, not as classes.",
            {"different": different},
            remedy="Where they name classes, give them as int, or say num_classes.",
            splits=tuple(split.name for split in splits),
        )


def _spelling(labels: Labels) -> Iterator[Finding]:
    if not labels.named_by_texts:
        return
    spelled: dict[str, list[str]] = {}
    for name in labels.names or ():
        spelled.setdefault(fold(name), []).append(name)
    for names in spelled.values():
        if len(names) > 1:
            yield Finding(
                "class_spelling",
                "warning",
                f"The classes {listed(names)} differ in case and whitespace only.",
                {"classes": len(names)},
                remedy="If they are one class, spell it one way.",
            )


def _cases(split: Split, rows: Sequence[int]) -> tuple[str, ...]:
    return tuple(f"{split.name} row {row}: {split.labels[row]!r:.60}" for row in rows[:_EXAMPLES])
