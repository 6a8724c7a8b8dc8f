"""Weights are pulled towards what they were, as calculated by hand; the rest is as it was."""

import copy
import inspect
import json
import subprocess
import sys

import keras
import models
import numpy as np
import pytest
from keras import optimizers as keras_optimizers

import kerasft
from kerasft import select
from kerasft.errors import ArgumentError, SelectorError
from kerasft.optimizers import L2SP, LayerwiseOptimizer

ON_JAX = keras.backend.backend() == "jax"


def small_model():
    inputs = keras.Input((5,))
    x = keras.layers.Dense(6, activation="tanh", name="low")(inputs)
    x = keras.layers.Dense(4, activation="tanh", name="middle")(x)
    return keras.Model(inputs, keras.layers.Dense(3, name="top")(x))


def twins(make=small_model):
    model, other = make(), make()
    other.set_weights(model.get_weights())
    return model, other


def built_subclassed():
    model = models.SubclassedModel()
    model(np.zeros((1, 8), "float32"))
    return model


def batch(rows=32):
    random = np.random.default_rng(1)
    x, y = random.normal(size=(rows, 5)), random.normal(size=(rows, 3))
    return x.astype("float32"), y.astype("float32")


def arrays(variables, step, scale=1.0):
    random = np.random.default_rng(step)
    return [scale * random.normal(size=tuple(v.shape)).astype("float32") for v in variables]


def apply(model, optimizer, gradients):
    tensors = [keras.ops.convert_to_tensor(gradient) for gradient in gradients]
    variables = model.trainable_variables
    if not ON_JAX:
        optimizer.apply(tensors, variables)
        return
    # The way of `fit` there; Keras's scaling of losses has no other.
    if not optimizer.built:
        optimizer.build(variables)
    state = [v.value for v in optimizer.variables]
    updated, state = optimizer.stateless_apply(state, tensors, [v.value for v in variables])
    for variable, value in zip([*variables, *optimizer.variables], [*updated, *state], strict=True):
        variable.assign(value)


def step_on(model, steps, optimizer=None):
    for step in steps:
        gradients = arrays(model.trainable_variables, step)
        apply(model, optimizer or model.optimizer, gradients)


def still(model):
    return [np.zeros(tuple(v.shape), "float32") for v in model.trainable_variables]


def values(model):
    return {v.path: np.array(keras.ops.convert_to_numpy(v.value)) for v in model.weights}


def assert_same(one, other, atol=0.0):
    for path, value in one.items():
        np.testing.assert_allclose(value, other[path], rtol=0, atol=atol, err_msg=path)


# Against a calculation of one's own.


@pytest.mark.core
@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("decoupled", [True, False])
def test_sgd_agrees_with_the_formula(decoupled, momentum):
    model = small_model()
    optimizer = L2SP(
        keras_optimizers.SGD(0.1, momentum=momentum),
        model,
        0.5,
        head_strength=0.25,
        decoupled=decoupled,
    )
    paths = [v.path for v in model.trainable_variables]
    start = values(model)
    weights = {path: start[path].astype("float64") for path in paths}
    velocity = dict.fromkeys(paths, 0.0)
    for step in range(6):
        gradients = arrays(model.trainable_variables, step)
        apply(model, optimizer, gradients)
        for path, gradient in zip(paths, gradients, strict=True):
            if path.startswith("top"):
                pull = 0.25 * weights[path]
            else:
                pull = 0.5 * (weights[path] - start[path])
            if decoupled:
                weights[path] -= 0.1 * pull
            else:
                gradient = gradient + pull
            velocity[path] = momentum * velocity[path] - 0.1 * gradient
            weights[path] = weights[path] + velocity[path]
    assert_same(weights, values(model), atol=1e-5)


