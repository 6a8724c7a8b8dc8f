"""Run a model over labelled data and judge what it says."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from kerasft._checks import check_bool, check_choice, check_int, check_type, fail
from kerasft.errors import DataError
from kerasft.evaluation import Limits, Report, evaluate_arrays
from kerasft.evaluation.examples import TASKS
from kerasft.evaluation.inputs import read_examples
from kerasft.tuning._model_outputs import to_probabilities, what_the_model_says
from kerasft.tuning._prediction import predict


def evaluate(
    model: keras.Model,
    data: Any,
    *,
    class_names: Sequence[str] | None = None,
    inputs: Any = None,
    task: str | None = None,
    from_logits: bool | None = None,
    threshold: float | Sequence[float] = 0.5,
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
    Likewise for the task. Sample weights in the data are left out: each example counts once.

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
        threshold: A class is predicted where its probability is above this.
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
    check_type("model", model, keras.Model, "a keras.Model")
    if task is not None:
        check_choice("task", task, TASKS)
    if from_logits is not None:
        check_bool("from_logits", from_logits)
    if batch_size is not None:
        check_int("batch_size", batch_size, minimum=1)
    says = what_the_model_says(model)
    if getattr(data, "shuffle", False) is True and hasattr(data, "unshuffled"):
        data = data.unshuffled()
    class_names = _class_names(class_names, says.class_names, getattr(data, "class_names", None))
    task = task or says.task
    if task == "multiclass" and says.columns == 2:
        task = "binary"

    def check_labels(labels: np.ndarray) -> None:
        """The labels' own errors, before anything is predicted for them."""
        if task is None or says.columns is None:
            return
        names = None if task == "regression" else class_names
        even = 0.5 if says.columns == 1 else 1.0 / says.columns
        made_up = np.full((len(labels), says.columns), even)
        read_examples(labels, made_up, names, task, threshold)

    labels, outputs, texts = predict(model, data, batch_size, verbose, check_labels)
    if from_logits is None and task != "regression":
        from_logits = says.from_logits
    probabilities = to_probabilities(outputs, labels, task, from_logits)
    return evaluate_arrays(
        labels,
        probabilities,
        class_names=None if task == "regression" else class_names,
        inputs=texts if inputs is None else inputs,
        task=task,
        threshold=threshold,
        bootstrap=bootstrap,
        confidence=confidence,
        seed=seed,
        worst=worst,
        limits=limits,
        train_report=train_report,
        history=history,
    )


def _class_names(given: Any, of_head: Any, of_data: Any) -> Any:
    if given is not None:
        return given
    if of_head is not None and of_data is not None and list(of_head) != list(of_data):
        fail(
            "class_names",
            list(of_data),
            f"the same in the data as in the model's head, {list(of_head)}",
            "Their labels would be read as other classes. Pass class_names=... to decide.",
            DataError,
        )
    return of_head if of_head is not None else of_data
