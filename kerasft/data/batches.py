"""`Batches`: texts and labels in, a data set for `fit` out."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasft._checks import check_bool, check_int, check_type
from kerasft._progress import in_parts, progress
from kerasft.data._labels import check_class_names, prepare_labels, prepare_weights
from kerasft.data._padded_lengths import check_padded_lengths
from kerasft.data._plans import check_batch_size
from kerasft.data.examples import Examples
from kerasft.data.length_grouped_batches import LengthGroupedBatches
from kerasft.data.preprocessor import Preprocessor
from kerasft.data.tf_datasets import is_tf_dataset, read_tf_dataset
from kerasft.errors import DataError

_PART = 1000
_SHOW_PROGRESS_FROM = 4000


class Batches:
    """Makes data sets for `fit`, `evaluate` and `predict` out of texts and labels.

    Call it with texts and labels, with `Examples`, or with a `tf.data.Dataset`. All is checked at
    that call, before the first text is tokenized, and each text is tokenized once, however many
    epochs follow. What comes out is a `keras.utils.PyDataset`, which works on every Keras backend.

    Labels become `int32` of shape `(batch,)` for classes; `float32` of shape `(batch,)` for one
    logit (`num_classes=1`) and for regression (floats, where neither `num_classes` nor
    `class_names` is given); `float32` of shape `(batch, labels)` for several labels per text.

    *A batch of so many examples, or of so many tokens.* The time and the memory of a step go by its
    tokens, padding counted. With `max_tokens_per_batch` a batch has as many examples as fit when
    padded, few long ones or many short ones, so that no step is too large for the memory and none
    too small to keep the device busy. Batches of one padded length have equally many examples, but
    for one remainder; every pass has equally many batches of the same shapes, with others in them.
    An example that alone exceeds the budget is refused.

    Keras's loss is the mean over the examples of a batch, and each batch is one step. So under a
    budget an example in a batch of 8 long ones counts 4 times as much as one among 32 short ones:
    examples count by their padded lengths. Take the learning rate that fits the average number of
    examples per batch. Where all are to count alike, compile with a loss of `reduction="sum"` and a
    rate divided by that number.

    *Few shapes.* XLA, which Keras uses on JAX, and on TensorFlow where there is a GPU, compiles
    once for each shape of a batch. `padded_lengths=4` chooses, for each data set by itself, the 4
    lengths that waste the least padding; the data set's `repr`, `shapes` and `padding_share` say
    what came of it.

    Args:
        preprocessor: Turns texts into inputs: `backbone.preprocessor(sequence_length=...)`, or any
            `kerasft.data.Preprocessor`.
        batch_size: Examples per batch; 32 where neither this nor `max_tokens_per_batch` is given.
        num_classes: The head's `num_classes`: labels outside of it are refused. 1 for one logit,
            whose labels are 0 and 1.
        class_names: The names of the classes in order; labels may then be given by name.
        pad_to_multiple_of: Batches are padded to their longest example, rounded up to a multiple of
            this, so that few different shapes arise.
        window: How many batches are sorted by length together when shuffled. More means less
            padding, fewer means more chance in who meets whom. Under a budget of tokens too it is
            so many batches, on average.
        seed: Where the orders come from; the same seed gives the same order in each epoch.
        drop_remainder: Whether the examples of a pass that do not fill a batch are left out, so
            that all batches are of one size, as TPUs need them. When shuffled they are other ones
            in each epoch; `unshuffled()` leaves none out. With `max_tokens_per_batch` all batches
            of one padded length are of one size.
        padded_lengths: The few lengths that batches are padded to, `[64, 128]` say, each to the
            smallest that holds it, in place of a multiple. A text with more tokens is cut by the
            preprocessor or, if its `sequence_length` is above all of these, refused. Or a whole
            number: so many multiples of `pad_to_multiple_of` are chosen, those that waste the least
            padding if each text is padded to the next of them (exactly the best, by dynamic
            programming over the histogram of the lengths).
        max_tokens_per_batch: The most tokens in a batch, rows times padded length, in place of
            `batch_size`. timm calls it so; fairseq and AllenNLP say `max_tokens`, which beside
            texts could be taken for the length of one.

    Raises:
        ArgumentError: an argument breaks its rule.

    Example:
        >>> from kerasft.data import Batches, Preprocessor
        >>> import numpy as np
        >>> class Letters(Preprocessor):
        ...     sequence_length = 8
        ...     identity = {"kind": "letters"}
        ...     def encode(self, texts):
        ...         return [np.array([ord(c) for c in text[:8]], dtype="int32") for text in texts]
        ...     def pad(self, encoded, length=None):
        ...         return np.stack([np.pad(ids, (0, length - len(ids))) for ids in encoded])
        >>> batches = Batches(Letters(), batch_size=2, class_names=["no", "yes"])
        >>> train = batches(["oh no", "yes", "aye"], ["no", "yes", "yes"], shuffle=True)
        >>> train  # doctest: +NORMALIZE_WHITESPACE
        LengthGroupedBatches(3 examples in 2 batches of 2, lengths 3 to 5, 2 shapes, 54% padding,
            shuffled)
        >>> batches = Batches(Letters(), max_tokens_per_batch=12, pad_to_multiple_of=1)
        >>> batches(["oh no", "yes", "aye", "no", "so"]).shapes
        [(2, 5), (3, 3)]
    """

    def __init__(
        self,
        preprocessor: Preprocessor,
        batch_size: int | None = None,
        num_classes: int | None = None,
        class_names: Sequence[str] | None = None,
        pad_to_multiple_of: int = 8,
        window: int = 50,
        seed: int = 0,
        drop_remainder: bool = False,
        padded_lengths: int | Sequence[int] | None = None,
        max_tokens_per_batch: int | None = None,
    ):
        self.preprocessor = check_type(
            "preprocessor",
            preprocessor,
            Preprocessor,
            "a kerasft.data.Preprocessor",
            "`backbone.preprocessor(sequence_length=...)` gives one.",
        )
        self.batch_size = check_batch_size(batch_size, max_tokens_per_batch)
        self.max_tokens_per_batch = max_tokens_per_batch
        if num_classes is not None:
            check_int("num_classes", num_classes, minimum=1)
        self.num_classes = num_classes
        names = check_class_names(class_names)
        if (
            names
            and num_classes is not None
            and len(names) != (num_classes if num_classes > 1 else 2)
        ):
            raise DataError(
                f"`class_names` must be as many as `num_classes`, or two for one logit. Received: "
                f"{len(names)} names and num_classes={num_classes}."
            )
        self.class_names = class_names
        self.pad_to_multiple_of = check_int("pad_to_multiple_of", pad_to_multiple_of, minimum=1)
        self.window = check_int("window", window, minimum=1)
        self.seed = check_int("seed", seed, minimum=0)
        self.drop_remainder = check_bool("drop_remainder", drop_remainder)
        self.padded_lengths = check_padded_lengths(padded_lengths, preprocessor.sequence_length)
        self._names_seen = names

    def __call__(
        self,
        texts: Any,
        labels: Any = None,
        sample_weight: Any = None,
        shuffle: bool = False,
    ) -> LengthGroupedBatches:
        """Check, tokenize and group a data set.

        Args:
            texts: A list or array of texts; or `Examples`; or a `tf.data.Dataset` of texts, of
                `(text, label)`, or of dicts with the keys "text" and "label".
            labels: One label per text, or one row of labels per text; None for `predict`.
            sample_weight: One weight per text; or, with several labels per text, one per label, as
                `kerasft.data.sample_weights(..., per_label=True)` makes them, for a loss that does
                not average over the labels; or None.
            shuffle: Whether each epoch has its own order: True to train, False to evaluate.

        Returns:
            A data set for `fit`, `evaluate` and `predict`.

        Raises:
            DataError: no texts, blank texts, labels of another length, labels outside the classes,
                fractional, negative or missing labels, class names other than before, texts longer
                than all `padded_lengths` or than `max_tokens_per_batch`, or too few to fill a batch
                where the rest is dropped.
        """
        check_bool("shuffle", shuffle)
        names = None
        if isinstance(texts, Examples) or is_tf_dataset(texts):
            if labels is not None or sample_weight is not None:
                raise DataError(
                    "`labels` and `sample_weight` must be left out where the data set brings its "
                    f"own. Received: both, with {type(texts).__name__}."
                )
            if isinstance(texts, Examples):
                names, labels, sample_weight = texts.class_names, texts.labels, texts.sample_weight
                texts = texts.texts
            else:
                texts, labels, sample_weight = read_tf_dataset(texts)
        texts = self.preprocessor.check(texts)
        self._check_names(names)
        names = names or self._names_seen
        prepared = None
        if labels is not None:
            prepared, names = prepare_labels(labels, len(texts), self.num_classes, names)
        elif sample_weight is not None:
            raise DataError("`sample_weight` must come with labels. Received: labels=None.")
        weights = prepare_weights(
            sample_weight, len(texts), None if prepared is None else prepared.shape
        )
        encoded = self._encode(texts)
        return LengthGroupedBatches(
            _Collate(self.preprocessor, encoded),
            np.array([len(example) for example in encoded]),
            prepared,
            weights,
            texts,
            batch_size=self.batch_size,
            shuffle=shuffle,
            seed=self.seed,
            window=self.window,
            pad_to_multiple_of=self.pad_to_multiple_of,
            maximum_length=self.preprocessor.sequence_length,
            class_names=names,
            drop_remainder=self.drop_remainder,
            padded_lengths=self.padded_lengths,
            max_tokens_per_batch=self.max_tokens_per_batch,
        )

    def _check_names(self, names: tuple[str, ...] | None) -> None:
        """One model, one numbering: files read apart can number their classes differently."""
        if names is None:
            return
        if self._names_seen is not None and names != self._names_seen:
            raise DataError(
                "`class_names` must be the same in all data sets of one model. Received: "
                f"{list(names)} after {list(self._names_seen)}. Give class_names=[...] when you "
                "read the files."
            )
        self._names_seen = names

    def _encode(self, texts: list[Any]) -> list[np.ndarray]:
        encoded: list[np.ndarray] = []
        parts = in_parts(texts, _PART)
        for part in progress(parts, "Encoding", len(texts), _SHOW_PROGRESS_FROM, _PART):
            encoded.extend(self.preprocessor.encode(part))
        return encoded


class _Collate:
    """The inputs of some rows: what was encoded once, padded now."""

    def __init__(self, preprocessor: Preprocessor, encoded: list[np.ndarray]):
        self.preprocessor = preprocessor
        self.encoded = encoded

    def __call__(self, rows: np.ndarray, length: int) -> Any:
        return self.preprocessor.pad([self.encoded[row] for row in rows], length)
