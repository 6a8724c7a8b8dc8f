"""Running the frozen part over many batches, in inference mode."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

Run = Callable[[Any], list[np.ndarray]]

# Tracing the graph of a small language model takes as long as this many batches without it.
_TRACE_FROM = 24


def eager(model: keras.Model) -> Run:
    """A call of the model as it is: for a batch or two."""
    return _to_numpy(lambda inputs: model(inputs, training=False))


def for_batches(model: keras.Model, example: Any, count: int) -> Run:
    """A call of the model for `count` batches like `example`: one graph for all, if that pays.

    Args:
        model: The frozen part.
        example: The inputs of one batch.
        count: How many batches there will be.
    """
    if keras.backend.backend() != "tensorflow" or count < _TRACE_FROM:
        return eager(model)
    import tensorflow as tf

    # One trace for all sizes of a batch and all lengths.
    def open_spec(array: Any) -> Any:
        array = np.asarray(array)
        return tf.TensorSpec([None] * array.ndim, array.dtype)

    fixed = {tensor.name: tensor.shape for tensor in model.inputs}

    def call(inputs: Any) -> Any:
        return model(inputs, training=False)

    def spec(name: str | None, array: Any) -> Any:
        found = open_spec(array)
        known = fixed.get(name) if name else model.inputs[0].shape
        if known is None or len(known) != len(found.shape):
            return found
        return tf.TensorSpec([None, *known[1:]], found.dtype)

    if isinstance(example, dict):
        signature: Any = {name: spec(name, array) for name, array in example.items()}
    elif isinstance(example, (list, tuple)):
        names = [tensor.name for tensor in model.inputs]
        signature = type(example)(spec(n, a) for n, a in zip(names, example, strict=True))
    else:
        signature = spec(None, example)
    return _to_numpy(tf.function(call, input_signature=[signature], autograph=False))


def _to_numpy(call: Callable[[Any], Any]) -> Run:
    def run(inputs: Any) -> list[np.ndarray]:
        return [keras.ops.convert_to_numpy(value) for value in keras.tree.flatten(call(inputs))]

    return run
