"""From labels and a model's outputs to a temperature."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kerasft._checks import check_bool, check_choice, check_int, check_number, fail
from kerasft.errors import DataError
from kerasft.evaluation.bootstrap import calibration_error_by_weight, interval, without_bias
from kerasft.evaluation.calibration_error import (
    confidences,
    error_by_chance,
    expected_calibration_error,
    reliability,
)
from kerasft.evaluation.examples import TASKS, Examples
from kerasft.evaluation.inputs import read_examples
from kerasft.evaluation.raw_arrays import read_labels, read_probabilities
from kerasft.evaluation.temperatures.logits import to_logits, to_probabilities
from kerasft.evaluation.temperatures.temperature import Temperature

_FIGURES = ("log_loss", "calibration_error")


def fit_temperature(
    labels: Any,
    probabilities: Any,
    *,
    from_logits: bool = False,
    per_label: bool = False,
    class_names: Sequence[str] | None = None,
    task: str | None = None,
    bootstrap: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Temperature:
    """Find the temperature at which validation examples have the lowest log loss.

    Logits are divided by the temperature before they become probabilities. Above 1 it makes a
    model less sure, below 1 surer; which class is the most probable never changes. Fit it on
    examples that did not train the model, or it will find nothing to correct.

    One number corrects a model that is too sure everywhere, or not sure enough. It does not
    correct one that says a class too often, as after training with class weights.

    No model is known here; `kerasft.tuning.calibrate` runs one and calls this.

    Reference: Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks",
    ICML 2017. The log loss is convex in the inverse temperature; scipy's `brentq` finds where its
    slope is zero.

    Args:
        labels: As for `evaluate_arrays`, of any classification.
        probabilities: Likewise; or the logits, which keep what probabilities round away.
        from_logits: Whether they are logits.
        per_label: One temperature per label, where examples have several labels.
        class_names: A name for each class, in the order of the columns.
        task: `"binary"`, `"multiclass"` or `"multilabel"`, where the arrays speak for two.
        bootstrap: The number of bootstrap draws behind the intervals; 0 for none. The temperature
            is held still in them.
        confidence: The share of draws that an interval holds.
        seed: The seed of the draws.

    Returns:
        A `Temperature`, with log loss and expected calibration error before and after.

    Raises:
        DataError: for arrays that cannot be used, as in `evaluate_arrays`; examples of one class
            only; or examples without a best temperature: all decided right, or no better than
            chance.
        ArgumentError: for another argument that breaks its rule.

    Example:
        >>> from kerasft.evaluation import fit_temperature
        >>> labels = [1, 1, 1, 0] * 25
        >>> fitted = fit_temperature(labels, [0.99] * 100, bootstrap=0)
        >>> print(round(fitted.temperature, 2))
        4.18
        >>> print(round(float(fitted.apply([0.99])[0]), 2))
        0.75
    """
    check_bool("from_logits", from_logits)
    check_bool("per_label", per_label)
    check_int("bootstrap", bootstrap, minimum=0)
    check_number("confidence", confidence, above=0, below=1)
    check_int("seed", seed, minimum=0)
    if task is not None:
        check_choice("task", task, TASKS)
    logits = None
    if from_logits:
        logits, task = _read_logits(labels, probabilities, task)
        probabilities = to_probabilities(logits, task)
        if task == "binary" and logits.ndim == 2:
            logits = logits[:, 0]
    before = read_examples(labels, probabilities, class_names, task)
    if before.task == "regression":
        fail("task", "regression", "a classification: a regression has no probabilities")
    if per_label and before.task != "multilabel":
        fail("per_label", True, "False where each example has one class")
    if logits is None:
        logits = to_logits(before.probabilities, before.task)
    if not (before.membership.any(axis=0) & ~before.membership.all(axis=0)).any():
        hint = "A temperature can be fitted only on data that hold more than one."
        shown = f"{len(before)} examples of one class"
        fail("labels", shown, "of more than one class", hint, DataError)
    temperature = _fit(before, logits, per_label)
    said = to_probabilities(logits, before.task, temperature)
    after = Examples(before.task, before.labels, said, before.class_names)
    return _result(temperature, before, after, bootstrap, float(confidence), seed)


def _read_logits(labels: Any, given: Any, task: str | None) -> tuple[np.ndarray, str]:
    """Finite logits, `(examples, 1)` for two classes, and the task."""
    logits, _ = read_probabilities(given)
    logits = logits[:, None] if logits.ndim == 1 else logits
    columns = logits.shape[1]
    if columns > 1 and len(logits) > 1:
        within = ((logits >= 0) & (logits <= 1)).all()
        if within and (np.abs(logits.sum(axis=1) - 1) < 1e-5).all():
            rule = "False for outputs that already are probabilities"
            fail("from_logits", True, rule, "Every row sums to one.", DataError)
    if task is None:
        task = "binary" if columns < 3 else "multiclass"
        read = read_labels(labels)
        if columns > 1 and read.ndim == 2 and read.shape[1] == columns:
            if read.dtype.kind == "O" or (read.sum(axis=1) == 1).all():
                hint = "'multiclass' for classes that exclude each other, else 'multilabel'."
                fail("task", None, "given for logits with one-hot labels", hint, DataError)
            task = "multilabel"
    if task == "binary" and columns == 2:
        logits = logits[:, 1:] - logits[:, :1]
    return logits, task


def _fit(examples: Examples, logits: np.ndarray, per_label: bool) -> float | tuple[float, ...]:
    if examples.task == "multiclass":
        labels = examples.labels
        of_label = np.take_along_axis(logits, labels[:, None], axis=1)
        return _best(_slope_of_classes(logits - of_label), "")
    signed = np.where(examples.labels == 1, logits, -logits)
    if not per_label:
        return _best(_slope_of_decisions(signed.ravel()), "")
    pairs = zip(signed.T, examples.class_names, strict=True)
    return tuple(_best(_slope_of_decisions(column), f" for {name!r}") for column, name in pairs)


# A slope takes the inverse temperature and gives the derivative of the mean log loss; it never
# falls. At 0 and at infinity it is given in closed form.
Slope = Callable[[float], float]


def _slope_of_decisions(signed: np.ndarray) -> Slope:
    """Of two classes: `signed` is the logit, positive where it speaks for what is true."""

    def slope(inverse: float) -> float:
        if np.isinf(inverse):
            return float(np.maximum(-signed, 0).mean())
        return float((-signed * to_probabilities(-signed * inverse, "binary")).mean())

    return slope


def _slope_of_classes(margins: np.ndarray) -> Slope:
    """Of several classes: each logit minus that of the true class."""

    def slope(inverse: float) -> float:
        if np.isinf(inverse):
            return float(margins.max(axis=1).mean())
        weights = to_probabilities(margins * inverse, "multiclass")
        return float((weights * margins).sum(axis=1).mean())

    return slope


def _best(slope: Slope, whose: str) -> float:
    """The temperature where the slope is zero, which is where the log loss is lowest."""
    from scipy.optimize import brentq

    if slope(np.inf) <= 0:
        fail(
            "labels",
            "labels that are all decided right",
            f"wrong at least once{whose}",
            "Where a model is always right, the log loss falls for as long as the temperature "
            "does: there is no best one. Give more validation examples.",
            DataError,
        )
    if slope(0.0) >= 0:
        fail(
            "probabilities",
            "outputs no better than chance",
            f"higher for what is true than for what is not, on the mean{whose}",
            "The log loss is lowest where all classes are equally probable. Check that labels and "
            "outputs are paired.",
            DataError,
        )
    low = high = 0.0  # logarithms of the inverse temperature
    while slope(np.exp(low)) > 0:
        low -= 1.0
    while slope(np.exp(high)) < 0:
        high += 1.0
    return float(np.exp(-brentq(lambda power: slope(np.exp(power)), low, high, xtol=1e-12)))


def _result(
    temperature: float | tuple[float, ...],
    before: Examples,
    after: Examples,
    bootstrap: int,
    confidence: float,
    seed: int,
) -> Temperature:
    sides = [before, after]
    decisions = [confidences(side) for side in sides]
    values = [
        dict(
            zip(_FIGURES, (float(side.losses.mean()), expected_calibration_error(*of)), strict=True)
        )
        for side, of in zip(sides, decisions, strict=True)
    ]
    intervals: list[dict[str, tuple[float, float]]] = [{}, {}, {}]
    if bootstrap:
        draws = _draw(sides, bootstrap, seed)
        for side, found in zip(values, draws, strict=True):
            found["calibration_error"] = without_bias(
                found["calibration_error"], side["calibration_error"]
            )
        draws.append({name: draws[1][name] - draws[0][name] for name in _FIGURES})
        intervals = [
            {name: interval(each, confidence) for name, each in found.items()} for found in draws
        ]
    bins = [
        dict(zip(("examples", "confidence", "right"), reliability(*of), strict=True))
        for of in decisions
    ]
    return Temperature(
        temperature=temperature,
        task=before.task,
        class_names=before.class_names,
        before=values[0],
        after=values[1],
        before_intervals=intervals[0],
        after_intervals=intervals[1],
        difference_intervals=intervals[2],
        before_bins=bins[0],
        after_bins=bins[1],
        error_by_chance=error_by_chance(decisions[1][0], seed=seed),
        examples=len(before),
        confidence=confidence,
        resamples=bootstrap,
        seed=seed,
    )


def _draw(sides: list[Examples], bootstrap: int, seed: int) -> list[dict[str, np.ndarray]]:
    """Log loss and calibration error of both sides, on the same draws."""
    random = np.random.default_rng(seed)
    count = len(sides[0])
    losses = [side.losses for side in sides]
    errors = [calibration_error_by_weight(side) for side in sides]
    rows: list[list[tuple[float, float]]] = [[], []]
    for _ in range(bootstrap):
        drawn = random.integers(0, count, count)
        weights = np.bincount(drawn, minlength=count).astype(np.float64)
        for row, loss, error in zip(rows, losses, errors, strict=True):
            row.append((float(np.einsum("i,i", weights, loss)) / count, error(weights)))
    return [dict(zip(_FIGURES, np.array(row).T, strict=True)) for row in rows]
