"""The picture of whether probabilities can be taken at their word."""

from typing import TYPE_CHECKING, Any

import numpy as np

from kerasft._checks import fail
from kerasft.evaluation.calibration_error import (
    BINS,
    confidences,
    expected_calibration_error,
    reliability,
)
from kerasft.evaluation.pictures.style import COLOURS, new_figure, tidy

if TYPE_CHECKING:
    from kerasft.evaluation.report import Report


def plot_reliability(report: "Report") -> Any:
    """Draw a reliability diagram: how often decisions are right, by how sure the model is.

    On the diagonal the model is right as often as it says; below it, it is too sure. Under the
    diagram stands how many decisions each of the 15 bins holds, so that a bin of three examples
    is not taken for evidence.

    Reference: Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks",
    ICML 2017, figure 1.

    Args:
        report: A `Report` of a classification.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ArgumentError: for a regression, which has no probabilities.

    Example:
        >>> from kerasft.evaluation import evaluate_arrays, plot_reliability
        >>> figure = plot_reliability(evaluate_arrays([0, 1], [0.2, 0.7], bootstrap=0))
        >>> figure.axes[0].get_ylabel()
        'share that is right'
    """
    if getattr(report, "task", "regression") == "regression":
        fail("report", report, "a Report of a classification")
    confidence, correct = confidences(report.examples)
    count, mean_confidence, accuracy = reliability(confidence, correct)
    filled = count > 0
    edges = np.linspace(0.0, 1.0, BINS + 1)
    # A decision between two classes is never less sure than a half.
    lowest = float(edges[np.flatnonzero(filled)[0]])
    figure = new_figure(5.0, 5.6)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    above.bar(
        edges[:-1][filled],
        accuracy[filled],
        width=1 / BINS,
        align="edge",
        color="#d9d9d9",
        edgecolor="#555555",
        label="right, in each bin",
    )
    above.plot([0, 1], [0, 1], linestyle="--", color=COLOURS[0], label="perfectly calibrated")
    above.plot(
        mean_confidence[filled],
        accuracy[filled],
        marker="o",
        color=COLOURS[1],
        label="right, at mean confidence",
    )
    error = expected_calibration_error(confidence, correct)
    tidy(above, f"Reliability (calibration error {error:.3f})", "", "share that is right")
    above.set_ylim(0, 1.02)
    above.set_xlim(lowest, 1.0)
    figure.legend(loc="outside lower center", ncols=2, fontsize=9, frameon=False)
    below.bar(edges[:-1], count, width=1 / BINS, align="edge", color="#d9d9d9", edgecolor="#555555")
    what = "decisions" if report.task == "multilabel" else "examples"
    tidy(below, "", "confidence: probability of the predicted class", what)
    return figure
