"""Moving averages of a model's variables, kept on their devices."""

import contextlib
from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from kerasft._update_steps import innermost
from kerasft.structure import changeable_variables

__all__ = ["Averages"]


class Averages:
    """An exponential moving average of each variable that a fit can change.

    Steps are counted as the optimizer counts its updates: a batch that only adds to accumulated
    gradients, or that was skipped for an overflow, is none; several in one execution are several.

    Args:
        model: The model that is fitted.
        momentum: What is kept of an average in each update.
        warmup: Whether the momentum is smaller in the first updates.
    """

    def __init__(self, model: keras.Model, momentum: float, warmup: bool) -> None:
        self._optimizer = innermost(model.optimizer)
        self._strategy = _strategy_of(model)
        self._momentum, self._warmup = momentum, warmup
        self._pairs: dict[int, tuple[Any, Any]] = {}
        self._raw: dict[int, Any] | None = None
        self._compiled: Callable[[], None] | None = None
        with self._scope():
            count = _value(self._optimizer.iterations)
            self._start = keras.Variable(count, trainable=False, dtype="int")
            self._seen = keras.Variable(_value(count), trainable=False, dtype="int")

    @property
    def variables(self) -> list[Any]:
        """What is averaged."""
        return [variable for variable, _ in self._pairs.values()]

    @property
    def in_model(self) -> bool:
        """Whether the averages are in the model, and the last values here."""
        return self._raw is not None

    def follow(self, model: keras.Model) -> None:
        """Average what can change now. What is new starts at its present value."""
        changeable = {id(v): v for v in changeable_variables(model) if _is_float(v)}
        if changeable.keys() == self._pairs.keys():
            return
        with self._scope():
            self._pairs = {
                key: self._pairs.get(key) or (variable, _copy(variable))
                for key, variable in changeable.items()
            }
        self._compiled = None

    def update(self) -> None:
        """Take in the values of now, if the optimizer has made any update since the last time."""
        with self._scope():
            if self._compiled is None:
                self._compiled = _compiled(self._update)
            self._compiled()

    def _update(self) -> None:
        count = ops.cast(_value(self._optimizer.iterations), self._seen.dtype)
        steps = ops.cast(count - self._seen, "float32")
        updates = ops.cast(count - self._start, "float32")
        momentum = ops.convert_to_tensor(self._momentum, "float32")
        if self._warmup:
            momentum = ops.minimum(momentum, (1.0 + updates) / (10.0 + updates))
        share = 1.0 - ops.power(momentum, steps)
        for variable, average in self._pairs.values():
            if self._strategy is None:
                _move(average, variable, share)
            else:
                self._strategy.extended.update(
                    average.value, _move, args=(variable.value, share), group=False
                )
        self._seen.assign(count)

    def put_in(self) -> None:
        """Put the averages in the model; the last values stay here."""
        self.update()
        self._raw = {}
        with self._scope():
            for key, (variable, average) in self._pairs.items():
                self._raw[key] = _value(variable)
                variable.assign(ops.cast(_value(average), variable.dtype))

    def take_out(self, model: keras.Model) -> None:
        """Put the last values back in the model.

        What another callback has set since then, to the best epoch's values say, is where training
        goes on from, and its average too. What has been frozen since then keeps its average.
        """
        assert self._raw is not None
        raw, self._raw = self._raw, None
        still = {id(variable) for variable in changeable_variables(model)}
        with self._scope():
            for (key, (variable, average)), same in zip(
                self._pairs.items(), self._untouched(), strict=True
            ):
                if not same:
                    average.assign(_value(variable))
                elif key in still:
                    variable.assign(raw[key])

    def _untouched(self) -> list[bool]:
        """For each variable, whether it still has what `put_in` gave it, bit for bit."""
        if not self._pairs:
            return []
        same = []
        for variable, average in self._pairs.values():
            there = ops.convert_to_tensor(variable)
            given = ops.cast(average, variable.dtype)
            both_nan = ops.logical_and(ops.isnan(there), ops.isnan(given))
            same.append(ops.all(ops.logical_or(ops.equal(there, given), both_nan)))
        return list(ops.convert_to_numpy(ops.stack(same)))

    def _scope(self) -> contextlib.AbstractContextManager[Any]:
        return contextlib.nullcontext() if self._strategy is None else self._strategy.scope()


def _move(average: Any, variable: Any, share: Any) -> None:
    """Move an average by a share of the way; where there is no way, it stays bit for bit."""
    value = ops.cast(ops.stop_gradient(variable), average.dtype)
    average.assign_add(ops.cast(share, average.dtype) * (value - average))


def _is_float(variable: Any) -> bool:
    return keras.backend.is_float_dtype(variable.dtype)


def _copy(variable: Any) -> keras.Variable:
    # In anything narrower than float32 the small steps of an average would be lost.
    dtype = variable.dtype if variable.dtype == "float64" else "float32"
    value = ops.cast(_value(variable), dtype)
    return keras.Variable(value, trainable=False, dtype=dtype, name=f"{variable.name}_average")


def _value(variable: Any) -> Any:
    """A copy: on PyTorch a variable's value is changed in place, on JAX an array's is given up."""
    return ops.copy(ops.stop_gradient(variable))


def _compiled(function: Callable[[], None]) -> Callable[[], None]:
    """All updates in one call, on TensorFlow."""
    if keras.backend.backend() != "tensorflow":
        return function
    import tensorflow as tf

    # Traced for good: a tf.function would look at every call whether to trace it again.
    return tf.function(function, autograph=False).get_concrete_function()


def _strategy_of(model: keras.Model) -> Any:
    """The distribution strategy of a model on several devices, or None."""
    if keras.backend.backend() != "tensorflow":
        return None
    import tensorflow as tf

    strategy = model.distribute_strategy
    return None if strategy is tf.distribute.get_strategy() else strategy
