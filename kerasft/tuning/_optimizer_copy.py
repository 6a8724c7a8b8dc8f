"""An optimizer like the user's, to be used up."""

import copy
from collections.abc import Sequence
from typing import Any

import keras

from kerasft.errors import UnsupportedError
from kerasft.optimizers import L2SP, LayerwiseOptimizer


def copy_optimizer(optimizer: Any, rate: float, variables: Sequence[Any]) -> Any:
    """A fresh optimizer that steps as `optimizer` would, at a rate that can be set.

    It is made from the config, so its slots are empty, its count of steps is zero, and a
    learning-rate schedule gives way to the one rate. What a config does not tell goes along:
    which variables have no weight decay, whose rates and pulls are whose, and the values that
    they are pulled to.

    Args:
        optimizer: Any Keras optimizer, or a wrapper round one.
        rate: The learning rate to start with.
        variables: What it will train.

    Returns:
        The copy, built.

    Raises:
        UnsupportedError: if it cannot be made again from its config, or has not one rate.
    """
    made = _made_again(optimizer, rate)
    pairs = list(zip(_chain(optimizer), _chain(made), strict=True))
    for one, other in pairs:
        for name, value in vars(one).items():
            if name.startswith("_exclude_from_weight_decay") and not name.endswith("_cache"):
                object.__setattr__(other, name, value)
        if isinstance(one, (LayerwiseOptimizer, L2SP)) and one.model is not None:
            other.bind(one.model)
    made.build(list(variables))
    for one, other in pairs:
        if isinstance(one, L2SP):
            pretrained: dict[str, Any] = {}
            one.save_own_variables(pretrained)
            other.load_own_variables(pretrained)
    return made


def _made_again(optimizer: Any, rate: float) -> Any:
    config = _with_rate(copy.deepcopy(optimizer.get_config()), rate)
    # So that no class of the user's needs to be registered.
    classes = {type(one).__name__: type(one) for one in _chain(optimizer)}
    try:
        with keras.saving.custom_object_scope(classes):
            made = type(optimizer).from_config(config)
        made.learning_rate = rate
    except Exception as error:
        hint = (
            "Use kerasft.optimizers.LayerwiseOptimizer, which has one learning rate outside."
            if isinstance(optimizer, keras.optimizers.MultiOptimizer)
            else "Give it a `get_config` whose keys are its constructor's arguments."
        )
        raise UnsupportedError(
            "A learning-rate search needs an optimizer that can be made again from its config, "
            f"and has one learning rate. Received: {type(optimizer).__name__}, which raised "
            f"{type(error).__name__}: {error} {hint}"
        ) from error
    return made


def _chain(optimizer: Any) -> list[Any]:
    """An optimizer and those inside it."""
    found = []
    while optimizer is not None:
        found.append(optimizer)
        optimizer = getattr(optimizer, "inner_optimizer", None)
    return found


def _with_rate(config: dict[str, Any], rate: float) -> dict[str, Any]:
    """The config with a plain rate, in the inner optimizer's where there is one."""
    inner = config.get("inner_optimizer")
    if isinstance(inner, dict):
        inner["config"] = _with_rate(inner["config"], rate)
    elif "learning_rate" in config:
        config["learning_rate"] = rate
    return config
