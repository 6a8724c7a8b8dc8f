"""The contract kit: it passes what keeps its promises and names what does not."""

import keras
import pytest

from kerasft import (
    ClassificationHead,
    FreezePolicy,
    Head,
    RegressionHead,
    TrainBiases,
    TrainEverything,
    TrainGradually,
    TrainHead,
    TrainHeadThenEverything,
    TrainLastBlocks,
    TrainLastLayers,
    TrainNorms,
    TrainSelected,
)
from kerasft.errors import ContractError
from kerasft.testing import check_head, check_policy

register = keras.saving.register_keras_serializable(package="kerasft_tests_kit")


@pytest.mark.parametrize(
    "head",
    [
        lambda: ClassificationHead(num_classes=1, hidden_units=4, dropout=0.3),
        lambda: ClassificationHead(num_classes=3, pooling="attention"),
        lambda: ClassificationHead(num_classes=3, multi_label=True, pooling="max"),
        lambda: RegressionHead(num_outputs=2, pooling="first"),
    ],
    ids=["binary", "multi-class", "multi-label", "regression"],
)
def test_our_own_heads_pass(head):
    check_head(head())


@pytest.mark.parametrize(
    "policy",
    [
        TrainHead(),
        TrainLastBlocks(2),
        TrainLastLayers(3),
        TrainEverything(),
        TrainNorms(),
        TrainBiases(and_head=False),
        TrainHeadThenEverything(frozen_mode="training"),
        TrainGradually(step=2),
        TrainSelected("block_1_*"),
        TrainSelected("*/bias", and_head=False),
    ],
    ids=repr,
)
def test_our_own_policies_pass(policy):
    check_policy(policy)


@register
class ForgetsMask(Head):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = keras.layers.Dense(2)

    def build(self, shape):
        self.dense.build((None, shape[-1]))

    def call(self, features, mask=None):
        return self.dense(keras.ops.mean(features, axis=1))


@register
class ForgetsConfig(ForgetsMask):
    def __init__(self, size, **kwargs):
        super().__init__(**kwargs)
        self.size = size

    def get_config(self):
        # Keras would have added `size` by itself; a config made by hand forgets.
        config = super().get_config()
        config.pop("size", None)
        return config


@register
class HasDeadWeights(ForgetsMask):
    def build(self, shape):
        super().build(shape)
        self.unused = self.add_weight(shape=(3,), name="unused")

    def call(self, features, mask=None):
        return self.dense(features[:, 0])

    def default_loss(self):
        return keras.losses.MeanSquaredError()


def test_a_head_that_sees_padding_is_named():
    with pytest.raises(ContractError, match="ForgetsMask must be blind to padding"):
        check_head(ForgetsMask())


def test_a_config_that_forgets_an_argument_is_named():
    with pytest.raises(ContractError, match="Missing: size"):
        check_head(ForgetsConfig(3))


def test_weights_that_nothing_reads_are_named():
    # Keras warns on its own that the gradient does not exist.
    with (
        pytest.warns(UserWarning, match="Gradients do not exist"),
        pytest.raises(ContractError, match=r"changed nothing in head_?\w*/unused|/unused"),
    ):
        check_head(HasDeadWeights(), labels=[[0.0, 1.0]] * 4)


@register
class Fickle(FreezePolicy):
    calls = 0

    def trains(self, layer):
        Fickle.calls += 1
        return layer.in_head or Fickle.calls > 5


def test_a_fickle_policy_is_named():
    with pytest.raises(ContractError, match="decide the same when it is asked twice"):
        check_policy(Fickle())


class NotRegistered(FreezePolicy):
    def __init__(self, depth, **kwargs):
        super().__init__(**kwargs)
        self.depth = depth

    def trains(self, layer):
        return layer.in_head


def test_a_policy_without_its_arguments_in_the_config_is_named():
    with pytest.raises(ContractError, match="Missing: depth"):
        check_policy(NotRegistered(2))


def test_a_policy_that_freezes_all_is_named():
    @register
    class Nothing(FreezePolicy):
        def trains(self, layer):
            return False

    with pytest.raises(ContractError, match="must leave something to train"):
        check_policy(Nothing())


class InStages(FreezePolicy):
    """What the wrong ones below differ from."""

    def stages(self, model):
        return TrainHead(frozen_mode=self.frozen_mode), TrainEverything()


@register
class ForgetsMode(InStages):
    pass


@register
class GoesNowhere(InStages):
    def stages(self, model):
        return ()


@register
class HasABadStage(InStages):
    def stages(self, model):
        return TrainHead(), TrainLastBlocks(99)


@register
class FickleInStages(InStages):
    asked = 0

    def stages(self, model):
        FickleInStages.asked += 1
        return TrainHead(), TrainLastBlocks(FickleInStages.asked)


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (
            ForgetsMode(frozen_mode="training"),
            r"hand its `frozen_mode` on .* TrainEverything\(\) has",
        ),
        (GoesNowhere(), r"go in stages .*must return policies, in a tuple. Received: \(\)"),
        (HasABadStage(), r"in stage TrainLastBlocks\(count=99\).* at most the number of blocks"),
        (FickleInStages(), "go in the same stages when asked twice"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_wrong_stages_are_named(policy, message):
    with pytest.raises(ContractError, match=message):
        check_policy(policy)
