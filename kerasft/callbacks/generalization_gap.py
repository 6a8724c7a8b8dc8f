"""The gap between training and validation, watched."""

import math
import types
from collections.abc import Mapping
from typing import Any

import keras

from kerasft._checks import check_choice, check_int, check_number, fail
from kerasft.callbacks._announce import announce
from kerasft.callbacks._monitoring import higher_is_better, metric_of
from kerasft.callbacks._stopping import StoppingCallback, check_monitor

__all__ = ["GeneralizationGap"]

_SHARES = (
    keras.metrics.Accuracy,
    keras.metrics.AUC,
    keras.metrics.BinaryAccuracy,
    keras.metrics.CategoricalAccuracy,
    keras.metrics.FBetaScore,
    keras.metrics.Precision,
    keras.metrics.Recall,
    keras.metrics.SparseCategoricalAccuracy,
    keras.metrics.SparseTopKCategoricalAccuracy,
    keras.metrics.TopKCategoricalAccuracy,
)
_SHARE_HINT = "Accuracies are shares of 1: a gap of 5 points is 0.05."


class GeneralizationGap(StoppingCallback):
    """Stop, or only say so, when training beats validation by more than a margin.

    The gap is how much better the metric is in training than in validation, whichever way the
    metric improves; it is negative while validation is ahead. Each epoch's gap goes into
    `logs["METRIC_gap"]`, so that the history and the callbacks behind this one have it.

    The training figure that `fit` reports is a mean over the epoch, while the model was still
    learning, and with dropout on. It lags: in early epochs validation often seems ahead, and the
    true gap is wider than the one seen. With `train_data` the training data are evaluated at the
    end of the epoch as the validation data are, at the cost of that pass; the figure goes into
    `logs["train_METRIC"]`.

    Args:
        max_gap: Widest gap that is allowed, in the metric's own units: 0.05 is five points of
            accuracy.
        monitor: Name of the metric, without `val_`. None takes `"accuracy"` if the fit has it, else
            the first metric with a known direction, else the loss.
        patience: Number of epochs in a row with too wide a gap after which it acts. Epochs without
            validation, or whose gap is NaN, neither count nor break the row.
        action: `"stop"` ends training; `"warn"` says what it saw, once per fit, and goes on.
        mode: `"min"`, `"max"`, or `"auto"`, which infers the metric's direction as Keras does.
        train_data: None, or the training data, or a part of them, as `fit` takes
            `validation_data`: a tuple of arrays, a `tf.data.Dataset`, a `keras.utils.PyDataset`.
            Give it an object of its own: one that shuffles itself would be shuffled twice.
        restore_best_weights: Whether to restore, at the end, the values of the epoch with the best
            validation figure among those whose gap was within the margin. If there is none, the
            last values stay. Only what can change is kept, as in
            `kerasft.callbacks.EarlyStopping`.
        start_from_epoch: Number of epochs in which the gap is logged but not judged.
        verbose: 0 is silent, 1 says what it saw and what it restores.

    Attributes:
        gap: The last gap, or None.
        finding: What it saw when it acted, in words, or None.
        best: Best validation figure within the margin, or None.
        best_epoch: Its epoch, counted from 0.
        best_weights: The kept values (`variables`, `nbytes`, `restore()`), or None.
        stopped_epoch: Epoch after which it stopped, counted from 0; 0 if it did not.
        stop_reason: Why it stopped, in words; None if it did not.

    Raises:
        ArgumentError: If an argument breaks a rule, the fit has no such metric, or its direction
            is unknown.

    Example:
    >>> import keras, kerasft.callbacks
    >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, activation="sigmoid")])
    >>> model.compile(keras.optimizers.SGD(5.0), "binary_crossentropy", metrics=["accuracy"])
    >>> x, y = keras.ops.array([[-1.0], [1.0]]), keras.ops.array([[0.0], [1.0]])
    >>> watching = kerasft.callbacks.GeneralizationGap(max_gap=0.5, verbose=0)
    >>> history = model.fit(               # the validation labels are turned round
    ...     x, y, validation_data=(x, 1 - y), epochs=9, verbose=0, callbacks=[watching]
    ... )
    >>> watching.gap, history.history["accuracy_gap"][-1]
    (1.0, 1.0)
    >>> print(watching.stop_reason)
    Training is ahead of validation by 1 in accuracy (1 against 0), more than max_gap=0.5.
    """

    gap: float | None = None
    finding: str | None = None

    def __init__(
        self,
        max_gap: float = 0.05,
        monitor: str | None = None,
        patience: int = 1,
        action: str = "stop",
        mode: str = "auto",
        train_data: Any = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
        verbose: int = 1,
    ) -> None:
        super().__init__()
        check_number("max_gap", max_gap, above=0)
        if monitor is not None:
            check_monitor(monitor, "the name of a metric, or None")
            if monitor.startswith("val_"):
                hint = f"Both figures are compared: say monitor={monitor.removeprefix('val_')!r}."
                fail("monitor", monitor, "the name of a metric without 'val_'", hint)
        if max_gap >= 1 and (monitor is None or "acc" in monitor):
            hint = _SHARE_HINT
            if monitor is None:
                hint += " For a metric in other units, name it as `monitor`."
            fail("max_gap", max_gap, "below 1", hint)
        check_int("patience", patience, minimum=1)
        check_choice("action", action, ("stop", "warn"))
        check_choice("mode", mode, ("auto", "min", "max"))
        if isinstance(train_data, types.GeneratorType):
            rule = "data that can be read once per epoch"
            fail("train_data", train_data, rule, "A generator is used up after the first.")
        self.max_gap = max_gap
        self.monitor = monitor
        self.patience = patience
        self.action = action
        self.mode = mode
        self.train_data = train_data
        self.restore_best_weights = restore_best_weights
        self.start_from_epoch = start_from_epoch
        self.verbose = verbose
        self._check_common_arguments(start_from_epoch)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Forget the fit before."""
        super().on_train_begin(logs)
        self.gap = None
        self.finding = None
        self._metric: str | None = None
        self._upwards = True
        self._row = 0
        self._unsaid: str | None = None

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Say what was seen, now that the last epoch's progress bar is closed."""
        super().on_epoch_begin(epoch, logs)
        self._say()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Measure the gap, and act when it was too wide for long enough."""
        logs = {} if logs is None else logs
        name = self._metric or self._choose_metric(logs)
        validation = self._figure(f"val_{name}", logs)
        if validation is None:
            return
        training = self._training_figure(name, logs)
        if training is None:
            return
        if self._metric is None:
            self._settle(name)
        self.gap = training - validation if self._upwards else validation - training
        logs[f"{name}_gap"] = self.gap
        if epoch < self.start_from_epoch or math.isnan(self.gap):
            return
        if self.gap <= self.max_gap:
            self._row = 0
            if self.best is None or self._improves(validation, self.best):
                self._record_best(epoch, validation)
            return
        self._row += 1
        if self._row >= self.patience and self.finding is None:
            self._act(epoch, training, validation)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Say what was seen, and restore the best epoch if that was asked for."""
        self._say()
        if self.verbose and self.restore_best_weights and self.best_weights is None:
            announce("No epoch had its gap within the margin: the last values stay.")
        super().on_train_end(logs)

    def _choose_metric(self, logs: Mapping[str, Any]) -> str:
        """The metric to watch; before validation has run, the one that is expected."""
        if self.monitor is not None:
            return self.monitor
        validated = [key for key in logs if f"val_{key}" in logs]
        names = validated or [key for key in logs if not key.startswith("val_")]
        if "accuracy" in names:
            return "accuracy"
        for name in names:
            known = higher_is_better(self.model, name) is not None
            if known and metric_of(self.model, name) is not None:
                return name
        return "loss"

    def _settle(self, name: str) -> None:
        """Find the metric's direction, and check the margin against its units."""
        if self.mode == "auto":
            upwards = higher_is_better(self.model, name)
            if upwards is None:
                hint = f"Whether '{name}' improves upwards or downwards cannot be told from it."
                fail("mode", self.mode, "'min' or 'max' for this metric", hint)
            self._upwards = upwards
        else:
            self._upwards = self.mode == "max"
        if self.max_gap >= 1 and isinstance(metric_of(self.model, name), _SHARES):
            fail("max_gap", self.max_gap, f"below 1 for '{name}'", _SHARE_HINT)
        self._metric = name

    def _training_figure(self, name: str, logs: dict[str, Any]) -> float | None:
        if self.train_data is None:
            return self._figure(name, logs)
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(self.train_data)
        figures = self.model.evaluate(
            x, y, sample_weight=sample_weight, verbose=0, return_dict=True
        )
        logs[f"train_{name}"] = figures[name]
        return self._figure(f"train_{name}", logs)

    def _improves(self, value: float, best: float) -> bool:
        return value > best if self._upwards else value < best

    def _act(self, epoch: int, training: float, validation: float) -> None:
        row = f", for {self._row} epochs in a row" if self._row > 1 else ""
        self.finding = (
            f"Training is ahead of validation by {self.gap:.3g} in {self._metric} "
            f"({training:.3g} against {validation:.3g}), more than max_gap={self.max_gap:g}{row}."
        )
        if self.action == "stop":
            self._stop(epoch, self.finding)
        elif self.verbose:
            self._unsaid = (
                f"Epoch {epoch + 1}: {self.finding} The model learns its training data by heart: "
                "freeze more, add dropout or data, lower the rate, or stop here."
            )

    def _say(self) -> None:
        if self._unsaid is not None:
            announce(self._unsaid)
            self._unsaid = None
