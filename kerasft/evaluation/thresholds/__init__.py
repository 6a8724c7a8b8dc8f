"""The threshold above which a class is predicted."""

from kerasft.evaluation.thresholds.choose_threshold import choose_threshold
from kerasft.evaluation.thresholds.threshold_choice import ThresholdChoice
from kerasft.evaluation.thresholds.thresholds import Thresholds

__all__ = ["ThresholdChoice", "Thresholds", "choose_threshold"]
