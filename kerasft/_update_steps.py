"""The mechanism by which the variables of one optimizer differ in their steps.

Keras's optimizers treat all variables alike: one learning rate, one count of steps from which
Adam's kind correct the bias of their averages, and no pull. Here each variable can have its own:
a multiplier of the rate, the step at which it began to train, and a pull towards a value.

Optimizers take gradient and rate as arguments of `update_step`, and read the rate from themselves
in `_apply_weight_decay`. Both are shadowed in the instance, so nothing of the optimizer's class,
config or saved state changes. Nothing is shadowed before something differs.
"""

from collections.abc import Callable, Sequence
from typing import Any

from keras import ops

# What an optimizer needs to know of a variable: its multiplier, and whether its weights decay.
Terms = tuple[float, bool]
TermsOf = Callable[[Sequence[Any]], list[Terms]]
# The difference from the value that a variable is pulled to, times the strength; None for no pull.
PullOf = Callable[[Any], Any]

# Where an optimizer keeps its steps. Two underscores: Keras's savers pass over it.
_STEPS = "__kerasft_steps__"


class UpdateSteps:
    """How the steps of an optimizer's variables differ. Made by `update_steps_of`.

    What is set here is read while a step is traced, so it holds for the train functions that are
    made afterwards.

    Attributes:
        terms_of: Gives the terms of a list of variables; None for the same rate for all.
        births: By the optimizer's key of a variable, the count of steps at which it began.
        pull_of: Gives the pull on a variable.
        decoupled_pull: Whether the pull is a step of its own, as decoupled weight decay is, or a
            part of the gradient.
    """

    def __init__(self, optimizer: Any) -> None:
        self.terms_of: TermsOf | None = None
        self.births: dict[Any, int] = {}
        self.pull_of: PullOf | None = None
        self.decoupled_pull = False
        self._optimizer = optimizer
        self._view = _view_class(type(optimizer))
        self._multipliers: dict[Any, float] = {}
        # The optimizer's own, bound before they are shadowed.
        self._own_update_step = optimizer.update_step
        self._own_backend_update_step = optimizer._backend_update_step
        self._own_apply_weight_decay = optimizer._apply_weight_decay
        optimizer._backend_update_step = self._backend_update_step
        optimizer._apply_weight_decay = self._apply_weight_decay
        optimizer.update_step = self._update_step
        if hasattr(optimizer, "_parallel_update_step"):
            optimizer._parallel_update_step = self._parallel_update_step

    def _note(self, variables: Sequence[Any]) -> None:
        assert self.terms_of is not None
        for variable, (multiplier, _) in zip(variables, self.terms_of(variables), strict=True):
            self._multipliers[self._optimizer._var_key(variable)] = multiplier

    def _backend_update_step(
        self, gradients: Sequence[Any], variables: Sequence[Any], learning_rate: Any
    ) -> Any:
        if self.terms_of is None:
            return self._own_backend_update_step(gradients, variables, learning_rate)
        self._note(variables)
        keys = [self._optimizer._var_key(variable) for variable in variables]
        multipliers = sorted({self._multipliers[key] for key in keys})
        rate = ops.convert_to_tensor(learning_rate)
        # Once per distinct multiplier, not once per variable: with a hundred small variables the
        # difference shows. The rates travel as an argument: under tf.distribute the replicas'
        # threads take turns, so what one of them left in an attribute, another would find.
        rates = {m: rate if m == 1.0 else ops.multiply(rate, m) for m in multipliers}
        return self._own_backend_update_step(gradients, variables, rates)

    def _update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> Any:
        # On TensorFlow this is the backend's own variable, which has no path.
        key = self._optimizer._var_key(variable)
        rate = self._rate_of(key, variable, learning_rate)
        gradient = self._pulled(gradient, variable, rate)
        birth = self.births.get(key, 0)
        if not birth:
            return self._own_update_step(gradient, variable, rate)
        view = self._view(self._optimizer, birth=birth)
        return type(self._optimizer).update_step(view, gradient, variable, rate)

    def _rate_of(self, key: Any, variable: Any, learning_rate: Any) -> Any:
        if self.terms_of is None:
            return learning_rate
        if key not in self._multipliers:
            self._note([variable])
        multiplier = self._multipliers[key]
        if isinstance(learning_rate, dict):
            return learning_rate[multiplier]
        return ops.multiply(learning_rate, multiplier)

    def _pulled(self, gradient: Any, variable: Any, rate: Any) -> Any:
        """The gradient with the pull in it, or as it was after a step of the pull alone."""
        pull = None if self.pull_of is None else self.pull_of(variable)
        if pull is None:
            return gradient
        if not self.decoupled_pull:
            return ops.add(gradient, ops.cast(pull, gradient.dtype))
        step = ops.multiply(ops.cast(rate, pull.dtype), pull)
        self._optimizer.assign_sub(variable, step)
        return gradient

    def _apply_weight_decay(self, variables: Sequence[Any]) -> None:
        if self.terms_of is None:
            self._own_apply_weight_decay(variables)
            return
        groups: dict[float, list[Any]] = {}
        for variable, (multiplier, decays) in zip(variables, self.terms_of(variables), strict=True):
            if decays:
                groups.setdefault(multiplier, []).append(variable)
        for multiplier, group in groups.items():
            view = self._view(self._optimizer, multiplier=multiplier)
            type(self._optimizer)._apply_weight_decay(view, group)

    def _parallel_update_step(
        self, gradients: Sequence[Any], variables: Sequence[Any], learning_rate: Any
    ) -> None:
        """PyTorch's optimizers step over lists of variables: one list for each kind of step."""
        optimizer = self._optimizer
        groups: dict[tuple[float | None, int], tuple[list[Any], list[Any], Any]] = {}
        for gradient, variable in zip(gradients, variables, strict=True):
            key = optimizer._var_key(variable)
            rate = self._rate_of(key, variable, learning_rate)
            kind = (self._multipliers.get(key), self.births.get(key, 0))
            group = groups.setdefault(kind, ([], [], rate))
            group[0].append(self._pulled(gradient, variable, rate))
            group[1].append(variable)
        # Nadam multiplies a product of its own at each call, which is meant to be each step.
        product = getattr(optimizer, "_u_product", None)
        before = None if product is None else ops.copy(product)
        for (_, birth), (of_group, members, rate) in groups.items():
            if product is not None:
                product.assign(before)
            view = self._view(optimizer, birth=birth)
            type(optimizer)._parallel_update_step(view, of_group, members, rate)


