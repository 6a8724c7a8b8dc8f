"""The figures of a report, calculated by scikit-learn where it has them."""

import math
from collections.abc import Callable, Iterable

import numpy as np

from kerasft.evaluation.calibration_error import confidences, expected_calibration_error
from kerasft.evaluation.examples import Examples

# The names in which reports, tables and pictures show the figures.
TITLES = {
    "accuracy": "Accuracy",
    "exact_match": "All labels right",
    "balanced_accuracy": "Balanced accuracy",
    "precision": "Precision",
    "recall": "Recall",
    "f1": "F1",
    "precision_micro": "Precision, micro",
    "recall_micro": "Recall, micro",
    "f1_micro": "F1, micro",
    "precision_macro": "Precision, macro",
    "recall_macro": "Recall, macro",
    "f1_macro": "F1, macro",
    "precision_weighted": "Precision, weighted",
    "recall_weighted": "Recall, weighted",
    "f1_weighted": "F1, weighted",
    "matthews": "Matthews correlation",
    "roc_auc": "ROC area",
    "pr_auc": "PR area (average precision)",
    "log_loss": "Log loss (nats)",
    "calibration_error": "Calibration error (ECE, 15 bins)",
    "mean_absolute_error": "Mean absolute error",
    "root_mean_squared_error": "Root mean squared error",
    "median_absolute_error": "Median absolute error",
    "r2": "R squared",
    "bleu": "BLEU",
    "precision_1": "Precision of words",
    "precision_2": "Precision of 2-grams",
    "precision_3": "Precision of 3-grams",
    "precision_4": "Precision of 4-grams",
    "brevity_penalty": "Brevity penalty",
    "length_ratio": "Length by references",
    "identical": "Equal to a reference",
}


def class_figures(examples: Examples) -> dict[str, dict[str, float]]:
    """Precision, recall, F1, ROC and PR area and counts of each class, by its name.

    A class that has examples and is never predicted has precision 0. A class without an example
    has no figures: they are NaN. An area needs examples inside and outside the class.
    """
    from sklearn.metrics import (
        average_precision_score,
        precision_recall_fscore_support,
        roc_auc_score,
    )

    numbers = np.arange(examples.classes)
    if examples.task == "multilabel":
        predicted = examples.predictions.sum(axis=0)
    else:
        predicted = np.bincount(examples.predictions, minlength=examples.classes)
    precision, recall, f1, support = precision_recall_fscore_support(
        examples.labels, examples.predictions, labels=numbers, average=None, zero_division=0.0
    )
    membership, probabilities = examples.membership, examples.class_probabilities
    figures = {}
    for number, name in enumerate(examples.class_names):
        has, lacks = support[number] > 0, support[number] < len(examples)
        member, probability = membership[:, number], probabilities[:, number]
        figures[name] = {
            "precision": float(precision[number]) if has else math.nan,
            "recall": float(recall[number]) if has else math.nan,
            "f1": float(f1[number]) if has else math.nan,
            "roc_auc": float(roc_auc_score(member, probability)) if has and lacks else math.nan,
            "pr_auc": float(average_precision_score(member, probability)) if has else math.nan,
            "examples": int(support[number]),
            "predicted": int(predicted[number]),
        }
    return figures