@pytest.mark.core
def test_adamw_decoupled_agrees_with_the_formula():
    model = small_model()
    optimizer = L2SP(keras_optimizers.AdamW(0.01, weight_decay=0.2), model, 3.0)
    paths = [v.path for v in model.trainable_variables]
    start = values(model)
    weights = {path: start[path].astype("float64") for path in paths}
    first, second = (dict.fromkeys(paths, 0.0) for _ in range(2))
    for step in range(6):
        gradients = arrays(model.trainable_variables, step)
        apply(model, optimizer, gradients)
        for path, gradient in zip(paths, gradients, strict=True):
            weights[path] -= 0.01 * 0.2 * weights[path]
            if not path.startswith("top"):
                weights[path] -= 0.01 * 3.0 * (weights[path] - start[path])
            first[path] = 0.9 * first[path] + 0.1 * gradient
            second[path] = 0.999 * second[path] + 0.001 * gradient**2
            mean, square = (
                first[path] / (1 - 0.9 ** (step + 1)),
                second[path] / (1 - 0.999 ** (step + 1)),
            )
            weights[path] -= 0.01 * mean / (np.sqrt(square) + 1e-7)
    assert_same(weights, values(model), atol=1e-5)


@pytest.mark.core
@pytest.mark.parametrize("how", ["eager", "jit_compile"])
def test_coupled_is_a_penalty_in_the_loss(how):
    """Keras differentiates the penalty by itself: a regularizer on each variable."""
    if (keras.backend.backend(), how) in (("torch", "jit_compile"), ("jax", "eager")):
        pytest.skip("slow to compile, or none there")
    x, y = batch()
    model, reference = twins()
    for variable in reference.trainable_variables:
        where = keras.ops.convert_to_numpy(variable.value).copy()
        strength, where = (0.25, 0.0) if variable.path.startswith("top") else (0.5, where)
        variable.regularizer = _penalty(strength, where)
    optimizer = L2SP(keras_optimizers.Adam(0.05), model, 0.5, head_strength=0.25, decoupled=False)
    for one, its in ((model, optimizer), (reference, keras_optimizers.Adam(0.05))):
        one.compile(its, "mse", run_eagerly=how == "eager", jit_compile=how == "jit_compile")
        one.fit(x, y, batch_size=8, epochs=3, shuffle=False, verbose=0)
    assert_same(values(model), values(reference), atol=2e-5)
    assert optimizer.distance()["block 0"] > 0.01


def _penalty(strength, where):
    return lambda value: 0.5 * strength * keras.ops.sum(keras.ops.square(value - where))


def test_a_pull_in_a_compiled_fit_is_the_same_as_out_of_it():
    if keras.backend.backend() == "torch":
        pytest.skip("nothing is traced there")
    x, y = batch()
    one, other = twins()
    for model, how in ((one, {"jit_compile": True}), (other, {"run_eagerly": True})):
        model.compile(
            L2SP(keras_optimizers.AdamW(0.05), model, 5.0, head_strength=1.0), "mse", **how
        )
        model.fit(x, y, batch_size=16, epochs=3, shuffle=False, verbose=0)
    assert_same(values(one), values(other), atol=1e-5)


@pytest.mark.parametrize("decoupled", [True, False])
def test_strength_zero_is_no_wrapper_at_all(decoupled):
    model, reference = twins()
    optimizer = L2SP(keras_optimizers.AdamW(0.05), model, 0.0, decoupled=decoupled)
    plain = keras_optimizers.AdamW(0.05)
    for one, its in ((model, optimizer), (reference, plain)):
        step_on(one, range(4), its)
    assert_same(values(model), values(reference))
    assert len(optimizer.variables) == len(plain.variables)


# What is around a step.


def moved_away(optimizer_of, **arguments):
    """A model that its optimizer knows and that then was moved by one everywhere."""
    model = small_model()
    optimizer = L2SP(optimizer_of(), model, **arguments)
    optimizer.build(model.trainable_variables)
    for variable in model.trainable_variables:
        variable.assign(variable + 1.0)
    return model, optimizer


def by_layer(model, before):
    """By layer, what is left of the distance of one: the same number in all of its weights."""
    left = {}
    for path, value in values(model).items():
        left.setdefault(path.split("/")[0], []).extend((value - before[path] + 1.0).ravel())
    for numbers in left.values():
        np.testing.assert_allclose(numbers, numbers[0], atol=1e-5)
    return pytest.approx({layer: numbers[0] for layer, numbers in left.items()}, abs=1e-5)


