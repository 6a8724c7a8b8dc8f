"""Prechelt's second criterion: what generalization loses, measured by what training gains."""

import math
from typing import Any

from kerasft._checks import check_int, fail
from kerasft.callbacks._prechelt import PrecheltCriterion, training_progress

__all__ = ["ProgressQuotient"]


class ProgressQuotient(PrecheltCriterion):
    """Stop when generalization loses more than training still gains.

    This is the criterion PQ of Prechelt (1998, "Early Stopping - But When?"). Epochs are counted in
    training strips of k. At the end of each strip, with the training errors `E_tr` of its epochs
    and the generalization loss GL (see `kerasft.callbacks.GeneralizationLoss`),

        P_k(t) = 1000 * (sum of E_tr / (k * lowest E_tr) - 1)      the progress, in per mille
        stop after the first strip with GL(t) / P_k(t) > alpha.

    The idea: as long as training makes fast progress, a loss may still be repaired. The paper
    tries 0.5, 0.75, 1, 2 and 3 with k = 5. Mind that in fine-tuning the training error often keeps
    falling fast while the model overfits; then PQ stops late, and GL is the better guard.

    `E_tr` is the mean over the epoch, as `fit` reports it, which is the paper's definition.
    `logs["generalization_loss"]` has GL in each epoch, `logs["progress_quotient"]` the quotient at
    each strip's end. Strips are counted from the first epoch that is looked at.

    Errors of zero: see `GeneralizationLoss` for GL. A strip whose training error stands still has
    no progress, so any loss at all ends training; a lowest training error of 0 under a higher mean
    is infinite progress, and training goes on. Negative errors are refused. A strip that holds a
    NaN, or whose last epoch runs no validation, is not judged.

    Args:
        alpha: Quotient that ends training.
        strip_length: Epochs per training strip, k.
        monitor: Name of the validation error, with `val_`; lower must be better.
        restore_best_weights: Whether to restore the values of the best epoch at the end; only
            what can change is kept, as in `kerasft.callbacks.EarlyStopping`.
        start_from_epoch: Number of epochs to pass over, their errors included.
        verbose: 0 is silent, 1 says when it stops and what it restores.

    Attributes:
        best: Lowest validation error, or None.
        best_epoch: Its epoch, counted from 0.
        best_weights: The kept values (`variables`, `nbytes`, `restore()`), or None.
        generalization_loss: GL of the last epoch in percent, or None where it had none.
        progress: P_k of the last strip in per mille, or None before there is one.
        stopped_epoch: Epoch after which it stopped, counted from 0; 0 if it did not.
        stop_reason: Why it stopped, in words; None if it did not.

    Raises:
        ArgumentError: If an argument breaks a rule, the fit has no metric named `monitor`, or that
            metric is better when higher or falls below zero.

    Example:
    >>> import keras, kerasft.callbacks
    >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    >>> model.compile(keras.optimizers.SGD(0.1), loss="mse")
    >>> x = keras.ops.ones((8, 1))
    >>> stopping = kerasft.callbacks.ProgressQuotient(strip_length=2)
    >>> history = model.fit(
    ...     x, x, validation_data=(x, x), epochs=4, verbose=0, callbacks=[stopping]
    ... )
    >>> history.history["progress_quotient"]        # validation got better all the time
    [0.0, 0.0]
    """

    progress: float | None = None

    def __init__(
        self,
        alpha: float = 0.5,
        strip_length: int = 5,
        monitor: str = "val_loss",
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
        verbose: int = 0,
    ) -> None:
        super().__init__(alpha, monitor, restore_best_weights, start_from_epoch, verbose)
        check_int(
            "strip_length",
            strip_length,
            minimum=2,
            hint="Progress shows only across several epochs; for one, use GeneralizationLoss.",
        )
        if not monitor.startswith("val_"):
            fail(
                "monitor",
                monitor,
                "the name of a validation error, which begins with 'val_'",
                "The training error is the one without.",
            )
        self.strip_length = strip_length

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Forget the fit before."""
        super().on_train_begin(logs)
        self.progress = None
        self._strip: list[float] = []

    def _verdict(self, logs: dict[str, Any]) -> str | None:
        error = self._error(self.monitor.removeprefix("val_"), logs)
        self._strip.append(math.nan if error is None else error)
        if len(self._strip) < self.strip_length:
            return None
        strip, self._strip = self._strip, []
        loss = self.generalization_loss
        if loss is None or any(math.isnan(value) for value in strip):
            return None
        self.progress = training_progress(strip)
        quotient = _quotient(loss, self.progress)
        logs["progress_quotient"] = quotient
        if not quotient > self.alpha:
            return None
        return (
            f"Training progressed by {self.progress:.3g} per mille in {self.strip_length} epochs "
            f"while {self._loss_in_words()}: a quotient of {quotient:.3g}, more than "
            f"alpha={self.alpha:g}."
        )


def _quotient(loss: float, progress: float) -> float:
    if loss == 0:
        return 0.0
    return loss / progress if progress else math.inf
