"""A fit traces once, and ends as it would have ended."""

import keras
import numpy as np
import pytest

import kerasft
from kerasft.errors import ArgumentError, DataError
from kerasft.tuning import build_for_fit

tensorflow_only = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="it is TensorFlow that traces twice"
)


class Batches(keras.utils.PyDataset):
    """Batches with a random generator of their own."""

    def __init__(self, x, y):
        super().__init__()
        self.x, self.y, self.random = x, y, np.random.default_rng(3)

    def __len__(self):
        return 4

    def __getitem__(self, index):
        rows = slice(2 * index, 2 * index + 2)
        return self.x[rows] + self.random.normal(), self.y[rows]


def arrays():
    random = np.random.default_rng(0)
    return random.normal(size=(8, 5)), random.integers(0, 3, 8)


def as_tf_data(x, y):
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices((x, y)).shuffle(8, seed=1).batch(3)


KINDS = {
    "arrays": lambda x, y: (x, y),
    "weighted arrays": lambda x, y: (x, y, np.linspace(0.1, 1, 8)),
    "batches": Batches,
    "tf.data": as_tf_data,
}


def make(traces, policy=None, optimizer=None):
    """A compiled model, with dropout, that counts how often its loss is traced."""
    keras.utils.set_random_seed(5)
    layers = [
        keras.layers.Dense(6, activation="relu", name="low"),
        keras.layers.Dropout(0.5, seed=1),
        keras.layers.Dense(3, name="top"),
    ]
    model = keras.Sequential([keras.Input((5,)), *layers])
    if policy is not None:
        policy.apply(model)
    cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def loss(labels, logits):
        traces.append(1)
        return cross_entropy(labels, logits)

    optimizer = optimizer(model) if optimizer else keras.optimizers.AdamW(0.01)
    model.compile(optimizer, loss, metrics=["accuracy"], weighted_metrics=["accuracy"])
    return model


def fit(model, data):
    if isinstance(data, tuple):
        weight = data[2] if len(data) == 3 else None
        fitted = model.fit(*data[:2], sample_weight=weight, epochs=2, batch_size=3, verbose=0)
    else:
        fitted = model.fit(data, epochs=2, verbose=0)
    return fitted.history


def everything(model):
    found = [*model.variables, *model.optimizer.variables]
    return [np.array(keras.ops.convert_to_numpy(v)) for v in found]


OPTIMIZERS = {
    "AdamW": None,
    "LayerwiseOptimizer": lambda model: kerasft.optimizers.LayerwiseOptimizer(
        keras.optimizers.AdamW(0.01), model, decay=0.5
    ),
    "L2SP": lambda model: kerasft.optimizers.L2SP(keras.optimizers.Adam(0.01), model),
    "LossScaleOptimizer": lambda model: keras.optimizers.LossScaleOptimizer(
        keras.optimizers.Adam(0.01)
    ),
}


@tensorflow_only
@pytest.mark.parametrize("kind", KINDS)
def test_a_fit_traces_once_and_ends_as_without(kind):
    plain_traces, traces = [], []
    plain = make(plain_traces)
    plain_history = fit(plain, KINDS[kind](*arrays()))
    model, data = make(traces), KINDS[kind](*arrays())
    build_for_fit(model, data)
    built = len(traces)
    history = fit(model, data)
    assert len(plain_traces) == 2
    assert len(traces) - built == 1
    assert history == plain_history
    for one, other in zip(everything(model), everything(plain), strict=True):
        np.testing.assert_array_equal(one, other)


@tensorflow_only
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_under_a_plan_with_any_optimizer(name):
    ended = []
    for build in (False, True):
        traces = []
        model = make(traces, kerasft.TrainSelected("top/*"), OPTIMIZERS[name])
        if build:
            build_for_fit(model, arrays())
        built = len(traces)
        fit(model, arrays())
        assert len(traces) - built == (1 if build else 2)
        ended.append(everything(model))
    for one, other in zip(*ended, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.core
def test_it_changes_nothing_but_what_was_missing():
    model = make([])
    weights = model.get_weights()
    seeds = [keras.ops.convert_to_numpy(v) for v in model.non_trainable_variables]
    data = Batches(*arrays())
    random_state = data.random.bit_generator.state
    build_for_fit(model, data)
    assert model.optimizer.built
    assert int(model.optimizer.iterations) == 0
    assert data.random.bit_generator.state == random_state
    for one, other in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    for one, other in zip(seeds, model.non_trainable_variables, strict=True):
        np.testing.assert_array_equal(one, keras.ops.convert_to_numpy(other))
    for metric in model.metrics:
        for variable in metric.variables:
            assert not np.any(keras.ops.convert_to_numpy(variable))
    before = everything(model)
    build_for_fit(model, data)  # the second time there is nothing left to do
    for one, other in zip(before, everything(model), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.core
def test_several_outputs_and_a_metric_that_makes_its_variables_late():
    inputs = keras.Input((5,))
    x = keras.layers.Dense(4)(inputs)
    outputs = {
        "kind": keras.layers.Dense(3, name="kind")(x),
        "flags": keras.layers.Dense(2, name="flags", activation="sigmoid")(x),
    }
    model = keras.Model(inputs, outputs)
    model.compile(
        "adam",
        loss={
            "kind": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            "flags": "binary_crossentropy",
        },
        metrics={"kind": ["accuracy"], "flags": [keras.metrics.AUC(multi_label=True)]},
    )
    x, y = arrays()
    labels = {"kind": y, "flags": (np.arange(16).reshape(8, 2) % 3 == 0).astype("float32")}
    build_for_fit(model, (x, labels))
    made = {id(v) for m in model.metrics for v in m.variables}
    history = model.fit(x, labels, verbose=0).history
    assert {id(v) for m in model.metrics for v in m.variables} == made
    assert {"kind_accuracy", "flags_auc"} <= {name.rsplit("_1")[0] for name in history}


@tensorflow_only
def test_under_a_distribution_strategy():
    import tensorflow as tf

    traces = []
    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
        model = make(traces)
    build_for_fit(model, arrays())
    built = len(traces)
    fit(model, arrays())
    assert len(traces) - built == 1


@pytest.mark.core
def test_what_is_refused():
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(3)])
    with pytest.raises(ArgumentError, match=r"`model` must be compiled.*model\.compile"):
        build_for_fit(model, arrays())
    with pytest.raises(ArgumentError, match=r"`model` must be a keras\.Model"):
        build_for_fit("model", arrays())
    model = make([])
    for data in (iter([arrays()]), arrays()[0], None, ([[1.0]], [1])):
        with pytest.raises(DataError, match="`data` must be what `fit` will get: arrays"):
            build_for_fit(model, data)

    class Nothing(Batches):
        def __len__(self):
            return 0

    with pytest.raises(DataError, match="`data` must be at least one batch"):
        build_for_fit(model, Nothing(*arrays()))
    assert not model.optimizer.built