@pytest.mark.parametrize("outside", ["L2SP", "LayerwiseOptimizer"])
def test_the_pull_takes_the_layers_rate_in_either_order(outside):
    model = small_model()
    rates = {"low": 0.5, "middle": 2.0}
    inner = keras_optimizers.SGD(0.1)
    if outside == "L2SP":
        inner = LayerwiseOptimizer(inner, model, multipliers=rates)
        optimizer = L2SP(inner, model, 1.0)
    else:
        inner = L2SP(inner, model, 1.0)
        optimizer = LayerwiseOptimizer(inner, model, multipliers=rates)
    optimizer.build(model.trainable_variables)
    for variable in model.trainable_variables:
        variable.assign(variable + 1.0)
    before = values(model)
    apply(model, optimizer, still(model))
    assert by_layer(model, before) == {"low": 0.95, "middle": 0.8, "top": 1.0}


def test_with_accumulation_the_pull_comes_once_per_update():
    model, optimizer = moved_away(
        lambda: keras_optimizers.SGD(0.1, gradient_accumulation_steps=3), strength=1.0
    )
    before = values(model)
    for count, expected in ((2, 1.0), (1, 0.9), (3, 0.81)):
        for _ in range(count):
            apply(model, optimizer, still(model))
        assert by_layer(model, before) == {"low": expected, "middle": expected, "top": 1.0}


@pytest.mark.parametrize("clipping", ["clipnorm", "global_clipnorm", "clipvalue"])
def test_the_pull_is_not_clipped(clipping):
    for decoupled in (True, False):
        model, optimizer = moved_away(
            lambda: keras_optimizers.SGD(0.1, **{clipping: 1e-3}), strength=5.0, decoupled=decoupled
        )
        before = values(model)
        apply(model, optimizer, still(model))
        assert by_layer(model, before) == {"low": 0.5, "middle": 0.5, "top": 1.0}


@pytest.mark.parametrize("decoupled", [True, False])
def test_a_scaled_loss_leaves_the_pull_as_it_is(decoupled):
    one, other = twins()
    plain = L2SP(keras_optimizers.Adam(0.01), one, 2.0, decoupled=decoupled)
    inner = L2SP(keras_optimizers.Adam(0.01), other, 2.0, decoupled=decoupled)
    scaled = keras_optimizers.LossScaleOptimizer(inner, initial_scale=8.0)
    fixed = small_model()
    fixed.set_weights(one.get_weights())
    factor = L2SP(
        keras_optimizers.Adam(0.01, loss_scale_factor=8.0), fixed, 2.0, decoupled=decoupled
    )
    for step in range(5):
        gradients = arrays(one.trainable_variables, step)
        apply(one, plain, gradients)
        apply(other, scaled, [8.0 * gradient for gradient in gradients])
        apply(fixed, factor, [8.0 * gradient for gradient in gradients])
    assert_same(values(one), values(other), atol=1e-7)
    assert_same(values(one), values(fixed), atol=1e-7)
    # An overflow skips the pull with the step.
    before = values(other)
    apply(other, scaled, [gradient * np.inf for gradient in gradients])
    assert_same(before, values(other))


def test_the_moving_averages_follow_the_pulled_weights():
    model, optimizer = moved_away(
        lambda: keras_optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5), strength=1.0
    )
    before = values(model)
    for _ in range(2):
        apply(model, optimizer, still(model))
    assert by_layer(model, before) == {"low": 0.81, "middle": 0.81, "top": 1.0}
    optimizer.finalize_variable_values(model.trainable_variables)
    assert by_layer(model, before) == {"low": 0.855, "middle": 0.855, "top": 1.0}


