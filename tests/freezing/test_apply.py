"""Applying plans: exactly the planned weights change, and frozen means inference."""

import inspect
import pathlib
import zipfile

import keras
import numpy as np
import pytest
from exactness import (
    changed,
    check_deterministic,
    check_exactly_the_planned_weights_change,
    compile_,
    moved_by_fit,
    outputs,
    values,
)
from models import (
    SubclassedModel,
    bert_task,
    flat_bert,
    image_batch,
    nested_bert,
    small_resnet,
    text_batch,
)

from kerasft import TrainEverything, TrainHead, TrainLastBlocks, TrainLastLayers, TrainSelected
from kerasft.errors import PlanError, SelectorError, UnsupportedError
from kerasft.freezing import FreezePolicy
from kerasft.freezing.pin import is_pinned
from kerasft.structure import say, walk


def subclassed():
    model = SubclassedModel(name="subclassed")
    model(np.zeros((1, 5), "float32"))
    say(model, head=["top"])
    return model


def vectors(rows=6):
    random = np.random.default_rng(0)
    return random.normal(size=(rows, 5)).astype("float32"), random.integers(0, 2, rows)


CASES = {
    "flat BERT": (flat_bert, text_batch),
    "nested BERT": (nested_bert, text_batch),
    "KerasHub task": (bert_task, text_batch),
    "residual network": (small_resnet, image_batch),
    "subclassed": (subclassed, vectors),
}


def task_batches_are_tokens(model):
    if hasattr(model, "preprocessor"):
        model.preprocessor = None


CORE = [pytest.param("residual network", marks=pytest.mark.core)]


@pytest.fixture(params=[name for name in CASES if name != "residual network"] + CORE, name="case")
def _case(request):
    make, batch = CASES[request.param]
    model = make()
    task_batches_are_tokens(model)
    return model, batch()


POLICIES = [TrainHead(), TrainLastBlocks(1), TrainLastLayers(1), TrainEverything()]


@pytest.mark.parametrize("policy", POLICIES, ids=repr)
def test_exactly_the_planned_weights_change(case, policy):
    model, (x, y) = case
    plan = policy.apply(model)
    compile_(model, run_eagerly=True)  # many models: tracing each would take minutes
    check_exactly_the_planned_weights_change(model, plan, x, y)


@pytest.mark.parametrize("when", ["before compile", "after compile", "after a fit", "inside fit"])
@pytest.mark.parametrize("name", ["subclassed", *CORE])
def test_a_plan_holds_in_the_traced_graph_whenever_it_comes(name, when):
    make, batch = CASES[name]
    model, (x, y) = make(), batch()
    policy = TrainLastBlocks(1)
    if when == "before compile":
        plan = policy.apply(model)
        compile_(model)
    else:
        compile_(model)
        if when == "after a fit":
            model.fit(x, y, verbose=0)
        if when == "inside fit":
            plans = []
            apply = keras.callbacks.LambdaCallback(
                on_epoch_end=lambda epoch, logs: plans.append(policy.apply(model))
            )
            model.fit(x, y, verbose=0, callbacks=[apply])
            plan = plans[0]
        else:
            plan = policy.apply(model)
    check_exactly_the_planned_weights_change(model, plan, x, y)


@pytest.mark.core
def test_unfreezing_in_the_middle_of_fit_takes_hold_at_once():
    model, (x, y) = small_resnet(), image_batch()
    TrainHead().apply(model)
    compile_(model)
    seen = []

    def change(batch, logs):
        seen.append(values(model))
        if batch == 1:
            TrainLastBlocks(1).apply(model)

    model.fit(
        x,
        y,
        batch_size=1,
        verbose=0,
        callbacks=[keras.callbacks.LambdaCallback(on_train_batch_end=change)],
    )
    assert changed(seen[0], seen[1]) == {"top/kernel", "top/bias"}
    assert "block1_conv/kernel" in changed(seen[1], seen[2])
    assert "block0_conv/kernel" not in changed(seen[0], values(model))


def test_frozen_layers_run_as_in_inference(case):
    model, (x, _) = case
    TrainHead().apply(model)
    for layer in (layer for _, layer in walk(model)):
        if isinstance(layer, keras.layers.Dropout) and layer.name == "classifier_dropout":
            layer.rate = 0.0  # the task's own head may be stochastic
    check_deterministic(model, x)


