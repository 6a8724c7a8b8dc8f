"""Labels outside the classes: what gives them away."""

import re

import numpy as np

from kerasft.callbacks.diagnosis.course import Course
from kerasft.evaluation import Verdict

_OF_TENSORFLOW = re.compile(
    r"label value of (-?\d+) which is outside the valid range of \[0, (\d+)\)"
)
_OF_TORCH = re.compile(r"Target (-?\d+) is out of bounds")
# Log losses are never negative; sums in low precision can be, by a little.
_BELOW_ZERO = -1e-3


def labels_in_error(text: str) -> Verdict | None:
    """What a backend says when a label is outside the classes, in plain words."""
    found = _OF_TENSORFLOW.search(text)
    if found:
        return outside_the_classes(int(found[1]), int(found[1]), int(found[2]))
    found = _OF_TORCH.search(text)
    if found:
        return outside_the_classes(int(found[1]), int(found[1]), None)
    return None


def outside_the_classes(lowest: float, highest: float, classes: int | None) -> Verdict:
    """Labels that are no class numbers.

    Args:
        lowest: The lowest label that was seen.
        highest: The highest.
        classes: How many classes the model tells apart, or None if that is unknown.
    """
    evidence: dict[str, float] = {"lowest": lowest, "highest": highest}
    seen = f"{lowest:g}" if lowest == highest else f"{lowest:g} to {highest:g}"
    message = f"Labels outside the classes: there is {seen}"
    if classes is not None:
        evidence["classes"] = classes
        message += f", where the model knows 0 to {classes - 1}"
    remedy = "Number the classes from 0, one output for each."
    if classes is not None and (lowest >= 1 or lowest == highest) and highest == classes:
        remedy = (
            "If the labels count from 1, subtract 1; if there is one class more than outputs, give "
            "the last layer one unit more."
        )
    elif classes == 2 and lowest == -1 and highest == 1:
        remedy = "Map -1 to 0: (labels + 1) / 2."
    return Verdict("labels_outside_classes", "bad", message + ".", evidence, remedy)


def negative_loss(course: Course) -> Verdict | None:
    """A log loss below zero, which labels between 0 and 1 cannot give.

    The mean over an epoch so far is what counts: where batches differ in size, what it gained by
    one of them is known only roughly.
    """
    epoch = course.epochs[-1]
    if course.chance is None or not epoch.losses.size:
        return None
    means = np.cumsum(epoch.losses) / np.arange(1, epoch.losses.size + 1)
    below = np.flatnonzero(means < _BELOW_ZERO * course.chance)
    if not below.size:
        return None
    mean = float(means[below[0]])
    batch = (int(below[0]) + 1) * course.batches_per_look
    evidence = {"epoch": epoch.number, "batch": batch, "loss": mean}
    message = (
        f"Labels outside the classes: the mean crossentropy was {mean:.3g} after batch {batch} of "
        f"epoch {epoch.number}, and with labels from 0 to 1 it cannot be negative."
    )
    remedy = (
        "Labels for one output, or for several that can hold together, are 0 and 1: map -1 to 0, "
        "or 1 and 2 to 0 and 1. For more classes take SparseCategoricalCrossentropy and one output "
        "for each."
    )
    return Verdict("labels_outside_classes", "bad", message, evidence, remedy)
