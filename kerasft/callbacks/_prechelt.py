"""Prechelt's stopping criteria: the formulas, and what the callbacks that use them share.

Lutz Prechelt, "Early Stopping - But When?", in: Neural Networks: Tricks of the Trade, Springer,
1998; and "Automatic early stopping using cross validation: quantifying the criteria", Neural
Networks 11 (1998). Symbols: `E_va(t)` is the validation error after epoch t, `E_opt(t)` the lowest
of them up to t, `E_tr(t)` the mean training error *during* epoch t, which is what `fit` reports.
"""

import math
from collections.abc import Sequence
from typing import Any

from kerasft._checks import check_number, fail
from kerasft.callbacks._monitoring import higher_is_better
from kerasft.callbacks._stopping import StoppingCallback, check_monitor

__all__ = ["PrecheltCriterion", "generalization_loss", "training_progress"]


def generalization_loss(error: float, lowest: float) -> float:
    """`GL(t) = 100 * (E_va(t) / E_opt(t) - 1)`, in percent.

    An error equal to the lowest has lost nothing, both zero (or both infinite) included; above a
    lowest error of zero the loss is infinite.
    """
    if error == lowest:
        return 0.0
    return 100.0 * (error - lowest) / lowest if lowest else math.inf


def training_progress(errors: Sequence[float]) -> float:
    """`P_k(t) = 1000 * (sum of E_tr / (k * min of E_tr) - 1)` over a strip, in per mille.

    How much the mean training error of the strip's k epochs lies above their lowest: large while
    training moves fast or swings, zero when it stands still. Above a lowest error of zero it is
    infinite.
    """
    lowest = min(errors)
    if lowest == max(errors):
        return 0.0
    if not lowest:
        return math.inf
    # Differences first: rounding must not turn a standstill into progress, or into regress.
    return 1000.0 * math.fsum(error - lowest for error in errors) / (len(errors) * lowest)


class PrecheltCriterion(StoppingCallback):
    """What both criteria share: the lowest validation error, and the loss against it.

    A subclass overrides `_verdict`.
    """

    generalization_loss: float | None = None

    def __init__(
        self,
        alpha: float,
        monitor: str,
        restore_best_weights: bool,
        start_from_epoch: int,
        verbose: int,
    ) -> None:
        super().__init__()
        check_number("alpha", alpha, above=0)
        check_monitor(monitor, "the name of an error that is lower when better")
        self.alpha = alpha
        self.monitor = monitor
        self.restore_best_weights = restore_best_weights
        self.start_from_epoch = start_from_epoch
        self.verbose = verbose
        self._check_common_arguments(start_from_epoch)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Forget the fit before."""
        super().on_train_begin(logs)
        self.generalization_loss = None
        self._known_errors: set[str] = set()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Measure, record the best, and stop when the criterion says so."""
        logs = {} if logs is None else logs
        if epoch < self.start_from_epoch:
            self._figure(self.monitor, logs)  # a wrong name is told at once
            return
        error = self._error(self.monitor, logs)
        self.generalization_loss = None
        if error is not None:
            if self.best is None or error < self.best:
                self._record_best(epoch, error)
            assert self.best is not None
            self.generalization_loss = generalization_loss(error, self.best)
            logs["generalization_loss"] = self.generalization_loss
        reason = self._verdict(logs)
        if reason is not None:
            self._stop(epoch, reason)

    def _verdict(self, logs: dict[str, Any]) -> str | None:
        """Why to stop after this epoch, or None to go on."""
        raise NotImplementedError

    def _error(self, name: str, logs: dict[str, Any]) -> float | None:
        """A figure that may enter the formulas; None where it is missing or not a number."""
        value = self._figure(name, logs)
        if value is None or math.isnan(value):
            return None
        rule = "the name of an error: lower is better, and never below zero"
        if name not in self._known_errors:
            if higher_is_better(self.model, name):
                fail("monitor", self.monitor, rule, f"'{name}' is better when it is higher.")
            self._known_errors.add(name)
        if value < 0:
            fail(
                "monitor",
                self.monitor,
                rule,
                f"Epoch {self._epoch + 1} had {name}={value:g}, and the criterion is a ratio. "
                "Use EarlyStopping for a loss that can be negative.",
            )
        return value

    def _loss_in_words(self) -> str:
        return (
            f"the generalization loss is {self.generalization_loss:.3g}% "
            f"(lowest {self.monitor}: {self.best:.4g}, epoch {self.best_epoch + 1})"
        )
