"""Logits and probabilities, and the temperature between them."""

from typing import Any

import numpy as np

# Probabilities of exactly 0 and 1 have no finite logit: they are moved in to these.
_LOWEST = float(np.finfo(np.float64).tiny)
_HIGHEST = 1.0 - float(np.finfo(np.float64).epsneg)


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """The logistic function, in a form that cannot overflow and is exactly 0.5 at 0."""
    power = np.exp(-np.abs(logits))
    return np.where(logits >= 0, 1.0, power) / (1.0 + power)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities of classes that exclude each other, in the last axis."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def to_logits(probabilities: np.ndarray, task: str) -> np.ndarray:
    """Logits of `Examples.probabilities`; those of a softmax are known up to a constant."""
    inside = np.clip(probabilities, _LOWEST, _HIGHEST)
    return np.log(inside) if task == "multiclass" else np.log(inside) - np.log1p(-inside)


def to_probabilities(logits: np.ndarray, task: str, temperature: Any = 1.0) -> np.ndarray:
    """Probabilities at a temperature; several labels may have one each."""
    scaled = logits / np.asarray(temperature)
    return softmax(scaled) if task == "multiclass" else sigmoid(scaled)
