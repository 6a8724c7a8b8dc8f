"""A learning rate, a weight decay and a pull per variable, round any Keras optimizer."""

from kerasft.optimizers.fused_adamw import FusedAdamW
from kerasft.optimizers.l2sp import L2SP
from kerasft.optimizers.layerwise_optimizer import LayerwiseOptimizer
from kerasft.optimizers.pull_table import PullRow
from kerasft.optimizers.rate_table import RateRow

__all__ = ["L2SP", "FusedAdamW", "LayerwiseOptimizer", "PullRow", "RateRow"]
