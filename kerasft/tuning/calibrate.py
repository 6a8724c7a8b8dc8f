"""Run a model over validation data and fit its temperature."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from kerasft._checks import check_bool
from kerasft.evaluation import Temperature, fit_temperature
from kerasft.evaluation.temperatures.logits import sigmoid, to_logits
from kerasft.tuning._judged_model import judged_model
from kerasft.tuning._model_outputs import are_logits


def calibrate(
    model: keras.Model,
    data: Any,
    *,
    per_label: bool = False,
    set_on_head: bool = True,
    class_names: Sequence[str] | None = None,
    task: str | None = None,
    from_logits: bool | None = None,
    batch_size: int | None = None,
    verbose: str | int = "auto",
    bootstrap: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Temperature:
    """Fit the temperature of a model on validation data, and let its head carry it.

    It goes over the data once, as `kerasft.evaluate` does, and asks
    `kerasft.evaluation.fit_temperature`. From then on the head's `probabilities` and `decode` and
    `kerasft.evaluate` go by the temperature, here and wherever the saved model is loaded. The
    model's outputs, and what a loss makes of them, stay as they are. A threshold that the head
    carries already is moved along, so that every decision stays the same.

    Args:
        model: A model with one output, of any classification.
        data: Validation data, in a form that `kerasft.evaluate` takes, that did not train the
            model.
        per_label: One temperature per label, where examples have several labels.
        set_on_head: Whether the model's head is to carry the temperature.
        class_names: A name for each class; by default those of the head or of the data.
        task: `"binary"`, `"multiclass"` or `"multilabel"`, where the model does not say.
        from_logits: Whether the outputs are logits, where the model does not say.
        batch_size: Of the prediction, for a tuple; 32 by default, as in Keras.
        verbose: Of the progress bar, as in `keras.Model.predict`.
        bootstrap: The number of bootstrap draws behind the intervals; 0 for none.
        confidence: The share of draws that an interval holds.
        seed: The seed of the draws.

    Returns:
        A `kerasft.evaluation.Temperature`, with log loss and calibration error before and after.
        Before is without any temperature, whatever the head carried.

    Raises:
        UnsupportedError: if the model has no head that can carry it.
        DataError: as in `evaluate`, and for examples without a best temperature.
        ArgumentError: as in `evaluate`.

    Example:
        >>> import keras, numpy as np
        >>> from kerasft import ClassificationHead
        >>> from kerasft.tuning import calibrate
        >>> inputs = keras.Input((1,))
        >>> model = keras.Model(inputs, ClassificationHead(num_classes=1)(inputs))
        >>> model.set_weights([np.array([[4.0]]), np.array([0.0])])
        >>> x, y = np.ones((100, 1)), np.array([1, 1, 1, 0] * 25)
        >>> fitted = calibrate(model, (x, y), bootstrap=0, verbose=0)
        >>> print(f"{fitted.before['calibration_error']:.3f}, then "
        ...       f"{fitted.after['calibration_error']:.3f}")
        0.232, then 0.000
        >>> outputs = model.predict(x[:1], verbose=0)
        >>> print(np.round(model.get_layer("head").probabilities(outputs), 2))
        [[0.75]]
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
    if set_on_head:
        judged.check_carries("temperature")
    labels, outputs, _ = judged.run(batch_size, verbose)
    logits = are_logits(outputs.astype(np.float64), labels, judged.task, judged.from_logits)
    fitted = fit_temperature(
        labels,
        outputs,
        from_logits=logits,
        per_label=per_label,
        class_names=judged.class_names,
        task=judged.task,
        bootstrap=bootstrap,
        confidence=confidence,
        seed=seed,
    )
    if set_on_head:
        if getattr(judged.head, "threshold", None) is not None:
            judged.head.threshold = _moved(
                judged.head.threshold, judged.head.temperature, fitted.temperature
            )
        judged.head.temperature = fitted.temperature
    return fitted


def _moved(threshold: Any, before: Any, after: Any) -> float | tuple[float, ...]:
    """The threshold that decides at one temperature as the old one did at another."""
    old = np.asarray(threshold, dtype=np.float64)
    logits = to_logits(old, "binary") * np.asarray(before) / np.asarray(after)
    moved = np.where((old > 0) & (old < 1), sigmoid(logits), old)
    return tuple(moved.tolist()) if moved.ndim else float(moved)
