"""The metrics of a fit: which names there are, and which way is better."""

from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

import keras

from kerasft._checks import did_you_mean, fail

__all__ = ["compiled_metrics", "higher_is_better", "metric_of", "refuse_unknown"]


def compiled_metrics(model: keras.Model) -> Iterator[Any]:
    """Every metric of a model, those inside Keras's containers too."""
    for metric in model.metrics:
        inner = getattr(metric, "metrics", None)
        yield from inner if inner is not None else [metric]


def metric_of(model: keras.Model, name: str) -> Any | None:
    """The metric that is logged under `name`, or None for the loss and for unknown names.

    With several outputs Keras logs `OUTPUT_METRIC`, while the metric goes by its own name.
    """
    bare = name.removeprefix("val_")
    # Bare means are Keras's trackers of the losses.
    metrics = [m for m in compiled_metrics(model) if type(m) is not keras.metrics.Mean]
    for metric in metrics:
        if metric.name == bare:
            return metric
    for metric in metrics:
        if bare.endswith("_" + metric.name):
            return metric
    return None


def higher_is_better(model: keras.Model, name: str) -> bool | None:
    """Which way a metric improves, as Keras's own callbacks infer it; None where nobody knows."""
    direction = getattr(metric_of(model, name), "_direction", None)
    if direction is not None:
        return direction == "up"
    bare = name.removeprefix("val_")
    if bare == "loss" or bare.endswith("_loss"):
        return False
    return None


def refuse_unknown(
    name: str, model: keras.Model, epoch: int, logs: Mapping[str, Any], seen: bool
) -> None:
    """Raise if `name` is no metric of this fit; return if it is merely missing in this epoch.

    Validation may not run in every epoch (`validation_freq`), so before any has run a validation
    figure counts as known if its training counterpart is. `seen` says whether an earlier epoch
    had the name.

    Raises:
        ArgumentError: with the nearest names.
    """
    if seen or name in logs:
        return
    validated = any(key.startswith("val_") for key in logs)
    expected = [] if validated else [f"val_{key}" for key in logs]
    if not validated:
        expected += [f"val_{metric.name}" for metric in compiled_metrics(model)]
    if name not in expected:
        _refuse(name, epoch, logs, sorted({*logs, *expected}))


def _refuse(name: str, epoch: int, logs: Mapping[str, Any], candidates: list[str]) -> NoReturn:
    hint = " ".join(
        part
        for part in [
            did_you_mean(name, candidates),
            f"Epoch {epoch + 1} had: {', '.join(sorted(logs)) or 'none'}.",
            "A figure that a callback adds has to come from one that stands earlier in the list.",
        ]
        if part
    )
    fail("monitor", name, "the name of a metric of this fit", hint)
