"""Averages as a NumPy loop makes them, put in the model in time, and taken out bit for bit."""

import subprocess
import sys

import keras
import numpy as np
import pytest

import kerasft
from kerasft.callbacks import EarlyStopping, Phase, Phases, WeightAveraging
from kerasft.errors import ArgumentError, UnsupportedError

ON_JAX = keras.backend.backend() == "jax"


def small_model(optimizer=None, eager=True, norm=False, **how):
    inputs = keras.Input((5,))
    x = keras.layers.Dense(6, activation="tanh", name="low")(inputs)
    if norm:
        x = keras.layers.BatchNormalization(name="norm", momentum=0.5)(x)
    x = keras.layers.Dense(4, activation="tanh", name="middle")(x)
    model = keras.Model(inputs, keras.layers.Dense(3, name="top")(x))
    eager = eager and not ON_JAX
    model.compile(optimizer or keras.optimizers.SGD(0.2), "mse", run_eagerly=eager, **how)
    return model


def batch(rows=32):
    random = np.random.default_rng(1)
    x, y = random.normal(size=(rows, 5)), random.normal(size=(rows, 3))
    return x.astype("float32"), y.astype("float32")


def values(model):
    return {v.path: np.array(keras.ops.convert_to_numpy(v.value)) for v in model.weights}


def fit(model, callbacks, epochs=3, validate=True, **how):
    x, y = batch()
    if validate:
        how["validation_data"] = (x, y)
    how = {"batch_size": 8, "shuffle": False, "verbose": 0, **how}
    return model.fit(x, y, epochs=epochs, callbacks=callbacks, **how)


class Watch(keras.callbacks.Callback):
    """The weights at every hook, as they are when this callback's turn comes."""

    def on_train_begin(self, logs=None):
        self.start = values(self.model)
        self.raw, self.begun, self.validated, self.ended = [], [], [], []

    def on_train_batch_begin(self, batch, logs=None):
        self.begun.append(values(self.model))

    def on_train_batch_end(self, batch, logs=None):
        self.raw.append(values(self.model))

    def on_test_begin(self, logs=None):
        self.validated.append(values(self.model))

    def on_epoch_end(self, epoch, logs=None):
        self.ended.append(values(self.model))


def reference(start, raw, momentum=0.99, warmup=True, updates=1):
    """The loop: what the average is after each execution of `updates` updates."""
    averages, average, count = [], {p: v.astype("float64") for p, v in start.items()}, 0
    for weights in raw:
        count += updates
        kept = min(momentum, (1 + count) / (10 + count)) if warmup else momentum
        kept = kept**updates
        average = {path: kept * average[path] + (1 - kept) * weights[path] for path in average}
        averages.append(average)
    return averages


def assert_close(one, other, atol=1e-6):
    assert one.keys() == other.keys()
    for path, value in one.items():
        np.testing.assert_allclose(value, other[path], rtol=0, atol=atol, err_msg=path)


def assert_same(one, other):
    assert one.keys() == other.keys()
    for path, value in one.items():
        np.testing.assert_array_equal(value, other[path], err_msg=path)


# Against a loop in NumPy.


@pytest.mark.parametrize("arguments", [{}, {"momentum": 0.5}, {"momentum": 0.9, "warmup": False}])
def test_averages_are_those_of_the_loop(arguments):
    """Moving statistics of a batch normalization are averaged too."""
    model, watch = small_model(norm=True), Watch()
    fit(model, [WeightAveraging(**arguments), watch])
    expected = reference(watch.start, watch.raw, **arguments)
    assert len(watch.raw) == 12
    for epoch in range(3):
        assert_close(watch.validated[epoch], expected[4 * epoch + 3])
        assert_same(watch.ended[epoch], watch.validated[epoch])
    assert_same(values(model), watch.ended[-1])


