"""Running the frozen part over many batches, in inference mode."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

Run = Callable[[Any], list[np.ndarray]]

# Tracing the graph of a small language model takes as long as this many batches without it.
_TRACE_FROM = 24


class FrozenRun:
    """Calls of the frozen part, as it is or as one graph for all sizes of a batch.

    Args:
        model: The frozen part.
    """

    def __init__(self, model: keras.Model) -> None:
        self._model = model
        self._traced: dict[str, Run] = {}
        self._untraced: Counter[str] = Counter()

    def __call__(self, inputs: Any) -> list[np.ndarray]:
        """The boundary tensors for one batch, without a graph."""
        return _numbers(self._call(inputs))

    def for_batches(self, example: Any, count: int) -> Run:
        """What to call for many batches: a graph, where it pays or is there already.

        Args:
            example: The inputs of one batch.
            count: How many batches there will be.
        """
        if keras.backend.backend() != "tensorflow":
            return self
        signature = self._signature(example)
        key = repr(signature)
        if key not in self._traced:
            # Many small data sets come to as much as a large one.
            self._untraced[key] += count
            if self._untraced[key] < _TRACE_FROM:
                return self
            import tensorflow as tf

            graph = tf.function(self._call, input_signature=[signature], autograph=False)
            self._traced[key] = lambda inputs: _numbers(graph(inputs))
        return self._traced[key]

    def _call(self, inputs: Any) -> Any:
        return self._model(inputs, training=False)

    def _signature(self, example: Any) -> Any:
        """Open where the model's inputs are open, and fixed where they are fixed."""
        import tensorflow as tf

        shapes = {tensor.name: tensor.shape for tensor in self._model.inputs}

        def spec(name: str, array: Any) -> Any:
            array = np.asarray(array)
            shape = shapes.get(name, ())
            if len(shape) != array.ndim:
                shape = (None,) * array.ndim
            return tf.TensorSpec((None, *shape[1:]), array.dtype)

        if isinstance(example, dict):
            return {name: spec(name, array) for name, array in example.items()}
        if isinstance(example, (list, tuple)):
            specs = [spec(name, array) for name, array in zip(shapes, example, strict=True)]
            return tuple(specs) if isinstance(example, tuple) else specs
        return spec(next(iter(shapes)), example)


def _numbers(values: Any) -> list[np.ndarray]:
    return [keras.ops.convert_to_numpy(value) for value in keras.tree.flatten(values)]
