"""What the callbacks that end a fit have in common: the best epoch, the reason, the restoring."""

import warnings
from typing import Any

import keras
import numpy as np

from kerasft._checks import check_bool, check_int, check_type, fail
from kerasft.callbacks._announce import announce
from kerasft.callbacks._best_weights import BestWeights
from kerasft.callbacks._monitoring import refuse_unknown

__all__ = ["StoppingCallback", "check_monitor"]

_NOT_LOOKED_AT = object()


class StoppingCallback(keras.callbacks.Callback):
    """Base of the callbacks that end a fit.

    A subclass overrides `on_epoch_end`, where it asks `_figure` for a metric's value, tells
    `_record_best` of an epoch that is the best so far, and ends the fit with `_stop`. The rest,
    from the values of the best epoch to the message, happens here.

    All run state starts anew with each fit, so one instance serves many.
    """

    # What a subclass's constructor sets:
    restore_best_weights: bool = False
    verbose: int = 0

    # Run state, readable after the fit:
    best: float | None = None
    best_epoch: int = 0
    best_weights: BestWeights | None = None
    stopped_epoch: int = 0
    stop_reason: str | None = None

    @property
    def best_weights_bytes(self) -> int:
        """Bytes of host memory that the kept values of the best epoch take."""
        return self.best_weights.nbytes if self.best_weights is not None else 0

    def set_model(self, model: keras.Model) -> None:
        """Keras's hook: the model that is about to be fitted."""
        super().set_model(model)
        # On JAX, each use of `self.model` brings the model's variables up to date, which is too
        # dear for a look in every batch.
        self._unsynced_model = model

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Forget the fit before."""
        super().on_train_begin(logs)
        self.best = None
        self.best_epoch = 0
        self.best_weights = None
        self.stopped_epoch = 0
        self.stop_reason = None
        self._epoch = 0
        self._seen: set[str] = set()
        self._warned = False
        self._train_function: Any = _NOT_LOOKED_AT

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Look again, in the coming epoch, at what can change."""
        super().on_epoch_begin(epoch, logs)
        self._epoch = epoch
        self._train_function = _NOT_LOOKED_AT

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Keep the values of variables that are about to change for the first time.

        By the first batch every callback had its chance to change what trains, and none of it has
        moved yet. Within an epoch a change takes a new train function.
        """
        super().on_train_batch_begin(batch, logs)
        if self.best_weights is None:
            return
        train_function = getattr(self._unsynced_model, "train_function", None)
        if train_function is not self._train_function:
            self._train_function = train_function
            self.best_weights.follow(self.model)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Say why the fit was ended, and restore the best epoch if that was asked for."""
        # Not passed on to Keras's EarlyStopping, which would restore a list of all weights.
        if self.stop_reason is not None and self.verbose:
            announce(f"Epoch {self.stopped_epoch + 1}: early stopping. {self.stop_reason}")
        if self.best_weights is not None:
            if self.verbose:
                announce(f"Restoring the values from the end of epoch {self.best_epoch + 1}.")
            self.best_weights.restore()

    def _check_common_arguments(self, start_from_epoch: int) -> None:
        """Check what every subclass takes."""
        check_bool("restore_best_weights", self.restore_best_weights)
        check_int("start_from_epoch", start_from_epoch, minimum=0)
        if self.verbose not in (0, 1):
            fail("verbose", self.verbose, "0 (silent) or 1 (says what it does)")

    def _figure(self, name: str, logs: dict[str, Any]) -> float | None:
        """The value of a metric at the end of this epoch, or None where validation did not run.

        Raises:
            ArgumentError: If the fit has no metric of that name, or it is not a single number.
        """
        value = logs.get(name)
        if value is None:
            refuse_unknown(name, self.model, self._epoch, logs, seen=name in self._seen)
            if name not in self._seen and not self._warned:
                self._warned = True
                warnings.warn(
                    f"{type(self).__name__} looks at `{name}`, which was not measured in epoch "
                    f"{self._epoch + 1} (there were: {', '.join(sorted(logs))}). It goes by the "
                    "epochs that run validation; without `validation_data` it never acts.",
                    stacklevel=2,
                )
            return None
        self._seen.add(name)
        if np.size(value) != 1:
            fail(
                "monitor",
                name,
                "the name of a metric that is a single number",
                f"Epoch {self._epoch + 1} had {name}={value!r}: average it over the classes.",
            )
        return float(np.reshape(value, ()))

    def _record_best(self, epoch: int, value: float) -> None:
        """Take this epoch for the best so far."""
        self.best = value
        self.best_epoch = epoch
        self._keep_weights()

    def _keep_weights(self) -> None:
        if self.restore_best_weights:
            if self.best_weights is None:
                self.best_weights = BestWeights()
            self.best_weights.record(self.model)

    def _stop(self, epoch: int, reason: str) -> None:
        """End the fit after this epoch."""
        self.stopped_epoch = epoch
        self.stop_reason = reason
        self.model.stop_training = True


def check_monitor(monitor: str, rule: str = "the name of a metric") -> str:
    """A metric's name."""
    check_type("monitor", monitor, str, rule)
    if not monitor:
        fail("monitor", monitor, rule)
    return monitor
