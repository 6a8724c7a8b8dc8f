"""Policies for norms and biases, and policies that go in stages."""

import json

import keras
import numpy as np
import pytest
from exactness import compile_, moved_by_fit
from models import flat_bert, image_batch, small_resnet

import kerasft
from kerasft import (
    TrainBiases,
    TrainEverything,
    TrainGradually,
    TrainHead,
    TrainHeadThenEverything,
    TrainLastBlocks,
    TrainNorms,
    TrainSelected,
    select,
)
from kerasft.errors import ArgumentError, PlanError, SelectorError
from kerasft.freezing import FreezePolicy, Plan, is_pinned, stages_of
from kerasft.structure import say

pytestmark = pytest.mark.core


def changed_by_training(model, x, y):
    if not model.compiled:
        compile_(model, run_eagerly=True)
    return moved_by_fit(model, x, y)


def chain(count, head=True):
    """Dense layers, each a block, under a last one that is found to be the head."""
    model = keras.Sequential([keras.Input((4,))], name="chain")
    for index in range(count + head):
        model.add(keras.layers.Dense(4, name=f"layer_{index}"))
    if not head:
        say(model, head=[])
    return model


BATCH_NORMS = {f"block{index}_bn/" for index in range(2)}
SCALES = {path + "gamma" for path in BATCH_NORMS}
OFFSETS = {path + "beta" for path in BATCH_NORMS}
STATISTICS = {path + name for path in BATCH_NORMS for name in ("moving_mean", "moving_variance")}
HEAD = {"top/kernel", "top/bias"}
BIASES = {"stem/bias", "block0_conv/bias", "block1_conv/bias"}


@pytest.mark.parametrize(
    ("policy", "moves"),
    [
        (TrainNorms(), SCALES | OFFSETS | STATISTICS | HEAD),
        (TrainNorms(and_head=False), SCALES | OFFSETS | STATISTICS),
        (TrainBiases(), OFFSETS | BIASES | HEAD),
        (TrainBiases(and_head=False), OFFSETS | BIASES | {"top/bias"}),
        (TrainBiases(frozen_mode="training"), OFFSETS | BIASES | HEAD | STATISTICS),
    ],
    ids=lambda value: repr(value) if isinstance(value, FreezePolicy) else "",
)
def test_what_moves_in_a_network_with_batch_normalization(policy, moves):
    model = small_resnet()
    model.compile(
        keras.optimizers.SGD(0.1),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        run_eagerly=True,
    )
    policy.apply(model)
    moved = changed_by_training(model, *image_batch())
    if "block0_bn/moving_mean" in moved:
        # A bias in front of a norm that takes the batch's mean off again has a gradient of zero,
        # up to rounding.
        moved, moves = (
            paths - {"block0_conv/bias", "block1_conv/bias"} for paths in (moved, moves)
        )
    assert moved == moves


def test_norms_of_a_transformer():
    model = flat_bert()
    plan = TrainNorms().apply(model)
    trained = {path for path, trains in plan.decisions.items() if trains}
    assert {path.rpartition("/")[2] for path in trained - HEAD} == {"gamma", "beta"}
    assert trained - HEAD == {path for path in plan.decisions if path.endswith(("gamma", "beta"))}
    assert trained >= HEAD


def test_biases_are_all_that_tells_a_bitfit_model_from_the_one_before():
    """Biases put into an untouched copy give the same outputs: statistics have not moved."""
    model, (x, y) = small_resnet(), image_batch()
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    TrainBiases().apply(model)
    assert changed_by_training(model, x, y)
    trained = {v.path: v for v in model.trainable_variables}
    for variable in copy.variables:
        if variable.path in trained:
            variable.assign(trained[variable.path])
    as_array = keras.ops.convert_to_numpy
    outputs = [as_array(one(x, training=False)) for one in (copy, model)]
    np.testing.assert_array_equal(*outputs)
    norm = model.get_layer("block0_bn")
    features = np.random.default_rng(0).normal(size=(5, 2, 2, 4)).astype("float32")
    outputs = [as_array(norm(features, training=training)) for training in (True, False)]
    np.testing.assert_array_equal(*outputs)


