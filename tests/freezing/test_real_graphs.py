"""Frozen means bit-identical and in inference mode, with tolerance zero, on people's own graphs."""

import functools

import keras
import numpy as np
import pytest
from exactness import (
    all_flags,
    check_deterministic,
    check_exactly_the_planned_weights_change,
    compile_,
    moved_by_fit,
    outputs,
    planned_paths,
    reached,
)
from models import bert_task, flat_bert, nested_bert, text_batch, tiny_bert

import kerasft
from kerasft import (
    TrainBiases,
    TrainEverything,
    TrainHead,
    TrainLastBlocks,
    TrainNorms,
    TrainSelected,
)
from kerasft.freezing import Plan
from kerasft.structure import take_apart, walk


def small_pictures(kind, **kwargs):
    base = kind(input_shape=(32, 32, 3), weights=None, include_top=False, **kwargs)
    pooled = keras.layers.GlobalAveragePooling2D(name="pool")(base.output)
    return keras.Model(base.input, keras.layers.Dense(3, name="top")(pooled))


def nested_pictures():
    """Rescaling and augmentation, the network as one layer, and a head with dropout."""
    base = keras.applications.MobileNetV2(
        input_shape=(32, 32, 3), alpha=0.35, weights=None, include_top=False, pooling="avg"
    )
    inputs = keras.Input((32, 32, 3))
    x = keras.layers.Rescaling(0.5)(inputs)
    x = base(keras.layers.RandomFlip(name="flip")(x))
    x = keras.layers.Dropout(0.2, name="dropout")(x)
    return keras.Model(inputs, keras.layers.Dense(3, name="top")(x))


def task():
    model = bert_task()
    model.preprocessor = None  # the batches are token ids
    return model


def bert_with_lora():
    backbone = tiny_bert(2)
    for _, layer in walk(backbone):
        if layer.name in ("query", "value"):
            layer.enable_lora(2)
    pooled = keras.layers.GlobalAveragePooling1D()(backbone.output["sequence_output"])
    return keras.Model(backbone.input, keras.layers.Dense(2, name="top")(pooled))


def pictures(rows=6):
    random = np.random.default_rng(0)
    return random.normal(size=(rows, 32, 32, 3)).astype("float32"), random.integers(0, 3, rows)


APPLICATIONS = keras.applications
GRAPHS = {
    "flat BERT": (functools.partial(flat_bert, 2), text_batch),
    "nested BERT": (functools.partial(nested_bert, 2), text_batch),
    "BERT task": (task, text_batch),
    "BERT with LoRA": (bert_with_lora, text_batch),
    "MobileNetV2": (
        functools.partial(small_pictures, APPLICATIONS.MobileNetV2, alpha=0.35),
        pictures,
    ),
    "nested MobileNetV2": (nested_pictures, pictures),
    "ResNet50": (functools.partial(small_pictures, APPLICATIONS.ResNet50), pictures),
}
HEAVY = ("ResNet50", "nested MobileNetV2")
POLICIES = [
    TrainHead(),
    TrainLastBlocks(2),
    TrainNorms(),
    TrainBiases(),
    TrainEverything(),
    TrainLastBlocks(1, frozen_mode="training"),
]
FOR_PICTURES = [TrainLastBlocks(2), TrainBiases(), TrainEverything()]  # a trace takes ten seconds


def is_blind(model):
    """Biases of convolutions before a batch normalization, which takes any constant off again."""
    return {v.path for v in take_apart(model).variables if v.path.endswith("_conv/bias")}


def check(model, plan, batch):
    check_exactly_the_planned_weights_change(model, plan, *batch, blind=is_blind(model))


@pytest.mark.parametrize(
    ("name", "policy"),
    [
        ("flat BERT", TrainBiases()),
        ("nested BERT", TrainLastBlocks(1)),
        ("BERT task", TrainHead()),
        ("BERT with LoRA", TrainSelected("*/lora_kernel_?", and_head=False)),
        ("MobileNetV2", TrainNorms()),
        pytest.param("nested MobileNetV2", TrainLastBlocks(2), marks=pytest.mark.slow),
        pytest.param("ResNet50", TrainBiases(), marks=pytest.mark.slow),
    ],
    ids=lambda value: value if isinstance(value, str) else repr(value),
)
def test_exactly_the_planned_weights_change(name, policy):
    make, batch = GRAPHS[name]
    model = make()
    compile_(model, run_eagerly=True)
    flags = all_flags(model)
    plan = policy.apply(model)
    check(model, plan, batch())
    plan.undo()
    assert all_flags(model) == flags


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "policy"),
    [
        (name, policy)
        for name in GRAPHS
        for policy in POLICIES
        if "BERT" in name or policy in FOR_PICTURES
    ],
    ids=lambda value: value if isinstance(value, str) else repr(value),
)
def test_they_do_in_traced_graphs_whenever_the_plan_comes(name, policy, tmp_path):
    """Before `compile`, after it, inside `fit`, and after saving and loading."""
    make, batch = GRAPHS[name]
    model = make()
    flags = all_flags(model)
    plan = policy.apply(model)
    compile_(model)
    check(model, plan, batch())
    plan.undo()
    assert all_flags(model) == flags

    plan = policy.apply(model)
    check(model, plan, batch())

    other, plans = TrainEverything() if policy == TrainHead() else TrainHead(), []
    other.apply(model)
    change = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: plans.append(policy.apply(model))
    )
    moved_by_fit(model, *batch(), callbacks=[change])
    check(model, plans[-1], batch())

    if "LoRA" in name:
        return  # Keras's own file leaves a LoRA without a gradient
    model.save(tmp_path / "model.keras")
    loaded = kerasft.load_model(tmp_path / "model.keras")
    if hasattr(loaded, "preprocessor"):
        loaded.preprocessor = None
    assert Plan.of(loaded) == plan
    check(loaded, Plan.of(loaded), batch())


