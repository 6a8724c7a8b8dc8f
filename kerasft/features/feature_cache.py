"""`FeatureCache`: the frozen part's output, computed once and trained on many times."""

from typing import Any

import keras
import numpy as np

from kerasft._checks import check_type
from kerasft.data import LengthGroupedBatches
from kerasft.data._progress import progress
from kerasft.errors import UnsupportedError
from kerasft.features.cut import cut
from kerasft.structure import changeable_variables

_SHOW_PROGRESS_FROM = 50


class FeatureCache:
    """Computes the frozen part of a model once, and gives a model that trains on the result.

    The model is cut at its freeze boundary, whatever policy froze it. The part before runs once
    over the data, in inference mode; each example's features are kept in memory, unpadded. The
    part after is a plain `keras.Model` that shares its layers with the whole: what it learns, the
    whole model has learned.

    Args:
        model: A functional model, frozen at its front.

    Attributes:
        model: What trains, from the boundary to the outputs, for your own `compile` and `fit`.

    Raises:
        UnsupportedError: If the model has no graph, or is not frozen at its front.

    Example:
        >>> import keras, kerasft, numpy as np
        >>> from kerasft.data import LengthGroupedBatches
        >>> inputs = keras.Input((4,))
        >>> x = keras.layers.Dense(8, name="body")(inputs)
        >>> model = keras.Model(inputs, keras.layers.Dense(2, name="top")(x))
        >>> plan = kerasft.TrainHead().apply(model)
        >>> rows = np.ones((6, 4), "float32")
        >>> data = LengthGroupedBatches(
        ...     lambda i, length: rows[i], np.ones(6, int), labels=np.zeros(6, int), batch_size=3)
        >>> cache = kerasft.FeatureCache(model)
        >>> cached = cache.batches(data)
        >>> np.allclose(cache.model.predict(cached, verbose=0), model.predict(data, verbose=0))
        True
    """

    def __init__(self, model: keras.Model) -> None:
        check_type("model", model, keras.Model, "a keras.Model")
        self._whole = model
        self._cut = cut(model)
        self._changeable = {id(variable) for variable in changeable_variables(model)}
        self.model = self._cut.trainable

    def batches(self, data: LengthGroupedBatches) -> LengthGroupedBatches:
        """The same batches, in the same orders, with cached features in place of the inputs.

        Args:
            data: What `kerasft.data.Batches` made for the whole model.

        Returns:
            Batches for `cache.model`'s `fit`, `evaluate` and `predict`.

        Raises:
            UnsupportedError: If another plan was applied since the cache was made.
        """
        check_type(
            "data", data, LengthGroupedBatches, "batches of texts", "Make them with `Batches`."
        )
        if {id(v) for v in changeable_variables(self._whole)} != self._changeable:
            raise UnsupportedError(
                f"The cache was made for other frozen layers than model {self._whole.name!r} has "
                "now. Make a new `FeatureCache(model)` after applying a plan."
            )
        return data.with_inputs(_CachedFeatures(self._compute(data)))

    def _compute(self, data: LengthGroupedBatches) -> list["_Store"]:
        once = data.unshuffled()
        stores = [_Store(tensor, data.lengths) for tensor in self._cut.boundary]
        run = _inference_function(self._cut.frozen)
        numbers = range(len(once))
        for number in progress(
            numbers, "Computing frozen features", len(once), _SHOW_PROGRESS_FROM, 1
        ):
            inputs = once[number][0]
            for store, values in zip(stores, run(inputs), strict=True):
                store.put(once.rows(number), keras.ops.convert_to_numpy(values))
        return stores


def _inference_function(model: keras.Model) -> Any:
    """A call of the model as a graph where the backend has graphs, traced once for all lengths."""
    if keras.backend.backend() != "tensorflow":
        return lambda inputs: model(inputs, training=False)
    import tensorflow as tf

    # `reduce_retracing` settles on open dimensions after the second length.
    return tf.function(lambda inputs: model(inputs, training=False), reduce_retracing=True)


class _Store:
    """The values of one boundary tensor for every example, each cut to its own length."""

    def __init__(self, tensor: Any, lengths: np.ndarray) -> None:
        self._shared = tensor.shape[0] is not None  # no batch axis: the same for all examples
        self._open_axes = tuple(i for i, size in enumerate(tensor.shape) if size is None and i)
        self._lengths = lengths
        self._values: list[np.ndarray | None] = [None] * len(lengths)
        self._common: np.ndarray | None = None

    def put(self, rows: np.ndarray, values: np.ndarray) -> None:
        """Keep a batch's values."""
        if self._shared:
            self._common = values
            return
        for row, value in zip(rows, values, strict=True):
            length = self._lengths[row]
            cut_to = [slice(None)] * value.ndim
            for axis in self._open_axes:
                cut_to[axis - 1] = slice(length)
            self._values[row] = value[tuple(cut_to)].copy()

    def take(self, rows: np.ndarray, length: int) -> np.ndarray:
        """Some examples' values, padded with zeros to `length`."""
        if self._shared:
            return self._common  # type: ignore[return-value]
        values = [self._values[row] for row in rows]
        shape = list(values[0].shape)  # type: ignore[union-attr]
        for axis in self._open_axes:
            shape[axis - 1] = length
        batch = np.zeros((len(rows), *shape), values[0].dtype)  # type: ignore[union-attr]
        for target, value in zip(batch, values, strict=True):
            target[tuple(slice(size) for size in value.shape)] = value  # type: ignore[union-attr]
        return batch


class _CachedFeatures:
    """Stands where a preprocessor's padding stood: rows and a length in, inputs out."""

    def __init__(self, stores: list[_Store]) -> None:
        self._stores = stores

    def __call__(self, rows: np.ndarray, length: int) -> Any:
        inputs = tuple(store.take(rows, length) for store in self._stores)
        return inputs[0] if len(inputs) == 1 else inputs
