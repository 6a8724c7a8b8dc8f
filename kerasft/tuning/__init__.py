"""What runs a model for the user."""

from kerasft.tuning.evaluate import evaluate
from kerasft.tuning.find_learning_rate import find_learning_rate
from kerasft.tuning.learning_rate_curve import LearningRateCurve

__all__ = ["LearningRateCurve", "evaluate", "find_learning_rate"]
