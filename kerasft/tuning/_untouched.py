"""Train a model for a while, and leave no trace of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np

from kerasft.structure import changeable_variables, seed_generators
from kerasft.tuning._random_state import remember_own_generators, remember_random_state

# What `compile` and `fit` keep on a model. They are put back as they are, by identity: a train
# function that was traced with the user's optimizer goes on with it.
_ATTRIBUTES = (
    "optimizer",
    "train_function",
    "test_function",
    "predict_function",
    "steps_per_execution",
    "stop_training",
    "history",
    "_compile_loss",
    "_compile_metrics",
    "_eval_epoch_iterator",
    "_jax_state",
    "_jax_state_synced",
)
_ABSENT = object()


@contextmanager
def untouched_data(data: Any) -> Iterator[None]:
    """A `PyDataset` has its attributes back afterwards, and its random generators their states.

    Its hooks must not be called inside.
    """
    put_back = remember_own_generators(data) if isinstance(data, keras.utils.PyDataset) else None
    try:
        yield
    finally:
        if put_back is not None:
            put_back()


@contextmanager
def untouched(model: keras.Model) -> Iterator[None]:
    """Whatever training happens inside, the model is afterwards as it was, bit for bit.

    Weights, moving statistics, seeds, states of metrics and all global random states get their
    values back; optimizer, compiled functions and what else `fit` keeps are the same objects. It
    holds for a block that raises, too. The user's optimizer must not be stepped inside.

    Args:
        model: A built and compiled model.
    """
    put_random_state_back = remember_random_state()
    attributes = {name: vars(model).get(name, _ABSENT) for name in _ATTRIBUTES}
    values = [(v, np.array(keras.ops.convert_to_numpy(v))) for v in _at_risk(model)]
    try:
        yield
    finally:
        for name, value in attributes.items():
            set_quietly(model, name, value)
        for variable, before in values:
            variable.assign(before)
        put_random_state_back()


def set_quietly(model: keras.Model, name: str, value: Any) -> None:
    """Set an attribute past Keras's tracking, as `compile` does, or take it away."""
    if value is _ABSENT:
        vars(model).pop(name, None)
    else:
        vars(model)[name] = value


def _at_risk(model: keras.Model) -> list[Any]:
    """The variables that training can change, and not one of a frozen backbone."""
    if keras.backend.backend() == "jax":
        # There `fit` takes all values out of the model, and a step that fails leaves none in.
        found = list(model.variables)
    else:
        found = changeable_variables(model)
        found += [generator.state for _, generator in seed_generators(model)]
    found += [variable for metric in model.metrics for variable in metric.variables]
    return list({id(variable): variable for variable in found}.values())
