"""A learning rate and a weight decay per variable, round any Keras optimizer."""

from kerasft.optimizers.layerwise_optimizer import LayerwiseOptimizer
from kerasft.optimizers.rate_table import RateRow

__all__ = ["LayerwiseOptimizer", "RateRow"]
