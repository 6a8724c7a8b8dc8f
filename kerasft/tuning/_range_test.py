"""The learning-rate range test itself: a rate per step, and the loss that goes with it."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import keras

from kerasft.errors import UnsupportedError


class RangeTest(keras.callbacks.Callback):
    """Trains each step at its own rate, notes the raw loss, and ends when the loss explodes.

    Args:
        rates: The rate of each step.
        batches_per_step: More than one where the optimizer accumulates gradients.
        smoothing: The share of the past in the running mean that tells when to stop.
        stop_factor: Stop where that mean exceeds this many times its lowest value.
        bar: Is advanced with each step.

    Attributes:
        losses: The loss of each step.
        ended: Why it ended: `"complete"`, `"diverged"` or `"not finite"`.
    """

    def __init__(
        self,
        rates: Sequence[float],
        batches_per_step: int,
        smoothing: float,
        stop_factor: float,
        bar: Iterator[Any],
    ) -> None:
        super().__init__()
        self.losses: list[float] = []
        self.ended = "complete"
        self.rates = rates
        self.batches_per_step = batches_per_step
        self._smoothing = smoothing
        self._stop_factor = stop_factor
        self._bar = bar
        self._of_this_step: list[float] = []
        self._sum = 0.0
        self._lowest = math.inf

    def on_train_begin(self, logs: Any = None) -> None:
        next(self._bar, None)  # drawn; each further one says that the step before is done

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        if not self._of_this_step:
            self.model.optimizer.learning_rate = float(self.rates[len(self.losses)])
        # Keras logs the mean over an epoch so far; after a reset that is this batch's own.
        self.model.reset_metrics()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        # On JAX the values travel outside the model from batch to batch, rate and all.
        if hasattr(self.model, "jax_state_sync"):
            self.model.jax_state_sync()
        if "loss" not in (logs or {}):
            raise UnsupportedError(
                "A learning-rate search needs a model whose train step gives its `loss`. Received: "
                f"model {self.model.name!r}, whose train step gives {sorted(logs or {})}."
            )
        self._of_this_step.append(float(logs["loss"]))
        if len(self._of_this_step) == self.batches_per_step:
            self._end_step(math.fsum(self._of_this_step) / self.batches_per_step)
            self._of_this_step = []

    def _end_step(self, loss: float) -> None:
        if not math.isfinite(loss):
            self._end("not finite")
            return
        self.losses.append(loss)
        next(self._bar, None)
        steps = len(self.losses)
        share = self._smoothing
        self._sum = share * self._sum + (1.0 - share) * loss
        mean = self._sum / (1.0 - share**steps)
        self._lowest = min(self._lowest, mean)
        # The mean of the first few steps is that of hardly more than one batch.
        if mean > self._limit() and steps >= len(self.rates) // 10:
            self._end("diverged")
        elif steps == len(self.rates):
            self.model.stop_training = True

    def _limit(self) -> float:
        if self._lowest > 0.0:
            return self._stop_factor * self._lowest
        # No multiple of a loss at or below zero lies above it.
        height = max(abs(self._lowest), abs(self.losses[0]))
        return self._lowest + (self._stop_factor - 1.0) * height

    def _end(self, why: str) -> None:
        self.ended = why
        self.model.stop_training = True
