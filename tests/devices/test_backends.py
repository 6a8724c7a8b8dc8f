"""What holds on every Keras backend: a plan changes inside `fit` as it does between two fits."""

import keras
import numpy as np
import pytest

import kerasft
from kerasft import TrainEverything, TrainHead, TrainSelected
from kerasft.callbacks import Phase, Phases
from kerasft.data import LengthGroupedBatches
from kerasft.errors import UnsupportedError
from kerasft.optimizers import LayerwiseOptimizer

pytestmark = pytest.mark.core
BACKEND = keras.backend.backend()
ROWS, BATCH = 12, 2
LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def make_model():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((4,))
    x = keras.layers.Dense(4, activation="tanh", name="a")(inputs)
    x = keras.layers.BatchNormalization(name="a_norm")(x)
    x = keras.layers.Dropout(0.3, seed=1, name="dropout")(x)
    x = keras.layers.Dense(4, activation="tanh", name="b")(x)
    return keras.Model(inputs, keras.layers.Dense(2, name="top")(x))


def make_data(rows=ROWS):
    random = np.random.default_rng(0)
    return random.normal(size=(rows, 4)).astype("float32"), random.integers(0, 2, rows)


def adam(model, **kwargs):
    return keras.optimizers.Adam(0.01, **kwargs)


def averages(model):
    # The averages come into force at the end of a fit, and so after the same steps in both.
    return adam(model, use_ema=True, ema_momentum=0.5, ema_overwrite_frequency=3)


def accumulated(model):
    return adam(model, gradient_accumulation_steps=2)


def scaled_loss(model):
    inner = keras.optimizers.Adam(0.01)
    return keras.optimizers.LossScaleOptimizer(inner, initial_scale=8.0, dynamic_growth_steps=4)


def layerwise(model):
    return LayerwiseOptimizer(keras.optimizers.AdamW(0.01), model, decay=0.5)


def compiled(optimizer):
    model = make_model()
    TrainSelected("b/*").apply(model)
    model.compile(optimizer(model), LOSS)
    return model


def fit(model, rows=slice(None), **kwargs):
    x, y = make_data()
    kwargs = {"batch_size": BATCH, "shuffle": False, "verbose": 0, **kwargs}
    return model.fit(x[rows], y[rows], **kwargs)


def arrays(model):
    variables = [*model.weights, *model.optimizer.variables]
    return [keras.ops.convert_to_numpy(variable).copy() for variable in variables]


class Change(keras.callbacks.Callback):
    """Lets everything train from a place in the fit on."""

    def __init__(self, hook, number):
        super().__init__()
        setattr(self, hook, self._change)
        self.number = number

    def _change(self, number, logs=None):
        if number == self.number:
            TrainEverything().apply(self.model)


@pytest.mark.parametrize(
    ("optimizer", "hook"),
    [
        (layerwise, "on_train_batch_begin"),
        (averages, "on_train_batch_end"),
        pytest.param(accumulated, "on_epoch_end", marks=pytest.mark.slow),
        (scaled_loss, "on_epoch_begin"),
    ],
)
def test_a_change_inside_fit_is_one_between_two_fits(optimizer, hook):
    inside, between = compiled(optimizer), compiled(optimizer)
    if "epoch" in hook:
        change = Change(hook, 1 if hook == "on_epoch_begin" else 0)
        fit(inside, epochs=2, callbacks=[change])
        fit(between)
        TrainEverything().apply(between)
        fit(between)
    else:
        fit(inside, callbacks=[Change(hook, 3 if hook == "on_train_batch_begin" else 2)])
        fit(between, slice(0, 6))
        TrainEverything().apply(between)
        fit(between, slice(6, 12))
    ours, theirs = arrays(inside), arrays(between)
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(one, other)


def test_phases_against_numpy():
    """Momentum on two linear layers, each step worked out by hand."""
    keras.utils.set_random_seed(0)
    a = keras.layers.Dense(3, use_bias=False, name="a")
    top = keras.layers.Dense(1, use_bias=False, name="top")
    model = keras.Sequential([keras.Input((4,)), a, top])
    kernels = [layer.get_weights()[0].astype("float64") for layer in (a, top)]
    x = np.random.default_rng(0).normal(size=(8, 4)).astype("float32")
    y = np.random.default_rng(1).normal(size=(8, 1)).astype("float32")
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), "mse")
    only_a = TrainSelected("a/*", and_head=False)
    phases = [Phase(TrainHead(), epochs=2), Phase(TrainEverything(), epochs=2), Phase(only_a)]
    model.fit(
        x,
        y,
        batch_size=4,
        epochs=6,
        shuffle=False,
        verbose=0,
        callbacks=[Phases(phases, verbose=0)],
    )

    momenta = [np.zeros_like(kernel) for kernel in kernels]
    for trained in [{1}, {1}, {0, 1}, {0, 1}, {0}, {0}]:
        for rows in (slice(0, 4), slice(4, 8)):
            hidden = x[rows] @ kernels[0]
            error = 2 * (hidden @ kernels[1] - y[rows]) / 4
            gradients = [x[rows].T @ error @ kernels[1].T, hidden.T @ error]
            for index in trained:
                momenta[index] = 0.9 * momenta[index] - 0.1 * gradients[index]
                kernels[index] = kernels[index] + momenta[index]
    for layer, kernel in zip((a, top), kernels, strict=True):
        np.testing.assert_allclose(layer.get_weights()[0], kernel, rtol=0, atol=1e-5)


