"""One pass of a model over labelled data, with labels, outputs and texts kept together."""

from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np

from kerasft._checks import fail
from kerasft.errors import DataError, UnsupportedError


def predict(
    model: keras.Model,
    data: Any,
    batch_size: int | None,
    verbose: str | int,
    check_labels: Callable[[np.ndarray], None],
) -> tuple[np.ndarray, np.ndarray, Any]:
    """Labels, outputs and texts (or None), row for row."""
    if isinstance(data, tuple):
        if len(data) not in (2, 3):
            fail("data", data, "(inputs, labels)", error=DataError)
        x, labels = data[0], np.asarray(data[1])
        texts = _texts(x)
        check_labels(labels)
        if isinstance(x, list) and texts is not None:
            x = np.array(texts, dtype=object)
        outputs = model.predict(x, batch_size=batch_size, verbose=verbose)
        return labels, _one_output(outputs), texts
    if hasattr(data, "labels") and hasattr(data, "order"):
        labels = data.labels
        if labels is None:
            fail("data", data, "batches with labels", error=DataError)
        check_labels(np.asarray(labels))
        outputs = _one_output(model.predict(data, verbose=verbose))
        # Batches are grouped by length: back to the order in which the user knows the examples.
        back = np.argsort(data.order)
        texts = data.texts
        texts = None if texts is None else [texts[row] for row in back]
        return np.asarray(labels)[back], outputs[back], texts
    return _predict_stream(model, data, verbose, check_labels)


def _predict_stream(
    model: keras.Model,
    data: Any,
    verbose: str | int,
    check_labels: Callable[[np.ndarray], None],
) -> tuple[np.ndarray, np.ndarray, Any]:
    """One pass, batch by batch: a second one may come in another order, or not at all."""
    batches, count = _batches(data)
    bar = keras.utils.Progbar(count, verbose=1) if verbose in ("auto", 1) else None
    labels, outputs = [], []
    texts: list[str] | None = []
    for number, batch in enumerate(batches):
        if not isinstance(batch, (tuple, list)) or len(batch) not in (2, 3):
            fail("data", batch, "made of (inputs, labels) batches", error=DataError)
        x, y = batch[0], np.asarray(batch[1])
        if y.ndim == 0:
            hint = "A tf.data.Dataset of single examples wants .batch(32)."
            fail("data", batch, "made of batches, not of single examples", hint, DataError)
        check_labels(y)
        labels.append(y)
        outputs.append(_one_output(model.predict_on_batch(x)))
        found = _texts(x)
        texts = None if found is None or texts is None else [*texts, *found]
        if bar is not None:
            bar.update(number + 1, finalize=number + 1 == count)
    if not labels:
        fail("data", data, "at least one batch", error=DataError)
    return np.concatenate(labels), np.concatenate(outputs), texts


def _batches(data: Any) -> tuple[Iterator[Any], int | None]:
    """The batches one by one, and how many they are where that is known."""
    endless = "An endless one would never be judged: take(n) batches of it."
    if isinstance(data, keras.utils.PyDataset):
        count = data.num_batches
        if count is None:
            fail("data", data, "a PyDataset with a number of batches", endless, DataError)
        return (data[number] for number in range(count)), count
    if hasattr(data, "cardinality"):
        count = int(data.cardinality())
        if count == -1:  # tf.data.INFINITE_CARDINALITY
            fail("data", data, "a data set that ends", endless, DataError)
        return iter(data), count if count > 0 else None
    if isinstance(data, (str, bytes, dict, np.ndarray)) or not hasattr(data, "__iter__"):
        rule = "batches from kerasft.data, a PyDataset, a tf.data.Dataset or (inputs, labels)"
        fail("data", data, rule, error=DataError)
    return iter(data), None


def _one_output(outputs: Any) -> np.ndarray:
    flat = keras.tree.flatten(outputs)
    if len(flat) != 1:
        raise UnsupportedError(
            f"A report needs a model with one output; this one gave {len(flat)}. Evaluate each "
            "by itself, with a keras.Model that has only that output."
        )
    return np.asarray(flat[0])


def _texts(x: Any) -> list[str] | None:
    """The inputs as texts, if texts are what they are."""
    if not isinstance(x, list):
        # NumPy's strings and objects, or TensorFlow's strings.
        kind = str(getattr(x, "dtype", ""))
        is_text = kind == "object" or kind[:2] in ("<U", "|S") or "string" in kind
        if not is_text or getattr(x, "ndim", None) != 1:
            return None
        x = np.asarray(x).tolist()
    texts = [item.decode("utf-8", "replace") if isinstance(item, bytes) else item for item in x]
    return texts if all(isinstance(text, str) for text in texts) else None
