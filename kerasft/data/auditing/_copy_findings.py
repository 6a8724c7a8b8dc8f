"""Findings about copies: leaks between splits, repeats within one, labels that contradict."""

import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from kerasft.data.auditing._copies import Copies
from kerasft.data.auditing._splits import Split
from kerasft.data.auditing._wording import counted, quote, share
from kerasft.data.auditing.finding import Finding

# From this share of a split on, it spoils the figures or the training.
_BAD_LEAK = 0.01
_BAD_CONTRADICTIONS = 0.01
_MANY_REPEATS = 0.05
_EXAMPLES = 2


def copy_findings(
    splits: Sequence[Split], copies: Copies, similarity: float | None
) -> Iterator[Finding]:
    """What copies and near copies do to these splits."""
    near = "" if similarity is None else f" (similarity of at least {similarity:g})"
    for one, other in itertools.combinations(range(len(splits)), 2):
        yield from _leak(splits, copies, one, other, near)
    for place in range(len(splits)):
        yield from _contradictions(splits, copies, place, near)
        yield from _repeats(splits, copies, place, near)


def _leak(
    splits: Sequence[Split], copies: Copies, one: int, other: int, near: str
) -> Iterator[Finding]:
    there, here = splits[one], splits[other]
    exactly, nearly = copies.shared(other, one)
    if not len(exactly) + len(nearly):
        return
    source_exactly, source_nearly = copies.shared(one, other)
    fraction = (len(exactly) + len(nearly)) / len(here)
    if one == 0:
        effect = f"A model may know them by heart, so that the figures of {here.name} flatter it."
    else:
        effect = f"What is chosen by {there.name} is chosen by these too."
    message = (
        f"{share(len(exactly) + len(nearly), len(here), f'{here.name} texts')} can be found in "
        f"{there.name} too: {len(exactly):,} word for word, {len(nearly):,} nearly so{near}. "
        f"{effect}"
    )
    rows = {
        there.name: _sorted(source_exactly, source_nearly),
        here.name: _sorted(exactly, nearly),
    }
    yield Finding(
        "leak",
        "bad" if fraction >= _BAD_LEAK else "warning",
        message,
        {
            "texts": len(exactly) + len(nearly),
            "exact": len(exactly),
            "near": len(nearly),
            "share": fraction,
            "sources": len(source_exactly) + len(source_nearly),
        },
        _examples(splits, copies, other, (exactly, nearly), copies.split == one),
        f"Drop {counted(len(rows[there.name]), f'{there.name} text')} and leave {here.name} as it "
        "is, as `cleaned` does.",
        (there.name, here.name),
        rows,
    )


def _contradictions(
    splits: Sequence[Split], copies: Copies, place: int, near: str
) -> Iterator[Finding]:
    split = splits[place]
    exactly, nearly = copies.contradicted(place)
    count = len(exactly) + len(nearly)
    if not count:
        return
    fraction = count / len(split)
    examples: list[str] = []
    for rows, exact in ((exactly, True), (nearly, False)):
        for row in rows[: _EXAMPLES - len(examples)].tolist():
            me = copies.label[(copies.split == place) & (copies.row == row)][0]
            apart = np.abs(copies.label - me) > copies.tolerance
            examples += _example(splits, copies, place, row, apart, exact)
    yield Finding(
        "contradictions",
        "bad" if fraction >= _BAD_CONTRADICTIONS else "warning",
        f"{share(count, len(split), f'{split.name} texts')} stand with another label elsewhere: "
        f"{len(exactly):,} word for word, {len(nearly):,} nearly so{near}.",
        {"texts": count, "exact": len(exactly), "near": len(nearly), "share": fraction},
        tuple(examples),
        "Read them, and correct the labels. `cleaned(contradictions=True)` drops those of "
        f"{splits[0].name}.",
        (split.name,),
        {split.name: _sorted(exactly, nearly)},
    )


def _repeats(splits: Sequence[Split], copies: Copies, place: int, near: str) -> Iterator[Finding]:
    split = splits[place]
    exactly, nearly = (np.array(rows, dtype=int) for rows in copies.repeats(place))
    count = len(exactly) + len(nearly)
    if not count:
        return
    fraction = count / len(split)
    trained = place == 0
    if trained:
        effect = "They count more than once in training."
        remedy = "`cleaned` drops those that are the same word for word, and with "
        remedy += "near_duplicates=True the others too; the first of each stays."
    else:
        effect = "They count more than once in the figures."
        remedy = "Leave them where figures are to compare with others' on the same set."
    yield Finding(
        "repeats",
        "warning" if fraction >= (_MANY_REPEATS if trained else _BAD_LEAK) else "note",
        f"{share(count, len(split), f'{split.name} texts')} repeat an earlier one with the same "
        f"label: {len(exactly):,} word for word, {len(nearly):,} nearly so{near}. {effect}",
        {"texts": count, "exact": len(exactly), "near": len(nearly), "share": fraction},
        _examples(splits, copies, place, (exactly, nearly), copies.split == place),
        remedy,
        (split.name,),
        {split.name: _sorted(exactly, nearly)},
    )


def _sorted(*rows: np.ndarray) -> tuple[int, ...]:
    return tuple(np.sort(np.concatenate(rows)).tolist())


def _examples(
    splits: Sequence[Split],
    copies: Copies,
    place: int,
    found: tuple[np.ndarray, np.ndarray],
    others: np.ndarray,
) -> tuple[str, ...]:
    """One pair of each kind that there is."""
    examples: list[str] = []
    for rows, exact in zip(found, (True, False), strict=True):
        for row in rows[:1].tolist():
            examples += _example(splits, copies, place, row, others, exact)
    return tuple(examples)


def _example(
    splits: Sequence[Split],
    copies: Copies,
    place: int,
    row: int,
    others: np.ndarray,
    exact: bool,
) -> list[str]:
    partner = copies.partner(place, row, others, exact)
    if partner is None:
        return []
    there, other, similarity = partner
    relation = "is" if exact else f"is like ({similarity:.2f})"
    mine, theirs = splits[place], splits[there]
    return [
        f"{mine.name} row {row} {quote(mine.texts[row])} (label {mine.labels[row]!r:.40}) "
        f"{relation} {theirs.name} row {other} {quote(theirs.texts[other])} "
        f"(label {theirs.labels[other]!r:.40})"
    ]
