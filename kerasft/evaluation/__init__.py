"""Reports, verdicts and pictures: arrays in, no model known."""

from kerasft.evaluation.arrays import evaluate_arrays
from kerasft.evaluation.calibration_error import expected_calibration_error
from kerasft.evaluation.comparison import Comparison
from kerasft.evaluation.mcnemar import McNemar
from kerasft.evaluation.mistake import Mistake
from kerasft.evaluation.pictures import (
    plot_confusion_matrix,
    plot_learning_curves,
    plot_precision_recall,
    plot_predictions,
    plot_reliability,
)
from kerasft.evaluation.report import Report
from kerasft.evaluation.verdicts import Limits, Verdict

__all__ = [
    "Comparison",
    "Limits",
    "McNemar",
    "Mistake",
    "Report",
    "Verdict",
    "evaluate_arrays",
    "expected_calibration_error",
    "plot_confusion_matrix",
    "plot_learning_curves",
    "plot_precision_recall",
    "plot_predictions",
    "plot_reliability",
]
