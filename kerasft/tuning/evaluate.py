"""Run a model over labelled data and judge what it says."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from kerasft._checks import check_number, fail
from kerasft.evaluation import Limits, Report, evaluate_arrays
from kerasft.tuning._judged_model import JudgedModel, judged_model
from kerasft.tuning._model_outputs import to_probabilities


def evaluate(
    model: keras.Model,
    data: Any,
    *,
    class_names: Sequence[str] | None = None,
    inputs: Any = None,
    task: str | None = None,
    from_logits: bool | None = None,
    threshold: float | Sequence[float] | None = None,
    temperature: float | Sequence[float] | None = None,
    batch_size: int | None = None,
    verbose: str | int = "auto",
    bootstrap: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
    worst: int = 10,
    limits: Limits | None = None,
    train_report: Report | None = None,
    history: Any = None,
) -> Report:
    """Run a model over labelled data and judge what it says.

    It goes over the data once, in inference mode. What the model puts out becomes probabilities
    as, in this order, `from_logits` says, or the `kerasft.Head` at the model's output, or a
    sigmoid or softmax there, or the loss that the model was compiled with; without any of these,
    outputs within [0, 1] (and summing to one) are taken for probabilities, and others refused.
    Likewise for the task. Where neither is given, it goes by the threshold and the temperature that
    the head carries (`kerasft.tuning.choose_thresholds` and `kerasft.tuning.calibrate` put them
    there), and the report says so. Sample weights in the data are left out: each example counts
    once.

    Args:
        model: A model with one output of shape `(batch, classes)` or `(batch, 1)`.
        data: Batches from `kerasft.data`, shuffled or not; a `keras.utils.PyDataset`, a
            `tf.data.Dataset` or another iterable of `(inputs, labels)` batches that ends; or a
            tuple `(inputs, labels)`.
        class_names: A name for each class; by default those of the head or of the data.
        inputs: One item per example, in the order of the data, to show with the worst mistakes;
            by default the texts, where the data hold some.
        task: `"binary"`, `"multiclass"`, `"multilabel"` or `"regression"`.
        from_logits: Whether the outputs are logits, where the model does not say.
        threshold: A class is predicted where its probability is above this; by default what the
            head carries, or else 0.5. The report says which.
        temperature: What logits are divided by before they become probabilities; by default what
            the head carries, or else 1.
        batch_size: Of the prediction, for a tuple; 32 by default, as in Keras.
        verbose: Of the progress bar, as in `keras.Model.predict`.
        bootstrap: The number of bootstrap draws behind the intervals; 0 for none.
        confidence: The share of draws that an interval holds.
        seed: The seed of the draws.
        worst: How many of the worst mistakes to keep.
        limits: Where the verdicts draw their lines.
        train_report: The model's report on its training data, to tell overfitting by.
        history: Or the `keras.callbacks.History` of its training.

    Returns:
        A `kerasft.evaluation.Report`; its rows are in the order of the data as they were given.

    Raises:
        DataError: for data without labels, labels outside the classes (before anything is
            predicted, or in a stream of batches before their batch is), or outputs of which it is
            not known whether they are logits.
        ArgumentError: for another argument that breaks its rule.
        UnsupportedError: for a model with several outputs.

    Example:
        >>> import keras, numpy as np
        >>> from kerasft.tuning import evaluate
        >>> layers = [keras.Input((1,)), keras.layers.Dense(1, activation="sigmoid")]
        >>> model = keras.Sequential(layers)
        >>> model.set_weights([np.array([[4.0]]), np.array([0.0])])
        >>> x, y = np.array([[-1.0], [1.0], [2.0], [-0.5]]), np.array([0, 1, 1, 1])
        >>> report = evaluate(model, (x, y), class_names=["low", "high"], verbose=0)
        >>> report.metrics["accuracy"], report.mistakes[0].index
        (0.75, 3)
    """
    judged = judged_model(
        model,
        data,
        class_names=class_names,
        task=task,
        from_logits=from_logits,
        batch_size=batch_size,
    )
    notes = []
    if threshold is None:
        threshold = judged.reads("threshold", None)
        if threshold is not None:
            notes.append(f"That is the threshold of {judged.head.name!r}, the model's head.")
    threshold = 0.5 if threshold is None else threshold
    temperature, notes_on_it = _temperature(judged, temperature)
    labels, outputs, texts = judged.run(batch_size, verbose, threshold)
    probabilities = to_probabilities(outputs, labels, judged.task, judged.from_logits, temperature)
    report = evaluate_arrays(
        labels,
        probabilities,
        class_names=None if judged.task == "regression" else judged.class_names,
        inputs=texts if inputs is None else inputs,
        task=judged.task,
        threshold=threshold,
        bootstrap=bootstrap,
        confidence=confidence,
        seed=seed,
        worst=worst,
        limits=limits,
        train_report=train_report,
        history=history,
    )
    return dataclasses.replace(report, notes=(*notes, *notes_on_it))


def _temperature(judged: JudgedModel, given: Any) -> tuple[Any, list[str]]:
    """The temperature to go by, and a note on it where it is not 1."""
    whose = "a temperature of"
    if given is None:
        given, whose = judged.reads("temperature", 1.0), "the temperature of the model's head,"
    several = bool(np.ndim(given)) and not isinstance(given, str)
    if several and (judged.task != "multilabel" or judged.columns not in (None, len(given))):
        fail("temperature", given, "one number, or one per label where there are several")
    values = [
        check_number("temperature", each, above=0) for each in (given if several else [given])
    ]
    if all(value == 1 for value in values):
        return 1.0, []
    if judged.task == "regression":
        fail("temperature", given, "left out for a regression")
    shown = ", ".join(f"{value:.4g}" for value in values)
    return tuple(values) if several else values[0], [f"Logits were divided by {whose} {shown}."]
