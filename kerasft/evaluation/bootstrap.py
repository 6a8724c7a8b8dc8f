"""How far the figures would move if other examples of the same kind had been drawn.

The percentile bootstrap: the examples are drawn again with replacement, as many as there are, and
the figures calculated anew; the middle 95% of what comes out is the interval. Two models judged
on the same examples are judged on the same draws, so that what they share cancels out.

Reference: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from kerasft.evaluation.calibration_error import BINS, bin_numbers, confidences
from kerasft.evaluation.examples import Examples

# Areas need a sum over all examples for each class: beyond this many cells they get no interval.
_MOST_CELLS = 20_000


class Figures(NamedTuple):
    """The figures of a report by name: over all classes, and of each class, `(classes,)`.

    Of many draws, both have one axis more, the first.
    """

    whole: dict[str, Any]
    classes: dict[str, np.ndarray]


def draw_figures(several: Sequence[Examples], resamples: int, seed: int) -> list[Figures]:
    """The figures of each of `several` models, on `resamples` shared draws of examples.

    All must be of one length: example i of one is drawn whenever example i of the others is.
    A draw of ten thousand examples of two classes takes about 0.6 milliseconds.
    """
    random = np.random.default_rng(seed)
    count = len(several[0])
    calculate = [figures_by_weight(examples) for examples in several]
    rows: list[list[Figures]] = [[] for _ in several]
    for _ in range(resamples):
        drawn = random.integers(0, count, count)
        weights = np.bincount(drawn, minlength=count).astype(np.float64)
        for model, figures in enumerate(calculate):
            rows[model].append(figures(weights))
    result = []
    for model, figures in enumerate(calculate):
        whole, classes = (
            {key: np.array([each[part][key] for each in rows[model]]) for key in first}
            for part, first in enumerate(rows[model][0])
        )
        if "calibration_error" in whole:
            value = figures(np.ones(count)).whole["calibration_error"]
            whole["calibration_error"] = without_bias(whole["calibration_error"], value)
        result.append(Figures(whole, classes))
    return result


def without_bias(draws: np.ndarray, value: float) -> np.ndarray:
    """The draws of a calibration error, moved so that their mean is its value.

    The examples of a draw scatter more within the bins than those that were drawn from, so that the
    draws lie above the value by a bias.
    """
    return np.maximum(draws - (draws.mean() - value), 0.0)


def interval(draws: np.ndarray, confidence: float) -> tuple[float, float]:
    """The middle `confidence` of the draws; NaN where the figure was never defined."""
    defined = draws[np.isfinite(draws)]
    if not len(defined):
        return math.nan, math.nan
    low, high = np.quantile(defined, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def figures_by_weight(examples: Examples) -> Callable[[np.ndarray], Figures]:
    """A function from the examples' weights `(examples,)` to the figures.

    With all weights one it gives what `evaluate_arrays` reports. It is written out here, and not
    left to scikit-learn, because it runs a thousand times per report.
    """
    if examples.task == "regression":
        return _regression_by_weight(examples)
    count = _counts_by_weight(examples)
    areas = _areas_by_weight(examples)
    calibration_error = calibration_error_by_weight(examples)
    losses, right = examples.losses, examples.correct.astype(np.float64)

    def figures(weights: np.ndarray) -> Figures:
        total = weights.sum()
        true_positive, predicted, support = count(weights)
        precision, recall = _divide(true_positive, predicted), _divide(true_positive, support)
        # A class that was drawn and never predicted has precision 0, as in the report.
        precision = np.where((support > 0) & (predicted == 0), 0.0, precision)
        f1 = _divide(2 * true_positive, predicted + support)
        drawn = support > 0
        by_class = {
            name: np.where(drawn, values, math.nan)
            for name, values in (("precision", precision), ("recall", recall), ("f1", f1))
        }
        result = {}
        if examples.task == "multilabel":
            true_negative = total - predicted - support + true_positive
            result["accuracy"] = float((true_positive + true_negative).mean() / total)
            result["exact_match"] = _dot(weights, right) / total
            both = (recall + _divide(true_negative, total - support)) / 2
            result["balanced_accuracy"] = _mean(both[drawn])
            result["matthews"] = _mean(_phi(true_positive, predicted, support, total))
            found, said, real = true_positive.sum(), predicted.sum(), support.sum()
            result["precision_micro"] = found / said if said else 0.0
            result["recall_micro"] = found / real if real else 0.0
            result["f1_micro"] = 2 * found / (said + real) if said + real else 0.0
        else:
            result["accuracy"] = float(true_positive.sum() / total)
            result["balanced_accuracy"] = _mean(recall[drawn])
            result["matthews"] = _matthews(true_positive, predicted, support, total)
        if examples.task == "binary":
            result |= {name: float(values[1]) for name, values in by_class.items()}
        for name, values in by_class.items():
            result[f"{name}_macro"] = _mean(values)
            weighted = np.where(drawn, values, 0.0) @ support
            result[f"{name}_weighted"] = weighted / support.sum() if drawn.any() else math.nan
        result |= areas(weights)
        result["log_loss"] = _dot(weights, losses) / total
        result["calibration_error"] = calibration_error(weights)
        return Figures(result, by_class)

    return figures


def _counts_by_weight(examples: Examples) -> Callable[[np.ndarray], tuple[np.ndarray, ...]]:
    """A function from weights to true positives, predictions and examples of each class."""
    labels, predictions, classes = examples.labels, examples.predictions, examples.classes
    if examples.task == "multilabel":
        both = (labels * predictions).astype(np.float64)
        predicted, support = predictions.astype(np.float64), labels.astype(np.float64)
        return lambda weights: (weights @ both, weights @ predicted, weights @ support)
    right = labels == predictions
    right_labels = labels[right]
    return lambda weights: (
        np.bincount(right_labels, weights[right], classes),
        np.bincount(predictions, weights, classes),
        np.bincount(labels, weights, classes),
    )


def _areas_by_weight(examples: Examples) -> Callable[[np.ndarray], dict[str, float]]:
    """A function from weights to the ROC and PR areas, means over the classes; maybe none.

    The ROC area is how often a positive ranks above a negative, where ties count half (the
    Mann-Whitney statistic). The PR area is the average precision: a sum over the distinct
    probabilities of the precision there, by the share of the class that is found there.
    """
    if examples.task == "binary":
        columns = [(examples.labels == 1, examples.probabilities)]
    elif examples.probabilities.size > _MOST_CELLS:
        return lambda _: {}
    else:
        columns = list(zip(examples.membership.T, examples.probabilities.T, strict=True))
    ranked = [(member, np.unique(said, return_inverse=True)[1]) for member, said in columns]

    def areas(weights: np.ndarray) -> dict[str, float]:
        roc, pr = [], []
        for member, ranks in ranked:
            # From the highest probability down: positives and all examples at each.
            positives = np.bincount(ranks, weights * member)[::-1]
            every = np.bincount(ranks, weights)[::-1]
            found, said = np.cumsum(positives), np.cumsum(every)
            total, rest = found[-1], said[-1] - found[-1]
            below = rest - (said - found) + (every - positives) / 2
            roc.append(_dot(positives, below) / (total * rest) if total and rest else math.nan)
            precision = np.divide(found, said, out=np.zeros_like(found), where=said > 0)
            pr.append(_dot(positives, precision) / total if total else math.nan)
        return {"roc_auc": _mean(np.array(roc)), "pr_auc": _mean(np.array(pr))}

    return areas


def calibration_error_by_weight(examples: Examples) -> Callable[[np.ndarray], float]:
    """A function from weights to the ECE; every label of an example has the example's weight."""
    confidence, correct = confidences(examples)
    index, off = bin_numbers(confidence), correct - confidence
    labels = len(confidence) // len(examples)

    def error(weights: np.ndarray) -> float:
        of_decision = np.repeat(weights, labels)
        gaps = np.bincount(index, of_decision * off, BINS)
        return float(np.abs(gaps).sum() / of_decision.sum())

    return error


