"""The examples whose features are computed: batches by length, arrays, or any data set."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np

from kerasft._checks import fail
from kerasft.data import LengthGroupedBatches
from kerasft.errors import DataError
from kerasft.features._identity import InputsDigest

_HASHED_TOGETHER = 256

# The numbers of some rows, their inputs, and their lengths.
Part = tuple[np.ndarray, Any, np.ndarray | None]


class GroupedExamples:
    """Examples of known lengths, any of which can be asked for.

    Args:
        data: The batches.
    """

    def __init__(self, data: LengthGroupedBatches) -> None:
        self.data = data
        self.once = data.unshuffled()
        self.count: int | None = len(data.lengths)

    def __len__(self) -> int:
        return len(self.once)

    @property
    def key(self) -> tuple[int, int]:
        """The same for what shares its inputs, as shuffled and unshuffled batches do."""
        return id(self.data.collate), id(self.data.lengths)

    @property
    def padded_range(self) -> list[int]:
        """The shortest and the longest length to which these examples are ever padded."""
        return [int(self.data._padded.min()), int(self.data._padded.max())]

    def digest(self) -> str:
        """Of the inputs, whatever the batches that they come in."""
        digest = InputsDigest()
        for start in range(0, len(self.data.lengths), _HASHED_TOGETHER):
            rows = np.arange(start, min(start + _HASHED_TOGETHER, len(self.data.lengths)))
            lengths = self.data.lengths[rows]
            digest.add(self.data.collate(rows, int(lengths.max())), lengths.tolist())
        return digest.hexdigest()

    def few(self) -> Part:
        """The shortest example and the first."""
        rows = np.unique([int(np.argmin(self.data.lengths)), 0])
        length = int(self.data._padded[rows].max())
        return rows, self.data.collate(rows, length), self.data.lengths[rows]

    def parts(
        self, keep_to: int | None, done: Callable[[np.ndarray], bool]
    ) -> Iterator[Part | None]:
        """All the examples in batches, None for those that are done."""
        for number in range(len(self.once)):
            rows = self.once.rows(number)
            if done(rows):
                yield None
            elif keep_to is None:
                yield rows, self.once[number][0], self.data.lengths[rows]
            else:
                yield rows, self.once.collate(rows, keep_to), self.data.lengths[rows]

    def with_features(self, features: Callable[[np.ndarray, int], Any]) -> LengthGroupedBatches:
        """The same batches with features as their inputs."""
        return self.data.with_inputs(features)


class StreamedExamples:
    """Examples that are read one batch after another: `tf.data`, a `PyDataset`, a loader.

    Args:
        dataset: What gives batches of `inputs`, `(inputs, labels)` or `(inputs, labels, weights)`.
        **kwargs: For the batches with features: `batch_size`, `shuffle`, `seed`.
    """

    padded_range: list[int] | None = None

    def __init__(self, dataset: Any, **kwargs: Any) -> None:
        self.dataset = dataset
        self._kwargs = kwargs
        self._labels: list[np.ndarray] = []
        self._weights: list[np.ndarray] = []
        self.count: int | None = None
        self._digest: str | None = None
        self._digest_of_first: str | None = None
        self._first: Part | None = None

    def __len__(self) -> int:
        """How many batches there are, 0 where nobody knows."""
        try:
            return len(self.dataset)
        except TypeError:
            return 0

    @property
    def expected(self) -> int:
        """How many examples there are where all batches are as large as the first; 0 if unknown."""
        self.few()
        return self.count or len(self) * len(self._first[0])  # type: ignore[index]

    @property
    def key(self) -> tuple[int, int]:
        """One data set is read once for each call."""
        return id(self.dataset), id(self)

    def digest(self) -> str:
        """Of the inputs, batch by batch; the data set is read for it."""
        if self._digest is None:
            digest = InputsDigest()
            for _, inputs, _ in self._read():
                digest.add(inputs)
                self._digest_of_first = self._digest_of_first or digest.hexdigest()
            self._digest = digest.hexdigest()
        return self._digest

    def few(self) -> Part:
        """The first two examples."""
        if self._first is None:
            next(self._read())
        rows, inputs, _ = self._first  # type: ignore[misc]
        return rows[:2], keras.tree.map_structure(lambda value: value[:2], inputs), None

    def parts(
        self, keep_to: int | None, done: Callable[[np.ndarray], bool]
    ) -> Iterator[Part | None]:
        """All the examples in batches, None for those that are done."""
        digest = InputsDigest()
        for rows, inputs, _ in self._read():
            digest.add(inputs)
            if rows[0] == 0:
                self._check_same(self._digest_of_first, digest)
            yield None if done(rows) else (rows, inputs, None)
        self._check_same(self._digest, digest)

    def with_features(self, features: Callable[[np.ndarray, int], Any]) -> LengthGroupedBatches:
        """Batches with features as their inputs, and the labels that were read with them."""
        assert self.count is not None
        return LengthGroupedBatches(
            features,
            np.ones(self.count, int),
            labels=np.concatenate(self._labels) if self._labels else None,
            sample_weight=np.concatenate(self._weights) if self._weights else None,
            pad_to_multiple_of=1,
            **self._kwargs,
        )

    def _check_same(self, former: str | None, digest: InputsDigest) -> None:
        if former not in (None, digest.hexdigest()):
            raise DataError(
                "A data set must give the same examples in the same order each time it is read, "
                "to be cached in a directory. Received: a "
                f"{type(self.dataset).__name__} that gave others the second time: it shuffles, or "
                "augments. Take that out (the cached batches can be shuffled with shuffle=True; "
                "what is augmented differs in every epoch, so that its features cannot be kept)."
            )

    def _read(self) -> Iterator[Part]:
        self._labels, self._weights = [], []
        start = 0
        for number, batch in enumerate(_batches_of(self.dataset)):
            inputs, labels, weights = keras.utils.unpack_x_y_sample_weight(batch)
            inputs = keras.tree.map_structure(_numpy, inputs)
            for array in keras.tree.flatten(inputs):
                _check_batched(self.dataset, array)
            count = len(keras.tree.flatten(inputs)[0])
            for name, found, kept in (
                ("labels", labels, self._labels),
                ("sample weights", weights, self._weights),
            ):
                if found is None and not kept:
                    continue
                if found is None or isinstance(found, (dict, list, tuple)):
                    raise DataError(
                        f"A data set must give one array of {name} with every batch, or none with "
                        f"any, to be cached. Received: {found!r:.80} (of type "
                        f"{type(found).__name__}) with batch {number}."
                    )
                kept.append(_numpy(found))
                _check_batched(self.dataset, kept[-1])
                if len(kept[-1]) != count or len(kept) != number + 1:
                    raise DataError(
                        f"A batch must have as many {name} as examples, in every batch. Received: "
                        f"{len(kept[-1])} {name} for {count} examples in batch {number}."
                    )
            part = np.arange(start, start + count), inputs, None
            self._first = self._first or part
            start += count
            yield part
        if not start:
            raise DataError(
                "A data set must give examples to be cached. Received: a "
                f"{type(self.dataset).__name__} that gave none. If it can be read only once, it "
                "may have been read before: make a new one."
            )
        self.count = start


Examples = GroupedExamples | StreamedExamples


def examples_of(
    data: Any, labels: Any, sample_weight: Any, batch_size: int, shuffle: bool, seed: int
) -> Examples:
    """Whatever the user gave, as examples.

    Raises:
        ArgumentError: If it is none of what is understood.
        DataError: If inputs, labels or weights are not as many as each other.
    """
    if isinstance(data, LengthGroupedBatches):
        for name, value in (("labels", labels), ("sample_weight", sample_weight)):
            if value is not None:
                fail(name, value, "left out where the batches bring their own", error=DataError)
        return GroupedExamples(data)
    kwargs = {"batch_size": batch_size, "shuffle": shuffle, "seed": seed}
    if isinstance(data, tuple) and labels is None and len(data) in (2, 3):
        data, labels, *rest = data
        sample_weight = rest[0] if rest else sample_weight
    if _is_arrays(data):
        data = keras.tree.map_structure(np.asarray, data)
        counts = {len(array) for array in keras.tree.flatten(data)}
        if len(counts) != 1 or 0 in counts:
            raise DataError(
                "Inputs must be as many as each other, and at least one. Received: arrays of "
                f"{sorted(counts)} rows."
            )
        count = counts.pop()
        for name, value in (("labels", labels), ("sample_weight", sample_weight)):
            if value is not None and not np.ndim(value):
                hint = "Where a model has several outputs, train it without the cache."
                rule = "one array with a row for each example"
                fail(name, value, rule, hint if isinstance(value, dict) else "", DataError)

        def collate(rows: np.ndarray, length: int) -> Any:
            return keras.tree.map_structure(lambda array: array[rows], data)

        return GroupedExamples(
            LengthGroupedBatches(
                collate,
                np.ones(count, int),
                labels=None if labels is None else np.asarray(labels),
                sample_weight=None if sample_weight is None else np.asarray(sample_weight),
                pad_to_multiple_of=1,
                **kwargs,  # type: ignore[arg-type]
            )
        )
    if isinstance(data, (str, bytes)) or not (
        hasattr(data, "__iter__") or isinstance(data, keras.utils.PyDataset)
    ):
        fail(
            "data",
            data,
            "batches of `kerasft.data.Batches`, arrays, a tf.data.Dataset or a PyDataset",
        )
    for name, value in (("labels", labels), ("sample_weight", sample_weight)):
        if value is not None:
            fail(name, value, "left out where the data set brings its own", error=DataError)
    if hasattr(data, "__next__"):
        fail("data", data, "something that can be read twice", "Put the batches into a list.")
    return StreamedExamples(data, **kwargs)


def _is_arrays(data: Any) -> bool:
    """An array, or a list or dict of some; not a list of batches."""
    if isinstance(data, dict):
        data = list(data.values())
    each = data if isinstance(data, (list, tuple)) else [data]
    return bool(each) and all(
        hasattr(one, "__array__") and len(getattr(one, "shape", ())) > 0 for one in each
    )


def _batches_of(dataset: Any) -> Iterator[Any]:
    if isinstance(dataset, keras.utils.PyDataset):
        count = dataset.num_batches
        if count is None or math.isinf(count):
            raise DataError(
                "A data set must end to be cached. Received: a "
                f"{type(dataset).__name__} without a number of batches."
            )
        return (dataset[number] for number in range(count))
    if getattr(dataset, "cardinality", None) is not None and int(dataset.cardinality()) == -1:
        raise DataError(
            "A data set must end to be cached. Received: a tf.data.Dataset that repeats for ever. "
            "Leave out `.repeat()`: the cached batches begin anew with each epoch."
        )
    return iter(dataset)


def _check_batched(dataset: Any, array: np.ndarray) -> None:
    if not array.ndim:
        raise DataError(
            "A data set must give batches of examples to be cached. Received: a "
            f"{type(dataset).__name__} that gave single values, such as {array.item()!r:.40}. Put "
            "its examples into batches (`.batch(32)` in tf.data), or give arrays."
        )


def _numpy(value: Any) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(value))
