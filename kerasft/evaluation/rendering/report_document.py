"""A report as a document."""

import functools
import math
from typing import TYPE_CHECKING

import numpy as np

from kerasft.evaluation.metrics import TITLES
from kerasft.evaluation.pictures import (
    plot_confusion_matrix,
    plot_precision_recall,
    plot_predictions,
    plot_reliability,
)
from kerasft.evaluation.rendering.document import UNDEFINED, WIDTH, Document, Table, one_line

if TYPE_CHECKING:
    from kerasft.evaluation.report import Report

TASK_TITLES = {
    "binary": "Binary classification",
    "multiclass": "Multi-class classification",
    "multilabel": "Multi-label classification",
    "regression": "Regression",
}
# More rows or columns than this are no longer read: the worst are shown, all are in `to_dict`.
_MOST_CLASSES = 30
_MOST_CONFUSIONS = 10
_LONGEST_NAME = 24
_SHORT_NAME = 12
_BETWEEN = 3  # the space between two columns
_LONGEST_INPUT = 240


def report_document(report: "Report") -> Document:
    """Lead, verdicts, tables and pictures of a report."""
    tables: list[Table | None] = [_figures(report)]
    if report.task != "regression":
        names, note = _shown_classes(report)
        tables += [_classes(report, names, note), _class_intervals(report, names)]
        tables.append(_confusion(report, report.confusion))
    tables.append(_mistakes(report))
    return Document(
        title=f"{TASK_TITLES[report.task]} of {len(report.examples)} examples",
        lead=_lead(report),
        verdicts=report.verdicts,
        tables=tuple(table for table in tables if table is not None),
        pictures=_pictures(report),
    )


def number(value: float, digits: int = 3) -> str:
    """A figure as tables show it; a dash where it is not defined."""
    if math.isnan(value):
        return UNDEFINED
    if value and (abs(value) >= 1e5 or abs(value) < 0.5 * 10**-digits):
        return f"{value:.2e}"
    return f"{value:.{digits}f}"


def between(low: float, high: float) -> str:
    """An interval as tables show it; empty where it is not defined."""
    return "" if math.isnan(low) else f"{number(low)} to {number(high)}"


def _lead(report: "Report") -> str:
    parts = []
    if report.task in ("binary", "multilabel"):
        threshold = report.examples.threshold
        values = threshold if isinstance(threshold, tuple) else (threshold,)
        shown = ", ".join(f"{value:g}" for value in values)
        parts.append(f"A class is predicted where its probability is above {shown}.")
    parts += report.notes
    if report.task == "binary":
        parts.append(
            f"Precision, recall, F1 and areas without an addition are those of "
            f"{report.class_names[1]!r}."
        )
    if report.resamples:
        parts.append(
            f"Intervals: {report.confidence:.0%}, percentile bootstrap, {report.resamples} "
            f"draws of the examples, seed {report.seed}."
        )
    return one_line(" ".join(parts))


def _figures(report: "Report") -> Table:
    rows = []
    for name, value in report.metrics.items():
        bounds = report.intervals.get(name, (math.nan, math.nan))
        rows.append((TITLES.get(name, name), number(value), between(*bounds)))
    if not report.intervals:
        return Table("Figures", ("figure", "value"), tuple(row[:2] for row in rows))
    columns = ("figure", "value", f"{report.confidence:.0%} interval")
    return Table("Figures", columns, tuple(rows))


def _shown_classes(report: "Report") -> tuple[list[str], str]:
    """The classes that tables have room for, and a note where some are left out."""
    names = list(report.classes)
    if len(names) <= _MOST_CLASSES:
        return names, ""
    names.sort(key=lambda name: np.nan_to_num(report.classes[name]["f1"], nan=2.0))
    note = f"The {_MOST_CLASSES} classes with the lowest F1, of {len(names)}."
    return names[:_MOST_CLASSES], note


def _classes(report: "Report", names: list[str], note: str) -> Table:
    keys = ("precision", "recall", "f1", "roc_auc", "pr_auc")
    rows = []
    for name in names:
        figures = report.classes[name]
        counts = (str(int(figures["examples"])), str(int(figures["predicted"])))
        values = tuple(number(figures[key]) for key in keys)
        rows.append((one_line(name, _LONGEST_NAME), *values, *counts))
    columns = ("class", "precision", "recall", "F1", "ROC", "PR", "examples", "predicted")
    return Table("By class", columns, tuple(rows), note)


