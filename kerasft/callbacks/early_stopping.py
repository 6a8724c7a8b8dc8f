"""Early stopping that keeps the best values of what can change only."""

from typing import Any

import keras

from kerasft._checks import check_choice, check_int, check_number, fail
from kerasft.callbacks._stopping import StoppingCallback, check_monitor

__all__ = ["EarlyStopping"]


class EarlyStopping(StoppingCallback, keras.callbacks.EarlyStopping):
    """Stop when a metric no longer improves; keep only what can change.

    Arguments and stopping behaviour are those of `keras.callbacks.EarlyStopping`. The differences:

    - With `restore_best_weights=True`, Keras copies all weights to host memory at each best epoch.
      This copies the trainable variables and the moving statistics of layers that train, which is
      all that a fit can change: a frozen backbone is not copied. What is unfrozen later in the
      same fit is kept from the moment before its first step, and restored too. (A value that
      another callback writes into a *frozen* variable is not undone.)
    - A `monitor` that the fit does not have is an error at the end of the first epoch, with the
      nearest names; Keras warns and never stops. Where only validation has not run yet, it warns,
      once per fit.
    - After the fit it tells what happened: `stop_reason` in words, or None if it did not stop.

    As in Keras, the values of the optimizer stay as they were at the end, and where several
    callbacks restore, the last one in the list has its way.

    Args:
        monitor: Name of the metric to watch.
        min_delta: Smallest change that counts as an improvement.
        patience: Number of epochs without improvement after which training stops.
        verbose: 0 is silent, 1 says when it stops and what it restores.
        mode: `"min"`, `"max"`, or `"auto"`, which infers the direction from the metric.
        baseline: Value that has to be beaten for the patience to start anew, or None.
        restore_best_weights: Whether to restore the values of the best epoch at the end.
        start_from_epoch: Number of epochs to wait before watching.

    Attributes:
        best: Best value of the metric, or None.
        best_epoch: Its epoch, counted from 0.
        best_weights: The kept values (`variables`, `nbytes`, `restore()`), or None. They serve
            after an interrupted fit too, which restores nothing by itself.
        best_weights_bytes: Bytes of host memory that the kept values take.
        stopped_epoch: Epoch after which it stopped, counted from 0; 0 if it did not.
        stop_reason: Why it stopped, in words; None if it did not.

    Raises:
        ArgumentError: If an argument breaks a rule, or the fit has no metric named `monitor`.

    Example:
    >>> import keras, kerasft.callbacks
    >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2), keras.layers.Dense(1)])
    >>> model.layers[0].trainable = False
    >>> model.compile("sgd", loss="mse")
    >>> x, y = keras.ops.ones((8, 3)), keras.ops.ones((8, 1))
    >>> stopping = kerasft.callbacks.EarlyStopping(
    ...     monitor="loss", min_delta=100.0, patience=2, restore_best_weights=True
    ... )
    >>> history = model.fit(x, y, epochs=9, verbose=0, callbacks=[stopping])
    >>> len(history.epoch), stopping.best_epoch
    (3, 0)
    >>> stopping.stop_reason.startswith("loss did not improve on")
    True
    >>> stopping.best_weights_bytes         # the last layer's kernel of shape (2, 1) and its bias
    12
    """

    min_delta: float
    wait: int

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        check_monitor(monitor)
        check_number("min_delta", min_delta)
        check_int("patience", patience, minimum=0)
        check_choice("mode", mode, ("auto", "min", "max"))
        if baseline is not None:
            check_number("baseline", baseline)
        super().__init__(
            monitor=monitor,
            min_delta=min_delta,
            patience=patience,
            verbose=verbose,
            mode=mode,
            baseline=baseline,
            restore_best_weights=restore_best_weights,
            start_from_epoch=start_from_epoch,
        )
        self._check_common_arguments(start_from_epoch)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Forget the fit before, and which way its metric improved."""
        super().on_train_begin(logs)
        self.monitor_op = None
        self.min_delta = abs(self.min_delta)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Keras's rule, step by step."""
        current = self.get_monitor_value(logs)
        if current is None:
            return
        if self.monitor_op is None:
            self._find_direction()
        if epoch < self.start_from_epoch:
            return
        self.wait += 1
        if self._is_improvement(current, self.best):
            self._record_best(epoch, current)
            if self.baseline is None or self._is_improvement(current, self.baseline):
                self.wait = 0
            return
        if self.wait >= self.patience and epoch > 0:
            self._stop(epoch, self._reason())

    def get_monitor_value(self, logs: dict[str, Any] | None) -> float | None:
        """The watched value of this epoch, or None where validation did not run."""
        return self._figure(self.monitor, logs or {})

    def _find_direction(self) -> None:
        try:
            self._set_monitor_op()
        except ValueError:
            fail(
                "mode",
                self.mode,
                "'min' or 'max' for this monitor",
                f"Whether '{self.monitor}' improves upwards or downwards cannot be told from it.",
            )

    def _reason(self) -> str:
        epochs = f"{self.wait} epoch{'' if self.wait == 1 else 's'}"
        if self.baseline is not None and not self._is_improvement(self.best, self.baseline):
            return f"{self.monitor} did not improve on the baseline {self.baseline:g} for {epochs}."
        return (
            f"{self.monitor} did not improve on {self.best:.4g} "
            f"(epoch {self.best_epoch + 1}) for {epochs}."
        )
