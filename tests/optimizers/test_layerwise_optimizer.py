"""Each variable moves as under a separate optimizer at its own rate; the rest stays as it was."""

import copy
import inspect
import json
import subprocess
import sys
import warnings

import keras
import models
import numpy as np
import pytest
from keras import optimizers as keras_optimizers

from kerasft import select
from kerasft.errors import ArgumentError, SelectorError
from kerasft.optimizers import LayerwiseOptimizer

INNER = {
    "AdamW": lambda rate: keras_optimizers.AdamW(rate, weight_decay=0.1),
    "Adam": lambda rate: keras_optimizers.Adam(rate, amsgrad=True),
    "SGD": lambda rate: keras_optimizers.SGD(rate, momentum=0.9, weight_decay=0.1),
    "nesterov": lambda rate: keras_optimizers.SGD(rate, momentum=0.9, nesterov=True),
    "Lion": lambda rate: keras_optimizers.Lion(rate, weight_decay=0.1),
    "RMSprop": lambda rate: keras_optimizers.RMSprop(rate, momentum=0.5, weight_decay=0.1),
    "Adafactor": lambda rate: keras_optimizers.Adafactor(rate, weight_decay=0.1),
    "Muon": lambda rate: keras_optimizers.Muon(rate, weight_decay=0.1, adam_weight_decay=0.05),
    "Nadam": lambda rate: keras_optimizers.Nadam(rate, weight_decay=0.1),
    "Lamb": lambda rate: keras_optimizers.Lamb(rate, weight_decay=0.1),
    "Adagrad": lambda rate: keras_optimizers.Adagrad(rate),
    "ScheduleFreeAdamW": lambda rate: keras_optimizers.ScheduleFreeAdamW(rate, weight_decay=0.1),
}
TABLE = {"low": 0.125, "middle": 0.3, "top": 4.0}


def small_model():
    inputs = keras.Input((5,))
    x = keras.layers.Dense(6, activation="tanh", name="low")(inputs)
    x = keras.layers.Dense(4, activation="tanh", name="middle")(x)
    return keras.Model(inputs, keras.layers.Dense(3, name="top")(x))


def batch(rows=32):
    random = np.random.default_rng(1)
    x, y = random.normal(size=(rows, 5)), random.normal(size=(rows, 3))
    return x.astype("float32"), y.astype("float32")


def gradients(variables, step):
    random = np.random.default_rng(step)
    return [
        keras.ops.convert_to_tensor(random.normal(size=v.shape).astype("float32"))
        for v in variables
    ]


def weights(model):
    return {v.path: keras.ops.convert_to_numpy(v.value) for v in model.weights}


def assert_same(one, other, atol=0.0):
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a, b, rtol=0 if atol == 0 else 1e-6, atol=atol)


@pytest.mark.core
@pytest.mark.parametrize("name", INNER)
def test_each_variable_moves_as_under_a_separate_optimizer_at_its_rate(name):
    model, reference = small_model(), small_model()
    reference.set_weights(model.get_weights())
    optimizer = LayerwiseOptimizer(INNER[name](0.01), model, multipliers=TABLE)
    separate = {}
    for layer, multiplier in TABLE.items():
        separate[layer] = INNER[name](0.01 * multiplier)
        separate[layer].exclude_from_weight_decay(var_names=["bias"])
    for step in range(6):
        if step == 3:  # one rate is set; all follow
            optimizer.learning_rate = 0.004
            for layer, multiplier in TABLE.items():
                separate[layer].learning_rate = 0.004 * multiplier
        given = gradients(model.trainable_variables, step)
        optimizer.apply(given, model.trainable_variables)
        given = gradients(reference.trainable_variables, step)
        for i, layer in enumerate(TABLE):
            pair = slice(2 * i, 2 * i + 2)
            separate[layer].apply(given[pair], reference.trainable_variables[pair])
    assert_same(model.get_weights(), reference.get_weights(), atol=1e-6)
    assert int(optimizer.iterations) == 6