def test_sparse_gradients_are_pulled_with_the_rest():
    def make():
        inputs = keras.Input((3,), dtype="int32")
        x = keras.layers.Embedding(7, 4, name="words")(inputs)
        x = keras.layers.GlobalAveragePooling1D()(x)
        return keras.Model(inputs, keras.layers.Dense(2, name="top")(x))

    tokens, y = np.array([[1, 2, 2], [4, 1, 0]], "int32"), np.ones((2, 2), "float32")
    for decoupled in (True, False):
        model, reference = twins(make)
        optimizer = L2SP(keras_optimizers.SGD(0.5), model, 0.5, decoupled=decoupled)
        model.compile(optimizer, "mse", run_eagerly=not ON_JAX)
        optimizer.build(model.trainable_variables)
        start = values(model)["words/embeddings"]
        for one in (model, reference):
            table = one.get_layer("words").embeddings
            table.assign(table + 1.0)
        reference.compile(keras_optimizers.SGD(0.5), "mse", run_eagerly=not ON_JAX)
        for one in (model, reference):
            one.fit(tokens, y, verbose=0)
        pulled = values(reference)["words/embeddings"] - 0.5 * 0.5 * 1.0
        np.testing.assert_allclose(values(model)["words/embeddings"], pulled, atol=1e-6)
        assert abs(pulled - start)[5].max() == pytest.approx(0.75, abs=1e-5)  # not in the batch


def test_low_precision_weights_keep_their_type():
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(4, dtype="bfloat16", name="low"),
            keras.layers.Dense(2, dtype="bfloat16", name="top"),
        ]
    )
    optimizer = L2SP(keras_optimizers.SGD(0.5), model, 1.0)
    optimizer.build(model.trainable_variables)
    kernel = model.get_layer("low").kernel
    start = np.array(keras.ops.convert_to_numpy(kernel), "float32")
    kernel.assign(kernel + 1.0)
    apply(model, optimizer, still(model))
    left = np.array(keras.ops.convert_to_numpy(kernel), "float32") - start
    np.testing.assert_allclose(left, 0.5, atol=0.02)
    assert optimizer.variables[0].dtype == "bfloat16"


# Plans.


def paths_of_references(optimizer):
    return [name.rpartition("/")[2] for name in (v.path for v in optimizer._references.variables)]


def test_what_stays_frozen_costs_nothing():
    model = small_model()
    optimizer = L2SP(keras_optimizers.SGD(0.1), model, 1.0)
    assert optimizer._references.variables == []
    kerasft.TrainLastBlocks(1).apply(model)
    optimizer.build(model.trainable_variables)
    assert paths_of_references(optimizer) == ["middle_kernel_reference", "middle_bias_reference"]


