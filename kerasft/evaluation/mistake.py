"""One example that a model got wrong."""

import dataclasses
from typing import Any

import numpy as np

from kerasft.evaluation.examples import Examples

_LONGEST_REPR = 200


@dataclasses.dataclass(frozen=True)
class Mistake:
    """One example that a model got wrong, and how wrong.

    Args:
        index: Its row in the arrays that were evaluated.
        label: What is true: a class name, the names of several labels with commas, or a number.
        prediction: What the model said, in the same form.
        loss: Its log loss in nats, or its mean squared error for a regression. The larger, the
            surer the model was of what is wrong.
        input: The text, or a short description of another kind of input; None if not known.

    Example:
        >>> from kerasft.evaluation import evaluate_arrays
        >>> report = evaluate_arrays([0, 1], [0.9, 0.8], inputs=["dull", "fine"], bootstrap=0)
        >>> worst = report.mistakes[0]
        >>> worst.input, worst.label, worst.prediction, round(worst.loss, 2)
        ('dull', '0', '1', 2.3)
    """

    index: int
    label: str
    prediction: str
    loss: float
    input: str | None = None


def worst_mistakes(examples: Examples, inputs: Any, count: int) -> tuple[Mistake, ...]:
    """The wrong decisions with the largest loss, worst first; ties in the order of the rows.

    For a regression, the largest errors, whatever their size.
    """
    losses = examples.losses
    wrong = np.arange(len(examples))
    if examples.task != "regression":
        wrong = wrong[~examples.correct]
    worst = wrong[np.argsort(-losses[wrong], kind="stable")][:count]
    predictions = examples.predictions
    return tuple(
        Mistake(
            index=int(row),
            label=_in_words(examples, examples.labels[row]),
            prediction=_in_words(examples, predictions[row]),
            loss=float(losses[row]),
            input=None if inputs is None else _as_text(inputs[int(row)]),
        )
        for row in worst
    )


def _in_words(examples: Examples, value: np.ndarray) -> str:
    if examples.task == "regression":
        return ", ".join(f"{number:.4g}" for number in value)
    if examples.task == "multilabel":
        names = [examples.class_names[number] for number in np.flatnonzero(value)]
        return ", ".join(names) or "(none)"
    return examples.class_names[int(value)]


def _as_text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    if isinstance(value, str):
        return str(value)
    if hasattr(value, "shape") and np.ndim(value):
        return f"array of shape {tuple(value.shape)}"
    shown = repr(value)
    return shown if len(shown) <= _LONGEST_REPR else shown[:_LONGEST_REPR] + "..."
