"""GELU out of one kernel is GELU, and no config or file knows of it."""

import functools
import json

import keras
import models
import numpy as np
import pytest

import kerasft
from kerasft.backbones import _fused_gelu
from kerasft.structure import walk

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="TensorFlow's CPU only"
)
NAMES = {"gelu": False, "gelu_approximate": True}
# Tails lose digits in 1 + tanh; Keras's own function is as far from the true one.
FLOAT32 = {"rtol": 2e-5, "atol": 5e-6}
VALUES = np.concatenate([np.linspace(-12, 12, 4001), [0.0, -1e-3, 1e-30, 100.0, -100.0, 1e4]])


def exact(x, approximate):
    """GELU and its derivative in float64, from their formulas."""
    import math

    if approximate:
        slope = math.sqrt(2 / math.pi)
        tanh = np.tanh(slope * (x + 0.044715 * x**3))
        inner = slope * (1 + 3 * 0.044715 * x**2)
        return 0.5 * x * (1 + tanh), 0.5 * (1 + tanh) + 0.5 * x * (1 - tanh**2) * inner
    share = np.array([0.5 * math.erfc(-value / math.sqrt(2)) for value in x])
    return x * share, share + x * np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)


def with_gradient(function, x):
    """Values and gradient, in a graph, and the types of the graph's operations."""
    import tensorflow as tf

    @tf.function
    def run(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = function(x)
        return y, tape.gradient(y, x)

    graph = run.get_concrete_function(x).graph
    names = [op.type for op in graph.get_operations()]
    return *(np.array(tf.cast(one, "float64")) for one in run(x)), names


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", NAMES)
def test_values_and_gradient_are_those_of_the_formula(name, dtype):
    import tensorflow as tf

    x = tf.cast(tf.constant(VALUES), dtype)
    y, gradient, operations = with_gradient(getattr(_fused_gelu, name), x)
    expected_y, expected_gradient = exact(np.array(tf.cast(x, "float64")), NAMES[name])
    # bfloat16 has 8 bits: a number is rounded to within 1 / 256 of itself.
    tolerance = {"rtol": 1 / 255, "atol": 1e-5} if dtype == "bfloat16" else FLOAT32
    np.testing.assert_allclose(y, expected_y, **tolerance)
    np.testing.assert_allclose(gradient, expected_gradient, **tolerance)
    assert "Tanh" not in operations  # it is in the kernel
    assert "Erfc" not in operations


@pytest.mark.parametrize("name", NAMES)
def test_without_a_gradient_it_is_keras_own(name):
    import tensorflow as tf

    x = tf.constant(VALUES, "float32")
    own = keras.activations.gelu(x, approximate=NAMES[name])
    fused = getattr(_fused_gelu, name)
    np.testing.assert_array_equal(fused(x), own)
    graph = tf.function(fused).get_concrete_function(x).graph
    operations = {op.type for op in graph.get_operations()}
    assert operations & {"Tanh", "Erfc"}
    assert not any("Call" in kind for kind in operations)


@pytest.mark.parametrize("name", NAMES)
def test_without_a_gradient_bfloat16_has_product_bias_and_gelu_in_a_row(name):
    import tensorflow as tf

    dense = keras.layers.Dense(16, activation=getattr(_fused_gelu, name), dtype="bfloat16")
    dense.build((None, None, 32))
    dense.bias.assign(np.linspace(-1, 1, 16))
    x = tf.cast(tf.constant(np.random.default_rng(0).normal(size=(3, 5, 32))), "bfloat16")
    run = tf.function(lambda x: dense(x))
    operations = {op.name: op for op in run.get_concrete_function(x).graph.get_operations()}
    rows = [op for op in operations.values() if op.type == "BiasAdd" and op.outputs[0].consumers()]
    assert [op.inputs[0].op.type for op in rows] == ["MatMul"]
    wide = [np.array(tf.cast(one, "float64")) for one in (x, dense.kernel, dense.bias)]
    expected, _ = exact((wide[0] @ wide[1] + wide[2]).ravel(), NAMES[name])
    found = np.array(tf.cast(run(x), "float64"))
    assert found.shape == (3, 5, 16)
    np.testing.assert_allclose(found.ravel(), expected, rtol=1 / 255, atol=2e-2)
    # Rounded once; Keras rounds after each of its steps.
    dense.activation = functools.partial(keras.activations.gelu, approximate=NAMES[name])
    own = np.array(tf.cast(tf.function(lambda x: dense(x))(x), "float64"))
    assert np.abs(found.ravel() - expected).mean() < np.abs(own.ravel() - expected).mean()


def test_under_xla_and_eagerly_it_is_keras_own():
    import tensorflow as tf

    x = tf.constant(VALUES, "float32")

    @tf.function(jit_compile=True)
    def compiled(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = _fused_gelu.gelu(x)
        return tape.gradient(y, x)

    operations = [op.type for op in compiled.get_concrete_function(x).graph.get_operations()]
    assert "Erfc" in operations
    np.testing.assert_allclose(compiled(x), exact(VALUES, False)[1], **FLOAT32)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = _fused_gelu.gelu(x)
    np.testing.assert_allclose(tape.gradient(y, x), exact(VALUES, False)[1], **FLOAT32)


def inner_activations(model):
    return [
        layer.activation
        for _, layer in walk(model)
        if isinstance(layer, keras.layers.Dense) and layer.name == "feedforward_intermediate_dense"
    ]


def test_configs_files_and_clones_do_not_know(tmp_path):
    model = models.flat_bert()
    inputs, _ = models.text_batch()
    config = json.dumps(model.get_config(), default=str)
    outputs = model.predict(inputs, verbose=0)
    own = inner_activations(model)
    assert _fused_gelu.fuse_gelu(model) == 3
    assert inner_activations(model) == [_fused_gelu.gelu_approximate] * 3
    assert _fused_gelu.fuse_gelu(model) == 0
    assert json.dumps(model.get_config(), default=str) == config
    np.testing.assert_array_equal(model.predict(inputs, verbose=0), outputs)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for other in (loaded, keras.models.clone_model(model)):
        assert inner_activations(other) == own
    np.testing.assert_allclose(loaded.predict(inputs, verbose=0), outputs, atol=1e-6)


def test_layers_of_others_stay_as_they_are():
    inputs = keras.Input((4, 4))
    x = keras.layers.TimeDistributed(keras.layers.Dense(3, activation="gelu"))(inputs)
    model = keras.Model(inputs, keras.layers.Dense(2, activation="gelu")(x))
    config = model.get_config()
    assert _fused_gelu.fuse_gelu(model) == 0
    assert model.get_config() == config


def test_a_layer_that_tells_of_its_activation_keeps_it():
    import keras_hub  # registers the activation

    approximate = keras.saving.get_registered_object("keras_hub>gelu_approximate")

    class Telling(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(2, activation=approximate)

        def get_config(self):
            return {"dense": keras.layers.serialize(self.dense)}

        def call(self, x):
            return self.dense(x)

    Telling.__module__ = f"{keras_hub.__name__}.made_up"
    model = keras.Sequential([keras.Input((3,)), Telling()])
    assert _fused_gelu.fuse_gelu(model) == 0
    assert model.layers[0].dense.activation is approximate


def test_training_ends_as_without_under_a_pin_too():
    ended = []
    for fuse in (False, True):
        keras.utils.set_random_seed(1)
        model = models.flat_bert(num_layers=2)
        if fuse:
            assert _fused_gelu.fuse_gelu(model) == 2
        kerasft.TrainLastBlocks(1).apply(model)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.SGD(0.1), loss)
        model.fit(*models.text_batch(), batch_size=3, epochs=2, shuffle=False, verbose=0)
        ended.append(model.get_weights())
    moved = False
    for one, other in zip(*ended, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
        moved = moved or not np.array_equal(one, other)
    assert moved  # bit for bit they differ, or nothing was exchanged
