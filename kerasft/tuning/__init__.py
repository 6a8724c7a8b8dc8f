"""What runs a model for the user."""

from kerasft.tuning.build_for_fit import build_for_fit
from kerasft.tuning.calibrate import calibrate
from kerasft.tuning.choose_thresholds import choose_thresholds
from kerasft.tuning.evaluate import evaluate
from kerasft.tuning.find_learning_rate import find_learning_rate
from kerasft.tuning.learning_rate_curve import LearningRateCurve

__all__ = [
    "LearningRateCurve",
    "build_for_fit",
    "calibrate",
    "choose_thresholds",
    "evaluate",
    "find_learning_rate",
]