def test_training_goes_on_from_the_last_values_bit_for_bit():
    model, watch = small_model(keras.optimizers.Adam(0.05), norm=True), Watch()
    fit(model, [WeightAveraging(0.9), watch], epochs=2)
    assert_same(watch.begun[4], watch.raw[3])
    plain, other = small_model(keras.optimizers.Adam(0.05), norm=True), Watch()
    for variable, value in zip(plain.weights, watch.start.values(), strict=True):
        variable.assign(value)
    fit(plain, [other], epochs=2)
    for one, two in zip(watch.raw, other.raw, strict=True):
        assert_same(one, two)


@pytest.mark.parametrize("validate", [True, False])
def test_without_keeping_the_last_values_come_back(validate):
    model, watch = small_model(), Watch()
    callback = WeightAveraging(0.9, keep_averages=False)
    fit(model, [callback, watch], validate=validate)
    assert_close(watch.ended[-1], reference(watch.start, watch.raw, 0.9)[-1])
    assert_same(values(model), watch.raw[-1])
    assert not callback.averages_in_model


def test_the_history_is_that_of_the_averages():
    model, watch = small_model(), Watch()
    history = fit(model, [WeightAveraging(0.9), watch]).history
    x, y = batch()
    for epoch in range(3):
        for variable in model.weights:
            variable.assign(watch.ended[epoch][variable.path])
        loss = model.evaluate(x, y, verbose=0)
        assert history["val_loss"][epoch] == pytest.approx(loss, rel=1e-6)


def test_a_second_fit_starts_anew():
    callback, watch = WeightAveraging(0.9), Watch()
    model = small_model()
    fit(model, [callback, watch], epochs=2)
    fit(model, [callback, watch], epochs=1)
    assert_close(values(model), reference(watch.start, watch.raw, 0.9)[-1])


@pytest.mark.parametrize("validation_freq", [1, 2])
def test_epochs_without_validation_end_with_the_averages_too(validation_freq):
    model, watch = small_model(), Watch()
    fit(model, [WeightAveraging(0.9), watch], validation_freq=validation_freq)
    expected = reference(watch.start, watch.raw, 0.9)
    for epoch in range(3):
        assert_close(watch.ended[epoch], expected[4 * epoch + 3])


def test_in_a_compiled_fit_several_steps_in_one_execution_are_several():
    if keras.backend.backend() == "torch":
        pytest.skip("one step per execution there")
    # Five batches in executions of two: the last one of an epoch is one step.
    model, watch = small_model(eager=False, steps_per_execution=2), Watch()
    x, y = batch(40)
    how = {"batch_size": 8, "shuffle": False, "verbose": 0, "epochs": 2}
    model.fit(x, y, callbacks=[WeightAveraging(0.9, warmup=False), watch], **how)
    average = watch.start
    for weights, steps in zip(watch.raw, (2, 2, 1, 2, 2, 1), strict=True):
        kept = 0.9**steps
        average = {path: kept * average[path] + (1 - kept) * weights[path] for path in average}
    assert_close(values(model), average)


def test_a_compiled_fit_is_the_same_as_an_eager_one():
    results = []
    for how in ({"eager": True}, {"eager": False, "jit_compile": True}):
        keras.utils.set_random_seed(3)
        if keras.backend.backend() == "torch":
            how = {}
        model = small_model(**how)
        fit(model, [WeightAveraging(0.9)], epochs=2)
        results.append(values(model))
    assert_close(*results)


def test_accumulated_gradients_are_one_update():
    optimizer = keras.optimizers.SGD(0.2, gradient_accumulation_steps=2)
    model, watch = small_model(optimizer), Watch()
    fit(model, [WeightAveraging(0.9), watch])
    assert_close(values(model), reference(watch.start, watch.raw[1::2], 0.9)[-1])


