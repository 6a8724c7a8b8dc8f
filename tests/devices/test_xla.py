"""Nothing that kerasft puts into a train function is refused by XLA, or changes under it."""

import keras
import numpy as np
import pytest
from models import text_batch, tiny_bert

import kerasft
from kerasft import FeatureCache, TrainEverything, TrainHead
from kerasft.callbacks import Phase, Phases
from kerasft.data import LengthGroupedBatches
from kerasft.optimizers import LayerwiseOptimizer

# XLA fuses and so rounds otherwise: a few steps of 0.02 in float32.
TOLERANCE = 1e-5


def make_model():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((5,))
    x = keras.layers.Dense(6, activation="tanh", name="a")(inputs)
    x = keras.layers.BatchNormalization(name="a_norm")(x)
    x = keras.layers.Dense(6, activation="tanh", name="b")(x)
    x = keras.layers.LayerNormalization(name="b_norm")(x)
    return keras.Model(inputs, keras.layers.Dense(2, name="top")(x))


def with_dropout():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((5,))
    x = keras.layers.Dense(6, activation="tanh", name="a")(inputs)
    x = keras.layers.Dropout(0.5, name="a_dropout")(x)
    x = keras.layers.Dense(6, activation="tanh", name="b")(x)
    return keras.Model(inputs, keras.layers.Dense(2, name="top")(x))


def compile_(model, jit_compile):
    inner = keras.optimizers.AdamW(0.02, weight_decay=0.1, clipnorm=1.0)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = LayerwiseOptimizer(inner, model, decay=0.5)
    model.compile(optimizer, loss, jit_compile=jit_compile)


def fit(model, **kwargs):
    random = np.random.default_rng(0)
    x, y = random.normal(size=(12, 5)).astype("float32"), random.integers(0, 2, 12)
    model.fit(x, y, batch_size=4, shuffle=False, verbose=0, **kwargs)


def before_compile(jit_compile):
    model = with_dropout()  # with it on, each of the two would draw other numbers
    TrainHead().apply(model)
    compile_(model, jit_compile)
    fit(model, epochs=2)
    return model


def after_a_fit(jit_compile):
    model = make_model()
    compile_(model, jit_compile)
    fit(model)
    TrainHead().apply(model)
    fit(model)
    return model


def inside_fit(jit_compile):
    model = make_model()
    compile_(model, jit_compile)
    phases = Phases([Phase(TrainHead(), epochs=1), TrainEverything()], verbose=0)
    fit(model, epochs=2, callbacks=[phases])
    return model


def arrays(model):
    variables = [*model.weights, *model.optimizer.variables]
    return [keras.ops.convert_to_numpy(variable) for variable in variables]


@pytest.mark.parametrize("training", [before_compile, after_a_fit, inside_fit])
def test_a_training_ends_as_without_xla(training):
    with_xla, without = arrays(training(True)), arrays(training(False))
    assert len(with_xla) == len(without)
    for ours, theirs in zip(with_xla, without, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=TOLERANCE)


class Shapes(keras.layers.Layer):
    """Notes the shapes that it is traced with."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.seen = set()

    def call(self, inputs):
        self.seen.add(tuple(inputs.shape))
        return inputs


def text_batches(**options):
    random = np.random.default_rng(0)
    ids = [random.integers(1, 20, n).astype("int32") for n in random.integers(3, 17, 18)]

    def collate(rows, length):
        return np.stack([np.pad(ids[row], (0, length - len(ids[row]))) for row in rows])

    labels = random.integers(0, 2, len(ids)).astype("int32")
    options = {"batch_size": 4, "shuffle": True, "drop_remainder": True, **options}
    return LengthGroupedBatches(collate, [len(one) for one in ids], labels, **options)


def text_model(pooling="mean"):
    inputs = keras.Input((None,), dtype="int32")
    shapes = Shapes(name="shapes")
    x = keras.layers.Embedding(20, 6, mask_zero=True, name="embedding")(shapes(inputs))
    x = keras.layers.Dense(6, name="body")(x)
    head = kerasft.ClassificationHead(num_classes=2, pooling=pooling, name="head")
    model = keras.Model(inputs, head(x))
    TrainHead().apply(model)
    shapes.seen.clear()
    return model, shapes


def tf_data(batches):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("the static shapes of tf.data")
    return batches.as_tf_data()


def test_a_compiled_step_sees_one_fixed_shape():
    data = tf_data(text_batches(padded_lengths=[16]))
    model, shapes = text_model()
    compile_(model, True)
    model.fit(data, validation_data=data, epochs=2, verbose=0, shuffle=False)
    assert shapes.seen == {(4, 16)}


def test_a_compiled_step_sees_few_shapes_through_the_cache_too():
    # A pooling that learns, so that the features keep their tokens.
    model, _ = text_model(pooling="attention")
    cache = FeatureCache(model)
    batches = cache.batches(text_batches(padded_lengths=[8, 16]))
    shapes = {tuple(keras.tree.flatten(x)[0].shape) for x, _ in batches}
    assert shapes == {(4, 8, 6), (4, 16, 6)}
    assert len(batches) == 4
    # What another pass has left out here was computed all the same.
    for epoch in range(5):
        batches.epoch = epoch
        for inputs, _ in batches:
            features, *_ = keras.tree.flatten(inputs)
            assert np.abs(features).sum(axis=(1, 2)).all()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    cache.model.compile("adam", loss, jit_compile=True)
    cache.model.fit(batches, epochs=2, verbose=0)


@pytest.mark.slow
def test_bert_in_phases_under_xla():
    ended = []
    for jit_compile in (True, False):
        keras.utils.set_random_seed(0)
        backbone = kerasft.Backbone.from_model(tiny_bert(num_layers=2, dropout=0.0))
        head = kerasft.ClassificationHead(num_classes=2, pooling="attention", hidden_units=4)
        model = backbone.attach(head)
        compile_(model, jit_compile)
        x, y = text_batch(rows=8)
        phases = [Phase(kerasft.TrainLastBlocks(1), epochs=1), Phase(TrainEverything())]
        frozen = backbone.model.get_layer("transformer_layer_0").get_weights()
        watch = _Watch(backbone.model.get_layer("transformer_layer_0"))
        model.fit(
            x,
            y,
            batch_size=4,
            epochs=2,
            shuffle=False,
            verbose=0,
            callbacks=[Phases(phases, verbose=0), watch],
        )
        assert all(map(np.array_equal, watch.after_first, frozen))
        ended.append(arrays(model))
    for ours, theirs in zip(*ended, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-3)


class _Watch(keras.callbacks.Callback):
    def __init__(self, layer):
        super().__init__()
        self.layer, self.after_first = layer, None

    def on_epoch_end(self, epoch, logs=None):
        if epoch == 0:
            self.after_first = self.layer.get_weights()
