"""Saving with the plan, and loading with it."""

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import keras

from kerasft.freezing import PLAN_FILE, Plan
from kerasft.sources import check_model_file


def load_model(
    path: str | os.PathLike[str],
    custom_objects: dict[str, Any] | None = None,
    compile: bool = True,
    safe_mode: bool = True,
) -> keras.Model:
    """Load a `.keras` file with the freeze plan it was saved under.

    `keras.saving.load_model` gives the same outputs but loses the freeze: weights that were
    frozen train again. Here the plan is applied again, flags and inference mode, and the
    optimizer gets its state for exactly the weights that train, so that training goes on.

    Args:
        path: A file written by `model.save` while a plan was in force, or without one: then this
            is `keras.saving.load_model`.
        custom_objects: See `keras.saving.load_model`.
        compile: Whether to compile the model as it was when saved.
        safe_mode: See `keras.saving.load_model`.

    Returns:
        The model. `kerasft.freezing.Plan.of(model)` is its plan.

    Raises:
        SourceError: If there is no such file, or it is not a whole `.keras` file.
        PlanError: If the plan in the file does not fit the model in it.

    Example:
        >>> import keras, kerasft, os, tempfile
        >>> inputs = keras.Input((4,))
        >>> x = keras.layers.Dense(4, name="body")(inputs)
        >>> model = keras.Model(inputs, keras.layers.Dense(2, name="top")(x))
        >>> plan = kerasft.TrainHead().apply(model)
        >>> path = os.path.join(tempfile.mkdtemp(), "model.keras")
        >>> model.save(path)
        >>> [v.path for v in kerasft.load_model(path).trainable_variables]
        ['top/kernel', 'top/bias']
    """
    path = check_model_file(path)
    plan, compile_config = _read(path)
    if plan is None:
        return keras.saving.load_model(
            path, custom_objects=custom_objects, compile=compile, safe_mode=safe_mode
        )
    model = keras.saving.load_model(
        path, custom_objects=custom_objects, compile=False, safe_mode=safe_mode
    )
    plan.apply(model)
    if compile and compile_config is not None:
        with keras.saving.custom_object_scope(custom_objects or {}):
            model.compile_from_config(compile_config)
        # The optimizer's slots were made for the weights that train, as when the file was
        # written; only now does its state fit.
        model.load_weights(path)
    return model


def _read(path: Path) -> tuple[Plan | None, dict[str, Any] | None]:
    with zipfile.ZipFile(path) as archive:
        config = json.loads(archive.read("config.json"))
        plans = [name for name in archive.namelist() if name.endswith(f"assets/{PLAN_FILE}")]
        plan = Plan.from_dict(json.loads(archive.read(plans[0]))) if plans else None
    return plan, config.get("compile_config")
