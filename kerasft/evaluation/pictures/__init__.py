"""Pictures of reports and histories; matplotlib is imported when one is drawn."""

from kerasft.evaluation.pictures.confusion_matrix import plot_confusion_matrix
from kerasft.evaluation.pictures.learning_curves import plot_learning_curves
from kerasft.evaluation.pictures.learning_rates import plot_learning_rates
from kerasft.evaluation.pictures.precision_recall import plot_precision_recall
from kerasft.evaluation.pictures.predictions import plot_predictions
from kerasft.evaluation.pictures.reliability import plot_reliability
from kerasft.evaluation.pictures.thresholds import plot_thresholds

__all__ = [
    "plot_confusion_matrix",
    "plot_learning_curves",
    "plot_learning_rates",
    "plot_precision_recall",
    "plot_predictions",
    "plot_reliability",
    "plot_thresholds",
]
