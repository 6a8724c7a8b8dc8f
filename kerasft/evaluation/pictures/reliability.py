"""The picture of whether probabilities can be taken at their word."""

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from kerasft._checks import fail
from kerasft.evaluation.calibration_error import BINS, confidences, reliability
from kerasft.evaluation.pictures.style import COLOURS, new_figure, tidy

if TYPE_CHECKING:
    from kerasft.evaluation.report import Report
    from kerasft.evaluation.temperatures import Temperature

_RULE = "a Report of a classification, or what fit_temperature gives back"


class _Bins(NamedTuple):
    """What each bin holds, `(bins,)` each, and the calibration error of all of them."""

    examples: np.ndarray
    confidence: np.ndarray
    right: np.ndarray

    @property
    def filled(self) -> np.ndarray:
        return self.examples > 0

    @property
    def error(self) -> float:
        return float(self.examples @ np.abs(self.right - self.confidence) / self.examples.sum())


def plot_reliability(report: "Report | Temperature", before: "Report | None" = None) -> Any:
    """Draw a reliability diagram: how often decisions are right, by how sure the model is.

    On the diagonal the model is right as often as it says; below it, it is too sure. Under the
    diagram stands how many decisions each of the 15 bins holds, so that a bin of three examples
    is not taken for evidence.

    Reference: Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks",
    ICML 2017, figure 1.

    Args:
        report: A `Report` of a classification; or a `Temperature`, which brings the state before
            it along.
        before: A report from before a change, such as a temperature, to draw beside it.

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
    after = _bins("report", report)
    if before is None and hasattr(report, "before_bins"):
        earlier: _Bins | None = _Bins(*report.before_bins.values())
    else:
        earlier = None if before is None else _bins("before", before)
    edges = np.linspace(0.0, 1.0, BINS + 1)
    either = after.filled if earlier is None else after.filled | earlier.filled
    # A decision between two classes is never less sure than a half.
    lowest = float(edges[np.flatnonzero(either)[0]])
    figure = new_figure(5.0, 5.6 if earlier is None else 5.9)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    above.bar(
        edges[:-1][after.filled],
        after.right[after.filled],
        width=1 / BINS,
        align="edge",
        color="#d9d9d9",
        edgecolor="#555555",
        label="right, in each bin",
    )
    above.plot([0, 1], [0, 1], linestyle="--", color=COLOURS[0], label="perfectly calibrated")
    title = f"calibration error {after.error:.3f}"
    if earlier is not None:
        title = f"calibration error {earlier.error:.3f}, then {after.error:.3f}"
        above.plot(
            earlier.confidence[earlier.filled],
            earlier.right[earlier.filled],
            marker="s",
            markerfacecolor="white",
            linestyle="-.",
            color=COLOURS[2],
            label="before, at mean confidence",
        )
    above.plot(
        after.confidence[after.filled],
        after.right[after.filled],
        marker="o",
        color=COLOURS[1],
        label=f"{'right' if earlier is None else 'after'}, at mean confidence",
    )
    tidy(above, f"Reliability ({title})", "", "share that is right")
    above.set_ylim(0, 1.02)
    above.set_xlim(lowest, 1.0)
    figure.legend(loc="outside lower center", ncols=2, fontsize=9, frameon=False)
    bar = {"width": 1 / BINS, "align": "edge"}
    below.bar(edges[:-1], after.examples, color="#d9d9d9", edgecolor="#555555", **bar)
    if earlier is not None:
        below.bar(
            edges[:-1], earlier.examples, fill=False, linestyle="-.", edgecolor=COLOURS[2], **bar
        )
    what = "decisions" if report.task == "multilabel" else "examples"
    tidy(below, "", "confidence: probability of the predicted class", what)
    return figure


def _bins(name: str, given: Any) -> _Bins:
    if hasattr(given, "after_bins"):
        return _Bins(*given.after_bins.values())
    if getattr(given, "task", "regression") == "regression" or not hasattr(given, "examples"):
        fail(name, given, _RULE)
    return _Bins(*reliability(*confidences(given.examples)))