@pytest.mark.parametrize("name", ["flat BERT", pytest.param("MobileNetV2", marks=pytest.mark.slow)])
def test_a_loaded_model_is_as_frozen_as_before(name, tmp_path):
    make, batch = GRAPHS[name]
    model = make()
    plan = TrainLastBlocks(1).apply(model)
    compile_(model, run_eagerly=True)
    moved_by_fit(model, *batch())
    model.save(tmp_path / "model.keras")
    loaded = kerasft.load_model(tmp_path / "model.keras")
    assert Plan.of(loaded) == plan
    assert {v.path for v in loaded.trainable_variables} == {
        v.path for v in model.trainable_variables
    }
    compile_(loaded, run_eagerly=True)
    check(loaded, Plan.of(loaded), batch())


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow if name in HEAVY else ()) for name in GRAPHS],
)
def test_what_is_frozen_is_deterministic_in_training_mode(name):
    make, batch = GRAPHS[name]
    model = make()
    x, _ = batch()
    for layer in (layer for _, layer in walk(model)):
        if layer.name in ("classifier_dropout", "dropout", "flip"):
            layer.rate = 0.0  # the head's own, and augmentation: they are not frozen
    if name == "nested MobileNetV2":
        model = keras.Model(model.get_layer("flip").output, model.output)
    assert not np.array_equal(outputs(model, x, training=True), outputs(model, x, training=False))
    TrainHead().apply(model)
    check_deterministic(model, x)
    before = [np.array(v) for v in model.non_trainable_variables]
    model(x, training=True)
    for one, other in zip(before, model.non_trainable_variables, strict=True):
        np.testing.assert_array_equal(one, np.array(other))


# LoRA.


def dense_blocks():
    model = keras.Sequential([keras.Input((4,))])
    for name in ("a", "b", "c", "top"):
        model.add(keras.layers.Dense(4, activation="tanh", name=name))
    return model


def vectors():
    random = np.random.default_rng(0)
    return random.normal(size=(6, 4)).astype("float32"), random.integers(0, 4, 6)


def bases(model):
    return [layer._kernel for layer in model.layers if getattr(layer, "lora_enabled", False)]


def test_lora_before_a_plan():
    model = dense_blocks()
    for name in ("a", "c"):
        model.get_layer(name).enable_lora(2)
    compile_(model)
    plan = TrainLastBlocks(1).apply(model)
    assert planned_paths(plan) >= {"c/lora_kernel_a", "c/lora_kernel_b"}
    # B is zero at first, so A has a gradient from the second step on.
    check_exactly_the_planned_weights_change(model, plan, *vectors(), epochs=2)
    plan = TrainSelected("*/lora_kernel_?", and_head=False).apply(model)
    check_exactly_the_planned_weights_change(model, plan, *vectors(), epochs=2)
    plan = TrainEverything().apply(model)
    check_exactly_the_planned_weights_change(model, plan, *vectors())
    assert not any(kernel.trainable for kernel in bases(model))


def test_lora_under_a_plan():
    """A plan in force knows nothing of a LoRA that comes later; the next one does."""
    model = dense_blocks()
    compile_(model, run_eagerly=True)
    first = TrainLastBlocks(1).apply(model)
    check_exactly_the_planned_weights_change(model, first, *vectors())
    for name in ("a", "c"):
        model.get_layer(name).enable_lora(2)
    assert {v.path.split("/")[-2] for v in model.trainable_variables} == {"c", "top"}
    plan = TrainLastBlocks(1).apply(model)
    check_exactly_the_planned_weights_change(model, plan, *vectors(), epochs=2)
    assert not any(kernel.trainable for kernel in bases(model))

    # Undone step by step: the kernels under a LoRA never train again by themselves.
    plan.undo()
    assert Plan.of(model) is first
    trained = {v.path.split("/", 1)[1] for v in model.trainable_variables}
    assert trained == {"c/bias", "c/lora_kernel_a", "c/lora_kernel_b", "top/kernel", "top/bias"}
    assert moved_by_fit(model, *vectors()) == reached(trained)
    first.undo()
    assert len(model.trainable_variables) == 4 * 2 + 2
    assert not any(kernel.trainable for kernel in bases(model))


def test_lora_and_flags_that_are_toggled():
    """Keras's setter frees the kernel under a LoRA; a plan that is applied again takes it back."""
    model = dense_blocks()
    model.get_layer("c").enable_lora(2)
    compile_(model, run_eagerly=True)
    plan = TrainLastBlocks(1).apply(model)
    model.trainable = False
    model.trainable = True
    assert any(kernel.trainable for kernel in bases(model))
    plan.apply(model)
    assert not any(kernel.trainable for kernel in bases(model))
    check_exactly_the_planned_weights_change(model, plan, *vectors(), epochs=2)
    plan.undo()
    assert not any(kernel.trainable for kernel in bases(model))