def _class_intervals(report: "Report", names: list[str]) -> Table | None:
    if not report.class_intervals:
        return None
    rows = tuple(
        (
            one_line(name, _LONGEST_NAME),
            *(between(*report.class_intervals[name][key]) for key in ("precision", "recall", "f1")),
        )
        for name in names
    )
    title = f"By class: {report.confidence:.0%} intervals"
    return Table(title, ("class", "precision", "recall", "F1"), rows)


def _confusion(report: "Report", matrix: np.ndarray | None) -> Table | None:
    if matrix is None:
        return None
    if report.task == "multilabel":
        return _decisions(report, matrix)
    columns = [one_line(name, _SHORT_NAME) for name in report.class_names]
    widths = [max(len(name), len(str(matrix[:, i].max()))) for i, name in enumerate(columns)]
    if _SHORT_NAME + sum(width + _BETWEEN for width in widths) > WIDTH:
        return _most_frequent_confusions(report, matrix)
    rows = tuple(
        (name, *(str(count) for count in row)) for name, row in zip(columns, matrix, strict=True)
    )
    note = "Rows: the true class. Columns: the predicted class."
    return Table("Confusion matrix", ("true", *columns), rows, note)


def _decisions(report: "Report", matrix: np.ndarray) -> Table:
    cells = {"true +": (1, 1), "false +": (0, 1), "false -": (1, 0), "true -": (0, 0)}
    rows = tuple(
        (one_line(name, _LONGEST_NAME), *(str(counts[cell]) for cell in cells.values()))
        for name, counts in zip(report.class_names, matrix, strict=True)
    )
    note = f"The first {_MOST_CLASSES} of {len(rows)}." if len(rows) > _MOST_CLASSES else ""
    return Table("Decisions by class", ("class", *cells), rows[:_MOST_CLASSES], note)


def _most_frequent_confusions(report: "Report", matrix: np.ndarray) -> Table | None:
    wrong = np.where(np.eye(len(matrix), dtype=bool), 0, matrix)
    most = np.argsort(-wrong, axis=None, kind="stable")[:_MOST_CONFUSIONS]
    names = [one_line(name, _LONGEST_NAME) for name in report.class_names]
    rows = tuple(
        (names[true], names[said], str(wrong[true, said]))
        for true, said in (divmod(int(cell), len(names)) for cell in most)
        if wrong[true, said]
    )
    if not rows:
        return None
    columns = ("true", "predicted", "examples")
    return Table("Most frequent confusions", columns, rows, text_columns=(0, 1))


def _mistakes(report: "Report") -> Table | None:
    if not report.mistakes:
        return None
    columns: tuple[str, ...] = ("row", "true", "predicted", "loss")
    rows = [
        (
            str(mistake.index),
            one_line(mistake.label, 40),
            one_line(mistake.prediction, 40),
            number(mistake.loss, 2),
        )
        for mistake in report.mistakes
    ]
    shown: list[tuple[str, ...]] = [*rows]
    if any(mistake.input is not None for mistake in report.mistakes):
        columns = (*columns, "input")
        inputs = [one_line(mistake.input or "", _LONGEST_INPUT) for mistake in report.mistakes]
        shown = [(*row, text) for row, text in zip(rows, inputs, strict=True)]
    if report.task == "regression":
        title, note = "Largest errors", "Loss: the squared error."
    else:
        title = "Worst mistakes"
        note = "Loss: log loss in nats; the larger, the surer of what is wrong."
    return Table(title, columns, tuple(shown), note, text_columns=(1, 2, 4))


def _pictures(report: "Report") -> dict:
    draw = functools.partial
    if report.task == "regression":
        return {"Predictions": draw(plot_predictions, report)}
    pictures = {}
    if report.task != "multilabel" and len(report.class_names) <= _MOST_CLASSES:
        pictures["Confusion matrix"] = draw(plot_confusion_matrix, report)
    if any(figures["examples"] > 0 for figures in report.classes.values()):
        pictures["Precision and recall"] = draw(plot_precision_recall, report)
    pictures["Reliability"] = draw(plot_reliability, report)
    return pictures