def test_steps_that_an_overflow_skips_are_none():
    if ON_JAX:
        pytest.skip("needs steps by hand")
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.2), initial_scale=4.0)
    model, watch = small_model(optimizer), Watch()
    x, y = batch()
    y[8:16] = np.inf  # the second batch of four
    how = {"batch_size": 8, "shuffle": False, "verbose": 0, "epochs": 2}
    model.fit(x, y, callbacks=[WeightAveraging(0.9), watch], **how)
    taken = [watch.raw[i] for i in (0, 2, 3, 4, 6, 7)]
    assert_same(watch.raw[0], watch.raw[1])
    assert_close(values(model), reference(watch.start, taken, 0.9)[-1])


def test_what_does_not_move_keeps_its_bits():
    """A variable that the loss does not reach, and statistics of a frozen layer."""

    class Unused(keras.layers.Layer):
        def build(self, shape):
            self.spare = self.add_weight(shape=(50,), name="spare")

        def call(self, inputs):
            return inputs

    inputs = keras.Input((5,))
    x = keras.layers.BatchNormalization(name="frozen")(Unused(name="unused")(inputs))
    model = keras.Model(inputs, keras.layers.Dense(3, name="top")(x))
    model.get_layer("frozen").trainable = False
    model.compile("sgd", "mse", run_eagerly=not ON_JAX)
    watch = Watch()
    with pytest.warns(UserWarning, match="Gradients do not exist") if not ON_JAX else _nothing():
        fit(model, [WeightAveraging(0.9), watch], epochs=2)
    for path in ("unused/spare", "frozen/moving_mean", "frozen/gamma"):
        np.testing.assert_array_equal(values(model)[path], watch.start[path])


def _nothing():
    import contextlib

    return contextlib.nullcontext()


def test_narrow_weights_are_averaged_in_full_precision():
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(3, dtype="bfloat16")])
    model.compile(keras.optimizers.SGD(0.05), "mse", run_eagerly=not ON_JAX)
    watch = Watch()
    fit(model, [WeightAveraging(0.99, warmup=False), watch], epochs=12, batch_size=32)
    path = next(iter(watch.start))
    raw = [{p: v.astype("float32") for p, v in w.items()} for w in watch.raw]
    start = {p: v.astype("float32") for p, v in watch.start.items()}
    expected = reference(start, raw, 0.99, warmup=False)[-1][path]
    np.testing.assert_allclose(values(model)[path].astype("float32"), expected, rtol=2**-8)
    moved = values(model)[path].astype("float32") - start[path]
    assert np.count_nonzero(moved) > moved.size // 2  # in bfloat16 no step would have counted
    assert_same(watch.begun[1], watch.raw[0])


# Plans, phases and other callbacks.


def test_phases_late_variables_start_at_their_value_and_frozen_ones_keep_their_average():
    model, watch = small_model(eager=False), Watch()
    phases = Phases(
        [
            Phase(kerasft.TrainLastBlocks(1), epochs=2),
            Phase(kerasft.TrainSelected("low"), epochs=2),
        ],
        verbose=0,
    )
    fit(model, [WeightAveraging(0.9), phases, watch], epochs=4)
    expected = reference(watch.start, watch.raw[:8], 0.9)
    first = {p: v for p, v in expected[7].items() if not p.startswith("low")}
    assert_close({p: watch.ended[1][p] for p in first}, first)
    assert_same(
        {p: v for p, v in watch.ended[1].items() if p.startswith("low")},
        {p: v for p, v in watch.start.items() if p.startswith("low")},
    )
    # The middle was frozen with its average; the low part begins to be averaged from its value.
    frozen = {p: v for p, v in watch.ended[1].items() if p.startswith("middle")}
    for weights in (*watch.raw[8:], watch.ended[3]):
        assert_same({p: weights[p] for p in frozen}, frozen)
    late = {p: v for p, v in watch.start.items() if p.startswith("low")}
    count = 8
    for weights in watch.raw[8:]:
        count += 1
        kept = min(0.9, (1 + count) / (10 + count))
        late = {p: kept * v + (1 - kept) * weights[p] for p, v in late.items()}
    assert_close({p: watch.ended[3][p] for p in late}, late)
    # The head went on from its last value.
    assert_same({"": watch.begun[8]["top/kernel"]}, {"": watch.raw[7]["top/kernel"]})


