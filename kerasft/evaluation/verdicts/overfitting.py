"""The verdict on training figures that held-out examples do not bear out."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasft._checks import fail
from kerasft.evaluation.verdicts.verdict import Verdict

if TYPE_CHECKING:
    from kerasft.evaluation.report import Report

# Keras names the accuracy after the metric's class when one is passed in place of "accuracy".
ACCURACY_KEYS = (
    "accuracy",
    "acc",
    "binary_accuracy",
    "sparse_categorical_accuracy",
    "categorical_accuracy",
)

_REMEDY = (
    "Freeze more of the model, add dropout or weight decay, stop earlier, or train on more data."
)


def read_history(history: Any) -> dict[str, list[float]]:
    """What a `keras.callbacks.History` or its `.history` holds, as lists of numbers."""
    history = getattr(history, "history", history)
    if not isinstance(history, Mapping):
        fail("history", history, "a keras History, or its `.history` dict")
    return {
        key: [float(value) for value in values]
        for key, values in history.items()
        if isinstance(values, Sequence | np.ndarray)
        and all(isinstance(value, (int, float, np.number)) for value in values)
    }


def overfitting_against(report: "Report", train_report: "Report") -> Verdict | None:
    """Whether the same model does much better on its training data."""
    if train_report.task != report.task:
        fail("train_report", train_report.task, f"of the report's task, {report.task!r}")
    figure = "r2" if report.task == "regression" else "accuracy"
    trained, held_out = train_report.metrics[figure], report.metrics[figure]
    gap = trained - held_out
    if math.isnan(gap) or gap <= report.limits.gap:
        return None
    evidence = {f"train_{figure}": trained, figure: held_out, "gap": gap}
    if report.task == "regression":
        message = f"Overfitting: R squared is {trained:.3f} in training, {held_out:.3f} here."
    else:
        message = (
            f"Overfitting: {trained:.1%} accuracy in training and {held_out:.1%} here, "
            f"{gap * 100:.1f} points apart."
        )
    return Verdict("overfitting", "warning", message, evidence, _REMEDY)


def overfitting_in(report: "Report", history: Any) -> Verdict | None:
    """Whether training left validation behind, as the history of a fit tells.

    Judged at the epoch of the lowest validation loss, whose weights early stopping keeps, and
    then at the last epoch, whose weights a fit without it leaves behind. A history without an
    accuracy on both sides says nothing.
    """
    history = read_history(history)
    key = next((key for key in ACCURACY_KEYS if history.get(key)), None)
    if key is None or not history.get(f"val_{key}"):
        return None
    trained, validated = history[key], history[f"val_{key}"]
    if len(trained) != len(validated):
        return None
    losses = history.get("val_loss") or []
    last = len(trained) - 1
    best = (
        int(np.nanargmin(losses))
        if len(losses) == len(trained) and not all(math.isnan(loss) for loss in losses)
        else last
    )
    limit = report.limits.gap
    for epoch in dict.fromkeys((best, last)):
        gap = trained[epoch] - validated[epoch]
        if math.isnan(gap) or gap <= limit:
            continue
        evidence = {
            "train_accuracy": trained[epoch],
            "val_accuracy": validated[epoch],
            "gap": gap,
            "epoch": epoch + 1,
            "best_epoch": best + 1,
        }
        message = (
            f"Overfitting: in epoch {epoch + 1} training reached {trained[epoch]:.1%} accuracy "
            f"and validation {validated[epoch]:.1%}, {gap * 100:.1f} points apart"
        )
        if epoch != best:
            message += f"; epoch {best + 1}, with the lowest validation loss, was still sound"
            remedy = f"Keep the weights of epoch {best + 1}: EarlyStopping does, when it restores."
            return Verdict("overfitting", "note", message + ".", evidence, remedy)
        return Verdict("overfitting", "warning", message + ".", evidence, _REMEDY)
    return None
