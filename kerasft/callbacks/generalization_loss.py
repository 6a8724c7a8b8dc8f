"""Prechelt's first criterion: stop when the validation error has risen by so many percent."""

from typing import Any

from kerasft.callbacks._prechelt import PrecheltCriterion

__all__ = ["GeneralizationLoss"]


class GeneralizationLoss(PrecheltCriterion):
    """Stop as soon as the validation error lies `alpha` percent above its lowest.

    This is the criterion GL of Prechelt (1998, "Early Stopping - But When?"): after epoch t, with
    the validation error `E_va` and its lowest value so far `E_opt`,

        GL(t) = 100 * (E_va(t) / E_opt(t) - 1),    stop after the first epoch with GL(t) > alpha.

    Where patience counts epochs, this measures how much was lost. The paper tries 1, 2, 3 and 5
    percent. Each epoch's value goes into `logs["generalization_loss"]`, hence into the history.

    The criterion is a ratio. A lowest error of 0 makes every error above it an infinite loss, so
    training stops; a negative error is refused at the end of the epoch that has it; an epoch whose
    error is NaN, or that runs no validation, is passed over.

    Args:
        alpha: Percentage above the lowest error that ends training.
        monitor: Name of the validation error; lower must be better.
        restore_best_weights: Whether to restore the values of the best epoch at the end; only
            what can change is kept, as in `kerasft.callbacks.EarlyStopping`.
        start_from_epoch: Number of epochs to pass over, their errors included.
        verbose: 0 is silent, 1 says when it stops and what it restores.

    Attributes:
        best: Lowest error, or None.
        best_epoch: Its epoch, counted from 0.
        best_weights: The kept values (`variables`, `nbytes`, `restore()`), or None.
        generalization_loss: GL of the last epoch in percent, or None where it had none.
        stopped_epoch: Epoch after which it stopped, counted from 0; 0 if it did not.
        stop_reason: Why it stopped, in words; None if it did not.

    Raises:
        ArgumentError: If an argument breaks a rule, the fit has no metric named `monitor`, or that
            metric is better when higher or falls below zero.

    Example:
    >>> import keras, kerasft.callbacks
    >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    >>> model.compile(keras.optimizers.SGD(2.0), loss="mse")    # the rate is far too high
    >>> x = keras.ops.ones((8, 1))
    >>> stopping = kerasft.callbacks.GeneralizationLoss(alpha=5, restore_best_weights=True)
    >>> history = model.fit(
    ...     x, x, validation_data=(x, x), epochs=9, verbose=0, callbacks=[stopping]
    ... )
    >>> len(history.epoch), stopping.best_epoch
    (2, 0)
    >>> bool(history.history["generalization_loss"][1] > 5)
    True
    """

    def __init__(
        self,
        alpha: float = 5.0,
        monitor: str = "val_loss",
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
        verbose: int = 0,
    ) -> None:
        super().__init__(alpha, monitor, restore_best_weights, start_from_epoch, verbose)

    def _verdict(self, logs: dict[str, Any]) -> str | None:
        if self.generalization_loss is None or not self.generalization_loss > self.alpha:
            return None
        words = self._loss_in_words()
        return f"{words[0].upper()}{words[1:]}, more than alpha={self.alpha:g}%."
