"""What is known of a fit while it runs, as numbers."""

import dataclasses
import math
from collections.abc import Mapping

import numpy as np


@dataclasses.dataclass(frozen=True)
class EpochNotes:
    """What is known of one epoch.

    Args:
        number: Which epoch, counted from 1.
        losses: The training loss of each look, in order. A look is a batch, or with
            `steps_per_execution` as many batches as run in one go.
        figures: What `fit` logged at its end; empty while it runs.
        learning_rate: The optimizer's rate at its end, or None.
        moved: How far the weights that train had moved by its end since the stage began, as a
            share of their size then (both are Euclidean norms). NaN where it was not measured.
        stage: Counts the changes of what trains, from 0.
        complete: Whether it has ended.
    """

    number: int
    losses: np.ndarray
    figures: Mapping[str, float]
    learning_rate: float | None = None
    moved: float = math.nan
    stage: int = 0
    complete: bool = True


@dataclasses.dataclass
class Course:
    """The course of a fit so far.

    Args:
        chance: The loss of guessing evenly among the classes, or None where that is unknown.
        planned: How many epochs `fit` was asked for, or None.
        batches_per_look: How many batches one look covers.
        batch_size: How many examples a batch holds, or None where that is unknown.
        epochs: What is known of each epoch, in order.
        stopped: Whether something asked the fit to end before its last epoch.
    """

    chance: float | None = None
    planned: int | None = None
    batches_per_look: int = 1
    batch_size: int | None = None
    epochs: list[EpochNotes] = dataclasses.field(default_factory=list)
    stopped: bool = False

    @property
    def complete(self) -> list[EpochNotes]:
        """The epochs that have ended."""
        return [epoch for epoch in self.epochs if epoch.complete]

    @property
    def stage(self) -> list[EpochNotes]:
        """The ended epochs since what trains has changed for the last time."""
        ended = self.complete
        return [epoch for epoch in ended if epoch.stage == ended[-1].stage]

    @property
    def start(self) -> float:
        """The training loss before anything was learned; NaN while it is unknown."""
        if not self.epochs or not self.epochs[0].losses.size:
            return math.nan
        losses = self.epochs[0].losses
        if self.batches_per_look == 1:
            return float(losses[0])
        # The first looks cover steps after the first one too, and may already hold a jump.
        return float(min(losses[0], np.quantile(losses, 0.25)))

    @property
    def guessing(self) -> float:
        """The loss of a model that knows nothing.

        It is the loss of guessing evenly where that is known. Where the first loss is several times
        that, weights on the classes or the loss, or inputs of an odd scale, have changed the scale,
        and the first loss stands for it, as it does where nothing is known.
        """
        if self.chance is None or self.start > 2.5 * self.chance:
            return self.start
        return self.chance

    def series(self, name: str) -> np.ndarray:
        """A figure over the epochs of the present stage; NaN where an epoch has none."""
        return np.array([epoch.figures.get(name, math.nan) for epoch in self.stage], dtype=float)

    @property
    def curve(self) -> tuple[str, np.ndarray]:
        """The loss that tells progress, and its name: that of validation if every epoch has it."""
        validation = self.series("val_loss")
        if validation.size and not np.isnan(validation).any():
            return "val_loss", validation
        return "loss", self.series("loss")

    @property
    def steps(self) -> int:
        """How many batches the present stage has seen, a little more in incomplete looks."""
        return sum(epoch.losses.size for epoch in self.stage) * self.batches_per_look


def means_of(losses: np.ndarray, size: int) -> np.ndarray:
    """The mean of each `size` neighbours; of all of them where there are fewer.

    Of four or more, the mean is at most a fifth above the second highest, so that no single loss
    makes a jump.
    """
    size = min(size, losses.size)
    windows = np.lib.stride_tricks.sliding_window_view(losses, size)
    means = windows.mean(axis=1)
    if size < 4:
        return means
    return np.minimum(means, 1.2 * np.partition(windows, -2, axis=1)[:, -2])
