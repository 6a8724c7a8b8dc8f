"""Carrying an optimizer on when the set of trainable variables changes.

Keras makes an optimizer's slots once, for the variables it first meets, and knows no others. Here
the optimizer object stays, its slots are made anew for the new list, and every variable that goes
on training gets its old values back, by identity and not by name: names repeat.
"""

from collections.abc import Mapping
from typing import Any

import keras

from kerasft._update_steps import find_update_steps, innermost, update_steps_of
from kerasft.errors import UnsupportedError

#: In a saved model's assets: by path, the step at which late variables began to train, if any did.
#: No optimizer of Keras's keeps it, and as one more of its variables plain Keras would trip on it.
BIRTHS_FILE = "kerasft_births.json"

_Slots = dict[str, dict[int, Any]]


def carry_over(optimizer: keras.optimizers.Optimizer, variables: list[Any]) -> None:
    """Build `optimizer` again for `variables`, keeping the state of those it knew.

    Variables that are new start with empty slots, and their steps are counted from now on: Adam
    and its kin correct the bias of their averages by the count of steps, and with the count of
    the others a new variable's first steps would be up to six times a fresh optimizer's. Moving
    averages (EMA) start at the variable's present value. Variables that left are forgotten.

    Args:
        optimizer: A built Keras optimizer, or a wrapper with an `inner_optimizer`.
        variables: The variables that train from now on.

    Raises:
        UnsupportedError: If the optimizer hands its variables on to several others.
    """
    refuse_several(optimizer)
    wrappers = _unwrap(optimizer)
    births = _births_after(wrappers[-1], variables)
    remembered = [(one, _forget_slots(one), _single_variables(one)) for one in wrappers]
    optimizer.build(list(variables))
    for one, slots, singles in remembered:
        _remember_slots(one, slots)
        _remember_singles(one, singles)
    if births or find_update_steps(wrappers[-1]) is not None:
        update_steps_of(wrappers[-1]).births = births


def refuse_several(optimizer: Any) -> None:
    """Raise for an optimizer that is several, whose slots cannot be told apart from here."""
    inner = innermost(optimizer)
    if isinstance(getattr(inner, "optimizers", None), list):
        raise UnsupportedError(
            "When a plan changes what a built optimizer trains, the optimizer must be a single "
            f"one. Received: {type(inner).__name__}, which hands its variables on to "
            f"{len(inner.optimizers)} others. Use kerasft.optimizers.LayerwiseOptimizer for rates "
            "that differ, or compile the model again after the change."
        )


def births_of(optimizer: Any) -> dict[int, int]:
    """By the identity of variables, the step at which they began, where that was not the first."""
    inner = innermost(optimizer)
    steps = find_update_steps(inner)
    if steps is None:
        return {}
    found = ((id(v), steps.births.get(inner._var_key(v), 0)) for v in inner._trainable_variables)
    return {key: birth for key, birth in found if birth}


def set_births(optimizer: Any, by_variable: Mapping[int, int]) -> None:
    """Tell an optimizer what `births_of` said of it, or of the one that was saved."""
    inner = innermost(optimizer)
    births = {
        inner._var_key(variable): by_variable[id(variable)]
        for variable in inner._trainable_variables
        if id(variable) in by_variable
    }
    if births:
        update_steps_of(inner).births = births


def _births_after(optimizer: Any, variables: list[Any]) -> dict[Any, int]:
    known = {optimizer._var_key(variable) for variable in optimizer._trainable_variables}
    steps = find_update_steps(optimizer)
    before = {} if steps is None else steps.births
    now = int(keras.ops.convert_to_numpy(optimizer.iterations))
    keys = [optimizer._var_key(variable) for variable in variables]
    births = {key: before.get(key, 0) if key in known else now for key in keys}
    return {key: birth for key, birth in births.items() if birth}


def _unwrap(optimizer: Any) -> list[Any]:
    found = []
    while optimizer is not None:
        found.append(optimizer)
        optimizer = getattr(optimizer, "inner_optimizer", None)
    return found


def _forget_slots(optimizer: Any) -> _Slots:
    """Remove the per-variable slots from an optimizer, and return their values by variable."""
    known = list(optimizer._trainable_variables)
    slots: _Slots = {}
    for name, value in list(vars(optimizer).items()):
        if name in ("_variables", "_trainable_variables") or not isinstance(value, list):
            continue
        if len(value) != len(known) or not any(isinstance(v, keras.Variable) for v in value):
            continue
        slots[name] = {
            id(variable): keras.ops.convert_to_numpy(slot).copy() if slot is not None else None
            for variable, slot in zip(known, value, strict=True)
        }
        for slot in value:
            if isinstance(slot, keras.Variable):
                optimizer._tracker.untrack(slot)
    optimizer._trainable_variables_indices = {}
    optimizer.built = False
    return slots


def _single_variables(optimizer: Any) -> dict[str, Any]:
    """What an optimizer counts for all weights together: iterations, a loss scale."""
    return {n: v for n, v in vars(optimizer).items() if isinstance(v, keras.Variable)}


def _remember_slots(optimizer: Any, slots: _Slots) -> None:
    for name, by_variable in slots.items():
        fresh = getattr(optimizer, name)
        for variable, slot in zip(optimizer._trainable_variables, fresh, strict=True):
            if slot is None:
                continue
            value = by_variable.get(id(variable))
            if value is not None:
                slot.assign(value)
            elif name == "_model_variables_moving_average":
                # Through NumPy: on JAX two variables would share one array, and a step that
                # updates one in place would take the other's away.
                slot.assign(keras.ops.convert_to_numpy(variable))


def _remember_singles(optimizer: Any, singles: dict[str, Any]) -> None:
    """Where `build` made such a variable anew (a loss scale), it takes the old one's value."""
    for name, before in singles.items():
        fresh = getattr(optimizer, name)
        if fresh is not before:
            fresh.assign(keras.ops.convert_to_numpy(before))
            optimizer._tracker.untrack(before)
