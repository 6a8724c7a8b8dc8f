"""A look at the training data before the first batch."""

import types
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from keras import ops, tree

from kerasft._checks import fail
from kerasft.callbacks._task import Task
from kerasft.callbacks.diagnosis import outside_the_classes, spoilt_inputs
from kerasft.evaluation import Verdict

__all__ = ["check_data", "look_at_data"]

# Of data sets so many batches are looked at; arrays are looked at whole, which costs less.
_BATCHES = 100


def check_data(data: Any) -> None:
    """Refuse what a look would use up."""
    if isinstance(data, (types.GeneratorType, Iterator)):
        rule = "data that can be read a second time"
        fail("train_data", data, rule, "What the doctor reads of a generator, `fit` would miss.")


def look_at_data(data: Any, task: Task) -> list[Verdict]:
    """What is wrong with inputs and labels: NaN, infinity, labels that are no class numbers."""
    spoilt = {"inputs": 0, "labels": 0}
    rows, lows, highs = 0, [], []
    for batch in _batches(data):
        x, y, _ = keras.utils.unpack_x_y_sample_weight(batch)
        rows += len(tree.flatten(x)[0])
        for kind, values in (("inputs", x), ("labels", y)):
            spoilt[kind] += _spoilt_rows(values)
        labels = _numbers(y)
        if labels is not None and labels.size:
            lows.append(labels.min())
            highs.append(labels.max())
    found = [spoilt_inputs(kind, count, rows) for kind, count in spoilt.items() if count]
    if lows:
        low, high = float(min(lows)), float(max(highs))
        highest = 1 if task.kind in ("binary", "one_hot", "multilabel") else task.classes
        if task.kind == "numbers" and task.classes is not None:
            highest = task.classes - 1
        if task.classes is not None and highest is not None and (low < 0 or high > highest):
            classes = 2 if task.kind != "numbers" else task.classes
            found.append(outside_the_classes(low, high, classes))
    return found


def _batches(data: Any) -> Iterator[Any]:
    if isinstance(data, keras.utils.PyDataset):
        count = len(data) if hasattr(data, "__len__") else data.num_batches
        yield from (data[number] for number in range(min(count or _BATCHES, _BATCHES)))
    elif hasattr(data, "take") and not hasattr(data, "shape"):
        yield from data.take(_BATCHES)
    else:
        yield data


def _spoilt_rows(values: Any) -> int:
    """How many examples hold NaN or infinity."""
    bad: Any = None
    for array in tree.flatten(values):
        if array is None:
            continue
        array = np.asarray(ops.convert_to_numpy(array))
        if array.dtype.kind != "f" or not array.size:
            continue
        rows = ~np.isfinite(array).reshape(len(array), -1).all(axis=1)
        bad = rows if bad is None else bad | rows
    return 0 if bad is None else int(bad.sum())


def _numbers(labels: Any) -> np.ndarray | None:
    """The labels of the one output as finite numbers, or None."""
    arrays = [array for array in tree.flatten(labels) if array is not None]
    if len(arrays) != 1:
        return None
    array = np.asarray(ops.convert_to_numpy(arrays[0]))
    if array.dtype.kind not in "iufb":
        return None
    array = array.astype("float64")
    return array[np.isfinite(array)]
