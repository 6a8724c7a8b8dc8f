"""A few validation examples of the fit that is running, and what the model says of them.

Keras gives callbacks no validation data. While `fit` runs it keeps them on the model, under a name
of its own; this is the one module that reads them there. What cannot be read again without harm,
such as a generator, is left alone.
"""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from keras import ops, tree

from kerasft.callbacks._task import Task
from kerasft.callbacks.diagnosis import Sample

__all__ = ["SampleUnavailableError", "take_sample"]

_EXAMPLES = 256


class SampleUnavailableError(Exception):
    """There are no validation examples to be had; says why. It never leaves the doctor."""


def take_sample(model: keras.Model, task: Task) -> Sample:
    """What the model says of up to 256 validation examples.

    Of arrays and of a `keras.utils.PyDataset` they are spread over the whole, of a
    `tf.data.Dataset` they are the first.

    Raises:
        SampleUnavailableError: If there are none, or they cannot be read again.
    """
    scores, labels = [], []
    for x, y in _batches(model):
        outputs = ops.convert_to_numpy(ops.cast(model(x, training=False), "float32"))
        scores.append(outputs)
        labels.append(_classes(np.asarray(ops.convert_to_numpy(y)), task))
        if sum(map(len, labels)) >= _EXAMPLES:
            break
    if not labels:
        raise SampleUnavailableError("the validation data are empty")
    return Sample(np.concatenate(scores), np.concatenate(labels), task.threshold)


def _batches(model: keras.Model) -> Iterator[tuple[Any, Any]]:
    adapter = getattr(getattr(model, "_eval_epoch_iterator", None), "data_adapter", None)
    if adapter is None:
        raise SampleUnavailableError("the fit has no validation data")
    if hasattr(adapter, "py_dataset"):
        batches = _of_py_dataset(adapter.py_dataset)
    elif hasattr(adapter, "_inputs"):
        batches = _of_arrays(adapter._inputs)
    elif hasattr(getattr(adapter, "_dataset", None), "take"):
        batches = iter(adapter._dataset)
    else:
        raise SampleUnavailableError(
            "the validation data cannot be read a second time; arrays, a PyDataset or a "
            "tf.data.Dataset can"
        )
    for batch in batches:
        x, y, _ = keras.utils.unpack_x_y_sample_weight(batch)
        if y is None or len(tree.flatten(y)) != 1:
            raise SampleUnavailableError("the validation data have no labels, or several outputs")
        yield x, tree.flatten(y)[0]


def _of_arrays(inputs: Any) -> Iterator[Any]:
    count = len(tree.flatten(inputs)[0])
    rows = np.unique(np.linspace(0, count - 1, min(count, _EXAMPLES)).astype("int32"))

    def part(array: Any) -> Any:
        if array is None:
            return None
        return array[rows] if isinstance(array, np.ndarray) else ops.take(array, rows, axis=0)

    yield tree.map_structure(part, inputs, none_is_leaf=True)


def _of_py_dataset(dataset: Any) -> Iterator[Any]:
    count = len(dataset) if hasattr(dataset, "__len__") else dataset.num_batches
    if not count:
        raise SampleUnavailableError("the validation data do not say how many batches they have")
    # Spread over the whole: data are often sorted by class.
    first = dataset[0]
    size = max(1, len(tree.flatten(first)[0]))
    wanted = min(count, -(-_EXAMPLES // size))
    numbers = np.unique(np.linspace(0, count - 1, wanted).astype(int))
    yield first
    for number in numbers[1:]:
        yield dataset[int(number)]


def _classes(labels: np.ndarray, task: Task) -> np.ndarray:
    if task.kind == "one_hot":
        return labels.argmax(axis=-1)
    labels = labels.reshape(-1)
    return (labels > 0.5).astype(int) if task.kind == "binary" else labels.astype(int)
