"""A doctor beside the fit: what is wrong with it, while it runs."""

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasft._checks import check_choice, check_type, fail
from kerasft._tables import html_table, text_table
from kerasft._update_steps import innermost
from kerasft.callbacks._announce import announce
from kerasft.callbacks._collapse_watch import CollapseWatch
from kerasft.callbacks._data_look import check_data, look_at_data
from kerasft.callbacks._findings_page import findings_table, findings_to_dict
from kerasft.callbacks._loss_tape import LossTape
from kerasft.callbacks._step_errors import StepErrors
from kerasft.callbacks._task import Task, task_of
from kerasft.callbacks._weights_watch import WeightsWatch, spoilt
from kerasft.callbacks.diagnosis import (
    Course,
    DoctorLimits,
    EpochNotes,
    Findings,
    flags_in_error,
    labels_in_error,
    learning_rate_too_high,
    learning_rate_too_low,
    negative_loss,
    overfitting,
    spoilt_at_start,
    spoilt_loss,
    spoilt_weights,
    suspects_high_rate,
    too_few_epochs,
    what_trains,
)
from kerasft.errors import DataError, KerasftError
from kerasft.evaluation import Verdict
from kerasft.evaluation.rendering import write_whole

__all__ = ["Doctor"]

# A suspicious loss is looked into from this batch of an epoch on, and then not before so many more.
_FIRST_LOOK = 4
_BATCHES_BETWEEN_LOOKS = 50
# In a long epoch, whether anything trains is asked after so many batches.
_BATCHES_BEFORE_WEIGHTS_CHANGE = 200