def test_a_change_inside_an_epoch_is_followed():
    if ON_JAX:
        pytest.skip("weights are outside the model there")
    model, watch = small_model(), Watch()

    class Freeze(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 1:
                kerasft.TrainHead().apply(model)

    fit(model, [WeightAveraging(0.9), Freeze(), watch], epochs=1)
    assert_same(
        {p: v for p, v in values(model).items() if not p.startswith("top")},
        {p: v for p, v in watch.raw[1].items() if not p.startswith("top")},
    )
    expected = reference(watch.start, watch.raw, 0.9)[-1]
    assert_close(
        {p: v for p, v in values(model).items() if p.startswith("top")},
        {p: v for p, v in expected.items() if p.startswith("top")},
    )


class Script(keras.callbacks.Callback):
    """Epoch 1 is the best."""

    def on_epoch_end(self, epoch, logs=None):
        logs["val_loss"] = (3.0, 1.0, 2.0, 2.5)[epoch]


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("first", [True, False], ids=["before", "after"])
def test_early_stopping_restores_the_best_averages_in_either_order(first, keep):
    model, watch = small_model(), Watch()
    averaging = WeightAveraging(0.9, keep_averages=keep)
    stopping = EarlyStopping(patience=1, restore_best_weights=True)
    order = [averaging, stopping] if first else [stopping, averaging]
    fit(model, [Script(), *order, watch], epochs=4)
    assert len(watch.ended) == 3
    assert_same(values(model), watch.ended[1])
    assert_close(values(model), reference(watch.start, watch.raw, 0.9)[7])


def test_without_validation_what_comes_first_in_the_list_sees_the_last_values():
    """As the docstring says: put it in front."""
    for first in (True, False):
        model, watch = small_model(), Watch()
        callbacks = [WeightAveraging(0.9), watch] if first else [watch, WeightAveraging(0.9)]
        fit(model, callbacks, validate=False, epochs=1)
        expected = reference(watch.start, watch.raw, 0.9)[-1] if first else watch.raw[-1]
        assert_close(watch.ended[0], expected)


def test_weights_that_another_callback_restores_are_where_training_goes_on():
    model, watch = small_model(eager=False), Watch()
    phases = Phases(
        [Phase(kerasft.TrainHead(), patience=1), Phase(kerasft.TrainHead(), epochs=1)], verbose=0
    )
    fit(model, [WeightAveraging(0.9), Script(), phases, watch], epochs=4)
    # The first phase ended after epoch 2, and the weights of epoch 1, its averages, came back.
    assert_same(watch.begun[12], watch.ended[1])
    average, count = watch.ended[1], 12
    for weights in watch.raw[12:]:
        count += 1
        kept = min(0.9, (1 + count) / (10 + count))
        average = {path: kept * average[path] + (1 - kept) * weights[path] for path in average}
    assert_close(values(model), average)


def test_checkpoints_hold_the_averages(tmp_path):
    model, watch = small_model(), Watch()
    saved = keras.callbacks.ModelCheckpoint(tmp_path / "{epoch}.weights.h5", save_weights_only=True)
    fit(model, [WeightAveraging(0.9), saved, watch], validate=False)
    other = small_model()
    other.load_weights(tmp_path / "2.weights.h5")
    expected = reference(watch.start, watch.raw, 0.9)[7]
    for value, wanted in zip(other.get_weights(), expected.values(), strict=True):
        np.testing.assert_allclose(value, wanted, atol=1e-6)


def test_an_evaluation_in_a_callback_sees_the_averages_between_epochs():
    model, watch = small_model(), Watch()
    x, y = batch()
    seen = []

    class Evaluate(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append((self.model.evaluate(x, y, verbose=0), logs["val_loss"]))

    fit(model, [WeightAveraging(0.9), Evaluate(), watch])
    assert all(one == pytest.approx(other, rel=1e-6) for one, other in seen)


def test_after_the_fit_evaluation_leaves_the_model_alone():
    model, callback = small_model(), WeightAveraging(0.9)
    fit(model, [callback], epochs=1)
    before = values(model)
    x, y = batch()
    model.evaluate(x, y, verbose=0, callbacks=[callback])
    assert_same(before, values(model))


class Break(keras.callbacks.Callback):
    def __init__(self, where):
        super().__init__()
        self.where = where

    def on_train_batch_begin(self, batch, logs=None):
        if self.where == "training" and batch == 2:
            raise KeyboardInterrupt

    def on_test_batch_begin(self, batch, logs=None):
        if self.where == "validation":
            raise KeyboardInterrupt


@pytest.mark.parametrize("where", ["training", "validation"])
def test_an_interrupted_fit_can_have_either(where):
    model, watch, callback = small_model(), Watch(), WeightAveraging(0.9)
    with pytest.raises(KeyboardInterrupt):
        fit(model, [callback, watch, Break(where)])
    average = reference(watch.start, watch.raw, 0.9)[-1]
    assert callback.averages_in_model is (where == "validation")
    if where == "validation":
        assert_close(values(model), average)
    else:
        assert_same(values(model), watch.raw[-1])
    for _ in range(2):
        callback.put_averages_in()
        assert_close(values(model), average)
    for _ in range(2):
        callback.take_averages_out()
        assert_same(values(model), watch.raw[-1])
    fit(model, [callback, watch], epochs=1)
    assert_close(values(model), reference(watch.start, watch.raw, 0.9)[-1])


# Bad input, and what it costs.


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"momentum": 1}, "`momentum` must be a number, at least 0 and below 1"),
        ({"momentum": -0.1}, "at least 0"),
        ({"momentum": "0.9"}, "of type str"),
        ({"momentum": float("nan")}, "`momentum` must be a number"),
        ({"warmup": 1}, "`warmup` must be True or False"),
        ({"keep_averages": None}, "`keep_averages` must be True or False"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ArgumentError) as error:
        WeightAveraging(**arguments)
    assert message in str(error.value)


