"""Labels as the losses want them, checked before any long work."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasft._checks import check_type, did_you_mean
from kerasft.data._texts import as_list, name_rows
from kerasft.errors import DataError


def check_class_names(class_names: Sequence[str] | None) -> tuple[str, ...] | None:
    """Class names as a tuple, each a text and each there once."""
    if class_names is None:
        return None
    names = tuple(as_list("class_names", class_names, "names"))
    for name in names:
        check_type("class_names", name, str, "a list of texts, one per class")
    if not names or len(set(names)) != len(names):
        raise DataError(
            f"`class_names` must name each class once, and at least one. Received: {names!r}."
        )
    return names


def prepare_labels(
    labels: Any,
    num_examples: int,
    num_classes: int | None = None,
    class_names: Sequence[str] | None = None,
    name_classes: bool = False,
) -> tuple[np.ndarray, tuple[str, ...] | None]:
    """Labels as an array, and the names of their classes where they have names.

    Args:
        labels: One label per example, or one row of labels per example.
        num_examples: How many there must be.
        num_classes: What the head puts out; 1 means one sigmoid logit.
        class_names: The names of the classes in order.
        name_classes: Whether string labels may name the classes themselves, in sorted order. Two
            data sets can disagree then, so whoever allows it must keep the names.

    Returns:
        Whole numbers of type `int32` and shape `(examples,)` for classes; `float32` of shape
        `(examples,)` for one logit and for regression; `float32` of shape `(examples, labels)` for
        several labels per example.

    Raises:
        DataError: naming the row and the value.
    """
    names = check_class_names(class_names)
    array = _as_array(labels, num_examples)
    if array.dtype.kind == "U":
        if names is None:
            if not name_classes:
                raise DataError(
                    "`labels` must be numbers where no class names are given, so that each class "
                    f"has the same number everywhere. Received: {str(array.flat[0])!r} in row 0. "
                    "Give class_names=[...] in the order of the model's outputs."
                )
            names = tuple(str(name) for name in np.unique(array))
        array = _numbers_of(array, names)
    _check_finite(array)
    classes = num_classes if num_classes is not None else (len(names) if names else None)
    if array.ndim == 2:
        return _several_labels(array, classes), names
    if num_classes == 1:
        _check_classes(array, 2)
        return array.astype("float32"), names
    if classes is not None:
        _check_classes(array, classes)
        return array.astype("int32"), names
    if array.dtype.kind == "f":
        return array.astype("float32"), names
    _check_classes(array, None)
    return array.astype("int32"), names


def prepare_weights(
    sample_weight: Any, num_examples: int, shape_of_labels: tuple[int, ...] | None = None
) -> np.ndarray | None:
    """Sample weights as `float32` of shape `(examples,)`: finite, none negative.

    Where `shape_of_labels` is `(examples, labels)`, the weights may have that shape as well.
    """
    if sample_weight is None:
        return None
    try:
        weights = np.asarray(sample_weight, dtype="float32")
    except (TypeError, ValueError) as error:
        raise DataError(f"`sample_weight` must be numbers. Received: {error}.") from error
    if weights.shape not in ((num_examples,), shape_of_labels):
        several = shape_of_labels is not None and len(shape_of_labels) == 2
        raise DataError(
            f"`sample_weight` must hold one number for each of the {num_examples:,} texts"
            f"{f', or for each label of shape {shape_of_labels}' if several else ''}. "
            f"Received: an array of shape {weights.shape}."
        )
    wrong = ~(np.isfinite(weights) & (weights >= 0))
    if wrong.any():
        rows = np.flatnonzero(wrong.reshape(len(weights), -1).any(axis=1))
        raise DataError(
            "`sample_weight` must be finite and not negative. Received: "
            f"{weights[wrong][0]} in {name_rows(rows)}."
        )
    return weights


def check_weights_per_label(sample_weight: Any, largest_batch: int) -> None:
    """Weights of shape `(examples, labels)`: a loss that cannot use them must be found out.

    Keras's losses average over the labels first unless told otherwise. Such a loss of shape
    `(batch,)` does not go with weights of shape `(batch, labels)`, and Keras fails; but not where
    the batch is as large as a row of labels, or one.

    Raises:
        DataError: the largest batch is of such a size.
    """
    if sample_weight is None or np.ndim(sample_weight) < 2:
        return
    labels = np.shape(sample_weight)[1]
    if largest_batch in (1, labels):
        raise DataError(
            "`sample_weight` with one weight per label must come in batches of another size than 1 "
            f"and the number of labels. Received: {labels} labels, and at most {largest_batch} "
            "examples in a batch. There, a loss that averages over the labels, as "
            "`keras.losses.BinaryCrossentropy` does without axis=(), would apply the weights to "
            "the wrong labels in silence; with batches of another size Keras says so."
        )


def _as_array(labels: Any, num_examples: int) -> np.ndarray:
    values = as_list("labels", labels, "labels")
    values = [value.decode() if isinstance(value, bytes) else value for value in values]
    if len(values) != num_examples:
        raise DataError(
            "`labels` must be as many as the texts. Received: "
            f"{len(values):,} labels for {num_examples:,} texts."
        )
    # NumPy turns [1, "a"] into two strings, and [1, None] into objects, both without a word.
    is_text = [isinstance(value, str) for value in values]
    odd = [row for row in range(len(values)) if is_text[row] != is_text[0] or values[row] is None]
    if odd:
        raise DataError(
            "`labels` must be all numbers or all texts, and none may be missing. Received: "
            f"{values[0]!r} in row 0 and {values[odd[0]]!r} in {name_rows(odd)}."
        )
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise DataError(
            f"`labels` must have the same number of columns in every row. Received: {error}."
        ) from error
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.dtype.kind not in "biufU" or array.ndim not in (1, 2):
        raise DataError(
            "`labels` must be numbers, or texts that name classes: one per example, or one row of "
            f"numbers per example. Received: {values[0]!r} in row 0."
        )
    if array.dtype.kind == "U" and array.ndim != 1:
        raise DataError(
            "`labels` must be numbers where there are several per example. Received: "
            f"{values[0]!r} in row 0. Give one column of 0 and 1 per label."
        )
    return array


def _numbers_of(array: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    number_of = {name: number for number, name in enumerate(names)}
    unknown = [row for row, value in enumerate(array) if str(value) not in number_of]
    if unknown:
        value = str(array[unknown[0]])
        raise DataError(
            f"`labels` must be among the classes {list(names)}. Received: {value!r} in "
            f"{name_rows(unknown)} (counted from 0). {did_you_mean(value, names)}".rstrip()
        )
    return np.array([number_of[str(value)] for value in array], dtype="int32")


def _check_finite(array: np.ndarray) -> None:
    if array.dtype.kind != "f":
        return
    wrong = ~np.isfinite(array)
    rows = np.flatnonzero(wrong.reshape(len(array), -1).any(axis=1))
    if rows.size:
        raise DataError(
            f"`labels` must be finite. Received: {array[wrong][0]} in {name_rows(rows)}."
        )


def _check_classes(array: np.ndarray, num_classes: int | None) -> None:
    fractional = np.flatnonzero(array != np.floor(array))
    if fractional.size:
        raise DataError(
            "`labels` must be whole numbers, as they name classes. Received: "
            f"{array[fractional[0]]} in {name_rows(fractional)}."
        )
    if num_classes is None:
        wrong = np.flatnonzero(array < 0)
        rule = "not be negative, as whole numbers name classes"
        hint = "Give regression targets as floats."
    else:
        wrong = np.flatnonzero((array < 0) | (array >= num_classes))
        rule = f"be classes from 0 to {num_classes - 1}"
        counted_from_one = array.min() == 1 and array.max() == num_classes
        hint = "They seem to be counted from 1: subtract 1." if counted_from_one else ""
    if wrong.size:
        raise DataError(
            f"`labels` must {rule}. Received: {array[wrong[0]]} in {name_rows(wrong)} "
            f"(counted from 0). {hint}".rstrip()
        )


def _several_labels(array: np.ndarray, num_classes: int | None) -> np.ndarray:
    if num_classes is not None:
        if array.shape[1] != num_classes:
            raise DataError(
                f"`labels` must have {num_classes} columns, one per class. Received: "
                f"{array.shape[1]} columns."
            )
        rows = np.flatnonzero(((array < 0) | (array > 1)).any(axis=1))
        if rows.size:
            raise DataError(
                "`labels` with one column per class must lie between 0 and 1. Received: "
                f"{array[rows[0]].tolist()} in {name_rows(rows)}."
            )
    return array.astype("float32")