def fitted(model, when):
    """Train the head and the last block, then all; return the pretrained values."""
    x, y = batch()
    start = values(model)
    optimizer = L2SP(keras_optimizers.SGD(0.1), model, 2.0)
    if when == "before compile":
        kerasft.TrainLastBlocks(1).apply(model)
    model.compile(optimizer, "mse", run_eagerly=when != "inside fit" and not ON_JAX)
    if when == "after compile":
        kerasft.TrainLastBlocks(1).apply(model)

    class Unfreeze(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 0:
                kerasft.TrainLastBlocks(1).apply(model)
            if epoch == 2:
                kerasft.TrainEverything().apply(model)

    if when == "inside fit":
        model.fit(x, y, epochs=4, shuffle=False, verbose=0, callbacks=[Unfreeze()])
    else:
        model.fit(x, y, epochs=2, shuffle=False, verbose=0)
        kerasft.TrainEverything().apply(model)
        model.fit(x, y, epochs=2, shuffle=False, verbose=0)
    return start


@pytest.mark.core
@pytest.mark.parametrize("when", ["before compile", "after compile", "inside fit"])
def test_what_is_unfrozen_late_is_pulled_to_its_pretrained_value(when):
    if when == "inside fit" and ON_JAX:
        pytest.skip("a plan cannot change inside fit there")
    model = small_model()
    start = fitted(model, when)
    references = model.optimizer._references.values()
    assert {*references} == {"low/kernel", "low/bias", "middle/kernel", "middle/bias"}
    assert_same(references, start)
    x, y = batch()
    by_hand = small_model()
    for path, value in start.items():
        next(v for v in by_hand.weights if v.path == path).assign(value)
    for epochs, trained in ((2, ["middle", "top"]), (2, ["low", "middle", "top"])):
        for layer in by_hand.layers:
            layer.trainable = layer.name in trained
        for variable in by_hand.trainable_variables:
            if not variable.path.startswith("top"):
                variable.regularizer = _penalty(2.0, start[variable.path])
        # Without momentum there is no state to carry on.
        by_hand.compile(keras_optimizers.SGD(0.1), "mse", run_eagerly=not ON_JAX)
        by_hand.fit(x, y, epochs=epochs, shuffle=False, verbose=0)
    # Without momentum, coupled and decoupled are the same step.
    assert_same(values(model), values(by_hand), atol=1e-5)


def test_what_comes_back_is_pulled_to_its_first_reference():
    model = small_model()
    start = values(model)
    model.compile(L2SP(keras_optimizers.SGD(0.1, momentum=0.5), model, 1.0), "mse")
    for step, policy in enumerate(
        (
            kerasft.TrainEverything(),
            kerasft.TrainHead(),
            kerasft.TrainLastBlocks(1),
            kerasft.TrainEverything(),
        )
    ):
        policy.apply(model)
        step_on(model, [step, step + 10])
        assert_same(model.optimizer._references.values(), start)
    assert len(paths_of_references(model.optimizer)) == 4
    assert model.optimizer.distance()["block 0"] > 0
    kernel = values(model)["low/kernel"]
    gap = np.linalg.norm(kernel - start["low/kernel"])
    others = np.linalg.norm(values(model)["low/bias"] - start["low/bias"])
    assert model.optimizer.distance()["block 0"] == pytest.approx(np.hypot(gap, others), rel=1e-5)


def test_loras_variables_join_the_pull():
    model = small_model()
    optimizer = L2SP(keras_optimizers.SGD(0.1), model, 1.0)
    model.get_layer("low").enable_lora(2)
    step_on(model, [0], optimizer)
    assert "low_lora_kernel_a_reference" in paths_of_references(optimizer)
    assert "low_kernel_reference" not in paths_of_references(optimizer)
    assert {row.path for row in optimizer.table} >= {"low/lora_kernel_a", "low/kernel"}


# Saving and loading.


def train_and_save(model, folder, plan=None, inner=None, **arguments):
    if plan is not None:
        plan.apply(model)
    optimizer = L2SP(inner or keras_optimizers.AdamW(0.01), model, 3.0, **arguments)
    model.compile(optimizer, "mse")
    step_on(model, [0, 1, 2])
    model.save(folder / "model.keras")
    return optimizer


@pytest.mark.parametrize(
    "make",
    [
        models.flat_bert,
        models.small_resnet,
        built_subclassed,
        pytest.param(models.nested_bert, marks=pytest.mark.slow),
    ],
    ids=lambda make: make.__name__,
)
def test_a_loaded_model_trains_on_as_the_saved_one(make, tmp_path):
    model = make()
    optimizer = train_and_save(model, tmp_path, selector=~select.Biases())
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.optimizer.get_config() == optimizer.get_config()
    assert loaded.optimizer.distance() == optimizer.distance()
    for one, other in zip(optimizer.variables, loaded.optimizer.variables, strict=True):
        np.testing.assert_array_equal(*map(keras.ops.convert_to_numpy, (one, other)))
    step_on(model, [10, 11])
    step_on(loaded, [10, 11])
    for one, other in zip(values(model).values(), values(loaded).values(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("scaled", [False, True])
def test_a_loaded_model_has_its_plan_and_the_references_of_what_rests(scaled, tmp_path):
    model = small_model()
    start = values(model)
    optimizer = L2SP(keras_optimizers.AdamW(0.01), model, 3.0)
    outer = keras_optimizers.LossScaleOptimizer(optimizer) if scaled else optimizer
    model.compile(outer, "mse")
    step_on(model, [0, 1])
    kerasft.TrainLastBlocks(1).apply(model)  # what lies below rests, moved
    step_on(model, [2])
    model.save(tmp_path / "model.keras")
    loaded = kerasft.load_model(tmp_path / "model.keras")
    inner = loaded.optimizer.inner_optimizer if scaled else loaded.optimizer
    assert isinstance(inner, L2SP)
    assert len(paths_of_references(inner)) == 2
    for one in (model, loaded):
        step_on(one, [10])
        kerasft.TrainEverything().apply(one)
        step_on(one, [11, 12])
    assert_same(inner._references.values(), start)
    assert_same(values(model), values(loaded))


def test_a_frozen_part_that_trains_after_loading_is_pulled_to_its_value(tmp_path):
    """Keras loses a freeze, and then loads no state of the inner optimizer: of this, it says so."""
    model = built_subclassed()
    model.stem.trainable = False
    train_and_save(model, tmp_path)
    kept = model.optimizer._references.values()
    assert not {"stem/kernel", "stem/bias"} & {*kept}
    with pytest.warns(UserWarning, match="Skipping variable loading"):
        loaded = keras.saving.load_model(tmp_path / "model.keras")
    kernel, bias = (np.array(value) for value in loaded.stem.get_weights())
    step_on(loaded, [4])
    expected = {**kept, "stem/kernel": kernel, "stem/bias": bias}
    assert_same(expected, loaded.optimizer._references.values())
    assert np.linalg.norm(loaded.stem.get_weights()[0] - kernel) > 0


def test_a_model_that_was_saved_before_training_is_pulled_to_the_weights_in_the_file(tmp_path):
    model = built_subclassed()
    model.compile(L2SP(keras_optimizers.SGD(0.1), model, 1.0), "mse", run_eagerly=not ON_JAX)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    x, y = np.ones((4, 8), "float32"), np.ones((4, 2), "float32")
    loaded.fit(x, y, verbose=0)
    found = loaded.optimizer._references.values()
    assert len(found) == 2 + 3 * 4 + 2
    start = {v.path.partition("/")[2]: np.array(v) for v in model.trainable_variables}
    assert_same(found, start)


def test_weights_loaded_later_become_the_reference_when_told(tmp_path):
    model = small_model()
    optimizer = L2SP(keras_optimizers.SGD(0.1), model, 1.0)
    optimizer.build(model.trainable_variables)
    other = small_model()
    model.set_weights(other.get_weights())
    optimizer.bind(model)
    assert_same(optimizer._references.values(), values(other))
    assert {*optimizer.distance().values()} == {0.0}


def test_state_can_be_set():
    model, other = twins()
    one, two = (L2SP(keras_optimizers.Adam(0.1), m, 2.0) for m in (model, other))
    for m, optimizer in ((model, one), (other, two)):
        optimizer.build(m.trainable_variables)
    step_on(model, [0, 1], one)
    two.set_weights([keras.ops.convert_to_numpy(v) for v in one.variables])
    other.set_weights(model.get_weights())
    for m, optimizer in ((model, one), (other, two)):
        step_on(m, [2], optimizer)
    assert_same(values(model), values(other))


def test_the_config_goes_round_through_json():
    model = small_model()
    optimizer = L2SP(
        LayerwiseOptimizer(keras_optimizers.Lion(0.1), model, decay=0.5),
        model,
        0.5,
        head_strength=0.25,
        selector=select.Block(0) & ~select.Biases(),
        decoupled=False,
        name="pulled",
    )
    config = json.loads(json.dumps(optimizer.get_config()))
    again = L2SP.from_config(config)
    assert again.get_config() == optimizer.get_config()
    assert again.table == optimizer.table
    assert again.selector == optimizer.selector
    assert again.inner_optimizer.table == optimizer.inner_optimizer.table
    signature = set(inspect.signature(L2SP).parameters)
    assert set(config) == signature - {"model"}
    through_keras = keras_optimizers.deserialize(keras_optimizers.serialize(optimizer))
    assert through_keras.get_config() == optimizer.get_config()


# Which variables, bad input, and what is printed.


def test_a_selector_says_what_is_pulled_and_the_heads_strength_is_for_the_rest_of_the_head():
    rules = {"selector": select.Everything() & ~select.Biases(), "head_strength": 0.25}
    optimizer = L2SP(keras_optimizers.SGD(0.1), small_model(), 0.5, **rules)
    assert {row.path: (row.strength, row.towards) for row in optimizer.table} == {
        "low/kernel": (0.5, "pretrained"),
        "low/bias": (0.0, "zero"),
        "middle/kernel": (0.5, "pretrained"),
        "middle/bias": (0.0, "zero"),
        "top/kernel": (0.5, "pretrained"),
        "top/bias": (0.25, "zero"),
    }


def test_moving_statistics_are_not_pulled():
    optimizer = L2SP(keras_optimizers.SGD(0.1), models.small_resnet(), 0.5)
    rows = {row.path: row.strength for row in optimizer.table}
    assert rows["block0_bn/gamma"] == 0.5
    assert rows["block0_bn/moving_mean"] == 0.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"strength": -0.1}, "`strength` must be a number, at least 0. Received: strength=-0.1"),
        ({"strength": "0.1"}, "`strength` must be a number"),
        ({"strength": True}, "of type bool"),
        ({"strength": float("nan")}, "`strength` must be a number"),
        ({"head_strength": -1}, "`head_strength` must be a number, at least 0"),
        ({"head_strength": None}, "`head_strength` must be a number"),
        ({"decoupled": 1}, "`decoupled` must be True or False"),
        ({"selector": 3}, "a selector or a path pattern"),
        ({"selector": "lwo"}, "The nearest paths are low"),
        ({"selector": "*", "head_strength": 1.0}, "no variable of a head is left for it"),
    ],
)
def test_bad_arguments_leave_the_optimizer_alone(arguments, message):
    inner = keras_optimizers.Adam(0.1)
    before = {*vars(inner)}
    with pytest.raises(ArgumentError) as error:
        L2SP(inner, small_model(), **arguments)
    assert message in str(error.value)
    assert {*vars(inner)} == before