def test_an_optimizer_with_averages_of_its_own_is_refused():
    inner = keras.optimizers.SGD(0.1, use_ema=True)
    message = "`use_ema` must be False in an optimizer beside WeightAveraging.*SGD keeps averages"
    for optimizer in (
        inner,
        keras.optimizers.LossScaleOptimizer(inner),
        keras.optimizers.MultiOptimizer(keras.optimizers.OptimizerMap(inner)),
    ):
        with pytest.raises(ArgumentError, match=message):
            fit(small_model(optimizer), [WeightAveraging()])


def test_there_are_no_averages_before_and_after_a_fit():
    model, callback = small_model(), WeightAveraging()
    for _ in range(2):
        for method in (callback.put_averages_in, callback.take_averages_out):
            with pytest.raises(
                UnsupportedError, match="while `fit` runs, and after a fit that was"
            ):
                method()
        assert not callback.averages_in_model
        fit(model, [callback], epochs=1)
    fit(model, [callback], epochs=0)


def test_it_keeps_one_copy_of_what_trains():
    model, callback = small_model(), WeightAveraging()
    kerasft.TrainHead().apply(model)
    counts = []

    class Look(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            averages = callback._averages
            counts.append((len(averages._pairs), averages._raw))

    fit(model, [callback, Look()], epochs=2)
    assert counts == [(2, None)] * 8


def test_the_updates_are_traced_once_per_plan():
    if keras.backend.backend() != "tensorflow":
        pytest.skip("nothing is traced there")
    model, callback = small_model(), WeightAveraging()
    functions = []

    class Look(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            functions.append(callback._averages._compiled)

        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                kerasft.TrainHead().apply(model)

    fit(model, [callback, Look()], epochs=4)
    made = {id(function): function for function in functions if function is not None}
    assert len(made) == 2
    assert len(functions) == 16


# What the docstring says of plain Keras. Where one of these fails, Keras has changed.


def with_ema(**how):
    return small_model(keras.optimizers.SGD(0.2, use_ema=True, ema_momentum=0.9, **how))


def of_keras(start, raw):
    """Keras's average begins at the first step's value."""
    return reference(raw[0], raw[1:], 0.9, warmup=False)[-1]


def test_keras_own_averages_are_there_after_the_fit_only():
    model, watch = with_ema(), Watch()
    fit(model, [watch])
    assert_close(values(model), of_keras(watch.start, watch.raw))
    assert_same(watch.ended[1], watch.raw[7])
    assert_same(watch.validated[1], watch.raw[7])


def test_keras_swaps_round():
    model, watch = with_ema(), Watch()
    fit(model, [keras.callbacks.SwapEMAWeights(), watch])
    moved = [not np.array_equal(watch.begun[4][p], watch.raw[3][p]) for p in watch.start]
    if keras.backend.backend() == "tensorflow":
        assert any(moved)


def test_keras_swaps_end_with_the_last_values_where_a_fit_is_stopped():
    model, watch = with_ema(), Watch()

    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = True

    fit(model, [keras.callbacks.SwapEMAWeights(swap_on_epoch=True), watch, Stop()])
    assert len(watch.ended) == 1
    assert_close(watch.ended[0], of_keras(watch.start, watch.raw))
    assert_close(values(model), watch.raw[-1])


def test_keras_own_averages_are_given_to_the_wrong_variables_after_freezing():
    model = with_ema()
    fit(model, [], epochs=1)
    model.get_layer("low").trainable = False
    with pytest.raises(ValueError, match=r"[Ss]hape|length|match"):
        fit(model, [], epochs=1)


TWO_DEVICES = """
import keras, numpy as np, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
import kerasft
from kerasft.callbacks import Phase, Phases, WeightAveraging
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
random = np.random.default_rng(0)
x, y = (random.normal(size=(32, 4)).astype("float32") for _ in range(2))

def fitted(keep):
    keras.utils.set_random_seed(1)
    inputs = keras.Input((4,))
    outputs = keras.layers.Dense(4, activation="tanh", name="low")(inputs)
    outputs = keras.layers.Dense(4, activation="tanh", name="middle")(outputs)
    model = keras.Model(inputs, keras.layers.Dense(4, name="top")(outputs))
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), "mse")
    phases = Phases([Phase(kerasft.TrainHead(), epochs=1), Phase(kerasft.TrainEverything())],
                    verbose=0)
    history = model.fit(x, y, batch_size=8, epochs=3, shuffle=False, verbose=0,
                        validation_data=(x, y),
                        callbacks=[WeightAveraging(0.9, keep_averages=keep), phases])
    for variable in model.weights:
        for copy in strategy.experimental_local_results(variable.value):
            np.testing.assert_array_equal(copy.numpy(), variable.numpy())
    return [*model.get_weights(), history.history["val_loss"]]

for keep in (True, False):
    one = fitted(keep)
    with strategy.scope():
        two = fitted(keep)
    for a, b in zip(one, two):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-6)
print("equal")
"""


@pytest.mark.slow
def test_two_devices_end_with_the_averages_of_one():
    if keras.backend.backend() != "tensorflow":
        pytest.skip("tf.distribute")
    done = subprocess.run(
        [sys.executable, "-c", TWO_DEVICES], capture_output=True, text=True, timeout=600
    )
    assert done.stdout.strip().endswith("equal"), done.stderr[-3000:]
