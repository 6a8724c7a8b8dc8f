"""Labels that name classes, as numbers."""

import numpy as np

from kerasft._checks import did_you_mean, fail
from kerasft.errors import DataError
from kerasft.evaluation.raw_arrays import name_rows


def read_class_labels(labels: np.ndarray, names: tuple[str, ...], named: bool) -> np.ndarray:
    """Labels as class numbers, from numbers, names, one column or one-hot rows."""
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.dtype.kind == "O":
        if labels.ndim != 1:
            fail("labels", labels.shape, "one name per example", error=DataError)
        if not named:
            fail(
                "labels",
                labels[0],
                "whole numbers where no class_names are given",
                "Pass class_names=[...] in the order of the model's outputs, so that names can "
                "be matched with columns; digits read from a file want int().",
                DataError,
            )
        numbers = {name: number for number, name in enumerate(names)}
        for label in labels:
            if label not in numbers:
                hint = did_you_mean(label, names)
                fail("labels", label, f"among the class_names {list(names)}", hint, DataError)
        return np.array([numbers[label] for label in labels], dtype=np.int64)
    if labels.ndim == 2 and labels.shape[1] == len(names):
        if not (np.isin(labels, (0, 1)).all() and (labels.sum(axis=1) == 1).all()):
            fail(
                "labels",
                labels[0].tolist(),
                "one-hot rows, or one class number per example",
                "For several labels per example, pass task='multilabel'.",
                DataError,
            )
        return labels.argmax(axis=1)
    if labels.ndim != 1:
        fail(
            "labels",
            labels.shape,
            f"of shape (examples,), or one-hot of shape (examples, {len(names)})",
            error=DataError,
        )
    wrong = (labels != np.round(labels)) | (labels < 0) | (labels >= len(names))
    if wrong.any():
        fail(
            "labels",
            labels[wrong][0].item(),
            f"whole numbers from 0 to {len(names) - 1} for {len(names)} classes",
            f"{name_rows(wrong)} other labels.",
            DataError,
        )
    return labels.astype(np.int64)


def read_label_sets(labels: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Several labels per example, as 0 and 1 in the shape of the probabilities."""
    if labels.ndim == 1 and shape[1] == 1:
        labels = labels[:, None]
    if labels.shape != shape or labels.dtype.kind == "O" or not np.isin(labels, (0, 1)).all():
        fail(
            "labels",
            labels.shape if labels.shape != shape else labels[0].tolist(),
            f"0 or 1 for each example and class, of shape {shape}, for several labels",
            "scikit-learn's MultiLabelBinarizer makes them from sets of names.",
            DataError,
        )
    return labels.astype(np.int64)