AROUND_A_STEP = {
    "plain": {},
    "accumulation": {"gradient_accumulation_steps": 2},
    "average": {"use_ema": True, "ema_momentum": 0.8, "ema_overwrite_frequency": 3},
    "clipnorm": {"clipnorm": 0.1},
    "global_clipnorm": {"global_clipnorm": 0.1},
    "clipvalue": {"clipvalue": 0.01},
    "scaled loss": {"loss_scale_factor": 8.0},
}


def at_a_quarter(arguments):
    """A layerwise optimizer with one multiplier for all, and plain Keras at that rate."""
    model, reference = small_model(), small_model()
    reference.set_weights(model.get_weights())
    optimizer = LayerwiseOptimizer(
        keras_optimizers.AdamW(0.02, **arguments),
        model,
        multipliers={"*": 0.25},
        decay_biases_and_norms=True,
    )
    return (model, optimizer), (reference, keras_optimizers.AdamW(0.005, **arguments))


@pytest.mark.parametrize("name", AROUND_A_STEP)
def test_what_the_inner_optimizer_does_around_a_step_is_its_own(name):
    pair = at_a_quarter(AROUND_A_STEP[name])
    for model, optimizer in pair:
        for step in range(7):
            variables = model.trainable_variables
            assert float(optimizer.scale_loss(1.0)) == (8.0 if name == "scaled loss" else 1.0)
            optimizer.apply(gradients(variables, step), variables)
        optimizer.finalize_variable_values(model.trainable_variables)
    assert_same(pair[0][0].get_weights(), pair[1][0].get_weights(), atol=1e-7)


@pytest.mark.core
def test_a_fit_with_all_of_it_at_once():
    x, y = batch()
    arguments = {
        "gradient_accumulation_steps": 2,
        "use_ema": True,
        "ema_momentum": 0.8,
        "global_clipnorm": 0.1,
    }
    pair = at_a_quarter(arguments)
    steps = 1 if keras.backend.backend() == "torch" else 4
    for model, optimizer in pair:
        model.compile(optimizer, "mse", steps_per_execution=steps)
        model.fit(x, y, batch_size=4, epochs=2, shuffle=False, verbose=0)
    assert_same(pair[0][0].get_weights(), pair[1][0].get_weights(), atol=1e-6)


@pytest.mark.parametrize(
    "how",
    [
        {"jit_compile": True},
        pytest.param({"jit_compile": True, "steps_per_execution": 4}, marks=pytest.mark.slow),
    ],
    ids=lambda how: "-".join(how),
)
def test_a_fit_equals_keras_multi_optimizer(how):
    if keras.backend.backend() == "torch":
        how = {}
    x, y = batch()
    model, reference = small_model(), small_model()
    reference.set_weights(model.get_weights())
    by_layer = {f"{layer}/.*": keras_optimizers.Adam(0.01 * m) for layer, m in TABLE.items()}
    table = keras_optimizers.OptimizerMap(keras_optimizers.Adam(0.01), by_layer)
    optimizers = [
        LayerwiseOptimizer(keras_optimizers.Adam(0.01), model, multipliers=TABLE),
        keras_optimizers.MultiOptimizer(table),
    ]
    for one, optimizer in zip((model, reference), optimizers, strict=True):
        one.compile(optimizer, "mse", **how)
        one.fit(x, y, batch_size=4, epochs=2, shuffle=False, verbose=0)
    assert_same(model.get_weights(), reference.get_weights(), atol=1e-6)


def test_weight_decay_takes_the_scaled_rate_and_leaves_out_biases_and_norms():
    inputs = keras.Input((4,))
    x = keras.layers.Dense(4, name="low", bias_initializer="ones")(inputs)
    x = keras.layers.LayerNormalization(name="norm")(x)
    model = keras.Model(inputs, keras.layers.Dense(2, name="top", bias_initializer="ones")(x))
    before = weights(model)
    optimizer = LayerwiseOptimizer(
        keras_optimizers.SGD(0.5, weight_decay=0.25), model, multipliers={"low": 0.5}
    )
    nothing = [keras.ops.zeros(v.shape) for v in model.trainable_variables]
    optimizer.apply(nothing, model.trainable_variables)
    after = weights(model)
    for path, times in {"low/kernel": 1 - 0.25 * 0.25, "top/kernel": 1 - 0.25 * 0.5}.items():
        np.testing.assert_allclose(after.pop(path), before[path] * times, rtol=1e-6)
    for path, value in after.items():
        np.testing.assert_array_equal(value, before[path])


