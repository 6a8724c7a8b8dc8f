"""`build_for_fit`: make beforehand what `fit` would make in its first step."""

import contextlib
from typing import Any

import keras

from kerasft._checks import check_type, fail
from kerasft.errors import DataError
from kerasft.tuning._untouched import untouched_data

_RULE = (
    "what `fit` will get: arrays (inputs, labels) or (inputs, labels, sample_weight), batches from "
    "kerasft.data, a keras.utils.PyDataset or a tf.data.Dataset"
)


def build_for_fit(model: keras.Model, data: Any) -> None:
    """Make the optimizer's slots and the metrics' variables before `fit`, so that it traces once.

    On TensorFlow a train function that makes variables while it is traced is traced a second
    time, and the first `fit` of every compiled model is such a one. For a language model that is
    seconds. Call this after `compile`, and after a policy was applied; later fits need it no
    more. It is what Keras itself does on the other backends when `fit` begins.

    Nothing else changes: weights, random states and counts are as they were, metrics are at
    zero, and no step is taken. Data are not gone through: of a `PyDataset` the first batch is
    read, of all else only shapes and dtypes.

    Args:
        model: A compiled model, with or without a plan, in any distribution strategy's scope.
        data: What `fit` will get: arrays `(inputs, labels)` or `(inputs, labels, sample_weight)`,
            batches from `kerasft.data`, a `keras.utils.PyDataset` or a `tf.data.Dataset`.

    Raises:
        ArgumentError: If the model is not compiled.
        DataError: For other data, such as a generator, which would lose a batch; or without a
            batch.

    Example:
        >>> import keras, kerasft
        >>> import numpy as np
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
        >>> model.compile("adam", "mse", metrics=["mae"])
        >>> x, y = np.ones((8, 4)), np.ones((8, 1))
        >>> kerasft.tuning.build_for_fit(model, (x, y))
        >>> model.optimizer.built
        True
        >>> history = model.fit(x, y, verbose=0)
    """
    check_type("model", model, keras.Model, "a keras.Model")
    if not model.compiled:
        fail("model", model, "compiled", "Call model.compile(...) before.")
    batch = keras.tree.map_structure(_symbolic, _batch_of(data))
    strategy = getattr(model, "_distribute_strategy", None)
    with contextlib.nullcontext() if strategy is None else strategy.scope():
        model._symbolic_build(data_batch=batch)


def _batch_of(data: Any) -> Any:
    """A batch, or what is shaped like one."""
    if isinstance(data, keras.utils.PyDataset):
        if not len(data):
            fail("data", data, "at least one batch", error=DataError)
        with untouched_data(data):
            return data[0]
    if hasattr(data, "element_spec"):
        return data.element_spec
    if isinstance(data, tuple) and len(data) in (2, 3):
        try:
            return keras.tree.map_structure(_any_rows, data)
        except (AttributeError, TypeError):
            pass
    return fail("data", data, _RULE, error=DataError)


def _any_rows(array: Any) -> Any:
    """An array's shape and dtype, whatever the number of rows: a batch may have fewer."""
    if array is None:
        return None
    dtype = keras.backend.standardize_dtype(array.dtype)
    # `fit` makes Keras's own precision of floats in arrays.
    dtype = keras.config.floatx() if "float" in dtype else dtype
    return keras.KerasTensor((None, *array.shape[1:]), dtype)


def _symbolic(value: Any) -> Any:
    if value is None or isinstance(value, keras.KerasTensor):
        return value
    return keras.KerasTensor(tuple(value.shape), keras.backend.standardize_dtype(value.dtype))
