"""The base class of all freeze policies."""

import inspect
from typing import Any

import keras

from kerasft._checks import check_choice
from kerasft.errors import PlanError, UnsupportedError
from kerasft.freezing.plan import Plan
from kerasft.structure import LayerView, Structure, VariableView, take_apart, whole_of


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

    def keeps_statistics(self, layer: LayerView) -> bool:
        """Whether a layer of which something trains runs as in inference all the same.

        It is asked for layers with moving statistics, such as batch normalization: where True,
        their statistics stand still and normalize, while scale and offset train. By default
        False. With `frozen_mode="training"` it is not asked.
        """
        return False

    def check(self, structure: Structure) -> None:
        """Look at the whole model before anything is decided, and raise what does not fit."""

    def stages(self, model: keras.Model) -> tuple["FreezePolicy", ...]:
        """The policies that come one after the other, for a policy that goes in stages.

        By default the policy itself, alone. A policy that goes in stages overrides this in place
        of `trains`, and hands its `frozen_mode` on. A `Phases` callback turns each stage into a
        phase; applied by itself such a policy means its first stage.

        Args:
            model: The model that is to be trained.
        """
        return (self,)

    def plan(self, model: keras.Model) -> Plan:
        """Decide for every weight of a model, and change nothing.

        For a model that is the trainable part of another, such as a `FeatureCache`'s, it decides
        as for the whole, where blocks are counted.

        Raises:
            PlanError: If nothing would train, or a decision is not True or False.
            UnsupportedError: If something would train that the model is only a part beside.
        """
        first, *later = stages_of(self, model)
        if first is not self:
            plan = first.plan(model)
            plan.policy = f"{first!r}, stage 1 of {1 + len(later)} of {self!r}"
            return plan
        structure = take_apart(model)
        whole = structure if whole_of(model) is model else take_apart(whole_of(model))
        self.check(whole)
        views = {id(layer.layer): layer for layer in whole.layers}
        decided: dict[int, bool] = {}
        for variable in whole.variables:
            if variable.is_parameter:
                decision = self.trains_variable(variable)
                decided[id(variable.variable)] = self._checked("trains", decision, variable.layer)
        if whole is not structure:
            self._check_within(whole, structure, decided)
        decisions = {
            variable.path: decided[id(variable.variable)]
            for variable in structure.variables
            if variable.is_parameter
        }
        keeping = [
            layer.path
            for layer in structure.layers
            if self.frozen_mode == "inference"
            and any(not variable.is_parameter for variable in layer.variables)
            and any(decisions.get(variable.path) for variable in layer.variables)
            and self._checked(
                "keeps_statistics", self.keeps_statistics(views.get(id(layer.layer), layer)), layer
            )
        ]
        return Plan.from_decisions(
            structure, decisions, self.frozen_mode, repr(self), keeps_statistics=keeping
        )

    def _check_within(self, whole: Structure, part: Structure, decided: dict[int, bool]) -> None:
        inside = {id(variable.variable) for variable in part.variables}
        for variable in whole.variables:
            if decided.get(id(variable.variable)) and id(variable.variable) not in inside:
                raise UnsupportedError(
                    f"A policy must train nothing in front of a cache's boundary. Received: "
                    f"{self!r} for model {part.model.name!r}, which would train "
                    f"{variable.layer.path!r}, whose output is computed already. Apply the policy "
                    f"that trains most to model {whole.model.name!r} first, and make a new "
                    "`FeatureCache` for it: its boundary then serves all phases."
                )

    def _checked(self, hook: str, decision: object, layer: LayerView) -> bool:
        if not isinstance(decision, bool):
            raise PlanError(
                f"`{type(self).__name__}.{hook}` must return True or False. Received: "
                f"{decision!r} (of type {type(decision).__name__}) for layer {layer.path!r}."
            )
        return decision

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
        parameters = inspect.signature(type(self)).parameters
        defaults = {name: parameter.default for name, parameter in parameters.items()}
        defaults.setdefault("frozen_mode", "inference")  # where it comes through `**kwargs`
        # A config may hold what an argument was serialized to; its own attribute reads better.
        arguments = {name: getattr(self, name, told) for name, told in self.get_config().items()}
        shown = [
            f"{name}={value!r}"
            for name, value in arguments.items()
            if value != defaults.get(name, inspect.Parameter.empty)
        ]
        return f"{type(self).__name__}({', '.join(shown)})"


def stages_of(policy: FreezePolicy, model: keras.Model) -> tuple[FreezePolicy, ...]:
    """The stages of a policy, checked: its own `stages`, or the policy itself.

    Args:
        policy: Any freeze policy.
        model: The model that is to be trained.

    Returns:
        At least one policy, none of which goes in stages itself.

    Raises:
        PlanError: If `stages` returned something else.

    Example:
        >>> import keras, kerasft
        >>> layers = [keras.layers.Dense(4, name=name) for name in ("a", "b", "top")]
        >>> model = keras.Sequential([keras.Input((4,)), *layers])
        >>> kerasft.freezing.stages_of(kerasft.TrainHead(), model)
        (TrainHead(),)
        >>> kerasft.freezing.stages_of(kerasft.TrainHeadThenEverything(), model)
        (TrainHead(), TrainEverything())
    """
    stages = policy.stages(model)
    if isinstance(stages, (tuple, list)) and len(stages) == 1 and stages[0] is policy:
        return (policy,)
    rule = f"`{type(policy).__name__}.stages` must return policies, in a tuple."
    if not isinstance(stages, (tuple, list)) or not stages:
        raise PlanError(f"{rule} Received: {stages!r} (of type {type(stages).__name__}).")
    for stage in stages:
        if not isinstance(stage, FreezePolicy):
            raise PlanError(f"{rule} One of them is {stage!r} (of type {type(stage).__name__}).")
        if type(stage).stages is not FreezePolicy.stages:
            raise PlanError(
                f"{rule} None of them may go in stages itself. Received: {stage!r}. Put the "
                "stages of that one in its place: `*policy.stages(model)`."
            )
    return tuple(stages)
