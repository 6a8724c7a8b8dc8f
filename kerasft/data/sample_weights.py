"""`sample_weights`: class weights as Keras can use them with any number of labels and outputs."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kerasft._checks import check_bool, check_int, did_you_mean, fail
from kerasft.data._texts import name_rows
from kerasft.data.class_weights import read_labels
from kerasft.data.examples import Examples
from kerasft.errors import DataError


def sample_weights(
    labels: Any,
    weights: Any,
    class_names: Sequence[str] | None = None,
    per_label: bool = False,
) -> Any:
    """Sample weights for `fit` and `evaluate`, out of class weights.

    Make the class weights from the training labels, with `kerasft.data.class_weights` or by hand,
    and use the same ones for all sets, so that their losses compare.

    - *One class per example*: the weight of its class.
    - *Several labels per example*: the mean of the weights of all its label decisions, those of the
      labels that hold and of those that do not. One weight per example is all that Keras's losses
      take by default, since they average over the labels first. It is an approximation: an
      example with a rare label has all its labels weighted up.
    - *Several labels, exactly*, with `per_label=True`: the weight of each decision, of shape
      `(examples, labels)`. The loss must then not average over the labels:
      `keras.losses.BinaryCrossentropy(axis=(), ...)`. With the default `axis=-1` Keras fails or, in
      a batch of as many examples as there are labels, applies the weights to the wrong places in
      silence.
    - *Several outputs*: give the labels and the weights as dicts by the outputs' names; the
      result is such a dict, as `fit(sample_weight=...)` takes it. Outputs without class weights,
      such as a regression, get ones.

    Args:
        labels: One class per example, or one row of 0 and 1 per example; `Examples`, whose own
            sample weights are multiplied in; or a dict of labels by output.
        weights: A dict of weights by class number; for several labels an array of shape
            `(labels, 2)`; or a dict of these by output.
        class_names: The names of the classes in order, where one output's labels are names.
        per_label: Whether to weigh each label by itself where several can hold.

    Returns:
        `float32` of shape `(examples,)`, or `(examples, labels)`; or a dict of these by output.

    Raises:
        DataError: labels that do not fit the weights, weights that are negative or not finite,
            outputs that are unknown or of different lengths.
        ArgumentError: another argument breaks its rule.

    Example:
        >>> from kerasft.data import class_weights, sample_weights
        >>> sample_weights([0, 0, 0, 1], class_weights([0, 0, 0, 1]))
        array([0.6666667, 0.6666667, 0.6666667, 2.       ], dtype=float32)
        >>> tags = [[1, 0], [1, 1], [0, 1], [1, 0]]
        >>> sample_weights(tags, class_weights(tags))
        array([0.8333333, 0.8333333, 1.5      , 0.8333333], dtype=float32)
        >>> sample_weights({"topic": [0, 1], "price": [9.5, 3.0]}, {"topic": {0: 1.0, 1: 4.0}})
        {'topic': array([1., 4.], dtype=float32), 'price': array([1., 1.], dtype=float32)}
    """
    check_bool("per_label", per_label)
    if isinstance(labels, Mapping):
        return _by_output(labels, weights, class_names, per_label)
    own = None
    if isinstance(labels, Examples):
        class_names = class_names or labels.class_names
        labels, own = labels.labels, labels.sample_weight
    if isinstance(weights, Mapping):
        result = _of_classes(labels, weights, class_names)
        if per_label:
            fail("per_label", per_label, "False where there is one class per example")
    else:
        result = _of_labels(labels, weights, per_label)
    if own is not None:
        result = result * (own[:, None] if result.ndim == 2 else own)
    return result.astype("float32")


def _by_output(
    labels: Mapping[str, Any], weights: Any, class_names: Any, per_label: bool
) -> dict[str, np.ndarray]:
    if not isinstance(weights, Mapping) or not all(isinstance(name, str) for name in weights):
        fail("weights", weights, "a dict by output, as `labels` is one", error=DataError)
    for name in weights:
        if name not in labels:
            hint = did_you_mean(name, labels)
            fail("weights", name, f"for the outputs {list(labels)}", hint, DataError)
    lengths = {name: len(values) for name, values in labels.items()}
    if len(set(lengths.values())) > 1:
        fail("labels", lengths, "equally many for all outputs", error=DataError)
    result = {}
    for name, values in labels.items():
        if name not in weights:
            result[name] = np.ones(len(values), dtype="float32")
            continue
        try:
            several = not isinstance(weights[name], Mapping)
            result[name] = sample_weights(values, weights[name], class_names, per_label and several)
        except DataError as error:
            raise DataError(f"Output {name!r}: {error}") from error
    return result


def _of_classes(labels: Any, weights: Mapping[int, Any], class_names: Any) -> np.ndarray:
    if not weights:
        fail("weights", weights, "given for each class", error=DataError)
    for number in weights:
        check_int("weights", number, minimum=0, hint="Its keys are class numbers.")
    table = _finite(np.array([*weights.values()]), "weights")
    values, names = read_labels(labels, max(2, max(weights) + 1), class_names)
    if values.ndim == 2:
        raise DataError(
            "`labels` must be one class number per example where the weights are by class. "
            f"Received: labels of shape {values.shape}. For one-hot rows give "
            "labels.argmax(axis=1); for several labels weights of shape (labels, 2), which "
            "`kerasft.data.class_weights` makes."
        )
    unknown = np.flatnonzero(~np.isin(values, [*weights]))
    if unknown.size:
        number = int(values[unknown[0]])
        name = f"{number} ({names[number]!r})" if names else str(number)
        raise DataError(
            f"`weights` must have a weight for each class in `labels`. Received: none for class "
            f"{name}, in {name_rows(unknown)}. (Keras would take 1 in silence.)"
        )
    by_number = np.zeros(max(weights) + 1)
    by_number[[*weights]] = table
    return by_number[values.astype("int64")]


def _of_labels(labels: Any, weights: Any, per_label: bool) -> np.ndarray:
    try:
        table = np.asarray(weights, dtype="float64")
    except (TypeError, ValueError):
        table = np.empty(0)
    if table.ndim != 2 or table.shape[1] != 2:
        fail(
            "weights",
            weights,
            "a dict of weights by class number, or an array of shape (labels, 2)",
            "`kerasft.data.class_weights` makes either.",
            DataError,
        )
    _finite(table, "weights")
    values, _ = read_labels(labels, len(table), None)
    if values.ndim != 2:
        raise DataError(
            f"`labels` must be rows of {len(table)} labels, as the weights are. Received: one "
            "label per example."
        )
    # A label between 0 and 1, as smoothing makes it, is in part present and in part absent.
    decisions = (1 - values) * table[:, 0] + values * table[:, 1]
    return decisions if per_label else decisions.mean(axis=1)


def _finite(values: np.ndarray, name: str) -> np.ndarray:
    try:
        values = values.astype("float64")
    except (TypeError, ValueError) as error:
        raise DataError(f"`{name}` must be numbers. Received: {error}.") from error
    wrong = ~(np.isfinite(values) & (values >= 0))
    if wrong.any():
        fail(name, values[wrong][0].item(), "finite and not negative", error=DataError)
    return values
