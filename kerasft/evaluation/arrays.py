"""From labels and probabilities to a report."""

import dataclasses
import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasft._checks import check_int, check_number, check_type, fail
from kerasft.errors import DataError
from kerasft.evaluation.bootstrap import draw_figures, interval
from kerasft.evaluation.inputs import read_examples
from kerasft.evaluation.metrics import (
    class_figures,
    classification_figures,
    confusion_matrix,
    regression_figures,
)
from kerasft.evaluation.mistake import worst_mistakes
from kerasft.evaluation.report import Report
from kerasft.evaluation.verdicts import Limits, judge


def evaluate_arrays(
    labels: Any,
    probabilities: Any,
    *,
    class_names: Sequence[str] | None = None,
    inputs: Any = None,
    task: str | None = None,
    threshold: float | Sequence[float] = 0.5,
    bootstrap: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
    worst: int = 10,
    limits: Limits | None = None,
    train_report: Report | None = None,
    history: Any = None,
) -> Report:
    """Judge probabilities by labels: figures, intervals, worst mistakes and verdicts.

    No model is known here; `kerasft.evaluate` runs one and calls this.

    The task is told from the shapes: one column of probabilities (or two, with one label per
    example) is `"binary"`; several columns and one label per example are `"multiclass"`, one-hot
    rows too; other rows of 0 and 1 are `"multilabel"`; one column and labels that are no whole
    numbers is `"regression"`. Where the arrays speak for two tasks, it must be named.

    A class without an example has no figures, is left out of the averages, and is named in a
    verdict; so is the only class where there is but one. A class that is never predicted has
    precision 0.

    Args:
        labels: Class numbers `(examples,)`, counted from 0, whatever the classes are called; class
            names `(examples,)`, as strings, if `class_names` are given; one-hot rows or, for
            several labels, rows of 0 and 1 `(examples, classes)`; for a regression, numbers
            `(examples,)` or `(examples, outputs)`.
        probabilities: `(examples,)` or `(examples, 1)` with the probability of class 1;
            `(examples, classes)`; for a regression, the predictions. No logits: values outside
            [0, 1] are refused.
        class_names: A name for each class, in the order of the columns.
        inputs: What the model was given, one item per example, texts above all: shown with the
            worst mistakes, and used to tell whether two reports hold the same examples. Only
            the inputs of the worst mistakes are kept.
        task: `"binary"`, `"multiclass"`, `"multilabel"` or `"regression"`.
        threshold: A class is predicted where its probability is above this; for several labels
            one number may be given per class. The most probable of several classes is
            predicted whatever its probability.
        bootstrap: The number of bootstrap draws behind the intervals; 0 for none. Areas over
            several classes get none where examples times classes are over 20,000.
        confidence: The share of draws that an interval holds.
        seed: The seed of the draws.
        worst: How many of the worst mistakes to keep.
        limits: Where the verdicts draw their lines.
        train_report: The same model's report on its training data, to tell overfitting by.
        history: Or the `keras.callbacks.History` of its training, or that object's dict.

    Returns:
        A `Report`.

    Raises:
        DataError: for labels, probabilities or inputs that cannot be used: other lengths, NaN,
            logits, rows that do not sum to one, labels outside the classes, names in place of
            numbers without `class_names`.
        ArgumentError: for another argument that breaks its rule.

    Example:
        >>> from kerasft.evaluation import evaluate_arrays
        >>> labels = [1] * 100 + [0] * 100
        >>> said = [0.9] * 90 + [0.2] * 10 + [0.8] * 15 + [0.1] * 85
        >>> report = evaluate_arrays(labels, said, class_names=["negative", "positive"])
        >>> print(f"precision {report.metrics['precision']:.3f}")
        precision 0.857
        >>> print(f"recall {report.metrics['recall']:.3f}")
        recall 0.900
        >>> low, high = report.intervals["recall"]
        >>> bool(low < 0.9 < high)
        True
    """
    check_int("bootstrap", bootstrap, minimum=0)
    check_number("confidence", confidence, above=0, below=1)
    check_int("seed", seed, minimum=0)
    check_int("worst", worst, minimum=0)
    limits = Limits() if limits is None else limits
    check_type("limits", limits, Limits, "a kerasft.evaluation.Limits")
    if train_report is not None:
        check_type("train_report", train_report, Report, "a Report on the training data")
    if train_report is not None and history is not None:
        fail("history", type(history).__name__, "left out where `train_report` is given")
    examples = read_examples(labels, probabilities, class_names, task, threshold)
    _check_inputs(inputs, len(examples))
    classes: dict[str, dict[str, float]] = {}
    if examples.task == "regression":
        metrics = regression_figures(examples)
    else:
        classes = class_figures(examples)
        metrics = classification_figures(examples, classes)
    intervals: dict[str, tuple[float, float]] = {}
    class_intervals: dict[str, dict[str, tuple[float, float]]] = {}
    if bootstrap:
        whole, by_class = draw_figures([examples], bootstrap, seed)[0]
        intervals = {name: interval(values, confidence) for name, values in whole.items()}
        class_intervals = {
            of: {name: interval(values[:, n], confidence) for name, values in by_class.items()}
            for n, of in enumerate(examples.class_names)
        }
    report = Report(
        examples=examples,
        metrics=metrics,
        classes=classes,
        confusion=confusion_matrix(examples),
        mistakes=worst_mistakes(examples, inputs, worst),
        limits=limits,
        intervals=intervals,
        class_intervals=class_intervals,
        confidence=float(confidence),
        resamples=bootstrap,
        seed=seed,
        inputs_digest=_digest(inputs),
    )
    return dataclasses.replace(report, verdicts=judge(report, train_report, history))


def _check_inputs(inputs: Any, count: int) -> None:
    if inputs is None:
        return
    countable = hasattr(inputs, "__len__") and hasattr(inputs, "__getitem__")
    if not countable or isinstance(inputs, (str, bytes, dict)):
        fail("inputs", inputs, "a list or an array with one item per example", error=DataError)
    if len(inputs) != count:
        rule = "one item per example"
        fail("inputs", f"{len(inputs)} inputs, {count} labels", rule, error=DataError)


def _digest(inputs: Any) -> str | None:
    """A digest of texts or arrays, or None for inputs whose bytes are not their meaning."""
    if inputs is None:
        return None
    digest = hashlib.sha256()
    for item in inputs:
        if isinstance(item, str):
            content = item.encode("utf-8", errors="surrogatepass")
        elif isinstance(item, bytes):
            content = item
        elif isinstance(item, (np.ndarray, np.generic)) and item.dtype != object:
            content = np.ascontiguousarray(item).tobytes()
        else:
            return None
        digest.update(len(content).to_bytes(8, "little") + content)
    return digest.hexdigest()