@keras.saving.register_keras_serializable(package="kerasft_tests")
class OwnOptimizer(keras_optimizers.SGD):
    """One that a person wrote: its weight decay goes through helpers, and counts its calls."""

    calls = 0

    def _apply_weight_decay(self, variables):
        self.calls += 1
        if self.calls % 2:
            self.shrink(variables)
        else:
            super()._apply_weight_decay(variables)

    def shrink(self, variables):
        for variable in variables:
            rate = keras.ops.cast(self.learning_rate, variable.dtype)
            self.assign(variable, variable * (1 - self.weight_decay * rate))


def test_a_persons_own_weight_decay_takes_the_scaled_rate():
    model = small_model()
    before = weights(model)
    inner = OwnOptimizer(0.5, weight_decay=0.5)
    optimizer = LayerwiseOptimizer(inner, model, multipliers=TABLE)
    nothing = [keras.ops.zeros(v.shape) for v in model.trainable_variables]
    optimizer.apply(nothing, model.trainable_variables)
    for layer, multiplier in TABLE.items():
        np.testing.assert_allclose(
            weights(model)[f"{layer}/kernel"],
            before[f"{layer}/kernel"] * (1 - 0.25 * multiplier),
            rtol=1e-6,
        )
    assert inner.calls == 3  # state goes to the optimizer itself, not to a copy
    assert isinstance(inner.get_config(), dict)


@pytest.mark.core
def test_a_subset_can_be_frozen_and_unfrozen():
    x, y = batch()
    model = small_model()
    optimizer = LayerwiseOptimizer(keras_optimizers.Adam(0.01), model, multipliers=TABLE)
    model.get_layer("low").trainable = False
    model.compile(optimizer, "mse")
    before = weights(model)
    model.fit(x, y, batch_size=32, verbose=0)
    moved = {path: abs(value - before[path]).mean() for path, value in weights(model).items()}
    # Adam's first step is the rate itself.
    assert moved == pytest.approx(
        {
            "low/kernel": 0.0,
            "low/bias": 0.0,
            "middle/kernel": 0.003,
            "middle/bias": 0.003,
            "top/kernel": 0.04,
            "top/bias": 0.04,
        },
        rel=1e-2,
    )
    # Built anew for another list of variables, as a change of plan does it.
    model.get_layer("low").trainable = True
    for one in (optimizer, optimizer.inner_optimizer):
        one.built = False
    optimizer.build(model.trainable_variables)
    model.make_train_function(force=True)
    before = weights(model)
    model.fit(x, y, batch_size=32, verbose=0)
    assert 0 < abs(weights(model)["low/kernel"] - before["low/kernel"]).max() < 0.01


@pytest.mark.parametrize("kind", ["sequential", "subclassed"])
def test_a_model_may_be_built_after_its_optimizer(kind):
    if kind == "sequential":
        model = keras.Sequential(
            [keras.layers.Dense(5, name="low"), keras.layers.Dense(2, name="top")]
        )
        lowest, inputs = "low", np.ones((4, 3), "float32")
    else:
        model, inputs = models.SubclassedModel(), np.ones((4, 8), "float32")
        lowest = "stem"
    optimizer = LayerwiseOptimizer(keras_optimizers.SGD(0.1), model, multipliers={lowest: 0.5})
    assert optimizer.table == ()
    assert "not bound" in repr(optimizer)
    model.compile(optimizer, "mse")
    model.fit(inputs, np.ones((4, 2), "float32"), verbose=0)
    found = {row.path.split("/")[0]: row.multiplier for row in optimizer.table}
    assert found[lowest] == 0.5
    assert found["top"] == 1.0


