"""`from_tf_dataset`: labelled texts out of `tf.data`."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasft._checks import check_bool, did_you_mean, fail
from kerasft._progress import progress
from kerasft.data._texts import blank_rows, check_texts
from kerasft.data.examples import Examples
from kerasft.errors import DataError

_BATCH = 1024
_SHOW_PROGRESS_FROM = 20_000


def from_tf_dataset(
    dataset: Any,
    text: str = "text",
    label: str = "label",
    class_names: Sequence[str] | None = None,
    drop_blank: bool = False,
) -> Examples:
    """Read a finite `tf.data.Dataset`, such as every text set that `tfds.load` gives.

    Args:
        dataset: Its elements are `(text, label)`, `(text, label, weight)`, or dicts as
            tensorflow-datasets gives them; single or in batches.
        text: The key of the texts where elements are dicts.
        label: The key of the labels where elements are dicts.
        class_names: The names of the classes in order; for tensorflow-datasets
            `info.features["label"].names`.
        drop_blank: Leave out elements whose text is blank, instead of refusing them.

    Returns:
        The `Examples`, texts decoded as UTF-8.

    Raises:
        DataError: another kind of elements, no labels, an endless dataset, or unusable data.

    Example:
        >>> import tensorflow as tf
        >>> from kerasft.data import from_tf_dataset
        >>> dataset = tf.data.Dataset.from_tensor_slices((["A joy.", "So dull."], [1, 0]))
        >>> from_tf_dataset(dataset, class_names=["negative", "positive"])
        Examples(2 texts: 1 negative, 1 positive)
    """
    if not is_tf_dataset(dataset):
        fail("dataset", dataset, "a tf.data.Dataset", error=DataError)
    check_bool("drop_blank", drop_blank)
    texts, labels, weights = read_tf_dataset(dataset, text, label)
    if labels is None:
        raise DataError(
            "`dataset` must have labels: elements (text, label). Received: "
            f"element_spec={dataset.element_spec}."
        )
    return _drop_and_check(texts, labels, weights, class_names, drop_blank)


def is_tf_dataset(data: Any) -> bool:
    """Whether `data` is a `tf.data.Dataset`, found out without importing TensorFlow."""
    return any(
        kind.__name__ == "DatasetV2" and kind.__module__.startswith("tensorflow.")
        for kind in type(data).__mro__
    )


def read_tf_dataset(
    dataset: Any, text: str = "text", label: str = "label"
) -> tuple[list[Any], list[Any] | None, list[float] | None]:
    """All texts, labels and weights of a dataset; None for what it does not have."""
    import tensorflow as tf

    if dataset.cardinality() == tf.data.INFINITE_CARDINALITY:
        raise DataError("`dataset` must end. Received: an endless one. Leave out `.repeat()`.")
    _check_elements(dataset.element_spec, text, label)
    total = 0
    if _columns_of(dataset.element_spec, text, label)[0].shape.rank == 0:
        total = int(dataset.cardinality())  # negative where it is not known: no bar then
        dataset = dataset.batch(_BATCH)
    columns: tuple[list, list, list] = ([], [], [])
    elements = progress(dataset.as_numpy_iterator(), "Reading", total, _SHOW_PROGRESS_FROM, _BATCH)
    for element in elements:
        for column, values in zip(columns, _columns_of(element, text, label), strict=False):
            column.extend(_decoded(values))
    present = len(_columns_of(dataset.element_spec, text, label))
    texts, labels, weights = columns
    return texts, labels if present > 1 else None, weights if present > 2 else None


def _columns_of(element: Any, text: str, label: str) -> tuple[Any, ...]:
    """(text,), (text, label) or (text, label, weight) of one element."""
    if isinstance(element, dict):
        return element[text], element[label]
    return element if isinstance(element, tuple) else (element,)


def _check_elements(spec: Any, text: str, label: str) -> None:
    if isinstance(spec, dict):
        for key in (text, label):
            if key not in spec:
                raise DataError(
                    f"`dataset` must have elements with the key {key!r}. Received: the keys "
                    f"{sorted(spec)}. {did_you_mean(key, spec)}".rstrip()
                )
    columns = _columns_of(spec, text, label)
    if (
        not 1 <= len(columns) <= 3
        or not all(type(column).__name__ == "TensorSpec" for column in columns)
        or columns[0].dtype.name != "string"
        or columns[0].shape.rank not in (0, 1)
    ):
        raise DataError(
            "`dataset` must have elements (text, label), (text, label, weight) or dicts, with the "
            f"texts as strings, single or in batches. Received: element_spec={spec}."
        )


def _decoded(values: np.ndarray) -> list[Any]:
    return [value.decode() if isinstance(value, bytes) else value for value in values.tolist()]


def _drop_and_check(
    texts: list[Any],
    labels: list[Any],
    weights: list[float] | None,
    class_names: Sequence[str] | None,
    drop_blank: bool,
) -> Examples:
    if drop_blank:
        blank = set(blank_rows(texts))
        keep = [row for row in range(len(texts)) if row not in blank]
        texts = [texts[row] for row in keep]
        labels = [labels[row] for row in keep]
        weights = None if weights is None else [weights[row] for row in keep]
    return Examples(check_texts(texts), labels, weights, class_names)
