"""Copies of variables as they were, kept beside an optimizer's slots."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np

from kerasft.errors import ArgumentError


class ReferenceValues:
    """The values that variables are pulled to, one copy of each variable that trains.

    A copy lies on the variable's device, or devices. It is made when the optimizer first meets the
    variable. A variable that stops training takes its copy to host memory, and finds it again when
    it comes back. It is not a list or a dict, which Keras would search for slots.

    Args:
        optimizer: The optimizer that makes variables, under its distribution strategy.
    """

    def __init__(self, optimizer: Any) -> None:
        self._optimizer = optimizer
        self._by_key: dict[Any, Any] = {}
        self._name_of: dict[Any, str] = {}
        self._at_rest: dict[str, np.ndarray] = {}
        self._passed: dict[Any, Any] | None = None

    @property
    def variables(self) -> list[Any]:
        """The copies of what trains, in the order of its list."""
        return list(self._by_key.values())

    def __getitem__(self, key: Any) -> Any:
        return self._by_key[key] if self._passed is None else self._passed[key]

    def follow(self, variables: Mapping[str, Any]) -> None:
        """Keep copies of these variables and no others.

        Args:
            variables: What trains, by names that stay the same in a loaded model.
        """
        keys = {self._optimizer._var_key(variable): name for name, variable in variables.items()}
        by_key = {}
        with _outside_of_graphs():
            for key in self._by_key.keys() - keys.keys():
                self._at_rest[self._name_of[key]] = _as_array(self._by_key.pop(key))
            for (key, name), variable in zip(keys.items(), variables.values(), strict=True):
                by_key[key] = self._by_key.get(key)
                if by_key[key] is None:
                    known = self._at_rest.pop(name, None)
                    value = _value_of(variable) if known is None else known
                    by_key[key] = self._copy(variable, value)
        self._by_key, self._name_of = by_key, keys

    def take(self, variables: Mapping[str, Any]) -> None:
        """Take the present values of these variables for their references, and forget all others.

        Args:
            variables: As for `follow`.
        """
        self._at_rest = {}
        for variable in variables.values():
            reference = self._by_key.get(self._optimizer._var_key(variable))
            if reference is not None:
                reference.assign(_value_of(variable))
        self.follow(variables)

    def values(self) -> dict[str, np.ndarray]:
        """All references by the variables' names, those at rest too."""
        by_name = {self._name_of[key]: _as_array(ref) for key, ref in self._by_key.items()}
        return by_name | self._at_rest

    def restore(self, values: Mapping[str, np.ndarray], variables: Mapping[str, Any]) -> None:
        """Put back what `values` gave.

        Where the file that they come from lacks some and no step has been taken yet, the copies are
        of a model that had just been made. Keras loads its weights before its optimizer's state, so
        the values of now are the right ones.

        Args:
            values: By name.
            variables: What trains, by name.
        """
        rest = dict(values)
        fresh = not int(keras.ops.convert_to_numpy(self._optimizer.iterations))
        for name, variable in variables.items():
            reference = self._by_key[self._optimizer._var_key(variable)]
            if name in rest:
                reference.assign(rest.pop(name))
            elif fresh:
                reference.assign(_value_of(variable))
        if values or fresh:
            self._at_rest = rest

    @contextlib.contextmanager
    def passed(self, values: list[Any]) -> Iterator[None]:
        """For a stateless step: read these values in place of the copies."""
        self._passed = dict(zip(self._by_key, values, strict=True))
        try:
            yield
        finally:
            self._passed = None

    def _copy(self, variable: Any, value: np.ndarray) -> Any:
        optimizer = self._optimizer
        copy = optimizer.add_variable_from_reference(
            variable,
            name="reference",
            initializer=lambda shape, dtype: keras.ops.convert_to_tensor(value, dtype),
        )
        optimizer._tracker.untrack(copy)
        return copy


def _as_array(variable: Any) -> np.ndarray:
    return np.array(keras.ops.convert_to_numpy(variable))


def _value_of(variable: Any) -> np.ndarray:
    value = _as_array(variable)
    # TensorFlow gives a variable of a model that is being built inside the train function no value
    # before the function has run.
    if value.shape != tuple(variable.shape):
        raise ArgumentError(
            "A model that is pulled towards its pretrained weights must have them before training "
            f"begins. Received: variable {variable.path!r}, which has no value yet. Build the "
            "model, with `build` or by calling it once, and load its weights before `fit`."
        )
    return value


def _outside_of_graphs() -> contextlib.AbstractContextManager[Any]:
    """TensorFlow builds optimizers while it traces the train function; values are read outside."""
    if keras.backend.backend() != "tensorflow":
        return contextlib.nullcontext()
    import tensorflow as tf

    return tf.init_scope()
