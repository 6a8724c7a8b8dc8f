"""The steps are those of Keras's AdamW, in fewer operations."""

import functools

import keras
import numpy as np
import pytest

from kerasft._update_steps import update_steps_of
from kerasft.optimizers import FusedAdamW, LayerwiseOptimizer

RATE = 0.01
# Keras takes 1 - beta_2 in Python's precision, TensorFlow's kernel in float32: 1.3e-5 of the
# average of squares, half of that of a step. On top of it comes rounding of weights of about 1.
TOLERANCE = 2e-5 * RATE + 5e-7

ARGUMENTS = {
    "as it is": {},
    "no decay": {"weight_decay": 0.0},
    "much decay": {"weight_decay": 0.5, "beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-3},
    "amsgrad": {"amsgrad": True},
    "clipped": {"global_clipnorm": 0.5},
    "averaged": {"use_ema": True, "ema_overwrite_frequency": 3},
    "accumulated": {"gradient_accumulation_steps": 2},
    "scaled": {"loss_scale_factor": 8.0},
    "schedule": {"learning_rate": "schedule"},
}

tensorflow_only = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="it is Keras's own AdamW there"
)


def variables(dtype="float32"):
    random = np.random.default_rng(0)
    shapes = {"matrix": (4, 3), "bias": (3,), "one": (), "table": (7, 2)}
    return [
        keras.Variable(random.normal(size=shape), name=name, dtype=dtype)
        for name, shape in shapes.items()
    ]


def gradients(of, step, rows=False):
    """Random gradients; for the table only of some rows, one of which comes up three times."""
    random = np.random.default_rng(step)
    found = [keras.ops.convert_to_tensor(random.normal(size=v.shape).astype(v.dtype)) for v in of]
    if rows:
        import tensorflow as tf

        met = [2, 5, 2, 0, 2] if step % 2 else [6, 6]
        values = random.normal(size=(len(met), 2)).astype(of[-1].dtype)
        found[-1] = tf.IndexedSlices(
            tf.constant(values), tf.constant(met), tf.constant(of[-1].shape)
        )
    return found


def make(kind, **arguments):
    arguments = {"learning_rate": RATE, **arguments}
    if arguments["learning_rate"] == "schedule":
        arguments["learning_rate"] = keras.optimizers.schedules.ExponentialDecay(RATE, 2, 0.5)
    return kind(**arguments)


def train(optimizer, steps=6, rows=False, dtype="float32", wrap=lambda function: function):
    """What variables and state are after some steps."""
    trained = variables(dtype)
    optimizer.build(trained)
    apply = wrap(lambda grads: optimizer.apply(grads, trained))
    for step in range(steps):
        apply(gradients(trained, step, rows))
    everything = [*trained, *optimizer.variables]
    return [np.array(keras.ops.convert_to_numpy(v), "float64") for v in everything]


def assert_same_steps(one, other, tolerance=TOLERANCE):
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a, b, rtol=3e-5, atol=tolerance)


@pytest.mark.core
@pytest.mark.parametrize("name", ARGUMENTS)
def test_steps_are_those_of_keras(name):
    arguments = ARGUMENTS[name]
    fused = train(make(FusedAdamW, **arguments))
    assert_same_steps(fused, train(make(keras.optimizers.AdamW, **arguments)))
    started = [keras.ops.convert_to_numpy(v) for v in variables()]
    for before, after in zip(started, fused, strict=False):
        assert np.abs(after - before).max() > RATE  # else tolerances would say nothing


@tensorflow_only
@pytest.mark.parametrize("name", [name for name in ARGUMENTS if name != "scaled"])
def test_rows_that_a_batch_meets_several_times_step_as_in_keras(name):
    arguments = ARGUMENTS[name]
    fused = train(make(FusedAdamW, **arguments), rows=True)
    assert_same_steps(fused, train(make(keras.optimizers.AdamW, **arguments), rows=True))


@tensorflow_only
def test_it_is_one_operation_for_each_weight_and_none_of_keras_own():
    import tensorflow as tf

    def operations(optimizer):
        trained = variables()
        optimizer.build(trained)
        step = tf.function(lambda: optimizer.apply(gradients(trained, 0), trained))
        return [op.type for op in step.get_concrete_function().graph.get_operations()]

    fused = operations(FusedAdamW(RATE, weight_decay=0.0))
    assert fused.count("ResourceApplyAdam") == len(variables())
    assert "Sqrt" not in fused
    plain = operations(keras.optimizers.AdamW(RATE, weight_decay=0.0))
    assert "ResourceApplyAdam" not in plain
    assert len(plain) > 3 * len(fused)


@tensorflow_only
@pytest.mark.parametrize("rows", [False, True])
def test_steps_in_a_graph_are_those_of_eager_ones(rows):
    import tensorflow as tf

    in_graph = functools.partial(tf.function, reduce_retracing=True)
    traced = train(FusedAdamW(RATE), rows=rows, wrap=in_graph)
    assert_same_steps(traced, train(FusedAdamW(RATE), rows=rows), tolerance=1e-7)


