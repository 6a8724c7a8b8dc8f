"""The base class of all freeze policies."""

from typing import Any

import keras

from kerasft._checks import check_choice
from kerasft.errors import PlanError, UnsupportedError
from kerasft.freezing.plan import Plan
from kerasft.structure import LayerView, Structure, VariableView, take_apart


@keras.saving.register_keras_serializable(package="kerasft")
class FreezePolicy:
    """Decides, for each layer, whether it trains.

    To write one, subclass and override `trains`. The other hooks do nothing unless overridden.

    Args:
        frozen_mode: How frozen layers run while the rest trains. `"inference"`: no dropout, and
            batch normalization keeps its statistics. `"training"`: dropout stays on and
            statistics move; only the weights stay.

    Example:
        >>> import keras, kerasft
        >>> class TrainDense(kerasft.FreezePolicy):
        ...     def trains(self, layer):
        ...         return layer.in_head or layer.kind == "Dense"
        >>> model = keras.Sequential([
        ...     keras.Input((8, 3)), keras.layers.Conv1D(4, 2, name="conv"),
        ...     keras.layers.Flatten(), keras.layers.Dense(2, name="top")])
        >>> plan = TrainDense().apply(model)
        >>> [layer.name for layer in model.layers if layer.trainable and layer.weights]
        ['top']
    """

    def __init__(self, *, frozen_mode: str = "inference") -> None:
        self.frozen_mode = check_choice("frozen_mode", frozen_mode, ("inference", "training"))

    def trains(self, layer: LayerView) -> bool:
        """Whether a layer's weights train.

        Args:
            layer: What is known of the layer: `path`, `kind`, `block`, `blocks_from_end`,
                `in_head`, and the Keras `layer` itself.
        """
        raise UnsupportedError(
            f"{type(self).__name__} does not say what trains. Override `trains(self, layer)`: a "
            "policy decides for each layer."
        )

    def trains_variable(self, variable: VariableView) -> bool:
        """Whether one weight trains. By default, as its layer does."""
        return self.trains(variable.layer)

    def check(self, structure: Structure) -> None:
        """Look at the whole model before anything is decided, and raise what does not fit."""

    def plan(self, model: keras.Model) -> Plan:
        """Decide for every weight of a model, and change nothing.

        Raises:
            PlanError: If nothing would train, or a decision is not True or False.
        """
        structure = take_apart(model)
        self.check(structure)
        decisions = {}
        for variable in structure.variables:
            if not variable.is_parameter:
                continue
            decision = self.trains_variable(variable)
            if not isinstance(decision, bool):
                raise PlanError(
                    f"`{type(self).__name__}.trains` must return True or False. Received: "
                    f"{decision!r} (of type {type(decision).__name__}) for layer "
                    f"{variable.layer.path!r}."
                )
            decisions[variable.path] = decision
        return Plan.from_decisions(structure, decisions, self.frozen_mode, repr(self))

    def apply(self, model: keras.Model) -> Plan:
        """Decide and make it so: `policy.plan(model).apply(model)`.

        It may come before `compile`, after it, or inside `fit`; a compiled model needs nothing
        else from its user.

        Returns:
            The applied `Plan`, with `undo()`.
        """
        return self.plan(model).apply(model)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"frozen_mode": self.frozen_mode}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "FreezePolicy":
        """Make it again from `get_config`'s result."""
        return cls(**config)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.get_config() == other.get_config()

    def __hash__(self) -> int:
        return hash(repr(self))

    def __repr__(self) -> str:
        arguments = ", ".join(
            f"{name}={value!r}"
            for name, value in self.get_config().items()
            if (name, value) != ("frozen_mode", "inference")
        )
        return f"{type(self).__name__}({arguments})"