@pytest.mark.core
def test_a_pin_does_not_silence_the_layers_after_it():
    model = subclassed()
    TrainLastBlocks(2).apply(model)  # the stem and the first residual block are pinned
    x, _ = vectors()
    first, second = outputs(model, x, training=True), outputs(model, x, training=True)
    assert not np.array_equal(first, second)


@pytest.mark.core
def test_augmentation_before_a_frozen_backbone_goes_on():
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.GaussianNoise(1.0),
            keras.layers.Dense(4, name="body"),
            keras.layers.Dropout(0.5, name="dropout"),
            keras.layers.Dense(4, name="last"),
            keras.layers.Dense(2, name="top"),
        ]
    )
    TrainHead().apply(model)
    pinned = [layer.name for layer in model.layers if is_pinned(layer)]
    assert pinned == ["body", "dropout", "last"]


def test_training_mode_can_be_asked_for():
    model = small_resnet()
    TrainHead(frozen_mode="training").apply(model)
    compile_(model)
    before = values(model)
    x, y = image_batch()
    model.fit(x, y, verbose=0)
    moved = changed(before, values(model))
    assert {p for p in moved if "moving" not in p} == {"top/kernel", "top/bias"}
    assert "block1_bn/moving_mean" in moved


def test_undo_leaves_no_trace(case):
    model, _ = case
    inner = next(layer for _, layer in walk(model) if layer.weights)
    inner.trainable = False
    layers = [model, *(layer for _, layer in walk(model))]
    flags = [layer.trainable for layer in layers]
    variables = [v.trainable for v in model.variables]
    dictionaries = [dict(vars(layer)) for layer in layers]

    first = TrainLastBlocks(1).apply(model)
    second = TrainHead().apply(model)
    with pytest.raises(PlanError, match="Another plan was applied after this one"):
        first.undo()
    second.undo()
    assert first.model is model
    assert second.model is None
    first.undo()

    assert [layer.trainable for layer in layers] == flags
    assert [v.trainable for v in model.variables] == variables
    for layer, before in zip(layers, dictionaries, strict=True):
        assert vars(layer).keys() == before.keys()
        assert "call" not in vars(layer)


def test_config_and_file_are_as_without_a_plan(tmp_path):
    model = flat_bert()
    config = model.get_config()
    plan = TrainLastBlocks(1).apply(model)
    for layer, written in zip(model.layers, config["layers"], strict=True):
        with_plan = layer.get_config()
        if "trainable" in with_plan:
            with_plan["trainable"] = written["config"]["trainable"]
        assert with_plan == layer.__class__.from_config(with_plan).get_config()
    plan.undo()
    assert model.get_config() == config


def test_what_a_user_froze_before_trains_if_the_plan_says_so():
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.BatchNormalization(name="norm"), keras.layers.Dense(2)]
    )
    model.layers[0].trainable = False
    plan = TrainEverything().apply(model)
    assert model.layers[0].trainable  # or its statistics would stand still
    assert len(model.trainable_variables) == 4
    plan.undo()
    assert not model.layers[0].trainable


def test_a_norm_without_scale_and_offset_goes_with_its_neighbours():
    """It has nothing to train, and yet it is frozen or not."""
    inputs = keras.Input((5,))
    x = inputs
    for name in ("a", "b"):
        x = keras.layers.Dense(4, name=name)(x)
        x = keras.layers.BatchNormalization(center=False, scale=False, name=f"{name}_norm")(x)
    model = keras.Model(inputs, keras.layers.Dense(2, name="top")(x))
    say(model, blocks=[["a", "a_norm"], ["b", "b_norm"]], head=["top"])
    compile_(model, run_eagerly=True)
    for policy, moving in [
        (TrainEverything(), {"a", "b"}),
        (TrainLastBlocks(1), {"b"}),
        (TrainHead(), set()),
        (TrainHead(frozen_mode="training"), {"a", "b"}),
    ]:
        policy.apply(model)
        statistics = {path for path in moved_by_fit(model, *vectors()) if "moving_" in path}
        assert {path.partition("_norm")[0] for path in statistics} == moving
        if policy != TrainHead(frozen_mode="training"):
            assert {la.name for la in model.layers if not la.trainable} == {
                f"{name}{part}" for name in {"a", "b"} - moving for part in ("", "_norm")
            }


