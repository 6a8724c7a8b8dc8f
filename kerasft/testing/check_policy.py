"""`check_policy`: whether a freeze policy of your own keeps a policy's promises."""

import keras
import numpy as np

from kerasft.errors import PlanError
from kerasft.freezing import FreezePolicy, Plan, stages_of
from kerasft.structure import say, walk
from kerasft.testing._contract import changed, check_config, require, weights_of


def check_policy(policy: FreezePolicy, model: keras.Model | None = None) -> None:
    """Check a policy of your own against what every policy promises.

    It looks whether the policy's config goes round; whether it decides the same when asked twice;
    whether after `apply` exactly the planned weights change in training, bit for bit; and whether
    `undo` leaves no trace. Of a policy that goes in stages, it looks at each stage, whether the
    policy's `frozen_mode` is handed on to it, and whether the policy by itself means the first.

    Args:
        policy: An instance of your class.
        model: The model to check it on, small and with random weights. By default a network of
            three residual blocks with normalization and dropout, which is trained for one batch.
            Your own model is not trained.

    Raises:
        ContractError: For the first promise that is broken, with what was seen.

    Example:
        >>> import keras, kerasft
        >>> from kerasft.testing import check_policy
        >>> @keras.saving.register_keras_serializable(package="doc")
        ... class TrainNorms(kerasft.FreezePolicy):
        ...     def trains(self, layer):
        ...         return layer.in_head or "Normalization" in layer.kind
        >>> check_policy(TrainNorms())
    """
    require(isinstance(policy, FreezePolicy), policy, "derive from `kerasft.FreezePolicy`")
    again = check_config(policy)
    given = model
    model = _small_model() if given is None else given
    stages = _stages(policy, model)
    require(_stages(policy, model) == stages, policy, "go in the same stages when asked twice")
    require(_stages(again, model) == stages, policy, "go in the same stages when made again")
    for stage in stages:
        require(
            stage.frozen_mode == policy.frozen_mode,
            policy,
            "hand its `frozen_mode` on to every stage",
            f"Its own is {policy.frozen_mode!r}; {stage!r} has {stage.frozen_mode!r}.",
        )
    first, *later = (_plan(policy, stage, model) for stage in stages)
    require(policy.plan(model) == first, policy, "decide the same when it is asked twice")
    require(again.plan(model) == first, policy, "decide the same when made again from its config")

    layers = [model, *(layer for _, layer in walk(model))]
    flags = [layer.trainable for layer in layers]
    weights = [variable.trainable for variable in model.weights]
    for plan in (first, *later):
        plan.apply(model)
        if given is None:
            _check_training(policy, model, plan.decisions)
        plan.undo()
        require(
            [layer.trainable for layer in layers] == flags
            and [variable.trainable for variable in model.weights] == weights,
            policy,
            "leave every flag as it was after `undo`",
        )


def _stages(policy: FreezePolicy, model: keras.Model) -> tuple[FreezePolicy, ...]:
    try:
        return stages_of(policy, model)
    except PlanError as error:
        require(False, policy, "go in stages on the model it is checked on", str(error))
        raise


def _plan(policy: FreezePolicy, stage: FreezePolicy, model: keras.Model) -> Plan:
    try:
        return stage.plan(model)
    except PlanError as error:
        told = "give a plan for the model it is checked on"
        require(
            False, policy, told if stage is policy else f"{told} in stage {stage!r}", str(error)
        )
        raise


def _check_training(policy: FreezePolicy, model: keras.Model, decisions: dict[str, bool]) -> None:
    random = np.random.default_rng(0)
    batch, labels = random.normal(size=(8, 5)).astype("float32"), random.integers(0, 2, 8)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.1), loss=loss, run_eagerly=True)
    before = weights_of(model)
    model.fit(batch, labels, verbose=0)
    moved = {path for path in changed(before, weights_of(model)) if "moving_" not in path}
    planned = {path for path, trains in decisions.items() if trains}
    require(
        moved == planned,
        policy,
        "let exactly the planned weights change",
        f"Planned and still: {sorted(planned - moved)}; changed and not planned: "
        f"{sorted(moved - planned)}.",
    )


def _small_model() -> keras.Model:
    inputs = keras.Input((5,), name="inputs")
    x = keras.layers.Dense(8, name="stem")(inputs)
    for index in range(3):
        y = keras.layers.Dense(8, activation="tanh", name=f"block_{index}_dense")(x)
        y = keras.layers.LayerNormalization(name=f"block_{index}_norm")(y)
        y = keras.layers.Dropout(0.2, name=f"block_{index}_dropout")(y)
        x = keras.layers.Add(name=f"block_{index}_add")([x, y])
    model = keras.Model(inputs, keras.layers.Dense(2, name="head")(x), name="small_model")
    say(model, head=["head"])
    return model