def update_steps_of(optimizer: Any) -> UpdateSteps:
    """How an optimizer's steps differ by variable; from now on it asks this before each.

    Args:
        optimizer: A Keras optimizer with an `update_step` of its own, not a wrapper.
    """
    found = find_update_steps(optimizer)
    if found is None:
        found = vars(optimizer)[_STEPS] = UpdateSteps(optimizer)
    return found


def find_update_steps(optimizer: Any) -> UpdateSteps | None:
    """The same, or None where nothing differs yet."""
    return vars(optimizer).get(_STEPS)


def innermost(optimizer: Any) -> Any:
    """The optimizer that does the work, inside any that are wrapped round it."""
    while getattr(optimizer, "inner_optimizer", None) is not None:
        optimizer = optimizer.inner_optimizer
    return optimizer


def _view_class(kind: type) -> type:
    """A class of views of an optimizer that differ from it in rate and count of steps alone.

    A view shares the optimizer's `__dict__`, so that whatever its methods read, call or set is
    the optimizer's own; and as each closure keeps its view, each keeps its rate. The shadows lie in
    that `__dict__` too: the methods they shadow are called through the class.
    """

    class View(kind):  # type: ignore[valid-type, misc]
        __slots__ = ("_birth", "_optimizer", "_rate", "_times")

        def __new__(cls, *_: Any, **__: Any) -> Any:
            return object.__new__(cls)

        def __init__(self, optimizer: Any, multiplier: float = 1.0, birth: int = 0) -> None:
            object.__setattr__(self, "__dict__", vars(optimizer))
            object.__setattr__(self, "_optimizer", optimizer)
            object.__setattr__(self, "_times", multiplier)
            object.__setattr__(self, "_birth", birth)
            object.__setattr__(self, "_rate", None)

        @property
        def iterations(self) -> Any:
            count = self._optimizer.iterations
            return count - self._birth if self._birth else count

        @property
        def learning_rate(self) -> Any:
            if self._rate is None:
                rate = ops.multiply(self._optimizer.learning_rate, self._times)
                object.__setattr__(self, "_rate", rate)
            return self._rate

        def _get_current_learning_rate(self) -> Any:
            return self.learning_rate

    return View
