"""What every optimizer round another one shares."""

from collections.abc import Iterable, Sequence
from typing import Any

import keras


def _of_inner(name: str) -> property:
    """An attribute that is the inner optimizer's."""

    def read(self: "OptimizerWrapper") -> Any:
        return getattr(self.inner_optimizer, name)

    def write(self: "OptimizerWrapper", value: Any) -> None:
        # Keras's constructor sets its defaults before there is an inner optimizer.
        if "inner_optimizer" in vars(self):
            setattr(self.inner_optimizer, name, value)

    return property(read, write, doc=f"The inner optimizer's `{name}`.")


class OptimizerWrapper(keras.optimizers.Optimizer):
    """An optimizer that leaves its work to another one.

    It has the shape of Keras's `LossScaleOptimizer`, and can stand inside one. The learning rate,
    the count of steps, clipping, EMA, gradient accumulation and all state are the inner
    optimizer's, whether read, set or saved; the state is saved once, not once per wrapper.

    Args:
        inner_optimizer: Any Keras optimizer.
        name: The wrapper's name.
    """

    built: bool

    def __init__(
        self, inner_optimizer: keras.optimizers.Optimizer, name: str | None = None
    ) -> None:
        super().__init__(learning_rate=0.0, name=name)
        self.inner_optimizer = inner_optimizer

    weight_decay = _of_inner("weight_decay")
    clipnorm = _of_inner("clipnorm")
    global_clipnorm = _of_inner("global_clipnorm")
    clipvalue = _of_inner("clipvalue")
    use_ema = _of_inner("use_ema")
    ema_momentum = _of_inner("ema_momentum")
    ema_overwrite_frequency = _of_inner("ema_overwrite_frequency")
    loss_scale_factor = _of_inner("loss_scale_factor")
    gradient_accumulation_steps = _of_inner("gradient_accumulation_steps")
    _model_variables_moving_average = _of_inner("_model_variables_moving_average")

    def build(self, variables: Sequence[Any]) -> None:
        """Make the inner optimizer's state for a list of variables."""
        if self.built:
            return
        if not self.inner_optimizer.built:
            self.inner_optimizer.build(variables)
        # Not through `__setattr__`, which would take the model's variables for the optimizer's.
        indices = {self._var_key(variable): index for index, variable in enumerate(variables)}
        object.__setattr__(self, "_trainable_variables", list(variables))
        object.__setattr__(self, "_trainable_variables_indices", indices)
        self.built = True

    def apply(self, grads: Sequence[Any], trainable_variables: Iterable[Any] | None = None) -> None:
        """Update the variables, or on the first call make the state for them as well."""
        if trainable_variables is not None:
            trainable_variables = list(trainable_variables)
            if not self.built:
                with keras.name_scope(self.name):
                    self.build(trainable_variables)
        self.inner_optimizer.apply(grads, trainable_variables)

    def apply_gradients(self, grads_and_vars: Iterable[tuple[Any, Any]]) -> Any:
        """Update the variables, and return the count of steps."""
        super().apply_gradients(grads_and_vars)
        return self.iterations

    def stateless_apply(
        self, optimizer_variables: Any, grads: Any, trainable_variables: Any
    ) -> tuple[Any, Any]:
        """The updated values of variables and state, as JAX wants them."""
        return self.inner_optimizer.stateless_apply(optimizer_variables, grads, trainable_variables)

    @property
    def variables(self) -> list[Any]:
        """The inner optimizer's state; a wrapper has none of its own."""
        return self.inner_optimizer.variables

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Set the inner optimizer's state."""
        self.inner_optimizer.set_weights(weights)

    def save_own_variables(self, store: Any) -> None:
        """Save nothing: Keras saves the inner optimizer by itself."""

    def load_own_variables(self, store: Any) -> None:
        """Load nothing: Keras loads the inner optimizer by itself."""

    @property
    def learning_rate(self) -> Any:
        """The one learning rate, as the inner optimizer has it."""
        return self.inner_optimizer.learning_rate

    @learning_rate.setter
    def learning_rate(self, learning_rate: Any) -> None:
        self.inner_optimizer.learning_rate = learning_rate

    def _get_current_learning_rate(self) -> Any:
        return self.inner_optimizer._get_current_learning_rate()

    @property
    def iterations(self) -> Any:
        """The inner optimizer's count of steps."""
        return self.inner_optimizer.iterations

    def scale_loss(self, loss: Any) -> Any:
        """Scale the loss, if the inner optimizer has a `loss_scale_factor`."""
        return self.inner_optimizer.scale_loss(loss)

    def finalize_variable_values(self, var_list: Sequence[Any]) -> None:
        """Put the moving averages in place, if the inner optimizer keeps any."""
        self.inner_optimizer.finalize_variable_values(var_list)

    def exclude_from_weight_decay(
        self, var_list: Sequence[Any] | None = None, var_names: Sequence[str] | None = None
    ) -> None:
        """Exclude variables in Keras's own words, before the optimizer is built."""
        self.inner_optimizer.exclude_from_weight_decay(var_list, var_names)
