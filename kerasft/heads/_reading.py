"""How a head's outputs are read: the temperature and the thresholds that it carries."""

from typing import Any

import numpy as np

from kerasft._checks import check_number, fail

# Probabilities of exactly 0 and 1 have no finite logit: they are moved in to these.
_LOWEST = float(np.finfo(np.float64).tiny)
_HIGHEST = 1.0 - float(np.finfo(np.float64).epsneg)

Numbers = float | tuple[float, ...]


def check_threshold(value: Any, num_classes: int, multi_label: bool) -> Numbers | None:
    """`None`, a number from 0 to 1, or one per label where an example may have several."""
    if value is None:
        return None
    if num_classes > 2 and not multi_label:
        hint = "The most probable class is the answer, whatever its probability."
        fail("threshold", value, "left out where classes are compared with each other", hint)
    return _numbers("threshold", value, num_classes, multi_label, minimum=0, maximum=1)


def check_temperature(value: Any, num_classes: int, multi_label: bool) -> Numbers:
    """A number above 0, or one per label where an example may have several."""
    return _numbers("temperature", value, num_classes, multi_label, above=0)


def _numbers(name: str, value: Any, count: int, multi_label: bool, **bounds: Any) -> Numbers:
    if not np.ndim(value) or isinstance(value, str):
        return check_number(name, value, **bounds)
    if not multi_label or np.shape(value) != (count,):
        rule = f"one number, or {count}, one per label" if multi_label else "one number"
        fail(name, value, rule)
    return tuple(check_number(name, number, **bounds) for number in value)


def as_probabilities(
    values: np.ndarray, temperature: Numbers, *, from_logits: bool, exclusive: bool
) -> np.ndarray:
    """Probabilities at a temperature: the logits are divided by it.

    Args:
        values: float64 outputs, classes in the last axis.
        temperature: one for all, or one per label; at 1 probabilities stay as they are.
        from_logits: whether the values are logits, and not probabilities.
        exclusive: whether each example has one class (softmax) or each label stands by itself.
    """
    warm = np.any(np.asarray(temperature) != 1)
    if not from_logits:
        if not warm:
            return values
        inside = np.clip(values, _LOWEST, _HIGHEST)
        values = np.log(inside) if exclusive else np.log(inside) - np.log1p(-inside)
    if warm:
        values = values / np.asarray(temperature)
    if exclusive:
        powers = np.exp(values - values.max(axis=-1, keepdims=True))
        return powers / powers.sum(axis=-1, keepdims=True)
    power = np.exp(-np.abs(values))  # at most 1: the logistic function that cannot overflow
    return np.where(values >= 0, 1.0, power) / (1.0 + power)