def classification_figures(
    examples: Examples, classes: dict[str, dict[str, float]]
) -> dict[str, float]:
    """The figures over all classes of a binary, multi-class or multi-label task.

    Averages run over the classes that have examples. `precision`, `recall` and `f1` without an
    addition belong to the second class, number 1, of a binary task.
    """
    from sklearn.metrics import accuracy_score, log_loss, matthews_corrcoef

    labels, predictions = examples.labels, examples.predictions
    present = [figures for figures in classes.values() if figures["examples"] > 0]
    support = np.array([figures["examples"] for figures in present], dtype=np.float64)
    result = {"accuracy": float((labels == predictions).mean())}
    if examples.task == "multilabel":
        result["exact_match"] = float(accuracy_score(labels, predictions))
        recalls = _per_label(examples, _balanced_accuracy)
    else:
        recalls = [figures["recall"] for figures in present]
    result["balanced_accuracy"] = _mean(recalls)
    if examples.task == "binary":
        positive = classes[examples.class_names[1]]
        result |= {key: positive[key] for key in ("precision", "recall", "f1")}
    if examples.task == "multilabel":
        result |= _micro(labels, predictions)
    for key in ("precision", "recall", "f1"):
        values = np.array([figures[key] for figures in present])
        result[f"{key}_macro"] = _mean(values)
        weighted = math.nan if not support.sum() else float(values @ support / support.sum())
        result[f"{key}_weighted"] = weighted
    if examples.task == "multilabel":
        result["matthews"] = _mean(_per_label(examples, matthews_corrcoef))
    else:
        # Where one class is all there is, scikit-learn gives 0 too, with a warning.
        alone = (labels == labels[0]).all() and (predictions == labels[0]).all()
        result["matthews"] = 0.0 if alone else float(matthews_corrcoef(labels, predictions))
    for key in ("roc_auc", "pr_auc"):
        if examples.task == "binary":
            result[key] = classes[examples.class_names[1]][key]
        else:
            result[key] = _mean([figures[key] for figures in present])
    if examples.task == "multilabel":
        result["log_loss"] = float(examples.losses.mean())
    else:
        numbers = np.arange(examples.classes)
        result["log_loss"] = float(log_loss(labels, examples.class_probabilities, labels=numbers))
    result["calibration_error"] = expected_calibration_error(*confidences(examples))
    return result


def confusion_matrix(examples: Examples) -> np.ndarray | None:
    """Counts by true class (rows) and predicted class (columns).

    `(classes, classes)`; for several labels `(classes, 2, 2)`, one table per label; None for a
    regression.
    """
    from sklearn.metrics import confusion_matrix as count
    from sklearn.metrics import multilabel_confusion_matrix

    if examples.task == "regression":
        return None
    if examples.task == "multilabel":
        return multilabel_confusion_matrix(examples.labels, examples.predictions)
    numbers = np.arange(examples.classes)
    return count(examples.labels, examples.predictions, labels=numbers)


def regression_figures(examples: Examples) -> dict[str, float]:
    """Errors in the unit of the labels, averaged over the outputs, and R squared.

    R squared is NaN where the labels are all equal, or where there is only one.
    """
    from sklearn.metrics import (
        mean_absolute_error,
        median_absolute_error,
        r2_score,
        root_mean_squared_error,
    )

    pair = examples.labels, examples.probabilities
    varied = len(examples) > 1 and (np.ptp(examples.labels, axis=0) > 0).all()
    return {
        "mean_absolute_error": float(mean_absolute_error(*pair)),
        "root_mean_squared_error": float(root_mean_squared_error(*pair)),
        "median_absolute_error": float(median_absolute_error(*pair)),
        "r2": float(r2_score(*pair)) if varied else math.nan,
    }


def _mean(values: Iterable[float]) -> float:
    defined = [value for value in values if not math.isnan(value)]
    return float(np.mean(defined)) if defined else math.nan


def _per_label(
    examples: Examples, figure: Callable[[np.ndarray, np.ndarray], float]
) -> list[float]:
    """`figure` of each label that some examples have and others do not."""
    pairs = zip(examples.labels.T, examples.predictions.T, strict=True)
    return [float(figure(labels, said)) for labels, said in pairs if 0 < labels.mean() < 1]


def _balanced_accuracy(labels: np.ndarray, predictions: np.ndarray) -> float:
    from sklearn.metrics import recall_score

    return recall_score(labels, predictions, labels=[0, 1], average="macro", zero_division=0.0)


def _micro(labels: np.ndarray, predictions: np.ndarray) -> dict[str, float]:
    from sklearn.metrics import precision_recall_fscore_support

    figures = precision_recall_fscore_support(
        labels, predictions, average="micro", zero_division=0.0
    )
    keys = ("precision_micro", "recall_micro", "f1_micro")
    return {key: float(value) for key, value in zip(keys, figures, strict=False)}