def test_a_norm_of_the_head_trains_with_the_head():
    inputs = keras.Input((4,))
    x = keras.layers.Dense(4, name="body")(inputs)
    x = keras.layers.BatchNormalization(scale=False, name="inner")(x)
    x = keras.layers.BatchNormalization(name="outer")(x)
    model = keras.Model(inputs, keras.layers.Dense(2, name="top")(x))
    say(model, head=["outer", "top"])
    plan = TrainBiases().apply(model)
    assert plan.keeps_statistics == {"inner"}
    assert [layer.name for layer in model.layers if is_pinned(layer)] == ["inner"]
    rows = {row.path: row for row in plan.rows}
    assert rows["inner"].trains is True  # its offset is all it has, and still it keeps them
    assert "Moving statistics stand still in 1 layer that trains." in str(plan)
    assert "Moving statistics stand still" in plan._repr_html_()
    plan.undo()
    assert not is_pinned(model.get_layer("inner"))


def test_statistics_stand_still_after_loading_too(tmp_path):
    model, (x, y) = small_resnet(), image_batch()
    plan = TrainBiases().apply(model)
    changed_by_training(model, x, y)
    model.save(tmp_path / "model.keras")
    loaded = kerasft.load_model(tmp_path / "model.keras")
    assert Plan.of(loaded) == plan
    assert changed_by_training(loaded, x, y) == OFFSETS | BIASES | HEAD
    assert Plan.of(loaded) != TrainSelected(select.Biases()).plan(loaded)


class TrainScaleAndOffset(TrainNorms):
    def keeps_statistics(self, layer):
        return not layer.in_head


def test_a_policy_of_ones_own_may_keep_statistics():
    model = small_resnet()
    TrainScaleAndOffset().apply(model)
    assert changed_by_training(model, *image_batch()) == SCALES | OFFSETS | HEAD

    class Undecided(TrainNorms):
        def keeps_statistics(self, layer):
            return None

    with pytest.raises(PlanError, match=r"Undecided.keeps_statistics` must return True or False"):
        Undecided().plan(model)


@pytest.mark.parametrize("kind", [TrainNorms, TrainBiases])
def test_a_model_without_them_is_refused(kind):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, use_bias=False)])
    with pytest.raises(SelectorError, match=r"(Norms|Biases)\(\), which matches nothing in model"):
        kind().apply(model)


def test_they_print_as_they_are_written():
    assert repr(TrainNorms()) == "TrainNorms()"
    assert repr(TrainBiases(and_head=False)) == "TrainBiases(and_head=False)"
    assert repr(TrainGradually(last=2)) == "TrainGradually(last=2)"
    assert repr(TrainSelected("a*")) == "TrainSelected(selector='a*')"
    for policy in (TrainSelected(~select.Norms(), and_head=False), TrainGradually(step=3)):
        assert eval(repr(policy), {**vars(select), **vars(kerasft)}) == policy


# Stages.


@pytest.mark.parametrize("mode", ["inference", "training"])
def test_first_the_head_then_everything(mode):
    stages = TrainHeadThenEverything(frozen_mode=mode).stages(chain(3))
    assert stages == (TrainHead(frozen_mode=mode), TrainEverything(frozen_mode=mode))


