"""`LengthGroupedBatches`: the data set that `fit`, `evaluate` and `predict` are given."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from kerasft._checks import check_bool, check_int, fail
from kerasft.data._grouping import (
    check_padded_lengths,
    group_by_length,
    let_first_two_differ,
    padded_lengths_of,
    rows_of_whole_batches,
)
from kerasft.data._passes import Passes
from kerasft.errors import DataError, UnsupportedError


class LengthGroupedBatches(keras.utils.PyDataset):
    """Batches of examples of similar length, for every Keras backend.

    `kerasft.data.Batches` makes them. Each batch is padded to its own longest example, rounded up
    to a multiple. With `shuffle` every pass over the data, which is every epoch of a fit, groups
    anew; what it groups and in which order depends on `seed` and the number of the pass alone:
    `fit` shuffles the batches of a `PyDataset` by itself from Python's global random state, and
    that is undone here. Without `shuffle` the longest come first.

    Keras on TensorFlow takes the shapes of a whole fit from the first two batches. The order sees
    to it that these differ in length whenever any can.

    XLA compiles a model once for each shape. Few `padded_lengths` with `drop_remainder` make few
    shapes, known beforehand: what TPUs need, and what `jit_compile=True` runs well on.

    Args:
        collate: `collate(rows, length)` gives the model's inputs for an array of row numbers,
            padded to `length`.
        lengths: The length of each example, shape `(examples,)`.
        labels: An array with one row per example, or None.
        sample_weight: An array with one weight per example, or None.
        texts: The raw texts, for reports, or None.
        batch_size: Examples per batch.
        shuffle: Whether each pass has its own order.
        seed: Where the orders come from.
        window: How many batches are sorted by length together when shuffled.
        pad_to_multiple_of: Batches are padded to a multiple of this.
        maximum_length: No batch is padded beyond this; None for no limit.
        class_names: The names of the classes, or None.
        drop_remainder: Whether the examples of a pass that do not fill a batch are left out, so
            that all batches are of one size. With `shuffle` they are other ones in each pass.
        padded_lengths: Each batch is padded to the smallest of these that holds it, in place of
            a multiple; None for multiples.

    Raises:
        DataError: If there are no examples, not as many labels or weights, an example is longer
            than all `padded_lengths`, or `drop_remainder` leaves no batch.

    Example:
        >>> import numpy as np
        >>> from kerasft.data import LengthGroupedBatches
        >>> batches = LengthGroupedBatches(
        ...     lambda rows, length: np.zeros((len(rows), length)), lengths=[3, 9, 5], batch_size=2,
        ...     labels=np.array([0, 1, 2]), pad_to_multiple_of=4)
        >>> [x.shape for x, y in batches]
        [(2, 12), (1, 4)]
        >>> batches.labels.tolist()
        [1, 2, 0]
    """

    def __init__(
        self,
        collate: Callable[[np.ndarray, int], Any],
        lengths: Sequence[int] | np.ndarray,
        labels: np.ndarray | None = None,
        sample_weight: np.ndarray | None = None,
        texts: Sequence[Any] | None = None,
        batch_size: int = 32,
        shuffle: bool = False,
        seed: int = 0,
        window: int = 50,
        pad_to_multiple_of: int = 8,
        maximum_length: int | None = None,
        class_names: Sequence[str] | None = None,
        drop_remainder: bool = False,
        padded_lengths: Sequence[int] | None = None,
    ):
        # One worker: a thread pool costs more than the padding, and calls out of order.
        super().__init__(workers=1, use_multiprocessing=False)
        self.batch_size = check_int("batch_size", batch_size, minimum=1)
        self.shuffle = check_bool("shuffle", shuffle)
        self.seed = check_int("seed", seed, minimum=0)
        self.window = check_int("window", window, minimum=1)
        self.pad_to_multiple_of = check_int("pad_to_multiple_of", pad_to_multiple_of, minimum=1)
        if maximum_length is not None:
            check_int("maximum_length", maximum_length, minimum=1)
        self.maximum_length = maximum_length
        self.lengths = np.asarray(lengths)
        if not self.lengths.size or self.lengths.ndim != 1:
            raise DataError(
                "`lengths` must hold one length for each example, and at least one. Received: an "
                f"array of shape {self.lengths.shape}."
            )
        for name, values in (("labels", labels), ("sample_weight", sample_weight)):
            if values is not None and len(values) != len(self.lengths):
                raise DataError(
                    f"`{name}` must be as many as the examples, {len(self.lengths):,}. Received: "
                    f"{len(values):,}."
                )
        self.drop_remainder = check_bool("drop_remainder", drop_remainder)
        self.padded_lengths = check_padded_lengths(padded_lengths, maximum_length)
        self._check_fits()
        if not callable(collate):
            fail("collate", collate, "a function of (rows, length)")
        self.collate = collate
        self.class_names = class_names
        self._labels = labels
        self._sample_weight = sample_weight
        self._texts = texts
        self._padded = padded_lengths_of(
            self.lengths, self.pad_to_multiple_of, maximum_length, padded_lengths
        )
        self._places: dict[int, int] = {}
        self._passes = Passes()
        self._go_to(0)

    # ---- what is in it -------------------------------------------------------------------------

    def __len__(self) -> int:
        """How many batches a pass has."""
        whole, rest = divmod(len(self.lengths), self.batch_size)
        return whole + (1 if rest and not self.drop_remainder else 0)

    @property
    def num_examples(self) -> int:
        """How many examples a pass has."""
        every = len(self.lengths)
        return len(self) * self.batch_size if self.drop_remainder else every

    @property
    def order(self) -> np.ndarray:
        """The row, in the data as it was given, of each row that `predict` gives.

        Raises:
            UnsupportedError: the batches are shuffled, so every pass has another order.
        """
        if self.shuffle:
            raise UnsupportedError(
                "Shuffled batches have another order in every pass, so predictions could not be "
                "matched. Use `batches.unshuffled()` for predict and evaluate."
            )
        return np.concatenate(self._batches)

    @property
    def labels(self) -> np.ndarray | None:
        """The labels in the order in which `predict` gives its rows; None if there are none."""
        return None if self._labels is None else self._labels[self.order]

    @property
    def sample_weight(self) -> np.ndarray | None:
        """The sample weights in the order in which `predict` gives its rows; None if none."""
        return None if self._sample_weight is None else self._sample_weight[self.order]

    @property
    def texts(self) -> list[Any] | None:
        """The texts in the order in which `predict` gives its rows; None if not kept."""
        return None if self._texts is None else [self._texts[row] for row in self.order]

    def rows(self, index: int) -> np.ndarray:
        """The rows, in the data as it was given, that batch `index` holds in this pass."""
        return self._batches[index]

    # ---- the same batches, otherwise ---------------------------------------------------------

    def unshuffled(self) -> "LengthGroupedBatches":
        """All the examples in a fixed order, for `predict` and `evaluate`; nothing is copied.

        None is left out, so that with `drop_remainder` the last batch may be smaller here.
        """
        return self._replace(shuffle=False, drop_remainder=False)

    def with_inputs(self, collate: Callable[[np.ndarray, int], Any]) -> "LengthGroupedBatches":
        """The same batches in the same orders, with other inputs, such as cached features."""
        return self._replace(collate=collate)

    def _replace(self, **changes: Any) -> "LengthGroupedBatches":
        arguments = {
            "collate": self.collate,
            "lengths": self.lengths,
            "labels": self._labels,
            "sample_weight": self._sample_weight,
            "texts": self._texts,
            "batch_size": self.batch_size,
            "shuffle": self.shuffle,
            "seed": self.seed,
            "window": self.window,
            "pad_to_multiple_of": self.pad_to_multiple_of,
            "maximum_length": self.maximum_length,
            "class_names": self.class_names,
            "drop_remainder": self.drop_remainder,
            "padded_lengths": self.padded_lengths,
        }
        return LengthGroupedBatches(**{**arguments, **changes})

    # ---- what Keras asks -------------------------------------------------------------------------

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        self._passes.read()
        if self._passes.running and self.shuffle:
            # fit asks for the batches in an order of its own: the first that it asks for, whatever
            # its number, is the first of ours.
            index = self._places.setdefault(index, len(self._places))
        return self._batch(self._batches[index])

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
        return (self._batch(rows) for rows in self._batches)

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

    def as_tf_data(self) -> Any:
        """The same batches as a `tf.data.Dataset`.

        Its shapes are open where batches differ: the size of a batch is fixed with
        `drop_remainder`, its length with one length in `padded_lengths`. With both, all shapes
        are known beforehand, as TPUs want them; what `fit` makes of a `PyDataset` by itself
        always has an open batch size.

        Each time it is gone through is a pass of its own, in the orders of passes `epoch`,
        `epoch + 1` and so on. Give it to `fit(..., shuffle=False)`: Keras warns otherwise that it
        cannot shuffle it.

        Returns:
            A `tf.data.Dataset` of `(inputs, labels, sample_weight)`, as far as there.
        """
        import tensorflow as tf

        first = self._batches[0]
        longest = int(self._padded.max())
        only = self.padded_lengths is not None and len(set(self.padded_lengths)) == 1
        narrow = self._batch(first, longest)
        wide = narrow if only else self._batch(first, longest + 1)

        def spec(array: np.ndarray, wider: np.ndarray) -> Any:
            fixed = zip(array.shape[1:], wider.shape[1:], strict=True)
            size = self.batch_size if self.drop_remainder else None
            shape = [size, *(size if size == other else None for size, other in fixed)]
            return tf.TensorSpec(shape, array.dtype)

        passes = itertools.count(self.epoch)

        def batches() -> Any:
            for rows in self._plan(next(passes)):
                yield self._batch(rows)

        dataset = tf.data.Dataset.from_generator(
            batches, output_signature=keras.tree.map_structure(spec, narrow, wide)
        )
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(len(self)))
        return dataset.prefetch(tf.data.AUTOTUNE)

    def __repr__(self) -> str:
        return (
            f"LengthGroupedBatches({self.num_examples:,} examples in {len(self):,} batches of "
            f"{self.batch_size}, lengths {self.lengths.min()} to {self.lengths.max()}, "
            f"{'shuffled' if self.shuffle else 'in a fixed order'}"
            f"{', the remainder dropped' if self.drop_remainder else ''})"
        )

    # ---- how -------------------------------------------------------------------------------------

    def _go_to(self, epoch: int) -> None:
        self._batches = self._plan(epoch)
        self._places = {}

    def _plan(self, epoch: int) -> list[np.ndarray]:
        """The rows of each batch of a pass: a pure function of the seed and the number."""
        random = np.random.default_rng([self.seed, epoch]) if self.shuffle else None
        rows = None
        if self.drop_remainder:
            rows = rows_of_whole_batches(self._padded, self.batch_size, random)
        batches = group_by_length(self.lengths, self.batch_size, self.window, random, rows)
        return let_first_two_differ(batches, self._padded, self.batch_size, random)

    def _check_fits(self) -> None:
        if self.drop_remainder and len(self.lengths) < self.batch_size:
            raise DataError(
                f"`drop_remainder` must leave a batch. Received: {len(self.lengths):,} examples "
                f"with batch_size={self.batch_size}."
            )
        if self.padded_lengths is None:
            return
        too_long = np.flatnonzero(self.lengths > max(self.padded_lengths))
        if too_long.size:
            raise DataError(
                f"`padded_lengths` must hold every example. Received: "
                f"padded_lengths={list(self.padded_lengths)}, while {too_long.size:,} of "
                f"{len(self.lengths):,} examples are longer, the first in row {too_long[0]} with "
                f"length {self.lengths[too_long[0]]}. Add a length, or let the preprocessor cut "
                f"texts: `sequence_length={max(self.padded_lengths)}`."
            )

    def _batch(self, rows: np.ndarray, length: int | None = None) -> tuple[Any, ...]:
        inputs = self.collate(rows, int(self._padded[rows].max() if length is None else length))
        if self._labels is None:
            return (inputs,)
        if self._sample_weight is None:
            return inputs, self._labels[rows]
        return inputs, self._labels[rows], self._sample_weight[rows]