def test_a_selector_that_matches_nothing_in_a_later_model_raises_at_the_build():
    model = keras.Sequential([keras.layers.Dense(2, name="top")])
    optimizer = LayerwiseOptimizer(keras_optimizers.SGD(0.1), model, multipliers={"tpo": 0.5})
    model.compile(optimizer, "mse")
    with pytest.raises(SelectorError, match="top"):
        model.fit(np.ones((4, 3)), np.ones((4, 2)), verbose=0)


@pytest.mark.core
def test_lora_gets_the_rate_of_its_layer():
    model = small_model()
    optimizer = LayerwiseOptimizer(keras_optimizers.SGD(1.0), model, multipliers=TABLE)
    model.get_layer("low").enable_lora(2)
    trainable = model.trainable_variables
    before = [np.array(v) for v in map(keras.ops.convert_to_numpy, [v.value for v in trainable])]
    optimizer.apply([keras.ops.ones(v.shape) for v in trainable], trainable)
    moved = {
        v.path: np.unique(np.round(b - keras.ops.convert_to_numpy(v.value), 5)).tolist()
        for v, b in zip(trainable, before, strict=True)
    }
    assert moved["low/lora_kernel_a"] == moved["low/lora_kernel_b"] == [0.125]
    assert moved["top/kernel"] == [4.0]


def test_variables_of_another_model_are_refused():
    model, other = small_model(), small_model()
    optimizer = LayerwiseOptimizer(keras_optimizers.SGD(1.0), model, multipliers=TABLE)
    with pytest.raises(ArgumentError, match="'low/kernel', which is not in its table of 6"):
        optimizer.apply(gradients(other.trainable_variables, 0), other.trainable_variables)
    optimizer.bind(other)
    optimizer.apply(gradients(other.trainable_variables, 0), other.trainable_variables)


# One learning rate remains.


def test_callbacks_see_and_set_one_rate(tmp_path):
    x, y = batch(8)
    model = small_model()
    optimizer = LayerwiseOptimizer(keras_optimizers.SGD(0.01), model, multipliers=TABLE)
    model.compile(optimizer, "mse")
    history = model.fit(
        x,
        y,
        epochs=3,
        verbose=0,
        callbacks=[keras.callbacks.LearningRateScheduler(lambda epoch: 0.01 / (epoch + 1))],
    )
    assert history.history["learning_rate"] == pytest.approx([0.01, 0.005, 0.01 / 3])
    for wrapped in (optimizer, keras_optimizers.LossScaleOptimizer(optimizer)):
        model.compile(wrapped, "mse")
        board = keras.callbacks.TensorBoard(tmp_path)  # writing needs the package tensorboard
        board.set_model(model)
        assert board._collect_learning_rate({}) == {"learning_rate": pytest.approx(0.01 / 3)}


@pytest.mark.core
def test_a_schedule_is_scaled_for_each_variable():
    schedule = keras_optimizers.schedules.PiecewiseConstantDecay([1], [1.0, 0.1])
    model = small_model()
    optimizer = LayerwiseOptimizer(keras_optimizers.SGD(schedule), model, multipliers=TABLE)
    trainable = model.trainable_variables
    for expected in (1.0, 1.0, 0.1):
        before = weights(model)
        optimizer.apply([keras.ops.ones(v.shape) for v in trainable], trainable)
        for path, value in weights(model).items():
            step = expected * TABLE[path.split("/")[0]]
            np.testing.assert_allclose(before[path] - value, step, rtol=1e-4, atol=1e-6)


