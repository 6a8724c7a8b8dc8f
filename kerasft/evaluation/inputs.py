"""Arrays as people have them, turned into `Examples`, or refused with the reason."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasft._checks import check_choice, check_number, fail
from kerasft.errors import ArgumentError, DataError
from kerasft.evaluation.class_labels import read_class_labels, read_label_sets
from kerasft.evaluation.examples import TASKS, Examples
from kerasft.evaluation.raw_arrays import name_rows, read_labels, read_probabilities

_RANGE_TOLERANCE = 1e-6

_LOGITS_HINT = (
    "These look like logits. Turn them into probabilities first, with keras.ops.sigmoid (one "
    "column, or several labels) or keras.ops.softmax (classes); kerasft.evaluate does it with "
    "from_logits=True. For numbers that are no probabilities, pass task='regression'."
)


def read_examples(
    labels: Any,
    probabilities: Any,
    class_names: Sequence[str] | None = None,
    task: str | None = None,
    threshold: float | Sequence[float] = 0.5,
) -> Examples:
    """Check what `evaluate_arrays` was given and bring it into one shape per task."""
    if task is not None:
        check_choice("task", task, TASKS)
    probabilities, tolerance = read_probabilities(probabilities)
    labels = read_labels(labels)
    if len(labels) != len(probabilities):
        fail(
            "labels",
            f"{len(labels)} labels, {len(probabilities)} rows of probabilities",
            "as many as there are rows of probabilities",
            error=DataError,
        )
    if len(labels) == 0:
        fail("labels", [], "at least one example", error=DataError)
    task = task or _infer_task(labels, probabilities, tolerance)
    if task == "regression":
        if class_names is not None:
            fail("class_names", class_names, "None for a regression")
        return _read_regression(labels, probabilities)
    return _read_classes(task, labels, probabilities, class_names, threshold, tolerance)


def _infer_task(labels: np.ndarray, probabilities: np.ndarray, tolerance: float) -> str:
    """The task that the shapes and values speak for; refused where they speak for two."""
    columns = 1 if probabilities.ndim == 1 else probabilities.shape[1]
    strings = labels.dtype.kind == "O"
    if columns > 1 and labels.ndim == 2 and labels.shape == probabilities.shape and not strings:
        if not np.isin(labels, (0, 1)).all():
            fail(
                "labels",
                labels[0].tolist(),
                "0 or 1 for each class",
                "For several numbers per example, pass task='regression'.",
                DataError,
            )
        if not (labels.sum(axis=1) == 1).all():
            return "multilabel"
        off = np.abs(probabilities.sum(axis=1) - 1) > tolerance
        if off.any() and ((probabilities >= 0) & (probabilities <= 1)).all():
            fail(
                "task",
                None,
                "given where every row of labels holds one 1, yet probabilities do not sum to one",
                f"{name_rows(off)} other sums. Pass task='multiclass' for classes that exclude "
                "each other, task='multilabel' for labels that do not.",
                DataError,
            )
    if columns > 1:
        return "binary" if columns == 2 else "multiclass"
    if strings or np.isin(labels, (0, 1)).all():
        return "binary"
    whole = (labels == np.round(labels)).all()
    inside = all(((a >= 0) & (a <= 1)).all() for a in (labels, probabilities))
    if whole or inside:
        fail(
            "labels",
            labels[~np.isin(labels, (0, 1))].flat[0].item(),
            "0 or 1 where there is one column of probabilities",
            "For numbers that are no classes, pass task='regression'.",
            DataError,
        )
    return "regression"


def _read_regression(labels: np.ndarray, predictions: np.ndarray) -> Examples:
    if labels.dtype.kind == "O":
        fail("labels", labels.flat[0], "numbers for a regression", error=DataError)
    labels, predictions = (a.reshape(len(a), -1).astype(np.float64) for a in (labels, predictions))
    if labels.shape != predictions.shape:
        fail(
            "labels",
            labels.shape,
            f"of the predictions' shape, {predictions.shape}, for a regression",
            error=DataError,
        )
    return Examples("regression", labels, predictions)


def _read_classes(
    task: str,
    labels: np.ndarray,
    probabilities: np.ndarray,
    class_names: Sequence[str] | None,
    threshold: Any,
    tolerance: float,
) -> Examples:
    columns = 1 if probabilities.ndim == 1 else probabilities.shape[1]
    if task == "binary" and columns > 2:
        fail(
            "probabilities",
            probabilities.shape,
            "of one or two columns for a binary task",
            error=DataError,
        )
    if task == "multiclass" and columns < 2:
        fail(
            "probabilities",
            probabilities.shape,
            "of at least two columns for a multi-class task",
            "One column is the task 'binary'.",
            DataError,
        )
    classes = 2 if task == "binary" else columns
    names = _read_class_names(class_names, classes)
    probabilities = check_class_probabilities(task, probabilities, tolerance)
    if task == "multilabel":
        probabilities = probabilities.reshape(len(probabilities), -1)
        labels = read_label_sets(labels, probabilities.shape)
    else:
        labels = read_class_labels(labels, names, named=class_names is not None)
    return Examples(task, labels, probabilities, names, _read_threshold(task, threshold, classes))


def check_class_probabilities(task: str, probabilities: np.ndarray, tolerance: float) -> np.ndarray:
    """Within [0, 1], rows that sum to one, and of two columns the second for a binary task."""
    outside = (probabilities < -_RANGE_TOLERANCE) | (probabilities > 1 + _RANGE_TOLERANCE)
    if outside.any():
        rows: np.ndarray = np.any(outside.reshape(len(outside), -1), axis=1)
        value = float(probabilities[outside][0])
        hint = f"{name_rows(rows)} values outside. {_LOGITS_HINT}"
        fail("probabilities", value, "between 0 and 1", hint, DataError)
    probabilities = np.clip(probabilities, 0.0, 1.0)
    if task == "multilabel" or probabilities.ndim == 1:
        return probabilities
    if probabilities.shape[1] == 1:
        return probabilities[:, 0]
    sums = probabilities.sum(axis=1)
    off = np.abs(sums - 1.0) > tolerance
    if off.any():
        fail(
            "probabilities",
            float(sums[off][0]),
            f"rows that sum to one, to within {tolerance:g}",
            f"{name_rows(off)} other sums. If an example may belong to several classes at once, "
            "pass task='multilabel' with labels of shape (examples, classes).",
            DataError,
        )
    # Sums that are one but for float64's own rounding stay, so that reading twice changes nothing.
    probabilities = probabilities / np.where(np.abs(sums - 1.0) > 1e-12, sums, 1.0)[:, None]
    return probabilities[:, 1] if task == "binary" else probabilities


def _read_class_names(class_names: Any, classes: int) -> tuple[str, ...]:
    if class_names is None:
        return tuple(str(number) for number in range(classes))
    if isinstance(class_names, str) or not hasattr(class_names, "__len__"):
        fail("class_names", class_names, "a list of strings, one per class")
    names = list(class_names)
    for name in names:
        if not isinstance(name, str):
            fail("class_names", name, "strings", f"Write {str(name)!r} in quotes.")
    if len(names) != classes or len(set(names)) != classes:
        fail("class_names", names, f"{classes} different strings, one per class")
    return tuple(names)


def _read_threshold(task: str, threshold: Any, classes: int) -> float | tuple[float, ...]:
    if task == "multiclass":
        if np.ndim(threshold) or threshold != 0.5:
            hint = "The most probable class is predicted."
            fail("threshold", threshold, "left out for a multi-class task", hint)
        return 0.5
    if task == "multilabel" and np.ndim(threshold) == 1:
        if len(threshold) != classes:
            fail("threshold", threshold, f"one number, or {classes}, one per class")
        return tuple(
            check_number("threshold", float(value), minimum=0, maximum=1) for value in threshold
        )
    if np.ndim(threshold):
        fail("threshold", threshold, "one number for a binary task", error=ArgumentError)
    return check_number("threshold", threshold, minimum=0, maximum=1)