@tensorflow_only
def test_two_steps_in_one_graph_count_as_two():
    import tensorflow as tf

    def twice(function):
        @tf.function
        def apply(grads):
            function(grads)
            function(grads)

        return apply

    one, other = FusedAdamW(RATE), keras.optimizers.AdamW(RATE)
    assert_same_steps(train(one, steps=1, wrap=twice), train(other, steps=1, wrap=twice))


@tensorflow_only
def test_under_xla_it_is_keras_own():
    import tensorflow as tf

    made = []

    def compiled(function):
        made.append(tf.function(function, jit_compile=True))
        return made[0]

    ended = train(FusedAdamW(RATE), steps=3, wrap=compiled)
    assert_same_steps(ended, train(keras.optimizers.AdamW(RATE), steps=3))
    trained = [tf.TensorSpec(v.shape) for v in variables()]
    graph = made[0].get_concrete_function(trained).graph
    assert "ResourceApplyAdam" not in [op.type for op in graph.get_operations()]


@tensorflow_only
@pytest.mark.parametrize("dtype", ["float64", "bfloat16"])
def test_other_dtypes_of_weights(dtype):
    ended = train(FusedAdamW(RATE), dtype=dtype)
    tolerance = TOLERANCE if dtype == "float64" else 0.0
    assert_same_steps(ended, train(keras.optimizers.AdamW(RATE), dtype=dtype), tolerance)


@tensorflow_only
def test_under_a_distribution_strategy():
    import tensorflow as tf

    def ended(kind):
        with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
            model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
            model.set_weights([np.full(w.shape, 0.5, "float32") for w in model.get_weights()])
            model.compile(kind(RATE, weight_decay=0.1), "mse")
        random = np.random.default_rng(0)
        x, y = random.normal(size=(8, 3)), random.normal(size=(8, 2))
        model.fit(x, y, batch_size=4, shuffle=False, verbose=0)
        return model.get_weights()

    assert_same_steps(ended(FusedAdamW), ended(keras.optimizers.AdamW))


@pytest.mark.core
def test_each_layer_has_its_rate_when_it_is_wrapped():
    def ended(kind):
        keras.utils.set_random_seed(1)
        layers = [keras.layers.Dense(3, name=name) for name in ("low", "top")]
        model = keras.Sequential([keras.Input((4,)), *layers])
        optimizer = LayerwiseOptimizer(kind(RATE, weight_decay=0.3), model, decay=0.5)
        optimizer.build(model.trainable_variables)
        for step in range(4):
            optimizer.apply(gradients(model.trainable_variables, step), model.trainable_variables)
        return model.get_weights()

    assert_same_steps(ended(FusedAdamW), ended(keras.optimizers.AdamW))


@pytest.mark.core
def test_a_variable_that_began_late_counts_its_own_steps():
    def ended(kind):
        optimizer = kind(RATE, weight_decay=0.0)
        trained = variables()
        optimizer.build(trained)
        for step in range(5):
            if step == 2:
                update_steps_of(optimizer).births = {optimizer._var_key(trained[0]): 2}
            part = trained[1:] if step < 2 else trained
            optimizer.apply(gradients(trained, step)[-len(part) :], part)
        return [keras.ops.convert_to_numpy(v) for v in trained]

    assert_same_steps(ended(FusedAdamW), ended(keras.optimizers.AdamW))


@pytest.mark.core
def test_config_goes_round():
    optimizer = FusedAdamW(0.02, weight_decay=0.1, beta_1=0.8, global_clipnorm=1.0, name="mine")
    again = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert type(again) is FusedAdamW
    assert again.get_config() == optimizer.get_config()
    plain = keras.optimizers.AdamW(name="mine").get_config()
    assert FusedAdamW(name="mine").get_config() == plain


def test_a_saved_model_trains_on_and_keras_own_can_take_over(tmp_path):
    inputs = keras.Input((4,))
    model = keras.Model(inputs, keras.layers.Dense(2)(inputs))
    model.compile(FusedAdamW(RATE, weight_decay=0.1), "mse", run_eagerly=True)
    random = np.random.default_rng(0)
    x, y = random.normal(size=(6, 4)), random.normal(size=(6, 2))
    model.fit(x, y, batch_size=2, verbose=0, shuffle=False)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    plain = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    plain.compile(keras.optimizers.AdamW(RATE, weight_decay=0.1), "mse", run_eagerly=True)
    plain.optimizer.build(plain.trainable_variables)
    plain.optimizer.set_weights([v.numpy() for v in model.optimizer.variables])
    assert type(loaded.optimizer) is FusedAdamW
    for one in (model, loaded, plain):
        one.fit(x, y, batch_size=2, verbose=0, shuffle=False)
    assert_same_steps(model.get_weights(), loaded.get_weights(), tolerance=0)
    assert_same_steps(model.get_weights(), plain.get_weights())