def _regression_by_weight(examples: Examples) -> Callable[[np.ndarray], Figures]:
    labels = examples.labels
    error = labels - examples.probabilities
    order = np.argsort(np.abs(error), axis=0)
    ordered = np.take_along_axis(np.abs(error), order, axis=0)

    def figures(weights: np.ndarray) -> Figures:
        share = weights / weights.sum()
        squared = share @ np.square(error)
        spread = share @ np.square(labels - share @ labels)
        whole = {
            "mean_absolute_error": float((share @ np.abs(error)).mean()),
            "root_mean_squared_error": float(np.sqrt(squared).mean()),
            "median_absolute_error": median(weights),
            "r2": float((1 - squared / spread).mean()) if (spread > 0).all() else math.nan,
        }
        return Figures(whole, {})

    def median(weights: np.ndarray) -> float:
        """Of copies, as many as the weights say; of an even number, the mean of the middle two."""
        count = int(weights.sum())
        middle = [(count - 1) // 2, count // 2]
        rows = [np.searchsorted(np.cumsum(weights[column]), middle, "right") for column in order.T]
        found = [column[row].mean() for column, row in zip(ordered.T, rows, strict=True)]
        return float(np.mean(found))

    return figures


def _matthews(
    true_positive: np.ndarray, predicted: np.ndarray, support: np.ndarray, total: float
) -> float:
    """Gorodkin's correlation of several classes, from the margins; 0 where one is constant."""
    covariance = true_positive.sum() * total - predicted @ support
    spread = (total**2 - predicted @ predicted) * (total**2 - support @ support)
    return float(covariance / math.sqrt(spread)) if spread > 0 else 0.0


def _phi(
    true_positive: np.ndarray, predicted: np.ndarray, support: np.ndarray, total: float
) -> np.ndarray:
    """Matthews' correlation of each label that some drawn examples have and others do not."""
    covariance = true_positive * total - predicted * support
    spread = predicted * (total - predicted) * support * (total - support)
    both = (support > 0) & (support < total)
    return np.where(spread > 0, covariance / np.sqrt(np.maximum(spread, 1e-300)), 0.0)[both]


def _dot(left: np.ndarray, right: np.ndarray) -> float:
    """Without BLAS: its threads cost more than they save here, and much on a busy machine."""
    return float(np.einsum("i,i", left, right))


def _divide(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.divide(above, below, out=np.full(len(above), math.nan), where=below > 0)


def _mean(values: np.ndarray) -> float:
    values = values[~np.isnan(values)]
    return float(values.mean()) if len(values) else math.nan