@pytest.mark.parametrize("last", [None, 1, 2, 3, 4, 5])
@pytest.mark.parametrize("step", [1, 2, 3, 7])
def test_gradually_more_blocks_train(step, last):
    model = chain(5)
    stages = TrainGradually(step=step, last=last, frozen_mode="training").stages(model)
    assert stages[0] == TrainHead(frozen_mode="training")
    assert {stage.frozen_mode for stage in stages} == {"training"}

    counts = []
    for stage in stages:
        rows = stage.plan(model).rows
        assert rows[-1].trains  # the head
        blocks = [row.trains for row in rows[:-1]]
        count = sum(blocks)
        assert blocks == [False] * (5 - count) + [True] * count
        counts.append(count)
    goal = last or 5
    assert counts[-1] == goal
    assert counts == [0, *(count for count in range(1, goal) if count % step == 0), goal]
    assert (stages[-1] == TrainEverything(frozen_mode="training")) == (goal == 5)


@pytest.mark.parametrize("policy", [TrainHeadThenEverything(), TrainGradually()], ids=repr)
def test_by_itself_such_a_policy_means_its_first_stage(policy):
    model = chain(3)
    plan = policy.apply(model)
    assert plan == TrainHead().plan(model)
    assert [layer.name for layer in model.layers if layer.trainable] == ["layer_3"]
    count = len(policy.stages(model))
    assert str(plan).startswith(f"TrainHead(), stage 1 of {count} of {policy} on model 'chain'")


def test_a_policy_of_one_stage_is_its_own():
    model, policy = chain(2), TrainLastBlocks(1)
    assert policy.stages(model) == (policy,)
    assert stages_of(policy, model)[0] is policy


@pytest.mark.parametrize(
    ("policy", "model", "message"),
    [
        (
            TrainGradually(),
            lambda: chain(3, head=False),
            "`TrainGradually` needs a model with a head",
        ),
        (
            TrainHeadThenEverything(),
            lambda: chain(3, head=False),
            "`TrainHeadThenEverything` needs",
        ),
        (TrainGradually(), lambda: chain(1), "`TrainGradually` needs a backbone of several blocks"),
        (
            TrainGradually(last=4),
            lambda: chain(3),
            r"`last` must be at most .*, 3. Received: last=4",
        ),
    ],
)
def test_models_that_stages_do_not_fit(policy, model, message):
    model = model()
    for refuse in (policy.stages, policy.plan, policy.apply):
        with pytest.raises(PlanError, match=message):
            refuse(model)
    assert len(model.trainable_variables) == len(model.variables)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"step": 0}, "`step` must be a whole number, at least 1"),
        ({"step": 1.5}, "`step` must be a whole number"),
        ({"last": 0}, "`last` must be a whole number, at least 1.* use `TrainHead`"),
        ({"last": True}, "`last` must be a whole number"),
        ({"frozen_mode": "trainin"}, "Did you mean 'training'"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        TrainGradually(**arguments)


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (None, r"policies, in a tuple. Received: None \(of type NoneType\)"),
        (TrainHead(), "in a tuple. Received: TrainHead"),
        ((TrainHead(), "everything"), "One of them is 'everything'"),
        ((TrainHead(), TrainHeadThenEverything()), "None of them may go in stages itself"),
    ],
)
def test_wrong_stages_are_refused(returned, message):
    class InStages(FreezePolicy):
        def stages(self, model):
            return returned

    with pytest.raises(PlanError, match=r"`InStages.stages` must .*" + message):
        InStages().plan(chain(2))


def test_a_policy_that_is_one_of_its_own_stages_is_refused():
    class Itself(TrainHead):
        def stages(self, model):
            return TrainHead(), self

    with pytest.raises(PlanError, match="None of them may go in stages itself"):
        Itself().plan(chain(2))


@pytest.mark.parametrize(
    "policy",
    [
        TrainNorms(and_head=False),
        TrainBiases(frozen_mode="training"),
        TrainHeadThenEverything(frozen_mode="training"),
        TrainGradually(step=2, last=5),
    ],
    ids=repr,
)
def test_they_go_round_through_json(policy):
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(policy)))
    again = keras.saving.deserialize_keras_object(config)
    assert type(again) is type(policy)
    assert again == policy
    assert hash(again) == hash(policy)
