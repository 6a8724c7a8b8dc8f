"""`Batches`: texts and labels in, a data set for `fit` out."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasft._checks import check_bool, check_int, check_type
from kerasft._progress import in_parts, progress
from kerasft.data._grouping import check_padded_lengths
from kerasft.data._labels import check_class_names, prepare_labels, prepare_weights
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

    Args:
        preprocessor: Turns texts into inputs: `backbone.preprocessor(sequence_length=...)`, or any
            `kerasft.data.Preprocessor`.
        batch_size: Examples per batch.
        num_classes: The head's `num_classes`: labels outside of it are refused. 1 for one logit,
            whose labels are 0 and 1.
        class_names: The names of the classes in order; labels may then be given by name.
        pad_to_multiple_of: Batches are padded to their longest example, rounded up to a multiple of
            this, so that few different shapes arise.
        window: How many batches are sorted by length together when shuffled. More means less
            padding, fewer means more chance in who meets whom.
        seed: Where the orders come from; the same seed gives the same order in each epoch.
        drop_remainder: Whether the examples of a pass that do not fill a batch are left out, so
            that all batches are of one size, as TPUs need them. When shuffled they are other ones
            in each epoch; `unshuffled()` leaves none out.
        padded_lengths: The few lengths that batches are padded to, `[64, 128]` say, each to the
            smallest that holds it, in place of a multiple. XLA compiles once for each. A text with
            more tokens is cut by the preprocessor or, if its `sequence_length` is above all of
            these, refused.

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
        >>> train
        LengthGroupedBatches(3 examples in 2 batches of 2, lengths 3 to 5, shuffled)
    """

    def __init__(
        self,
        preprocessor: Preprocessor,
        batch_size: int = 32,
        num_classes: int | None = None,
        class_names: Sequence[str] | None = None,
        pad_to_multiple_of: int = 8,
        window: int = 50,
        seed: int = 0,
        drop_remainder: bool = False,
        padded_lengths: Sequence[int] | None = None,
    ):
        self.preprocessor = check_type(
            "preprocessor",
            preprocessor,
            Preprocessor,
            "a kerasft.data.Preprocessor",
            "`backbone.preprocessor(sequence_length=...)` gives one.",
        )
        self.batch_size = check_int("batch_size", batch_size, minimum=1)
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
            sample_weight: One weight per text, or None.
            shuffle: Whether each epoch has its own order: True to train, False to evaluate.

        Returns:
            A data set for `fit`, `evaluate` and `predict`.

        Raises:
            DataError: no texts, blank texts, labels of another length, labels outside the classes,
                fractional, negative or missing labels, class names other than before, texts longer
                than all `padded_lengths`, or too few to fill a batch where the rest is dropped.
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
        weights = prepare_weights(sample_weight, len(texts))
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
