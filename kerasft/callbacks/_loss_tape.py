"""The training losses of an epoch, batch by batch, out of the running means that `fit` logs."""

import math

import numpy as np

__all__ = ["LossTape"]


class LossTape:
    """Notes what `fit` logs after each batch.

    `fit` logs the mean over the epoch so far; the loss of a batch is what that mean gained. Noting
    one is a few operations in Python, for this happens in every step.

    Args:
        running_means: Whether what is noted are such means. Models with a `train_step` of their own
            may log the batch's loss itself.
        alarm_above: A batch's loss above this, or one that is no number, is `suspicious`.

    Attributes:
        suspicious: Whether there was such a loss since this was last set to False.
    """

    def __init__(self, running_means: bool = True, alarm_above: float = math.inf) -> None:
        self.running_means = running_means
        self.alarm_above = alarm_above
        self.suspicious = False
        self._noted: list[tuple[int, float]] = []
        self._last = (-1, 0.0)

    def __len__(self) -> int:
        return len(self._noted)

    def note(self, batch: int, loss: float) -> None:
        """Note what was logged after a batch, by its number in the epoch."""
        self._noted.append((batch, loss))
        value = loss
        if self.running_means:
            last, mean = self._last
            self._last = (batch, loss)
            if batch > last:
                value += (loss - mean) * (last + 1) / (batch - last)
        if not value <= self.alarm_above or value == math.inf:
            self.suspicious = True

    def losses(self) -> np.ndarray:
        """The mean loss of each look: of one batch, or of as many as ran in one go."""
        # On some backends the notes come from several threads, out of order.
        noted = sorted(self._noted)
        ends = np.array([batch + 1 for batch, _ in noted], dtype=float)
        means = np.array([loss for _, loss in noted], dtype=float)
        if not self.running_means or not noted:
            return means
        with np.errstate(invalid="ignore", over="ignore"):
            sums = ends * means
            steps = np.diff(ends, prepend=0.0)
            losses = np.diff(sums, prepend=0.0) / steps
            # Means in float32 leave a small error in the differences, of either sign.
            noise = 1e-6 * np.abs(sums) / steps
            return np.where((losses < 0) & (losses > -noise), 0.0, losses)
