"""The mechanism: one learning rate goes into an optimizer, many reach its variables.

Keras's optimizers take the rate as an argument of `update_step`, and read it from themselves in
`_apply_weight_decay`. Both are shadowed in the instance, so nothing of the optimizer's class,
config or saved state changes. Each rate is computed once per step and distinct multiplier, not
once per variable: with a hundred small variables the difference shows.
"""

from collections.abc import Callable, Sequence
from typing import Any

from keras import ops

# What an optimizer needs to know of a variable: its multiplier, and whether its weights decay.
Terms = tuple[float, bool]
_SHADOWED = ("update_step", "_backend_update_step", "_parallel_update_step", "_apply_weight_decay")


def is_scaled(optimizer: Any) -> bool:
    """Whether `scale_rates` was called on the optimizer before."""
    return any(name in vars(optimizer) for name in _SHADOWED)


def scale_rates(optimizer: Any, terms_of: Callable[[Sequence[Any]], list[Terms]]) -> None:
    """Make an optimizer use, for each variable, its learning rate times a multiplier.

    Args:
        optimizer: Any Keras optimizer with an `update_step` of its own.
        terms_of: Gives the terms of a list of Keras variables. It is asked while a step is
            traced, so what it answers holds until the train function is made again.
    """
    update_step = optimizer.update_step
    backend_update_step = optimizer._backend_update_step
    multiplier_by_key: dict[Any, float] = {}

    def note(variables: Sequence[Any]) -> list[Terms]:
        terms = terms_of(variables)
        for variable, (multiplier, _) in zip(variables, terms, strict=True):
            multiplier_by_key[optimizer._var_key(variable)] = multiplier
        return terms

    def scaled_backend_update_step(
        gradients: Sequence[Any], variables: Sequence[Any], learning_rate: Any
    ) -> Any:
        multipliers = sorted({multiplier for multiplier, _ in note(variables)})
        rate = ops.convert_to_tensor(learning_rate)
        # The rates travel as an argument: under tf.distribute the replicas' threads take turns,
        # so what one of them left in an attribute, another would find.
        rates = {m: rate if m == 1.0 else ops.multiply(rate, m) for m in multipliers}
        return backend_update_step(gradients, variables, rates)

    def scaled_update_step(gradient: Any, variable: Any, learning_rate: Any) -> Any:
        # On TensorFlow this is the backend's own variable, which has no path.
        key = optimizer._var_key(variable)
        if key not in multiplier_by_key:
            note([variable])
        multiplier = multiplier_by_key[key]
        if isinstance(learning_rate, dict):
            return update_step(gradient, variable, learning_rate[multiplier])
        return update_step(gradient, variable, ops.multiply(learning_rate, multiplier))

    view = _view_class(type(optimizer))

    def scaled_weight_decay(variables: Sequence[Any]) -> None:
        groups: dict[float, list[Any]] = {}
        for variable, (multiplier, decays) in zip(variables, terms_of(variables), strict=True):
            if decays:
                groups.setdefault(multiplier, []).append(variable)
        for multiplier, group in groups.items():
            type(optimizer)._apply_weight_decay(view(optimizer, multiplier), group)

    optimizer.update_step = scaled_update_step
    optimizer._backend_update_step = scaled_backend_update_step
    optimizer._apply_weight_decay = scaled_weight_decay
    if hasattr(optimizer, "_parallel_update_step"):
        optimizer._parallel_update_step = _in_groups(optimizer, multiplier_by_key)


def _in_groups(optimizer: Any, multiplier_by_key: dict[Any, float]) -> Callable[..., None]:
    """PyTorch's optimizers step over lists of variables: give them one list per multiplier."""
    parallel_update_step = optimizer._parallel_update_step

    def grouped(gradients: Sequence[Any], variables: Sequence[Any], rates: Any) -> None:
        groups: dict[float, tuple[list[Any], list[Any]]] = {}
        for gradient, variable in zip(gradients, variables, strict=True):
            multiplier = multiplier_by_key[optimizer._var_key(variable)]
            group = groups.setdefault(multiplier, ([], []))
            group[0].append(gradient)
            group[1].append(variable)
        # Nadam multiplies a product of its own at each call, which is meant to be each step.
        product = getattr(optimizer, "_u_product", None)
        before = None if product is None else ops.copy(product)
        for multiplier, group in groups.items():
            if product is not None:
                product.assign(before)
            parallel_update_step(*group, rates[multiplier])

    return grouped


def _view_class(kind: type) -> type:
    """A class of views of an optimizer that differ from it in the learning rate alone.

    A view shares the optimizer's `__dict__`, so that whatever a `_apply_weight_decay` reads, calls
    or sets is the optimizer's own; and as each closure keeps its view, each keeps its rate.
    """

    class View(kind):  # type: ignore[valid-type, misc]
        __slots__ = ("_optimizer", "_rate", "_times")

        def __new__(cls, *_: Any) -> Any:
            return object.__new__(cls)

        def __init__(self, optimizer: Any, multiplier: float) -> None:
            object.__setattr__(self, "__dict__", vars(optimizer))
            object.__setattr__(self, "_optimizer", optimizer)
            object.__setattr__(self, "_times", multiplier)
            object.__setattr__(self, "_rate", None)

        @property
        def learning_rate(self) -> Any:
            if self._rate is None:
                rate = ops.multiply(self._optimizer.learning_rate, self._times)
                object.__setattr__(self, "_rate", rate)
            return self._rate

        def _get_current_learning_rate(self) -> Any:
            return self.learning_rate

    return View
