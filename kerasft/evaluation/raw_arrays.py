"""Arrays as people have them: lists, tensors, names, half-width floats; all in, or refused."""

import numbers
from typing import Any

import numpy as np

from kerasft._checks import fail
from kerasft.errors import DataError

# How far a row of probabilities may sum from one: rounding in the last digits of a softmax, wider
# for the half-width floats, whose single values are already off by 0.004.
_SUM_TOLERANCE = 1e-3
_HALF_WIDTH_SUM_TOLERANCE = 2e-2


def read_probabilities(given: Any, name: str = "probabilities") -> tuple[np.ndarray, float]:
    """Finite float64 numbers, and how far their rows may sum from one."""
    array = _as_array(name, given)
    half_width = array.dtype.name in ("float16", "bfloat16")
    if array.dtype.kind not in "fiub" and array.dtype.name != "bfloat16":
        fail(name, array.flat[0] if array.size else given, "numbers", error=DataError)
    if array.ndim not in (1, 2):
        fail(
            name,
            array.shape,
            "of shape (examples,) or (examples, classes)",
            "Bring predictions for every token or pixel to one row each first.",
            DataError,
        )
    array = array.astype(np.float64)
    _check_finite(name, array)
    return array, _HALF_WIDTH_SUM_TOLERANCE if half_width else _SUM_TOLERANCE


def read_labels(given: Any) -> np.ndarray:
    """Finite float64 numbers, or strings in an object array."""
    array = _as_array("labels", given)
    if array.dtype.kind in "OSU":
        values: Any = array.astype(object).ravel()
        if isinstance(given, (list, tuple)) and array.ndim == 1:
            values = given  # NumPy turns ["a", 1] into two strings in silence
        texts = [
            value.decode("utf-8", "replace") if isinstance(value, bytes) else value
            for value in values
        ]
        others = [value for value in texts if not isinstance(value, str)]
        if len(others) == len(texts):
            unusable = [value for value in others if not isinstance(value, numbers.Real)]
            if unusable:
                fail("labels", unusable[0], "whole numbers or class names", error=DataError)
            return read_labels(np.array(texts, dtype=np.float64).reshape(array.shape))
        if others:
            fail("labels", others[0], "all strings or all whole numbers", error=DataError)
        return np.array(texts, dtype=object).reshape(array.shape)
    if array.dtype.kind not in "fiub":
        fail("labels", given, "whole numbers or class names", error=DataError)
    array = array.astype(np.float64)
    _check_finite("labels", array)
    return array


def _as_array(name: str, given: Any) -> np.ndarray:
    if isinstance(given, (str, bytes)) or not hasattr(given, "__len__"):
        fail(name, given, "an array or a list with one item per example", error=DataError)
    try:
        array = np.asarray(given)
    except ValueError as error:
        raise DataError(f"`{name}` must be rows of one length. {error}") from error
    if array.ndim == 0:
        fail(name, given, "an array or a list with one item per example", error=DataError)
    return array


def _check_finite(name: str, array: np.ndarray) -> None:
    if not array.size:
        return
    bad = ~np.isfinite(array.reshape(len(array), -1)).all(axis=1)
    if bad.any():
        hint = f"{name_rows(bad)} NaN or infinite values."
        if name == "probabilities":
            hint += " Look for NaN in the model's weights and inputs: training may have diverged."
        value = array[np.flatnonzero(bad)[0]].tolist()
        fail(name, value, "finite numbers", hint, DataError)


def name_rows(bad: np.ndarray) -> str:
    """Which rows are meant, as the start of a hint."""
    rows = np.flatnonzero(bad)
    first = ", ".join(str(row) for row in rows[:3])
    if len(rows) == 1:
        return f"Row {first} (of {len(bad)}) holds"
    return f"{len(rows)} of {len(bad)} rows ({first}{', ...' if len(rows) > 3 else ''}) hold"