def test_other_optimizers_and_models_are_refused():
    model, inner = small_model(), keras_optimizers.Adam(0.1)
    several = keras_optimizers.MultiOptimizer(keras_optimizers.OptimizerMap(inner))
    for arguments, message in (
        (("adam", model), "`inner_optimizer` must be a keras.optimizers.Optimizer instance"),
        ((keras_optimizers.LossScaleOptimizer(inner), model), "round the L2SP; compile does"),
        ((several, model), "One that hands its variables on to others cannot be told what to pull"),
        ((inner,), "`model` must be the keras.Model whose variables are pulled towards their"),
        ((inner, "model"), "`model` must be a keras.Model"),
        (
            (L2SP(keras_optimizers.SGD(0.1), model), model),
            "an optimizer that no other L2SP wraps. Received",
        ),
    ):
        with pytest.raises(ArgumentError) as error:
            L2SP(*arguments)
        assert message in str(error.value)
    headless = keras.Sequential([keras.Input((4,)), _body()])
    with pytest.raises(ArgumentError, match="has no head that kerasft could find"):
        L2SP(inner, headless, 0.1, head_strength=0.1)


def _body():
    return keras.layers.LayerNormalization(name="body")


def test_variables_of_another_model_are_refused():
    model, other = small_model(), small_model()
    optimizer = L2SP(keras_optimizers.SGD(1.0), model, 0.1)
    with pytest.raises(ArgumentError, match=r"`L2SP` must be given the model whose.*'low/kernel'"):
        optimizer.build(other.trainable_variables)