@pytest.mark.core
def test_mixed_float16_with_a_plateau_and_moving_averages():
    x, y = batch(16)
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = small_model()
    finally:
        keras.config.set_dtype_policy("float32")
    inner = keras_optimizers.SGD(0.01, use_ema=True)
    optimizer = LayerwiseOptimizer(inner, model, multipliers=TABLE)
    model.compile(optimizer, "mse", auto_scale_loss=True)
    if not isinstance(model.optimizer, keras_optimizers.LossScaleOptimizer):
        model.compile(keras_optimizers.LossScaleOptimizer(optimizer), "mse")
    assert model.optimizer.inner_optimizer is optimizer
    before = weights(model)
    plateau = keras.callbacks.ReduceLROnPlateau(
        monitor="loss", factor=0.5, patience=1, min_delta=1e9
    )
    history = model.fit(
        x,
        y,
        epochs=4,
        verbose=0,
        callbacks=[plateau, keras.callbacks.SwapEMAWeights(swap_on_epoch=True)],
    )
    assert history.history["learning_rate"] == pytest.approx([0.01, 0.01, 0.005, 0.0025])
    assert float(inner.learning_rate) == pytest.approx(0.00125)
    assert int(model.optimizer.iterations) == 4
    assert all(abs(weights(model)[path] - before[path]).max() > 0 for path in before)


# Saving and loading.


def trained(model, steps=3, **rules):
    optimizer = LayerwiseOptimizer(keras_optimizers.AdamW(0.01), model, **rules)
    model.compile(optimizer, "mse")
    step_on(model, range(steps))
    return optimizer


def step_on(model, steps):
    for step in steps:
        variables = model.trainable_variables
        model.optimizer.apply(gradients(variables, step), variables)


def small_mobilenet():
    return keras.applications.MobileNet(
        weights=None, input_shape=(32, 32, 3), alpha=0.25, classes=3
    )


def small_sequential():
    return keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(3), keras.layers.Dense(3), keras.layers.Dense(2)]
    )


def nested_sequential():
    return keras.Sequential([keras.Input((4,)), small_sequential(), keras.layers.Dense(2)])


