"""Freezing that means what it says: a policy decides, a plan tells, `apply` makes it so."""

from kerasft.freezing._application import PLAN_FILE
from kerasft.freezing.pin import is_pinned
from kerasft.freezing.plan import Plan, PlanRow
from kerasft.freezing.policy import FreezePolicy
from kerasft.freezing.train_everything import TrainEverything
from kerasft.freezing.train_head import TrainHead
from kerasft.freezing.train_last_blocks import TrainLastBlocks
from kerasft.freezing.train_last_layers import TrainLastLayers
from kerasft.freezing.train_selected import TrainSelected

__all__ = [
    "PLAN_FILE",
    "FreezePolicy",
    "Plan",
    "PlanRow",
    "TrainEverything",
    "TrainHead",
    "TrainLastBlocks",
    "TrainLastLayers",
    "TrainSelected",
    "is_pinned",
]
