"""Chosen thresholds as a document."""

import functools
from typing import TYPE_CHECKING

from kerasft.evaluation.pictures import plot_thresholds
from kerasft.evaluation.rendering.document import Document, Table, one_line
from kerasft.evaluation.rendering.report_document import between, number

if TYPE_CHECKING:
    from kerasft.evaluation.thresholds import ThresholdChoice, Thresholds

FIGURE_TITLES = {
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced acc.",
    "f0.5": "F0.5",
    "f1": "F1",
    "f2": "F2",
    "matthews": "Matthews",
    "precision": "Precision",
    "recall": "Recall",
}
_LONGEST_NAME = 16


def thresholds_document(thresholds: "Thresholds") -> Document:
    """The thresholds, and what they do."""
    metric = FIGURE_TITLES[thresholds.metric].lower().replace("acc.", "accuracy")
    metric = metric.upper() if metric.startswith("f") else metric
    lead = f"Chosen for the largest {metric}"
    stated = [
        f"a {part} of at least {least:g}"
        for part, least in (
            ("precision", thresholds.at_least_precision),
            ("recall", thresholds.at_least_recall),
        )
        if least is not None
    ]
    lead += f" among those with {' and '.join(stated)}." if stated else "."
    lead += " A class is predicted where its probability is above the threshold."
    note = ""
    if thresholds.resamples:
        note = (
            f"Intervals: {thresholds.confidence:.0%} of {thresholds.resamples} bootstrap draws, "
            f"seed {thresholds.seed}. Unseen: what to expect of examples that the threshold was "
            "not chosen on."
        )
    several = len(thresholds.choices) > 1
    figures: list[tuple[str, ...]] = []
    for choice in thresholds.choices:
        figures += _rows(choice, several)
    columns: tuple[str, ...] = ("figure", "at 0.5", "at the threshold", "interval", "unseen")
    if several:
        columns = ("class", *columns)
    text = (0, 1) if several else (0,)
    shown = any(choice.curve for choice in thresholds.choices)
    return Document(
        title=f"Thresholds chosen on {thresholds.examples} examples",
        lead=lead,
        verdicts=thresholds.verdicts,
        tables=(_thresholds(thresholds), Table("Figures", columns, tuple(figures), note, text)),
        pictures={"Thresholds": functools.partial(plot_thresholds, thresholds)} if shown else {},
    )


def _thresholds(thresholds: "Thresholds") -> Table:
    rows = [
        (
            one_line(choice.class_name, _LONGEST_NAME),
            f"{choice.threshold:.4g}",
            "" if choice.threshold_interval is None else between(*choice.threshold_interval),
            str(choice.examples),
            str(choice.predicted),
        )
        for choice in thresholds.choices
    ]
    columns = ("class", "threshold", "interval", "examples", "predicted")
    return Table("Thresholds", columns, tuple(rows))


def _rows(choice: "ThresholdChoice", several: bool) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for name, value in choice.figures.items():
        bounds = choice.intervals.get(name)
        row = (
            FIGURE_TITLES[name],
            number(choice.at_half[name]),
            number(value),
            "" if bounds is None else between(*bounds),
            number(choice.unseen[name]) if name in choice.unseen else "",
        )
        rows.append((one_line(choice.class_name, _LONGEST_NAME), *row) if several else row)
    return rows