@pytest.mark.core
def test_dropout_in_a_frozen_head_is_silent():
    inputs = keras.Input((5,))
    x = keras.layers.Dense(4, name="body")(inputs)
    x = keras.layers.Dropout(0.5, name="head_dropout")(x)
    model = keras.Model(inputs, keras.layers.Dense(2, name="top")(x))
    say(model, head=["head_dropout", "top"])
    x, _ = vectors()
    plan = TrainSelected("body", and_head=False).apply(model)
    check_deterministic(model, x)
    plan.undo()
    TrainHead().apply(model)
    assert not np.array_equal(outputs(model, x, training=True), outputs(model, x, training=False))


def test_assets_of_the_model_itself_are_saved_too(tmp_path):
    class WithAssets(SubclassedModel):
        def save_assets(self, directory):
            (pathlib.Path(directory) / "words.txt").write_text("good\nbad\n")

    model = WithAssets(name="with_assets")
    model(np.zeros((1, 5), "float32"))
    say(model, head=["top"])
    plan = TrainHead().apply(model)
    model.save(tmp_path / "with.keras")
    plan.undo()
    model.save(tmp_path / "without.keras")
    with zipfile.ZipFile(tmp_path / "with.keras") as file:
        names = {pathlib.PurePath(name).name for name in file.namelist()}
    assert {"words.txt", "kerasft_plan.json"} <= names
    with zipfile.ZipFile(tmp_path / "without.keras") as file:
        names = {pathlib.PurePath(name).name for name in file.namelist()}
    assert "words.txt" in names
    assert "kerasft_plan.json" not in names


@pytest.mark.core
def test_lora_base_kernels_stay_frozen():
    model = keras.Sequential([keras.Input((4,))])
    for name in ("a", "b", "top"):
        model.add(keras.layers.Dense(4, name=name))
    model.layers[1].enable_lora(2)
    kernel = model.layers[1]._kernel
    plan = TrainEverything().apply(model)
    assert not kernel.trainable
    assert "b/kernel" not in plan.decisions
    assert plan.decisions["b/lora_kernel_a"]
    plan.undo()
    assert not kernel.trainable


def test_part_of_a_layer_can_train():
    model = flat_bert()
    plan = TrainSelected("*/bias", and_head=False).apply(model)
    assert {v.path.split("/")[-1] for v in model.trainable_variables} == {"bias"}
    assert "partly" in str(plan)
    assert plan.trainable_parameters == sum(np.prod(v.shape) for v in model.trainable_variables)


def test_nothing_to_train_is_refused_and_changes_nothing():
    model = flat_bert()
    before = [v.trainable for v in model.variables]

    class TrainNothing(FreezePolicy):
        def trains(self, layer):
            return False

    with pytest.raises(PlanError, match="must leave something to train"):
        TrainNothing().apply(model)
    assert [v.trainable for v in model.variables] == before


def test_a_policy_must_override_its_one_method():
    with pytest.raises(UnsupportedError, match=r"Override `trains\(self, layer\)`"):
        FreezePolicy().plan(small_resnet())


def test_a_policy_must_return_a_bool():
    class Undecided(FreezePolicy):
        def trains(self, layer):
            return 1

    with pytest.raises(PlanError, match=r"must return True or False. Received: 1 \(of type int\)"):
        Undecided().apply(flat_bert())


def test_too_many_blocks_are_refused():
    with pytest.raises(PlanError, match=r"at most the number of blocks, 4. Received: count=9"):
        TrainLastBlocks(9).apply(flat_bert())


def test_layers_are_counted_as_the_model_lists_them():
    with pytest.raises(PlanError, match="layers with weights"):
        TrainLastLayers(99).apply(flat_bert())


def test_a_model_without_blocks_is_refused():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    with pytest.raises(PlanError, match="needs a backbone of several blocks"):
        TrainLastBlocks(1).apply(model)


def test_a_pattern_without_a_match_is_refused():
    with pytest.raises(SelectorError, match="transformer_layer_0"):
        TrainSelected("transformer_layr_0").apply(flat_bert())


def test_a_plan_of_another_model_is_refused():
    model = small_resnet()
    with pytest.raises(PlanError, match="does not have, the first being"):
        TrainHead().plan(flat_bert()).apply(model)
    assert all(v.trainable for v in model.trainable_variables)


@pytest.mark.parametrize(
    "policy",
    [*POLICIES, TrainSelected("a/*", and_head=False), TrainHead(frozen_mode="training")],
    ids=repr,
)
def test_policies_go_round(policy):
    config = keras.saving.serialize_keras_object(policy)
    assert keras.saving.deserialize_keras_object(config) == policy
    names = set(inspect.signature(type(policy)).parameters)
    assert set(policy.get_config()) == names
