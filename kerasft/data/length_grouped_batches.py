"""`LengthGroupedBatches`: the data set that `fit`, `evaluate` and `predict` are given."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kerasft._checks import check_bool, check_int, fail
from kerasft.data._as_tf_data import as_tf_data
from kerasft.data._grouping import FixedSizePlan
from kerasft.data._labels import check_weights_per_label
from kerasft.data._padded_lengths import check_padded_lengths, pad_each
from kerasft.data._planned_dataset import PlannedDataset
from kerasft.data._plans import Plan, check_batch_size
from kerasft.data._token_budget import TokenBudgetPlan
from kerasft.errors import DataError, UnsupportedError


class LengthGroupedBatches(PlannedDataset):
    """Batches of examples of similar length, for every Keras backend.

    `kerasft.data.Batches` makes them, and tells what a budget of tokens means. Each batch of a
    fixed size is padded to its own longest example, rounded up to a multiple or to one of a few
    lengths. With `shuffle` every pass over the data, which is every epoch of a fit, groups anew;
    what it groups and in which order depends on `seed` and the number of the pass alone: `fit`
    shuffles the batches of a `PyDataset` by itself from Python's global random state, and that is
    undone here. Without `shuffle` the longest come first. All passes have equally many batches.

    Keras on TensorFlow takes the shapes of a whole fit from the first two batches. The order sees
    to it that these differ in length whenever any can.

    XLA compiles a model once for each shape. Few `padded_lengths` with `drop_remainder` make few
    shapes, known beforehand: what TPUs need, and what `jit_compile=True` runs well on.

    Args:
        collate: `collate(rows, length)` gives the model's inputs for an array of row numbers,
            padded to `length`.
        lengths: The length of each example, shape `(examples,)`.
        labels: An array with one row per example, or None.
        sample_weight: An array with one weight per example, or one row of weights, or None.
        texts: The raw texts, for reports, or None.
        batch_size: Examples per batch; 32 where neither this nor `max_tokens_per_batch` is given.
        shuffle: Whether each pass has its own order.
        seed: Where the orders come from.
        window: How many batches are sorted by length together when shuffled.
        pad_to_multiple_of: Batches are padded to a multiple of this.
        maximum_length: No batch is padded beyond this; None for no limit.
        class_names: The names of the classes, or None.
        drop_remainder: Whether the examples of a pass that do not fill a batch are left out, so
            that all batches, or all of one length where the budget is tokens, are of one size.
            With `shuffle` they are other ones in each pass.
        padded_lengths: Each batch is padded to the smallest of these that holds it, in place of
            a multiple; or so many multiples, those that waste least, are chosen for these lengths;
            None for all multiples.
        max_tokens_per_batch: The most tokens in a batch, rows times padded length, in place of
            `batch_size`.

    Raises:
        DataError: If there are no examples, not as many labels or weights, an example is longer
            than all `padded_lengths` or than the budget, or `drop_remainder` leaves no batch.

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
        batch_size: int | None = None,
        shuffle: bool = False,
        seed: int = 0,
        window: int = 50,
        pad_to_multiple_of: int = 8,
        maximum_length: int | None = None,
        class_names: Sequence[str] | None = None,
        drop_remainder: bool = False,
        padded_lengths: int | Sequence[int] | None = None,
        max_tokens_per_batch: int | None = None,
    ):
        self.batch_size = check_batch_size(batch_size, max_tokens_per_batch)
        self.max_tokens_per_batch = max_tokens_per_batch
        check_bool("shuffle", shuffle)
        check_int("seed", seed, minimum=0)
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
        if not callable(collate):
            fail("collate", collate, "a function of (rows, length)")
        self.collate = collate
        self.class_names = class_names
        self._labels = labels
        self._sample_weight = sample_weight
        self._texts = texts
        self._padded = pad_each(
            self.lengths, self.pad_to_multiple_of, maximum_length, padded_lengths
        )
        super().__init__(self._make_plan(shuffle), shuffle, seed)
        check_weights_per_label(sample_weight, max(len(rows) for rows, _ in self._batches))

    # ---- what is in it -------------------------------------------------------------------------

    @property
    def num_examples(self) -> int:
        """How many examples a pass has."""
        return self._plan.num_examples

    @property
    def padded_lengths_of_rows(self) -> np.ndarray:
        """The length that each example alone would be padded to, shape `(examples,)`."""
        padded = self._padded.view()
        padded.flags.writeable = False
        return padded

    @property
    def shapes(self) -> list[tuple[int, int]]:
        """The distinct `(rows, padded length)` of the pass that runs or ran last.

        XLA compiles once for each. Under `max_tokens_per_batch` they are the same in every pass.
        """
        return sorted({(len(rows), length) for rows, length in self._batches})

    @property
    def padding_share(self) -> float:
        """The share of the pass's tokens, those of `(rows, padded length)`, that hold nothing."""
        padded = sum(len(rows) * length for rows, length in self._batches)
        held = sum(np.minimum(self.lengths[rows], n).sum() for rows, n in self._batches)
        return 1 - float(held) / padded if padded else 0.0

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
        return np.concatenate([rows for rows, _ in self._batches])

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
        return self._batches[index].rows

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
            "max_tokens_per_batch": self.max_tokens_per_batch,
        }
        return LengthGroupedBatches(**{**arguments, **changes})

    def as_tf_data(self) -> Any:
        """The same batches as a `tf.data.Dataset`.

        Its shapes are open where batches differ: the size of a batch is fixed with
        `drop_remainder`, its length where `padded_lengths` leave one. With both, all shapes are
        known beforehand, as TPUs want them; what `fit` makes of a `PyDataset` by itself always has
        an open batch size. Batches are made ahead of the model, while it computes.

        Each time it is gone through is a pass of its own, in the orders of passes `epoch`,
        `epoch + 1` and so on. Give it to `fit(..., shuffle=False)`: Keras warns otherwise that it
        cannot shuffle it.

        Returns:
            A `tf.data.Dataset` of `(inputs, labels, sample_weight)`, as far as there.
        """
        sizes = np.unique([len(rows) for rows, _ in self._batches])
        lengths = np.unique(self._padded)
        return as_tf_data(
            self._batch,
            self._batches_of,
            first_pass=self.epoch,
            num_batches=len(self),
            size=int(sizes[0]) if self.drop_remainder and len(sizes) == 1 else None,
            length=int(lengths[0]) if self.padded_lengths and len(lengths) == 1 else None,
            longest=int(lengths[-1]),
        )

    def __repr__(self) -> str:
        size = self.batch_size or f"at most {self.max_tokens_per_batch:,} tokens"
        shapes = len(self.shapes)
        return (
            f"LengthGroupedBatches({self.num_examples:,} examples in {len(self):,} batches of "
            f"{size}, lengths {self.lengths.min()} to {self.lengths.max()}, "
            f"{shapes} shape{'s' if shapes > 1 else ''}, {self.padding_share:.0%} padding, "
            f"{'shuffled' if self.shuffle else 'in a fixed order'}"
            f"{', the remainder dropped' if self.drop_remainder else ''})"
        )

    # ---- how -------------------------------------------------------------------------------------

    def _make_plan(self, shuffle: bool) -> Plan:
        window, drop_remainder = self.window, self.drop_remainder
        if self.max_tokens_per_batch is not None:
            budget = self.max_tokens_per_batch
            return TokenBudgetPlan(self._padded, budget, window, shuffle, drop_remainder)
        assert self.batch_size is not None
        return FixedSizePlan(self.lengths, self._padded, self.batch_size, window, drop_remainder)

    def _batch(self, rows: np.ndarray, length: int) -> tuple[Any, ...]:
        inputs = self.collate(rows, length)
        if self._labels is None:
            return (inputs,)
        if self._sample_weight is None:
            return inputs, self._labels[rows]
        return inputs, self._labels[rows], self._sample_weight[rows]