def test_a_selector_that_matches_nothing_in_a_later_model_raises_at_the_build():
    model = keras.Sequential([keras.layers.Dense(2, name="top")])
    optimizer = L2SP(keras_optimizers.SGD(0.1), model, 0.1, selector="tpo")
    assert optimizer.table == ()
    assert "not bound" in repr(optimizer)
    model.build((None, 3))
    with pytest.raises(SelectorError, match="top"):
        optimizer.build(model.trainable_variables)


def test_a_model_may_be_built_after_its_optimizer_but_not_inside_the_train_function():
    x, y = np.ones((4, 3), "float32"), np.ones((4, 2), "float32")
    for eager in (True, False):
        layers = [keras.layers.Dense(5, name="low"), keras.layers.Dense(2, name="top")]
        model = keras.Sequential(layers)
        optimizer = L2SP(keras_optimizers.SGD(0.1), model, 1.0)
        model.compile(optimizer, "mse", run_eagerly=eager)
        if not eager and keras.backend.backend() == "tensorflow":
            with pytest.raises(ArgumentError, match=r"has no value yet\. Build the model"):
                model.fit(x, y, verbose=0)
            return
        model.fit(x, y, verbose=0)
        assert {row.path: row.strength for row in optimizer.table}["low/kernel"] == 1.0
        assert optimizer.distance()["block 0"] > 0