def test_evaluate_and_predict_follow_a_plan_that_trains_weights_of_the_same_shapes():
    """JAX gives the weights as lists: a step compiled for one plan would misread another's."""
    x, y = make_data()
    model = compiled(adam)
    TrainSelected("a/*", and_head=False).apply(model)
    model.evaluate(x, y, verbose=0)
    model.predict(x, verbose=0)
    TrainSelected("b/*", and_head=False).apply(model)
    outputs = keras.ops.convert_to_numpy(model(x))
    loss = float(keras.ops.convert_to_numpy(LOSS(y, outputs)))
    np.testing.assert_allclose(model.predict(x, verbose=0), outputs, atol=1e-6)
    assert model.evaluate(x, y, verbose=0) == pytest.approx(loss, abs=1e-5)
    uncompiled = make_model()
    TrainSelected("a/*", and_head=False).apply(uncompiled)
    before = uncompiled.predict(x, verbose=0)
    TrainSelected("b/*", and_head=False).apply(uncompiled)
    np.testing.assert_allclose(uncompiled.predict(x, verbose=0), before, atol=1e-6)


def test_a_change_during_validation_takes_hold_too():
    inside, between = compiled(adam), compiled(adam)
    x, y = make_data()
    change = Change("on_test_batch_end", 1)
    validation = {"validation_data": (x, y), "validation_batch_size": 3}
    history = fit(inside, epochs=2, callbacks=[change], **validation).history["val_loss"]
    losses = fit(between, **validation).history["val_loss"]
    TrainEverything().apply(between)
    losses += fit(between, **validation).history["val_loss"]
    assert history == pytest.approx(losses, abs=1e-6)
    for one, other in zip(arrays(inside), arrays(between), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_plan_on_the_weights_that_another_fit_holds():
    """JAX: in mid-epoch they lie outside of every model."""
    inner = make_model()
    inputs = keras.Input((4,))
    outer = keras.Model(inputs, keras.layers.Dense(2)(inner(inputs)))
    outer.compile("adam", LOSS)
    told = []

    def change(batch, logs=None):
        try:
            TrainHead().apply(inner)
        except UnsupportedError as error:
            told.append(str(error))

    hook = keras.callbacks.LambdaCallback(on_train_batch_end=change)
    if BACKEND != "jax":
        pytest.skip("elsewhere the model keeps its weights")
    fit(outer, callbacks=[hook])
    assert len(told) == 6
    assert "only on the model that `fit` was called on" in told[0]
    assert all(variable.trainable for variable in inner.trainable_variables)
    assert len(inner.trainable_variables) == 8
    TrainHead().apply(inner)


class ResidualModel(keras.Model):
    """No graph; it tells its layers whether it trains."""

    def __init__(self):
        super().__init__()
        self.body = keras.layers.Dense(4, name="body")
        self.norm = keras.layers.BatchNormalization(name="norm")
        self.dropout = keras.layers.Dropout(0.5, name="dropout")
        self.top = keras.layers.Dense(2, name="top")

    def call(self, inputs, training=None):
        x = self.norm(self.body(inputs), training=training)
        return self.top(self.dropout(x, training=training))


@pytest.mark.parametrize("frozen", [True, False])
def test_a_subclassed_model_that_passes_training_on(frozen):
    x, _ = make_data()
    model = ResidualModel()
    model(x)
    kerasft.structure.say(model, blocks=[["body", "norm", "dropout"]], head=["top"])
    (TrainHead() if frozen else TrainEverything()).apply(model)
    model.compile("adam", LOSS)
    before = [keras.ops.convert_to_numpy(v).copy() for v in model.norm.weights]
    fit(model)
    moved = [
        not np.array_equal(one, keras.ops.convert_to_numpy(v))
        for one, v in zip(before, model.norm.weights, strict=True)
    ]
    assert moved == [not frozen] * 4


class Noted(LengthGroupedBatches):
    """Notes which batches are read in which pass."""

    read = None

    def _batch(self, rows, length=None):
        if self.read is not None:
            self.read.append((self.epoch, rows.tolist()))
        return super()._batch(rows, length)


@pytest.mark.parametrize("steps_per_epoch", [None, 3])
def test_the_first_epoch_has_the_first_order(steps_per_epoch):
    """Keras may read batches for their shapes, or to build the model, before the first epoch."""
    x = np.ones((12, 4), "float32")
    data = Noted(
        lambda rows, length: x[rows],
        np.ones(12, int),
        np.zeros(12, "int32"),
        batch_size=2,
        shuffle=True,
    )
    data.read = []
    model = keras.Sequential([keras.layers.Dense(2)])
    model.compile("sgd", LOSS)
    epochs = 3 if steps_per_epoch is None else 6
    model.fit(data, epochs=epochs, steps_per_epoch=steps_per_epoch, verbose=0)
    of_passes = data.read[-18:]
    assert [number for number, _ in of_passes] == [0] * 6 + [1] * 6 + [2] * 6
    for epoch in range(3):
        data.epoch = epoch
        rows = [rows for number, rows in of_passes if number == epoch]
        assert rows == [data.rows(place).tolist() for place in range(6)]


def test_the_cache_trains_as_the_whole():
    x, y = make_data()
    data = LengthGroupedBatches(
        lambda rows, length: x[rows],
        np.ones(ROWS, int),
        y.astype("int32"),
        batch_size=4,
        shuffle=True,
    )
    models = [make_model(), make_model()]
    for model in models:
        TrainHead().apply(model)
    cache = kerasft.FeatureCache(models[0])
    cached = cache.batches(data)
    for model, batches in ((cache.model, cached), (models[1], data)):
        model.compile(keras.optimizers.SGD(0.1), LOSS)
        model.fit(batches, epochs=2, verbose=0)
    for one, other in zip(models[0].get_weights(), models[1].get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-6)
