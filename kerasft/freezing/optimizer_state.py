"""Carrying an optimizer on when the set of trainable variables changes.

Keras makes an optimizer's slots once, for the variables it first meets, and knows no others. Here
the optimizer object stays, its slots are made anew for the new list, and every variable that goes
on training gets its old values back, by identity and not by name: names repeat.
"""

from typing import Any

import keras

_Slots = dict[str, dict[int, Any]]


def carry_over(optimizer: keras.optimizers.Optimizer, variables: list[Any]) -> None:
    """Build `optimizer` again for `variables`, keeping the state of those it knew.

    Variables that are new start with empty slots; their moving averages (EMA) start at the
    variable's present value. Variables that left are forgotten.

    Args:
        optimizer: A built Keras optimizer, or a wrapper with an `inner_optimizer`.
        variables: The variables that train from now on.
    """
    wrappers = _unwrap(optimizer)
    remembered = [(one, _forget_slots(one), _single_variables(one)) for one in wrappers]
    optimizer.build(list(variables))
    for one, slots, singles in remembered:
        _remember_slots(one, slots)
        _remember_singles(one, singles)


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