class Doctor(keras.callbacks.Callback):
    """Watch a fit, and say once each what is wrong with it, with the numbers and a remedy.

    What it knows, by the names of its findings:

    - `learning_rate_too_high`: the loss rises well above that of guessing while the weights move by
      more than their own size; or it grows until it is NaN.
    - `learning_rate_too_low`: the loss is still near guessing, and the weights hardly moved.
    - `nothing_trains`: no weight that should train changes: all are frozen, the rate is 0, no
      gradient reaches them.
    - `wrong_weights_train`: weights change that are flagged as frozen, for the flags were set after
      Keras had made its train function. On JAX, where that ends the fit, the error is explained.
    - `too_few_epochs`: the loss was still falling steeply when the last epoch was over.
    - `overfitting`: the validation loss rises, the training loss goes on falling, and nothing ends
      the fit for it.
    - `collapsed`: every validation example is called one class, and stays so.
    - `labels_outside_classes`: the backend refuses a label, or a crossentropy is negative.
    - `not_a_number`: NaN or infinity in the loss or in weights, and what was there first.

    It needs no pass over the data. A step costs it two Python calls, as `fit` converts the logs of
    each batch to numbers anyway. At the end of an epoch it reads some values of each weight. Only
    when the loss stands still does it ask the model about up to 256 validation examples.

    Changes of what trains or at which rate (`kerasft.callbacks.Phases`), warm-up, dropout, class
    weights, label smoothing and `steps_per_execution` are no sickness. Where a fit has no
    validation data, overfitting and collapse are not judged; `not_judged` says so.

    Args:
        action: What a finding does beside being kept and said: `"warn"` nothing, `"stop"` ends the
            fit, `"raise"` raises. Only the levels `"bad"` and `"warning"` stop or raise, so that
            `too_few_epochs`, a note after the last epoch, never costs a result.
        train_data: None, or the training data, or a part of them, as `fit` takes
            `validation_data`. Labels and inputs are looked at once, before the first batch: all of
            arrays, the first 100 batches of a `keras.utils.PyDataset` or a `tf.data.Dataset`. A
            callback cannot see them otherwise. (`kerasft.data.Batches` refuses wrong labels when it
            is called.)
        limits: Where the lines are drawn; None takes `kerasft.callbacks.DoctorLimits()`.
        verbose: 0 is silent, 1 says each finding.

    Attributes:
        findings: What was found in this fit, in order: `kerasft.evaluation.Verdict`s with `name`,
            `level`, `message`, `evidence` and `remedy`.
        not_judged: By finding, why it could not be judged in this fit.

    Raises:
        ArgumentError: If an argument breaks a rule.
        DataError: With `action="raise"`, for labels outside the classes.
        KerasftError: With `action="raise"`, for every other finding.

    Example:
        >>> import keras, kerasft.callbacks
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
        >>> model.compile(
        ...     keras.optimizers.SGD(0.0),
        ...     keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        ... )
        >>> x, y = keras.ops.ones((8, 2)), keras.ops.array([0, 1] * 4)
        >>> doctor = kerasft.callbacks.Doctor(verbose=0)
        >>> history = model.fit(x, y, epochs=2, verbose=0, callbacks=[doctor])
        >>> [finding.name for finding in doctor.findings]
        ['nothing_trains']
        >>> print(doctor.findings[0].remedy)
        Give the optimizer a rate, or look at the schedule or callback that sets it.
    """

    # `on_train_batch_end` only notes a number, so Keras need not wait for it.
    async_safe = True

    def __init__(
        self,
        action: str = "warn",
        train_data: Any = None,
        limits: DoctorLimits | None = None,
        verbose: int = 1,
    ) -> None:
        super().__init__()
        check_choice("action", action, ("warn", "stop", "raise"))
        check_data(train_data)
        if limits is not None:
            check_type("limits", limits, DoctorLimits, "a kerasft.callbacks.DoctorLimits, or None")
        if verbose not in (0, 1):
            fail("verbose", verbose, "0 (silent) or 1 (says each finding)")
        self.action = action
        self.train_data = train_data
        self.limits = limits
        self.verbose = verbose
        self._forget()

    def _forget(self) -> None:
        self._findings = Findings()
        self.not_judged: dict[str, str] = {}
        self._limits = self.limits or DoctorLimits()
        self._course = Course()
        self._task = Task()
        self._tape = LossTape()
        self._epoch = 0
        self._watch: WeightsWatch | None = None
        self._stage = -1
        self._checked_stage = -1
        self._next_look = 0
        self._if_it_goes_on: Verdict | None = None

    # ---- what fit calls ----------------------------------------------------------------------

    def set_model(self, model: keras.Model) -> None:
        """Keras's hook: the model that is about to be fitted."""
        super().set_model(model)
        # On JAX, each use of `self.model` brings the model's variables up to date, which is too
        # dear for a look in every batch.
        self._unsynced_model = model

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Forget the fit before, and look at what is there before the first batch."""
        self._forget()
        model = self.model
        self._task = task_of(model)
        self._course = Course(
            chance=self._task.chance,
            planned=(self.params or {}).get("epochs"),
            batches_per_look=int(getattr(model, "steps_per_execution", None) or 1),
        )
        self._errors = StepErrors(model, self._explain)
        self._collapse = CollapseWatch(self._task, self._limits, self.not_judged)
        if self.train_data is not None:
            for verdict in look_at_data(self.train_data, self._task):
                self._add(verdict)
            self._say()

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Say what was found, now that the last epoch's progress bar is closed."""
        self._add(self._if_it_goes_on)
        self._say()
        self._epoch = epoch + 1
        self._next_look = _FIRST_LOOK
        # Keras's own step logs the mean over the epoch so far; others log what they like.
        means = type(self._unsynced_model).train_step is keras.Model.train_step
        self._tape = LossTape(means, self._tape.alarm_above)

    def on_train_batch_begin(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Before the first batch see what trains; later, look closer if a loss was suspicious.

        By the first batch every callback had its chance to change what trains.
        """
        if batch == 0 or self._watch is None:
            self._begin_stage()
        elif self._course.batch_size is None:
            self._course.batch_size = self._count_examples(batch)
        self._errors.listen()
        if self._tape.suspicious and batch >= self._next_look:
            self._look_closer(batch)
        if self._checked_stage != self._stage and batch >= _BATCHES_BEFORE_WEIGHTS_CHANGE:
            self._judge_what_trains(batch)

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Note the loss."""
        loss = None if logs is None else logs.get("loss")
        if loss is None:
            return
        self._tape.note(batch, loss)
        if self._tape.alarm_above == math.inf:
            known = self._course.chance or 0.0
            first = loss if self._course.batches_per_look == 1 or not known else 0.0
            self._tape.alarm_above = self._limits.jump * max(known, first)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Judge the epoch."""
        figures = {
            name: float(np.reshape(value, ()))
            for name, value in (logs or {}).items()
            if np.size(value) == 1
        }
        course, limits = self._course, self._limits
        course.epochs.append(self._notes(figures, complete=True, measure=True))
        self._judge_numbers()
        if self._checked_stage != self._stage and self._tape:
            self._judge_what_trains(len(self._tape) * course.batches_per_look)
        self._add(learning_rate_too_high(course, limits))
        self._if_it_goes_on = overfitting(course, limits)
        if self.action == "stop":
            self._add(self._if_it_goes_on)
        self._add(learning_rate_too_low(course, limits))
        self._judge_classes()

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Judge the fit as a whole, and say what was not said yet."""
        self._errors.stop()
        course = self._course
        if course.complete:
            course.stopped = bool(self._unsynced_model.stop_training)
            if not any("val_loss" in epoch.figures for epoch in course.complete):
                self.not_judged["overfitting"] = "the fit has no validation data"
            # What stopped the fit, such as early stopping, has seen the same.
            if not course.stopped:
                self._add(self._if_it_goes_on)
            self._add(learning_rate_too_low(course, self._limits))
            self._add(too_few_epochs(course, self._limits))
        self._say()

    # ---- what is looked at -------------------------------------------------------------------

    def _begin_stage(self) -> None:
        """See which weights train, if that has changed."""
        model = self.model
        if not model.weights:
            return  # a model that its first batch builds
        if self._watch is None:
            self._add(spoilt_at_start(spoilt(model.weights)), say_now=True)
        elif self._watch.is_of(model):
            return
        self._watch = WeightsWatch(model)
        self._stage += 1

    def _count_examples(self, batches: int) -> int | None:
        """How many examples a batch holds, by what Keras has counted for the mean of the loss."""
        tracker = next((m for m in self.model.metrics if m.name == "loss"), None)
        count = getattr(tracker, "count", None)
        if count is None or not batches:
            return 0
        return int(ops.convert_to_numpy(count)) // batches

    def _look_closer(self, batch: int) -> None:
        """In the middle of an epoch: a loss was suspicious."""
        self._tape.suspicious = False
        self._next_look = batch + _BATCHES_BETWEEN_LOOKS
        course = self._course
        course.epochs.append(self._notes({}, complete=False))
        try:
            self._judge_numbers(say_now=True)
            if suspects_high_rate(course, self._limits):
                course.epochs[-1] = self._notes({}, complete=False, measure=True)
                self._add(learning_rate_too_high(course, self._limits), say_now=True)
        finally:
            course.epochs.pop()

    def _notes(
        self, figures: Mapping[str, float], *, complete: bool, measure: bool = False
    ) -> EpochNotes:
        moved = math.nan
        if measure and self._watch is not None:
            _ = self.model  # on JAX this brings the variables up to date
            moved = self._watch.moved()
        return EpochNotes(
            number=self._epoch,
            losses=self._tape.losses(),
            figures=figures,
            learning_rate=_rate_of(self._unsynced_model.optimizer),
            moved=moved,
            stage=self._stage,
            complete=complete,
        )

    def _judge_numbers(self, say_now: bool = False) -> None:
        """NaN, infinity, and losses below zero."""
        course = self._course
        epoch = course.epochs[-1]
        self._add(negative_loss(course), say_now)
        hidden = epoch.complete and not math.isfinite(epoch.moved)
        bad = not np.isfinite(epoch.losses).all()
        if not (bad or hidden) or not self._findings.is_open("not_a_number"):
            return
        trained = self.model.trainable_variables
        counts = (len(spoilt(trained)), len(trained))
        verdict = spoilt_loss(course, counts, self._limits)
        self._add(verdict or spoilt_weights(course, counts), say_now)

    def _judge_what_trains(self, batches: int) -> None:
        """Whether the weights that should train do, and no others, once for each stage."""
        if self._watch is None:
            return
        optimizer = self._unsynced_model.optimizer
        accumulated = getattr(innermost(optimizer), "gradient_accumulation_steps", None) or 1
        if batches < accumulated:
            return  # not one step was due yet
        self._checked_stage = self._stage
        _ = self.model
        changed, changed_frozen = self._watch.changed()
        verdict = what_trains(
            epoch=self._epoch,
            batches=batches,
            flagged=len(self._watch.trained),
            changed=changed,
            changed_frozen=changed_frozen,
            learning_rate=_rate_of(optimizer),
            loss_is_scaled=hasattr(optimizer, "dynamic_scale"),
        )
        self._add(verdict)

    def _judge_classes(self) -> None:
        """Whether the model calls everything one class, if the losses give reason to ask."""
        if self._findings.is_open("collapsed"):
            self._add(self._collapse.judge(self.model, self._course))

    def _explain(self, error: Exception) -> None:
        """Put an error of a step into plain words, where that is known."""
        verdict = labels_in_error(str(error)) or flags_in_error(str(error))
        try:
            self._add(verdict, say_now=True)
        except KerasftError as ours:
            raise ours from error

    # ---- findings ----------------------------------------------------------------------------

    @property
    def findings(self) -> tuple[Verdict, ...]:
        """What was found in this fit, in order."""
        return self._findings.verdicts

    def _add(self, verdict: Verdict | None, say_now: bool = False) -> None:
        """Keep a finding, once, and act on it."""
        if verdict is None or not self._findings.add(verdict):
            return
        acts = verdict.level in ("bad", "warning")
        if acts and self.action == "raise":
            self._errors.stop()
            error = DataError if verdict.name == "labels_outside_classes" else KerasftError
            raise error(f"{verdict.message} What to do: {verdict.remedy}")
        if acts and self.action == "stop":
            self._unsynced_model.stop_training = True
        if say_now:
            self._say()

    def _say(self) -> None:
        for verdict in self._findings.take_unsaid():
            if self.verbose:
                announce(f"Doctor: {verdict}")

    # ---- how it is shown ---------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """The findings as plain values for JSON, in which NaN and infinity are None."""
        return findings_to_dict(self.findings, self.not_judged, len(self._course.complete))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the findings to a JSON file, whole or not at all."""
        text = json.dumps(self.to_dict(), indent=1, allow_nan=False) + "\n"
        write_whole(Path(path), text)

    def __str__(self) -> str:
        epochs = len(self._course.complete)
        return findings_table(text_table, self.findings, self.not_judged, epochs)

    def _repr_html_(self) -> str:
        epochs = len(self._course.complete)
        return findings_table(html_table, self.findings, self.not_judged, epochs)


def _rate_of(optimizer: Any) -> float | None:
    """The optimizer's rate at present, or None."""
    try:
        rate = ops.convert_to_numpy(optimizer.learning_rate)
    except (AttributeError, ValueError, TypeError):  # no optimizer, or one of several rates
        return None
    return float(rate) if np.size(rate) == 1 else None
