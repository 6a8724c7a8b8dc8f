"""Saving with the plan, and loading with it."""

import json
import os
import warnings
import zipfile
from pathlib import Path
from typing import Any

import keras
from keras.src.saving.serialization_lib import SafeModeScope

from kerasft.errors import ArgumentError, PlanError
from kerasft.freezing import PLAN_FILE, Plan, PlanRow
from kerasft.freezing.optimizer_state import BIRTHS_FILE, set_births
from kerasft.sources import check_model_file
from kerasft.structure import say, take_apart


def load_model(
    path: str | os.PathLike[str],
    custom_objects: dict[str, Any] | None = None,
    compile: bool = True,
    safe_mode: bool = True,
) -> keras.Model:
    """Load a `.keras` file with the freeze plan it was saved under.

    `keras.saving.load_model` gives the same outputs but loses the freeze: weights that were
    frozen train again. Here the plan is applied again, flags and inference mode, and the
    optimizer gets its state for exactly the weights that train, so that training goes on. Blocks
    and a head that were named with `say`, or with `blocks=`, are known again. Plain Keras keeps
    none of this in the loaded model, and a file that it writes from there has no plan.

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
    plan, births, compile_config = _read(path)
    if plan is None:
        return keras.saving.load_model(
            path, custom_objects=custom_objects, compile=compile, safe_mode=safe_mode
        )
    with warnings.catch_warnings():
        # KerasHub's tasks compile themselves when made. The state is loaded below, when it fits.
        warnings.filterwarnings("ignore", "Skipping variable loading for optimizer")
        model = keras.saving.load_model(
            path, custom_objects=custom_objects, compile=False, safe_mode=safe_mode
        )
    paths = list(plan.decisions)
    plan = _renamed(plan, model)
    births = {
        new: births[old] for old, new in zip(paths, plan.decisions, strict=True) if old in births
    }
    _say_division(plan, model)
    plan.apply(model)
    if compile and compile_config:
        with keras.saving.custom_object_scope(custom_objects or {}), SafeModeScope(safe_mode):
            _compile(model, compile_config, path)
        views = take_apart(model).variables
        set_births(
            model.optimizer, {id(v.variable): births[v.path] for v in views if v.path in births}
        )
    return model


def _read(path: Path) -> tuple[Plan | None, dict[str, int], dict[str, Any] | None]:
    """The plan in a file, the late variables' first steps, and how the model was compiled."""
    with zipfile.ZipFile(path) as archive:
        config = json.loads(archive.read("config.json"))
        # A nested model may have a plan of its own, in a folder further down.
        name = f"assets/{PLAN_FILE}"
        if name not in archive.namelist():
            return None, {}, None
        births_name = f"assets/{BIRTHS_FILE}"
        try:
            plan = Plan.from_dict(json.loads(archive.read(name)))
            births = (
                json.loads(archive.read(births_name)) if births_name in archive.namelist() else {}
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise PlanError(
                f"The freeze plan in {os.fspath(path)!r} cannot be read: {type(error).__name__}: "
                f"{error} `keras.saving.load_model` loads the model without it."
            ) from error
    return plan, births, config.get("compile_config")


def _compile(model: keras.Model, config: dict[str, Any], path: Path) -> None:
    """Compile the model as it was, and give the optimizer its state.

    Its slots are made for the weights that train, as when the file was written: only after the
    plan was applied does the state fit.
    """
    saved = _saved_optimizers(path)
    if len(saved) == _wrappers(config.get("optimizer")) + 2:
        # `compile` puts this one round under a float16 policy, and the file tells nothing of it.
        optimizer = keras.optimizers.deserialize(config["optimizer"])
        wrapped = keras.optimizers.LossScaleOptimizer(optimizer)
        config = {**config, "optimizer": keras.optimizers.serialize(wrapped)}
    own_compile = type(model).compile is not keras.Model.compile
    own_restore = type(model).compile_from_config is not keras.Model.compile_from_config
    if own_restore or not own_compile:
        model.compile_from_config(config)
    else:
        # Keras leaves a model with a `compile` of its own uncompiled, and KerasHub's tasks keep
        # the optimizer that their constructor chose, which is not the one that was saved.
        model.compile(**keras.saving.deserialize_keras_object(config))
        model.optimizer.build(model.trainable_variables)
    optimizer = model.optimizer
    while hasattr(optimizer, "inner_optimizer"):
        optimizer = optimizer.inner_optimizer
    # One that had taken no step yet has a count and a rate, and no slots.
    never_built = not saved or saved[-1] <= 2 < len(optimizer.variables)
    if not never_built:
        model.load_weights(path)


def _saved_optimizers(path: Path) -> list[int]:
    """How many variables the optimizer in a file has, and each one that it wraps."""
    import h5py

    found = []
    with zipfile.ZipFile(path) as archive, archive.open("model.weights.h5") as file:
        group = h5py.File(file, "r").get("optimizer")
        while group is not None:
            found.append(len(group.get("vars", ())))
            group = group.get("inner_optimizer")
    return found


def _wrappers(optimizer: Any) -> int:
    """How many optimizers are wrapped round the one that does the work, by the config."""
    count = 0
    while isinstance(optimizer, dict) and "inner_optimizer" in optimizer.get("config", {}):
        optimizer = optimizer["config"]["inner_optimizer"]
        count += 1
    return count


def _renamed(plan: Plan, model: keras.Model) -> Plan:
    """The plan with the paths that the loaded model has.

    Layers that a subclassed model makes without a name are numbered anew in every process and
    every time. Where the layers are the same otherwise, in the same order, theirs are the rows.
    """
    structure = take_apart(model)
    everything = {view.path: True for view in structure.variables}
    present = Plan.from_decisions(structure, everything).rows
    if [row.path for row in present] == [row.path for row in plan.rows]:
        return plan
    if [_without_path(row) for row in present] != [_without_path(row) for row in plan.rows]:
        return plan  # `apply` says what does not fit
    config = plan.to_dict()
    layers = config["layers"].values()
    config["layers"] = {row.path: entry for row, entry in zip(present, layers, strict=True)}
    return Plan.from_dict(config)


def _without_path(row: PlanRow) -> tuple[str, dict[str, int]]:
    return row.kind, dict(row.sizes)


def _say_division(plan: Plan, model: keras.Model) -> None:
    """Tell the loaded model how the saved one was divided, where its user had said so."""
    views = {view.path: view for view in take_apart(model).layers}
    rows = [(views[row.path], row) for row in plan.rows if row.path in views]
    if any(view.in_head != row.in_head for view, row in rows):
        head = dict.fromkeys(view.module.name for view, row in rows if row.in_head)
        say(model, head=list(head))
        views = {view.path: view for view in take_apart(model).layers}
        rows = [(views[row.path], row) for _, row in rows]
    if all(view.block == row.block for view, row in rows):
        return
    blocks: dict[int, dict[str, None]] = {}
    for view, row in rows:
        if row.block is not None:
            blocks.setdefault(row.block, {})[view.module.name] = None
    try:
        say(model, blocks=[list(blocks[index]) for index in sorted(blocks)])
    except ArgumentError:  # blocks within a layer, which the library finds by itself
        return
