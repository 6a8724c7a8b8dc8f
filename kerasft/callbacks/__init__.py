"""Callbacks for `model.fit`."""

from kerasft.callbacks.diagnosis import DoctorLimits
from kerasft.callbacks.doctor import Doctor
from kerasft.callbacks.early_stopping import EarlyStopping
from kerasft.callbacks.generalization_gap import GeneralizationGap
from kerasft.callbacks.generalization_loss import GeneralizationLoss
from kerasft.callbacks.phase import Phase
from kerasft.callbacks.phases import Phases
from kerasft.callbacks.progress_quotient import ProgressQuotient
from kerasft.callbacks.weight_averaging import WeightAveraging

__all__ = [
    "Doctor",
    "DoctorLimits",
    "EarlyStopping",
    "GeneralizationGap",
    "GeneralizationLoss",
    "Phase",
    "Phases",
    "ProgressQuotient",
    "WeightAveraging",
]
