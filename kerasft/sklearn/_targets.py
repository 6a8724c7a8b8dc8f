"""Checks of what scikit-learn hands to `fit` beside the texts."""

from collections.abc import Iterable
from typing import Any, NoReturn

import numpy as np
from sklearn.utils import check_array, column_or_1d

from kerasft.errors import DataError


def check_targets(y: Any, count: int) -> np.ndarray:
    """One target per text, of any kind, none missing.

    Raises:
        DataError: If they are none, missing, infinite, or not as many as the texts.
    """
    if y is None:
        raise DataError(
            "`y` must hold one target per text. Received: None; fit requires y to be passed, but "
            "the target y is None."
        )
    if isinstance(y, (list, tuple)) and len({isinstance(value, str) for value in y}) > 1:
        _refuse_mixed(y)  # NumPy would make texts of all
    try:
        targets = check_array(y, ensure_2d=False, dtype=None, input_name="y")
        if targets.ndim == 1 or targets.shape[1] == 1:
            targets = column_or_1d(targets, warn=True)
    except (ValueError, TypeError) as error:
        raise DataError(f"`y` must hold one target per text. Received: {error}") from error
    if targets.ndim != 1:
        raise DataError(
            f"`y` must hold one target per text. Received: an array of shape {targets.shape}."
        )
    if len(targets) != count:
        raise DataError(
            f"`y` must be as many as the texts, {count:,}. Received: {len(targets):,} targets."
        )
    if targets.dtype.kind == "O":
        if len({type(value) for value in targets.tolist()}) > 1:
            _refuse_mixed(targets.tolist())
        targets = np.array(targets.tolist())
    return targets


def _refuse_mixed(values: Iterable[Any]) -> NoReturn:
    kinds = sorted({type(value).__name__ for value in values})
    raise DataError(
        "`y` must hold targets of one type, and none may be missing. Received: values of the "
        f"types {', '.join(kinds)}."
    )


def check_weights(sample_weight: Any, count: int) -> np.ndarray | None:
    """One weight per text: finite, none negative, not all zero.

    Raises:
        DataError: If they are not.
    """
    if sample_weight is None:
        return None
    try:
        weights = np.asarray(sample_weight, dtype="float32")
    except (TypeError, ValueError) as error:
        raise DataError(f"`sample_weight` must be numbers. Received: {error}.") from error
    if weights.shape != (count,):
        raise DataError(
            f"`sample_weight` must hold one number for each of the {count:,} texts. Received: an "
            f"array of shape {weights.shape}."
        )
    wrong = ~(np.isfinite(weights) & (weights >= 0))
    if wrong.any():
        raise DataError(
            "`sample_weight` must be finite and not negative. Received: "
            f"{weights[wrong][0]} in row {int(np.flatnonzero(wrong)[0])}."
        )
    if not weights.any():
        raise DataError("`sample_weight` must not be zero for all texts. Received: only zeros.")
    return weights
