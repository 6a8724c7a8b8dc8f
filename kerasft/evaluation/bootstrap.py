"""How far the figures would move if other examples of the same kind had been drawn.

The percentile bootstrap: the examples are drawn again with replacement, as many as there are, and
the figures calculated anew; the middle 95% of what comes out is the interval. Two models judged
on the same examples are judged on the same draws, so that what they share cancels out.

Reference: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np

from kerasft.evaluation.examples import Examples

Figures = dict[str, float]


def draw_figures(
    several: Sequence[Examples], resamples: int, seed: int
) -> list[dict[str, np.ndarray]]:
    """The main figures of each of `several` models, on `resamples` shared draws of examples.

    All must be of one length: example i of one is drawn whenever example i of the others is.
    A draw takes about 40 microseconds per thousand examples.
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
    return [{key: np.array([row[key] for row in model]) for key in model[0]} for model in rows]


def interval(draws: np.ndarray, confidence: float) -> tuple[float, float]:
    """The middle `confidence` of the draws; NaN where the figure was never defined."""
    defined = draws[np.isfinite(draws)]
    if not len(defined):
        return math.nan, math.nan
    low, high = np.quantile(defined, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def figures_by_weight(examples: Examples) -> Callable[[np.ndarray], Figures]:
    """A function from the examples' weights `(examples,)` to the main figures.

    With all weights one it gives what `evaluate_arrays` reports. It is written out here, and not
    left to scikit-learn, because it runs a thousand times per report.
    """
    if examples.task == "regression":
        return _regression_by_weight(examples)
    count = _counts_by_weight(examples)
    losses = examples.losses
    area = _area_by_weight(examples) if examples.task == "binary" else lambda _: math.nan

    def figures(weights: np.ndarray) -> Figures:
        total = weights.sum()
        true_positive, predicted, support = count(weights)
        precision, recall = _divide(true_positive, predicted), _divide(true_positive, support)
        # A class that was drawn and never predicted has precision 0, as in the report.
        precision = np.where((support > 0) & (predicted == 0), 0.0, precision)
        f1 = _divide(2 * true_positive, predicted + support)
        drawn = support > 0
        result = {}
        if examples.task == "multilabel":
            true_negative = total - predicted - support + true_positive
            result["accuracy"] = float((true_positive + true_negative).mean() / total)
            both = (recall + _divide(true_negative, total - support)) / 2
            result["balanced_accuracy"] = _mean(both[drawn])
            result["matthews"] = _mean(_phi(true_positive, predicted, support, total))
        else:
            result["accuracy"] = float(true_positive.sum() / total)
            result["balanced_accuracy"] = _mean(recall[drawn])
            result["matthews"] = _matthews(true_positive, predicted, support, total)
        if examples.task == "binary":
            positive = {"precision": precision[1], "recall": recall[1], "f1": f1[1]}
            result |= {key: float(v) if drawn[1] else math.nan for key, v in positive.items()}
            result["roc_auc"] = area(weights)
        for key, values in (("precision", precision), ("recall", recall), ("f1", f1)):
            result[f"{key}_macro"] = _mean(values[drawn])
        result["log_loss"] = _dot(weights, losses) / total
        return result

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


def _area_by_weight(examples: Examples) -> Callable[[np.ndarray], float]:
    """A function from weights to the ROC area: how often a positive ranks above a negative.

    Ties count half (the Mann-Whitney statistic), which is the area under the trapezoids.
    """
    ranks = np.unique(examples.probabilities, return_inverse=True)[1]
    is_positive = examples.labels == 1
    positive_ranks, negative_ranks = ranks[is_positive], ranks[~is_positive]
    count = int(ranks.max()) + 1

    def area(weights: np.ndarray) -> float:
        positives = np.bincount(positive_ranks, weights[is_positive], count)
        negatives = np.bincount(negative_ranks, weights[~is_positive], count)
        below = np.cumsum(negatives) - negatives
        pairs = positives.sum() * negatives.sum()
        won = _dot(positives, below + negatives / 2)
        return won / pairs if pairs else math.nan

    return area


def _regression_by_weight(examples: Examples) -> Callable[[np.ndarray], Figures]:
    labels = examples.labels
    error = labels - examples.probabilities

    def figures(weights: np.ndarray) -> Figures:
        share = weights / weights.sum()
        squared = share @ np.square(error)
        spread = share @ np.square(labels - share @ labels)
        return {
            "mean_absolute_error": float((share @ np.abs(error)).mean()),
            "root_mean_squared_error": float(np.sqrt(squared).mean()),
            "r2": float((1 - squared / spread).mean()) if (spread > 0).all() else math.nan,
        }

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
