"""`class_weights`: how much each class should count, so that rare ones are not drowned."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasft._checks import check_bool, check_number
from kerasft.data._labels import prepare_labels
from kerasft.data._texts import as_list
from kerasft.data.examples import Examples
from kerasft.errors import DataError

_NAMED_AT_MOST = 5


def class_weights(
    labels: Any,
    num_classes: int | None = None,
    class_names: Sequence[str] | None = None,
    multi_label: bool = False,
    beta: float | None = None,
) -> dict[int, float] | np.ndarray:
    """Weights under which every class counts alike, from the labels of the training set.

    By default scikit-learn's "balanced" weights, `examples / (classes * examples of the class)`.
    Where several labels can hold, each label has two classes, absent and present, which are
    balanced for each label by itself. The mean weight of the given labels is one in any case, so
    that the scale of the loss, and with it the learning rate that fits, stays.

    `kerasft.data.sample_weights` turns them into sample weights. Weights for one label per example
    are also what Keras's `fit(class_weight=...)` takes. Weights for several labels are not: Keras
    would take the argmax of each row in silence. With several outputs, make weights for each.

    Args:
        labels: One class per example, or one row of 0 and 1 per example; or `Examples`.
        num_classes: How many classes there are; by default one more than the highest label. 1 means
            one logit, whose labels are 0 and 1.
        class_names: The names of the classes in order; labels may then be given by name.
        multi_label: Whether rows that each hold exactly one 1 are sets of labels that may hold
            together. Such rows may as well be one-hot classes, so it must be said.
        beta: None for balanced weights. Otherwise the weights go by the effective number of
            examples, `(1 - beta**examples) / (1 - beta)`: of the many examples of a large class,
            the later ones add less that is new. 0 weighs all classes alike per example, and near 1
            it comes to the balanced weights; 0.9 to 0.9999 are usual.

    Returns:
        For one class per example, the weight of each class by its number. For several labels, an
        array of shape `(labels, 2)`: the weights of a label that does not hold, and that does.

    Raises:
        DataError: labels that name no classes, labels that are missing or outside of the classes,
            a class without any example, or one-hot rows.
        ArgumentError: another argument breaks its rule.

    Example:
        >>> from kerasft.data import class_weights
        >>> class_weights([0, 0, 0, 1])
        {0: 0.6666666666666666, 1: 2.0}
        >>> class_weights([[1, 0], [1, 1], [0, 1], [1, 0]])  # the first label is seldom absent
        array([[2.        , 0.66666667],
               [1.        , 1.        ]])

    Reference:
        Cui et al., "Class-Balanced Loss Based on Effective Number of Samples", CVPR 2019,
        https://arxiv.org/abs/1901.05555, for `beta` (there the weights sum to the number of
        classes; here their mean over the examples is one).
    """
    check_bool("multi_label", multi_label)
    if beta is not None:
        check_number("beta", beta, minimum=0, below=1)
    if isinstance(labels, Examples):
        class_names = class_names or labels.class_names
        labels = labels.labels
    values, names = read_labels(labels, num_classes, class_names)
    if values.ndim == 2:
        if not multi_label and (values.max(axis=1) == 1).all() and (values.sum(axis=1) == 1).all():
            raise DataError(
                "`labels` must be one class number per example, or rows of which some hold several "
                "labels or none. Received: rows with exactly one 1 each. For classes of which one "
                "holds, give labels.argmax(axis=1); for labels that may hold together, say "
                "multi_label=True."
            )
        present = values.sum(axis=0, dtype="float64")
        counts = np.stack([len(values) - present, present], axis=1)
        _check_none_empty(counts, names, len(values))
        return _weights_of(counts, beta)
    classes = 2 if num_classes == 1 else num_classes or (len(names) if names else None)
    counts = np.bincount(values.astype("int64"), minlength=classes or 0)
    _check_none_empty(counts, names, len(values))
    return {number: float(weight) for number, weight in enumerate(_weights_of(counts, beta))}


def read_labels(
    labels: Any, num_classes: int | None, class_names: Sequence[str] | None
) -> tuple[np.ndarray, tuple[str, ...] | None]:
    """Classes as whole numbers or rows between 0 and 1, and their names where they have names."""
    values = as_list("labels", labels, "labels")
    if not values:
        raise DataError("`labels` must hold at least one label. Received: none.")
    prepared, names = prepare_labels(values, len(values), num_classes, class_names)
    if prepared.ndim == 2:
        # Once more, for the rule that the number of columns brings: all between 0 and 1.
        columns = prepared.shape[1]
        return prepare_labels(prepared, len(values), num_classes or columns)[0], names
    if prepared.dtype.kind == "f" and num_classes != 1:
        raise DataError(
            "`labels` must be whole numbers that name classes. Received: "
            f"{values[0]!r} (of type float) in row 0. Numbers to be predicted have no classes to "
            "weigh; where the floats name classes, give num_classes."
        )
    return prepared, names


def _weights_of(counts: np.ndarray, beta: float | None) -> np.ndarray:
    """Weights inverse to the counts over the last axis, with a mean of one over the examples."""
    counts = counts.astype("float64")
    size = counts if beta is None else (1 - beta**counts) / (1 - beta)
    total = counts.sum(axis=-1, keepdims=True)
    return total / size / (counts / size).sum(axis=-1, keepdims=True)


def _check_none_empty(counts: np.ndarray, names: tuple[str, ...] | None, examples: int) -> None:
    empty = np.argwhere(counts == 0)
    if not len(empty):
        return
    shown = []
    for place in empty[:_NAMED_AT_MOST]:
        name = repr(names[place[0]]) if names else str(place[0])
        if counts.ndim == 1:
            shown.append(f"no example of class {name}")
        else:
            shown.append(f"label {name} {('never', 'always')[1 - place[1]]}")
    if len(empty) > _NAMED_AT_MOST:
        shown.append(f"{len(empty) - _NAMED_AT_MOST:,} more")
    raise DataError(
        "`labels` must have at least one example of each class, as a class without any would have "
        f"an infinite weight. Received: {', '.join(shown)}, in {examples:,} examples. Bring "
        "examples, or leave the class out."
    )
