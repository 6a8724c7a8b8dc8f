"""Asks, from time to time, whether a model calls every validation example one class."""

import keras

from kerasft.callbacks._task import Task
from kerasft.callbacks._validation_sample import SampleUnavailableError, take_sample
from kerasft.callbacks.diagnosis import (
    Course,
    DoctorLimits,
    Sample,
    collapsed,
    suspects_collapse,
)
from kerasft.evaluation import Verdict

__all__ = ["CollapseWatch"]

# After a sample of several classes, so many epochs pass before the next.
_EPOCHS_BETWEEN_SAMPLES = 3


class CollapseWatch:
    """Asks a model about a few validation examples, where the losses give reason to.

    Args:
        task: What the model tells apart.
        limits: Where the lines are drawn.
        not_judged: By finding, why it cannot be judged in this fit. What is learned of this one
            goes in there.
    """

    def __init__(self, task: Task, limits: DoctorLimits, not_judged: dict[str, str]) -> None:
        self._task = task
        self._limits = limits
        self._samples: dict[int, Sample] = {}
        self._next = 0
        self._not_judged = not_judged
        if not task.has_classes:
            not_judged["collapsed"] = "loss and outputs tell of no classes that exclude others"

    def judge(self, model: keras.Model, course: Course) -> Verdict | None:
        """At the end of an epoch: a finding, or None."""
        if "collapsed" in self._not_judged or not suspects_collapse(course):
            return None
        epoch = course.epochs[-1].number
        ends = course.planned is not None and epoch >= course.planned
        if epoch < self._next and not ends:
            return None
        try:
            sample = take_sample(model, self._task)
        except SampleUnavailableError as reason:
            self._not_judged["collapsed"] = str(reason)
            return None
        except Exception as error:  # a look must never be what ends a fit
            kind = type(error).__name__
            self._not_judged["collapsed"] = f"the validation data gave {kind} when read again"
            return None
        self._samples[epoch] = sample
        if sample.most_called[1] < self._limits.collapsed_share:
            self._next = epoch + _EPOCHS_BETWEEN_SAMPLES
        return collapsed(course, self._samples, self._limits)