def test_it_prints_as_a_table(capsys):
    optimizer = L2SP(keras_optimizers.AdamW(0.01), small_model(), 0.5, decoupled=False)
    optimizer.summary()
    printed = capsys.readouterr().out
    assert printed.startswith("L2-SP round AdamW, as a part of the gradient\n")
    assert [line.split()[-3:] for line in printed.splitlines()[-3:]] == [
        ["0.5", "pretrained", "values"],
        ["0.5", "pretrained", "values"],
        ["15", "0", "nothing"],
    ]
    assert repr(optimizer) == "<L2SP round AdamW, pulls 4 variables>"
    assert "<table>" in optimizer._repr_html_()
    assert optimizer.distance() == {}
    assert str(copy.deepcopy(optimizer)) == str(optimizer)


TWO_DEVICES = """
import keras, numpy as np, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
import kerasft
from kerasft.optimizers import L2SP, LayerwiseOptimizer
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
random = np.random.default_rng(0)
x, y = (random.normal(size=(32, 4)).astype("float32") for _ in range(2))

class Unfreeze(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 2:
            kerasft.TrainEverything().apply(self.model)

def fitted(decoupled, layerwise, plan):
    keras.utils.set_random_seed(1)
    inputs = keras.Input((4,))
    outputs = inputs
    for i in range(3):
        outputs = keras.layers.Dense(4, activation="tanh", name=f"layer_{i}")(outputs)
    model = keras.Model(inputs, outputs)
    start = model.get_weights()
    if plan:
        kerasft.TrainLastBlocks(1).apply(model)
    inner = keras.optimizers.AdamW(0.05)
    if layerwise:
        inner = LayerwiseOptimizer(inner, model, decay=0.5)
    optimizer = L2SP(inner, model, 2.0, head_strength=0.5, decoupled=decoupled)
    model.compile(optimizer, "mse")
    model.fit(x, y, batch_size=8, epochs=4, shuffle=False, verbose=0, callbacks=[Unfreeze()])
    for reference, value in zip(optimizer._references.variables, start):
        if plan:
            break  # in another order
        for copy in strategy.experimental_local_results(reference.value):
            np.testing.assert_array_equal(copy.numpy(), value)
    assert len(optimizer._references.variables) == 4
    return [*model.get_weights(), np.array(list(optimizer.distance().values()))]

for case in ((True, True, True), (False, False, True), (False, True, False)):
    one = fitted(*case)
    with strategy.scope():
        two = fitted(*case)
    for a, b in zip(one, two):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-6)

# What the file lacks, for it was saved before training, comes from the weights in it.
import os, tempfile
path = os.path.join(tempfile.mkdtemp(), "model.keras")
with strategy.scope():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4), keras.layers.Dense(4)])
    model.compile(L2SP(keras.optimizers.SGD(0.1), model, 1.0), "mse")
    model.save(path)
    model = keras.saving.load_model(path)
start = model.get_weights()
model.fit(x, y, verbose=0)
for reference, value in zip(model.optimizer._references.variables, start):
    np.testing.assert_array_equal(reference.numpy(), value)
print("equal")
"""


@pytest.mark.slow
def test_two_devices_end_with_the_weights_of_one():
    if keras.backend.backend() != "tensorflow":
        pytest.skip("tf.distribute")
    done = subprocess.run(
        [sys.executable, "-c", TWO_DEVICES], capture_output=True, text=True, timeout=600
    )
    assert done.stdout.strip().endswith("equal"), done.stderr[-3000:]
