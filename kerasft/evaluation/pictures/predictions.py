"""The picture of a regression."""

from typing import TYPE_CHECKING, Any

from kerasft._checks import fail
from kerasft.evaluation.pictures.style import COLOURS, MARKERS, new_figure, tidy

if TYPE_CHECKING:
    from kerasft.evaluation.report import Report

_MOST_POINTS = 5000
_MOST_OUTPUTS = len(MARKERS)


def plot_predictions(report: "Report") -> Any:
    """Draw predicted against true values; on the diagonal they are equal.

    Args:
        report: A `Report` of a regression. Of its outputs the first six are drawn, and of more
            than 5,000 examples every n-th.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ArgumentError: for another task.

    Example:
        >>> from kerasft.evaluation import evaluate_arrays, plot_predictions
        >>> figure = plot_predictions(evaluate_arrays([1.5, 2.5], [1.4, 2.8], bootstrap=0))
        >>> figure.axes[0].get_xlabel()
        'true value'
    """
    if getattr(report, "task", None) != "regression":
        fail("report", report, "a Report of a regression")
    step = -(-len(report.labels) // _MOST_POINTS)
    labels, predictions = report.labels[::step], report.probabilities[::step]
    figure = new_figure(5.0, 4.8)
    axes = figure.subplots()
    outputs = min(labels.shape[1], _MOST_OUTPUTS)
    for number in range(outputs):
        axes.plot(
            labels[:, number],
            predictions[:, number],
            linestyle="none",
            marker=MARKERS[number],
            markersize=4,
            color=COLOURS[number],
            alpha=0.5,
            label=f"output {number}" if outputs > 1 else "examples",
        )
    low = min(labels.min(), predictions.min())
    high = max(labels.max(), predictions.max())
    axes.plot([low, high], [low, high], linestyle="--", color="#777777", label="equal")
    tidy(axes, "Predictions", "true value", "predicted value")
    axes.legend(loc="best", fontsize=9)
    return figure
