"""Values for JSON, which has no NaN, and back."""

import math
from typing import Any

import numpy as np


def plain(value: Any) -> Any:
    """Numbers, strings, lists and dicts; NaN becomes None."""
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [plain(inner) for inner in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and math.isnan(value) else value


def number(value: float | None) -> float:
    """The number again: None stands for NaN."""
    return math.nan if value is None else float(value)


def pair(bounds: Any) -> tuple[float, float]:
    """An interval again."""
    low, high = bounds
    return number(low), number(high)