@pytest.mark.parametrize(
    "make",
    [
        models.flat_bert,
        models.nested_bert,
        models.small_resnet,
        pytest.param(small_mobilenet, marks=pytest.mark.slow),
        small_sequential,
        nested_sequential,
    ],
    ids=lambda make: make.__name__,
)
def test_a_loaded_model_trains_on_as_the_saved_one(make, tmp_path):
    model = make()
    optimizer = trained(model, decay=0.5, head_multiplier=5.0, multipliers={"*bias": 0.75})
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.optimizer.get_config() == optimizer.get_config()
    assert loaded.optimizer.model is None
    for one, other in zip(optimizer.variables, loaded.optimizer.variables, strict=True):
        np.testing.assert_array_equal(*map(keras.ops.convert_to_numpy, (one, other)))
    step_on(model, [10, 11])
    step_on(loaded, [10, 11])
    for one, other in zip(weights(model).values(), weights(loaded).values(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_subclassed_model_with_automatic_names_is_found_by_order(tmp_path):
    model = UnnamedPair()
    model(np.ones((1, 4), "float32"))
    optimizer = trained(model, multipliers={"dense*": 0.5, select.Biases(): 0.5})
    rows = [row.multiplier for row in optimizer.table]
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    step_on(loaded, [1])
    found = [
        loaded.optimizer._assignments.row_by_key[loaded.optimizer._var_key(v)].multiplier
        for v in loaded.trainable_variables
    ]
    assert found == rows


@keras.saving.register_keras_serializable(package="kerasft_tests")
class UnnamedPair(keras.Model):
    """Its layers get automatic names, which are others after loading in the same process."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.one, self.two = keras.layers.Dense(4), keras.layers.Dense(4)

    def call(self, inputs):
        return self.two(self.one(inputs))


def test_a_frozen_part_that_trains_after_loading_gets_its_rate(tmp_path):
    model = models.flat_bert()
    model.get_layer("transformer_layer_0").trainable = False
    trained(model, decay=0.5)
    model.save(tmp_path / "model.keras")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras loses the freeze, and with it the state: it says so
        loaded = keras.models.load_model(tmp_path / "model.keras")
    loaded.get_layer("transformer_layer_0").trainable = True
    before = weights(loaded)
    optimizer = loaded.optimizer
    variables = loaded.trainable_variables
    optimizer.apply([keras.ops.ones(v.shape) for v in variables], variables)
    bias = "transformer_layer_{}/feedforward_output_dense/bias"
    moved = [abs(weights(loaded)[bias.format(i)] - before[bias.format(i)]).max() for i in range(3)]
    assert moved == pytest.approx([0.01 / 8, 0.01 / 4, 0.01 / 2], rel=1e-3)


def test_the_config_goes_round_through_json():
    model = small_model()
    optimizer = LayerwiseOptimizer(
        keras_optimizers.Lion(keras_optimizers.schedules.CosineDecay(0.1, 10)),
        model,
        slices=(0.01, 2.0),
        head_multiplier=3.0,
        multipliers={select.Biases() & ~select.Head(): 0.5, "low/kernel": 0.25},
        no_weight_decay=select.Block(0) | "top",
        decay_biases_and_norms=True,
        name="layerwise",
    )
    config = json.loads(json.dumps(optimizer.get_config()))
    again = LayerwiseOptimizer.from_config(config)
    assert again.get_config() == optimizer.get_config()
    assert again.table == optimizer.table
    assert dict(again.multipliers) == optimizer.multipliers
    again.bind(small_model())
    assert again.table == optimizer.table
    signature = set(inspect.signature(LayerwiseOptimizer).parameters)
    assert set(config) == signature - {"model"}
    through_keras = keras_optimizers.deserialize(keras_optimizers.serialize(optimizer))
    assert through_keras.get_config() == optimizer.get_config()


def test_a_loaded_table_that_does_not_fit_raises_at_the_first_step_only():
    model = small_model()
    optimizer = LayerwiseOptimizer(keras_optimizers.SGD(0.1), model, decay=0.5)
    again = LayerwiseOptimizer.from_config(optimizer.get_config())
    inputs = keras.Input((5,))
    other = keras.Model(inputs, keras.layers.Dense(7, name="else")(inputs))
    again.build(other.trainable_variables)
    with pytest.raises(ArgumentError, match=r"'else/kernel'.*bind\(model\)"):
        again.apply(gradients(other.trainable_variables, 0))


# Bad input, and what is printed.


def test_bad_arguments_leave_the_optimizer_alone():
    model, inner = small_model(), keras_optimizers.Adam(0.1)
    before = set(vars(inner))
    for arguments, message in (
        (("adam", model), "`inner_optimizer` must be a keras.optimizers.Optimizer instance"),
        ((keras_optimizers.LossScaleOptimizer(inner), model), "Put the LossScaleOptimizer round"),
        (
            (keras_optimizers.MultiOptimizer(keras_optimizers.OptimizerMap(inner)), model),
            "an update rule of its own",
        ),
        ((inner,), "`model` must be the keras.Model"),
        ((inner, "model"), "`model` must be a keras.Model"),
    ):
        with pytest.raises(ArgumentError) as error:
            LayerwiseOptimizer(*arguments)
        assert message in str(error.value)
    for rules, message in (
        ({"decay": 2.0}, "`decay` must be"),
        ({"multipliers": {"lwo": 0.5}}, "low"),
        ({"multipliers": {"low": 0.5, "*/kernel": 0.25}}, "no two rows"),
        ({"decay_biases_and_norms": 1}, "True or False"),
    ):
        with pytest.raises(ArgumentError) as error:
            LayerwiseOptimizer(inner, model, **rules)
        assert message in str(error.value)
    assert set(vars(inner)) == before
    LayerwiseOptimizer(inner, model)
    for taken in (inner, LayerwiseOptimizer(keras_optimizers.SGD(0.1), model)):
        with pytest.raises(ArgumentError):
            LayerwiseOptimizer(taken, model)


def test_it_prints_as_a_table(capsys):
    optimizer = LayerwiseOptimizer(keras_optimizers.AdamW(0.01), small_model(), decay=0.5)
    optimizer.learning_rate = 0.02
    optimizer.summary()
    printed = capsys.readouterr().out
    assert printed.startswith("AdamW, learning rate now 0.02, weight decay 0.004\n")
    last = printed.splitlines()[-3:]
    assert [line.split()[-5:] for line in last] == [
        ["0.25", "0.005", "1", "of", "2"],
        ["0.5", "0.01", "1", "of", "2"],
        ["1", "0.02", "1", "of", "2"],
    ]
    assert repr(optimizer) == "<LayerwiseOptimizer round AdamW, 3 rates>"
    assert "<table>" in optimizer._repr_html_()
    without = LayerwiseOptimizer(keras_optimizers.Adam(0.01), small_model(), decay=0.5)
    assert str(without).splitlines()[-1].split()[-2:] == ["0.01", "none"]


def test_a_copy_keeps_the_rates():
    optimizer = LayerwiseOptimizer(keras_optimizers.AdamW(0.01), small_model(), decay=0.5)
    assert str(copy.deepcopy(optimizer)) == str(optimizer)


# Cost.


def test_a_step_costs_one_multiplication_per_distinct_multiplier():
    if keras.backend.backend() != "tensorflow":
        pytest.skip("counts the operations of a TensorFlow graph")
    import tensorflow as tf

    def multiplications(optimizer):
        model = keras.Sequential([keras.Input((2,))])
        for i in range(8):
            model.add(keras.layers.Dense(2, name=f"layer_{i}"))
        if optimizer is LayerwiseOptimizer:
            made = LayerwiseOptimizer(
                keras_optimizers.AdamW(0.1),
                model,
                multipliers={f"layer_{i}": 0.5 ** (1 + i % 4) for i in range(8)},
                decay_biases_and_norms=True,
            )
        else:
            made = keras_optimizers.AdamW(0.1)
        variables = model.trainable_variables
        made.build(variables)
        step = tf.function(lambda: made.apply([tf.ones(v.shape) for v in variables], variables))
        operations = [o.type for o in step.get_concrete_function().graph.get_operations()]
        return operations.count("Mul"), operations.count("ReadVariableOp")

    plain, layerwise = multiplications(keras_optimizers.AdamW), multiplications(LayerwiseOptimizer)
    assert layerwise[0] == plain[0] + 2 * 4  # the update and the weight decay, for four rates
    assert layerwise[1] < plain[1]  # the rate is read once, not once per variable


TWO_DEVICES = """
import keras, numpy as np, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from kerasft.optimizers import LayerwiseOptimizer
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
random = np.random.default_rng(0)
x, y = (random.normal(size=(32, 4)).astype("float32") for _ in range(2))

def fitted(inner, frozen):
    keras.utils.set_random_seed(1)
    inputs = keras.Input((4,))
    outputs = inputs
    for i in range(4):
        outputs = keras.layers.Dense(4, activation="tanh", name=f"layer_{i}")(outputs)
    model = keras.Model(inputs, outputs)
    model.get_layer("layer_1").trainable = not frozen
    rates = {"layer_0": 0.1, "layer_1": 0.5, "layer_3": 3.0}
    model.compile(LayerwiseOptimizer(inner(), model, multipliers=rates), "mse")
    model.fit(x, y, batch_size=8, epochs=3, shuffle=False, verbose=0)
    return model.get_weights()

for inner in (
    lambda: keras.optimizers.AdamW(0.01, weight_decay=0.2),
    lambda: keras.optimizers.SGD(0.01, momentum=0.9, weight_decay=0.2),
    lambda: keras.optimizers.Muon(0.01),
    lambda: keras.optimizers.Nadam(keras.optimizers.schedules.CosineDecay(0.01, 10)),
):
    for frozen in (False, True):
        one = fitted(inner, frozen)
        with strategy.scope():
            two = fitted(inner, frozen)
        for a, b in zip(one, two):
            np.testing.assert_allclose(a, b, rtol=0, atol=1e-6)
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
