"""`FeatureCache`: the frozen part's output, computed once and trained on many times."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from kerasft._checks import check_type
from kerasft._progress import progress
from kerasft.data import LengthGroupedBatches
from kerasft.errors import UnsupportedError
from kerasft.features._padding import find_padding
from kerasft.features._store import CachedFeatures, Store
from kerasft.features.cut import cut, has_batch_axis
from kerasft.freezing import is_pinned
from kerasft.structure import changeable_variables, walk

_SHOW_PROGRESS_FROM = 50


class FeatureCache:
    """Computes the frozen part of a model once, and gives a model that trains on the result.

    The model is cut at its freeze boundary, whatever policy froze it. The part before runs once
    over the data, in inference mode; each example's features are kept in memory, unpadded. Only
    where the part after reads what stands at padded places (a mean over all tokens with no mask)
    is padding computed and kept as well. The part after is a plain `keras.Model` that shares its
    layers with the whole: what it learns, the whole model has learned.

    Training on the cache gives what training the whole model on the same batches gives, up to the
    rounding of sums in another order: weights agreed to 1e-5 in float32 after three epochs.

    Args:
        model: A functional model, frozen at its front.

    Attributes:
        model: What trains, from the boundary to the outputs, for your own `compile` and `fit`.

    Raises:
        UnsupportedError: If the model has no graph, is not frozen at its front, or has a fixed
            batch size.

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
        for tensor in self._cut.frozen.inputs:
            if not has_batch_axis(tensor):
                raise UnsupportedError(
                    f"A model must take batches of any size to be cached. Received: model "
                    f"{model.name!r}, whose input {tensor.name!r} has the shape {tensor.shape}. "
                    "Make its `keras.Input` without a batch size."
                )
        self._made_for = _state(model)
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
        if _state(self._whole) != self._made_for:
            raise UnsupportedError(
                f"The cache was made for other frozen layers than model {self._whole.name!r} has "
                "now. Make a new `FeatureCache(model)` after applying a plan."
            )
        return data.with_inputs(CachedFeatures(self._compute(data)))

    def _compute(self, data: LengthGroupedBatches) -> list[Store]:
        once = data.unshuffled()
        run = _inference_function(self._cut.frozen)
        padding = find_padding(self._cut, run, once)
        stores = [
            Store(tensor, data.lengths, axes, padding.keep_to is not None)
            for tensor, axes in zip(self._cut.boundary, padding.length_axes, strict=True)
        ]
        numbers = range(len(once))
        for number in progress(
            numbers, "Computing frozen features", len(once), _SHOW_PROGRESS_FROM, 1
        ):
            rows = once.rows(number)
            if padding.keep_to is None:
                inputs = once[number][0]
            else:
                inputs = once.collate(rows, padding.keep_to)
            for store, values in zip(stores, run(inputs), strict=True):
                store.put(rows, values)
        return stores


def _state(model: keras.Model) -> tuple[set[int], set[int]]:
    """What may change in a fit, and what runs as in inference."""
    pinned = {id(layer) for _, layer in walk(model) if is_pinned(layer)}
    return {id(variable) for variable in changeable_variables(model)}, pinned


def _inference_function(model: keras.Model) -> Callable[[Any], list[np.ndarray]]:
    """A call of the model as a graph where the backend has graphs, traced once for all lengths."""

    def call(inputs: Any) -> Any:
        return model(inputs, training=False)

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        # `reduce_retracing` settles on open dimensions after the second length.
        call = tf.function(call, reduce_retracing=True)

    def run(inputs: Any) -> list[np.ndarray]:
        return [keras.ops.convert_to_numpy(value) for value in keras.tree.flatten(call(inputs))]

    return run
