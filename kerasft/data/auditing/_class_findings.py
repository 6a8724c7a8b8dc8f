"""Findings about classes: missing from a split, or much rarer than others."""

from collections.abc import Iterator, Sequence

import numpy as np

from kerasft.data.auditing._labels import Labels
from kerasft.data.auditing._splits import Split
from kerasft.data.auditing._wording import listed, share
from kerasft.data.auditing.finding import Finding

# The largest class has so many times the examples of the smallest.
_NOTED_RATIO, _WARNED_RATIO = 3.0, 10.0

_WEIGH = (
    "Judge by the recall of each class and not by accuracy, and weigh the classes: "
    "kerasft.data.sample_weights(labels, report.class_weights)."
)


def class_findings(
    splits: Sequence[Split], labels: Labels, usable: Sequence[np.ndarray]
) -> Iterator[Finding]:
    """What the counts of the classes say.

    Args:
        splits: The splits, the one that is trained on first.
        labels: Their labels.
        usable: For each split, the rows with a text.
    """
    if labels.task == "numbers":
        return
    for place, split in enumerate(splits):
        counts = labels.counts(place, usable[place])
        total = int((usable[place] & labels.usable(place)).sum())
        if total:
            yield from _absent(split, labels, counts, total, place == 0)
            if place == 0:
                yield from _imbalance(split, labels, counts, total)


def _absent(
    split: Split, labels: Labels, counts: np.ndarray, total: int, trained: bool
) -> Iterator[Finding]:
    absent = [labels.name_of(number) for number in np.flatnonzero(counts == 0).tolist()]
    always = [labels.name_of(number) for number in np.flatnonzero(counts == total).tolist()]
    if trained:
        level = "bad"
        remedy = "What has no example cannot be learned: bring some, or leave the class out."
    else:
        level = "warning"
        remedy = "Its recall cannot be measured here. Cut the splits with Examples.split, which "
        remedy += "keeps the mix of classes, or bring examples."
    if absent:
        yield Finding(
            "absent_class",
            level,
            f"No example of {listed(absent)} in {split.name}.",
            {"classes": len(absent), "share": len(absent) / len(counts)},
            remedy=remedy,
            splits=(split.name,),
        )
    if labels.task == "sets" and always:
        yield Finding(
            "constant_label",
            level,
            f"Each example in {split.name} has {listed(always)}.",
            {"labels": len(always), "share": len(always) / len(counts)},
            remedy="A label that always holds teaches nothing: bring counterexamples, or leave it "
            "out.",
            splits=(split.name,),
        )


def _imbalance(split: Split, labels: Labels, counts: np.ndarray, total: int) -> Iterator[Finding]:
    if labels.task == "sets":
        rare = np.minimum(counts, total - counts)
        ratios = np.where(rare > 0, (total - rare) / np.maximum(rare, 1), 0)
        worst = int(np.argmax(ratios))
        ratio = float(ratios[worst])
        what = "have it" if counts[worst] <= total / 2 else "do not have it"
        message = (
            f"{labels.name_of(worst)!r} is one-sided: "
            f"{share(int(rare[worst]), total, f'{split.name} texts')} {what}."
        )
        evidence = {"ratio": ratio, "smallest": int(rare[worst]), "texts": total}
        others = int((ratios >= _WARNED_RATIO).sum()) - 1
        if others > 0:
            message += f" {others} more labels are more one-sided than 10 to 1."
    else:
        present = np.flatnonzero(counts)
        least = int(present[np.argmin(counts[present])])
        most = int(np.argmax(counts))
        ratio = float(counts[most] / counts[least])
        message = (
            f"{labels.name_of(most)!r} has {ratio:.1f} times as many {split.name} texts as "
            f"{labels.name_of(least)!r}: {int(counts[most]):,} against {int(counts[least]):,}. "
            f"Always saying {labels.name_of(most)!r} would be {counts[most] / total:.1%} accurate."
        )
        evidence = {
            "ratio": ratio,
            "largest": int(counts[most]),
            "smallest": int(counts[least]),
            "majority": float(counts[most] / total),
        }
    if ratio >= _NOTED_RATIO:
        level = "warning" if ratio >= _WARNED_RATIO else "note"
        remedy = _WEIGH
        yield Finding("imbalance", level, message, evidence, (), remedy, (split.name,))
