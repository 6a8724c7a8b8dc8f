"""Freezing that means what it says: a policy decides, a plan tells, `apply` makes it so."""

from kerasft.freezing._application import PLAN_FILE
from kerasft.freezing.pin import is_pinned
from kerasft.freezing.plan import Plan
from kerasft.freezing.plan_row import PlanRow
from kerasft.freezing.policy import FreezePolicy, stages_of
from kerasft.freezing.train_biases import TrainBiases
from kerasft.freezing.train_everything import TrainEverything
from kerasft.freezing.train_gradually import TrainGradually
from kerasft.freezing.train_head import TrainHead
from kerasft.freezing.train_head_then_everything import TrainHeadThenEverything
from kerasft.freezing.train_last_blocks import TrainLastBlocks
from kerasft.freezing.train_last_layers import TrainLastLayers
from kerasft.freezing.train_norms import TrainNorms
from kerasft.freezing.train_selected import TrainSelected

__all__ = [
    "PLAN_FILE",
    "FreezePolicy",
    "Plan",
    "PlanRow",
    "TrainBiases",
    "TrainEverything",
    "TrainGradually",
    "TrainHead",
    "TrainHeadThenEverything",
    "TrainLastBlocks",
    "TrainLastLayers",
    "TrainNorms",
    "TrainSelected",
    "is_pinned",
    "stages_of",
]
