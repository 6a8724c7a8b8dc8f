"""Reports, verdicts and pictures: arrays in, no model known."""

from kerasft.evaluation.arrays import evaluate_arrays
from kerasft.evaluation.calibration_error import expected_calibration_error
from kerasft.evaluation.comparison import Comparison
from kerasft.evaluation.mcnemar import McNemar
from kerasft.evaluation.mistake import Mistake
from kerasft.evaluation.pictures import (
    plot_confusion_matrix,
    plot_learning_curves,
    plot_learning_rates,
    plot_precision_recall,
    plot_predictions,
    plot_reliability,
    plot_thresholds,
)
from kerasft.evaluation.report import Report
from kerasft.evaluation.temperatures import Temperature, fit_temperature
from kerasft.evaluation.texts import JudgedText, TextReport, evaluate_texts
from kerasft.evaluation.thresholds import ThresholdChoice, Thresholds, choose_threshold
from kerasft.evaluation.verdicts import Limits, Verdict

__all__ = [
    "Comparison",
    "JudgedText",
    "Limits",
    "McNemar",
    "Mistake",
    "Report",
    "Temperature",
    "TextReport",
    "ThresholdChoice",
    "Thresholds",
    "Verdict",
    "choose_threshold",
    "evaluate_arrays",
    "evaluate_texts",
    "expected_calibration_error",
    "fit_temperature",
    "plot_confusion_matrix",
    "plot_learning_curves",
    "plot_learning_rates",
    "plot_precision_recall",
    "plot_predictions",
    "plot_reliability",
    "plot_thresholds",
]
