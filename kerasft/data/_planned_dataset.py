"""A `PyDataset` whose passes are planned, whatever order Keras asks in."""

import abc
from typing import Any

import keras
import numpy as np

from kerasft._checks import check_int
from kerasft.data._passes import Passes
from kerasft.data._plans import Batch, Plan


class PlannedDataset(keras.utils.PyDataset, abc.ABC):
    """Gives the batches of a plan, anew in each pass, to `fit` and to whoever goes through it.

    Args:
        plan: Which examples go together.
        shuffle: Whether each pass has its own order.
        seed: Where the orders come from.
    """

    def __init__(self, plan: Plan, shuffle: bool, seed: int):
        # One worker: a thread pool costs more than the padding, and calls out of order.
        super().__init__(workers=1, use_multiprocessing=False)
        self.shuffle, self.seed = shuffle, seed
        self._plan = plan
        self._places: dict[int, int] = {}
        self._passes = Passes()
        self._go_to(0)

    @abc.abstractmethod
    def _batch(self, rows: np.ndarray, length: int) -> tuple[Any, ...]:
        """What the model is given for these rows, padded to `length`."""

    def __len__(self) -> int:
        """How many batches a pass has."""
        return self._plan.num_batches

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        self._passes.read()
        if self._passes.running and self.shuffle:
            # fit asks for the batches in an order of its own: the first that it asks for, whatever
            # its number, is the first of ours.
            index = self._places.setdefault(index, len(self._places))
        return self._batch(*self._batches[index])

    @property
    def num_batches(self) -> int:
        """How many batches a pass has; whoever asks starts to read from the beginning.

        Keras asks for it before it reads: for the shapes, and at the start of each pass.
        """
        if self._passes.ask():
            self._go_to(self._passes.number)
        self._places = {}
        return len(self)

    def __iter__(self) -> Any:
        return (self._batch(rows, length) for rows, length in self._batches)

    @property
    def epoch(self) -> int:
        """The number of the pass that runs or ran last; 0 before the first.

        `fit`, and with shuffled batches `evaluate` and `predict` too, go on by one with each pass.
        Set it before a fit that resumes: the next pass has that number.
        """
        return self._passes.number

    @epoch.setter
    def epoch(self, epoch: int) -> None:
        self._passes.set(check_int("epoch", epoch, minimum=0))
        self._go_to(epoch)

    def on_epoch_begin(self) -> None:
        """Keras calls it at the start of each epoch."""
        self._passes.begin_epoch()

    def on_epoch_end(self) -> None:
        """Keras calls it at the end of each epoch."""
        self._passes.end_epoch(len(self))

    def _go_to(self, epoch: int) -> None:
        self._batches = self._batches_of(epoch)
        self._places = {}

    def _batches_of(self, epoch: int) -> list[Batch]:
        """The batches of a pass: a pure function of the seed and the number."""
        random = np.random.default_rng([self.seed, epoch]) if self.shuffle else None
        return self._plan.batches(random)
