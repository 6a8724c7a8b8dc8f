"""The rules by which a doctor knows a sickness: numbers in, findings out, no Keras needed."""

from kerasft.callbacks.diagnosis.collapse import collapsed, suspects_collapse
from kerasft.callbacks.diagnosis.course import Course, EpochNotes
from kerasft.callbacks.diagnosis.doctor_limits import DoctorLimits
from kerasft.callbacks.diagnosis.findings import Findings
from kerasft.callbacks.diagnosis.labels import labels_in_error, negative_loss, outside_the_classes
from kerasft.callbacks.diagnosis.learning_rate import (
    learning_rate_too_high,
    learning_rate_too_low,
    suspects_high_rate,
)
from kerasft.callbacks.diagnosis.progress import overfitting, too_few_epochs
from kerasft.callbacks.diagnosis.sample import Sample
from kerasft.callbacks.diagnosis.spoilt_numbers import (
    spoilt_at_start,
    spoilt_inputs,
    spoilt_loss,
    spoilt_weights,
)
from kerasft.callbacks.diagnosis.training import flags_in_error, what_trains

__all__ = [
    "Course",
    "DoctorLimits",
    "EpochNotes",
    "Findings",
    "Sample",
    "collapsed",
    "flags_in_error",
    "labels_in_error",
    "learning_rate_too_high",
    "learning_rate_too_low",
    "negative_loss",
    "outside_the_classes",
    "overfitting",
    "spoilt_at_start",
    "spoilt_inputs",
    "spoilt_loss",
    "spoilt_weights",
    "suspects_collapse",
    "suspects_high_rate",
    "too_few_epochs",
    "what_trains",
]
