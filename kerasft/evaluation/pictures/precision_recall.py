"""The picture of what a threshold trades."""

from typing import TYPE_CHECKING, Any

import numpy as np

from kerasft._checks import fail
from kerasft.evaluation.pictures.style import COLOURS, LINES, MARKERS, new_figure, plain, tidy

if TYPE_CHECKING:
    from kerasft.evaluation.report import Report

_MOST_CURVES = 6


def plot_precision_recall(report: "Report") -> Any:
    """Draw precision against recall over all thresholds, and mark the report's own.

    A binary task gives the curve of its second class. Several classes or labels give a curve
    each, one against the rest; of more than six, the six with the smallest area.

    Args:
        report: A `Report` of a classification.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ArgumentError: for a regression, or if none of the classes has an example.

    Example:
        >>> from kerasft.evaluation import evaluate_arrays, plot_precision_recall
        >>> figure = plot_precision_recall(evaluate_arrays([0, 1, 1], [0.2, 0.7, 0.6], bootstrap=0))
        >>> figure.axes[0].get_xlabel()
        'recall: share of the class that is found'
    """
    from sklearn.metrics import precision_recall_curve

    if getattr(report, "task", "regression") == "regression":
        fail("report", report, "a Report of a classification")
    membership, probabilities = report.examples.membership, report.examples.class_probabilities
    numbers = [1] if report.task == "binary" else list(range(len(report.class_names)))
    numbers = [number for number in numbers if membership[:, number].any()]
    if not numbers:
        fail("report", report, "a Report of examples that hold the class in question")
    areas = {number: report.classes[report.class_names[number]]["pr_auc"] for number in numbers}
    left_out = max(0, len(numbers) - _MOST_CURVES)
    numbers = sorted(sorted(numbers, key=areas.__getitem__)[:_MOST_CURVES])
    figure = new_figure(5.2, 4.8)
    axes = figure.subplots()
    thresholds = np.broadcast_to(report.examples.threshold, len(report.class_names))
    several = len(numbers) > 1
    for place, number in enumerate(numbers):
        name = report.class_names[number]
        precision, recall, _ = precision_recall_curve(
            membership[:, number], probabilities[:, number]
        )
        marker = {
            "marker": MARKERS[place],
            "markersize": 8,
            "markerfacecolor": "white",
            "markeredgecolor": COLOURS[place],
            "markeredgewidth": 1.8,
        }
        line = {"color": COLOURS[place], "linestyle": LINES[place]}
        label = f"{plain(name, 20)} (area {areas[number]:.3f})"
        axes.plot(recall, precision, drawstyle="steps-post", **line)
        figures = report.classes[name]
        point = figures["recall"], figures["precision"]
        axes.plot(*point, linestyle="none", zorder=3, **marker)
        # For the legend alone: one line of it shows the curve and its point together.
        axes.plot([], [], label=label, **line, **(marker if several else {}))
        if not several:
            at = f"at threshold {thresholds[number]:.3g}"
            axes.plot([], [], linestyle="none", label=at, **marker)
    if len(numbers) == 1:
        share = float(membership[:, numbers[0]].mean())
        label = f"guessing ({share:.3f})"
        axes.axhline(share, color="#777777", linewidth=1, linestyle=":", label=label)
    title = "Precision and recall"
    if left_out:
        title += f" (the lowest {len(numbers)} of {len(numbers) + left_out})"
    tidy(
        axes,
        title,
        "recall: share of the class that is found",
        "precision: share of what is said that is right",
    )
    axes.set_xlim(0, 1.02)
    axes.set_ylim(0, 1.04)
    points = "points: as predicted" if report.task == "multiclass" else "points: at the thresholds"
    axes.legend(loc="lower left", fontsize=9, framealpha=0.95, title=points if several else None)
    return figure
