"""Run a model over validation data and choose its thresholds."""

from collections.abc import Sequence
from typing import Any

import keras

from kerasft._checks import check_bool
from kerasft.evaluation import Thresholds, choose_threshold
from kerasft.evaluation.thresholds.choose_threshold import check_has_thresholds
from kerasft.tuning._judged_model import judged_model
from kerasft.tuning._model_outputs import to_probabilities


def choose_thresholds(
    model: keras.Model,
    data: Any,
    *,
    metric: str | None = None,
    at_least_precision: float | None = None,
    at_least_recall: float | None = None,
    set_on_head: bool = True,
    class_names: Sequence[str] | None = None,
    task: str | None = None,
    from_logits: bool | None = None,
    batch_size: int | None = None,
    verbose: str | int = "auto",
    bootstrap: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Thresholds:
    """Choose the thresholds of a model on validation data, and let its head carry them.

    It goes over the data once, as `kerasft.evaluate` does, and asks
    `kerasft.evaluation.choose_threshold`. From then on the head's `decode` and `kerasft.evaluate`
    go by what was chosen, here and wherever the saved model is loaded. Outputs and training stay as
    they are. Calibrate first: thresholds are chosen at the temperature that the head carries.

    Args:
        model: A model with one output, of two classes or of several labels.
        data: Validation data, in a form that `kerasft.evaluate` takes: neither what the model was
            trained on nor what it will be judged by.
        metric: What is maximized, F1 by default; see `choose_threshold`.
        at_least_precision: The precision that must be reached.
        at_least_recall: The recall that must be reached.
        set_on_head: Whether the model's head is to carry the thresholds.
        class_names: A name for each class; by default those of the head or of the data.
        task: `"binary"` or `"multilabel"`, where the model does not say.
        from_logits: Whether the outputs are logits, where the model does not say.
        batch_size: Of the prediction, for a tuple; 32 by default, as in Keras.
        verbose: Of the progress bar, as in `keras.Model.predict`.
        bootstrap: The number of bootstrap draws behind the intervals; 0 for none.
        confidence: The share of draws that an interval holds.
        seed: The seed of the draws.

    Returns:
        `kerasft.evaluation.Thresholds`.

    Raises:
        UnsupportedError: if the model has no head that can carry them.
        ArgumentError: for a precision or recall that no threshold reaches, and as in `evaluate`.
        DataError: as in `evaluate`, and for classes that exclude each other.

    Example:
        >>> import keras, numpy as np
        >>> from kerasft import ClassificationHead
        >>> from kerasft.tuning import choose_thresholds
        >>> inputs = keras.Input((1,))
        >>> model = keras.Model(inputs, ClassificationHead(num_classes=1)(inputs))
        >>> model.set_weights([np.array([[1.0]]), np.array([0.0])])
        >>> x, y = np.array([[-4.0], [-3.0], [-1.0], [2.0]]), np.array([0, 0, 1, 1])
        >>> chosen = choose_thresholds(model, (x, y), bootstrap=0, verbose=0)
        >>> chosen.choices[0].at_half["recall"], chosen.choices[0].figures["recall"]
        (0.5, 1.0)
        >>> model.get_layer("head").threshold == chosen.threshold
        True
    """
    check_bool("set_on_head", set_on_head)
    judged = judged_model(
        model,
        data,
        class_names=class_names,
        task=task,
        from_logits=from_logits,
        batch_size=batch_size,
    )
    check_has_thresholds(judged.task)
    if set_on_head:
        judged.check_carries("threshold")
    labels, outputs, _ = judged.run(batch_size, verbose)
    temperature = judged.reads("temperature", 1.0)
    chosen = choose_threshold(
        labels,
        to_probabilities(outputs, labels, judged.task, judged.from_logits, temperature),
        metric=metric,
        at_least_precision=at_least_precision,
        at_least_recall=at_least_recall,
        class_names=judged.class_names,
        task=judged.task,
        bootstrap=bootstrap,
        confidence=confidence,
        seed=seed,
    )
    if set_on_head:
        judged.head.threshold = chosen.threshold
    return chosen
