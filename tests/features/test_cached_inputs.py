"""What features are computed of: batches by length, arrays, `tf.data`, `PyDataset`s, images."""

import keras
import numpy as np
import pytest
from models import tiny_bert
from test_feature_cache import Texts

import kerasft
from kerasft import FeatureCache, TrainHead
from kerasft.errors import ArgumentError, DataError, UnsupportedError

INPUTS = np.random.default_rng(0).normal(size=(20, 6)).astype("float32")
LABELS = np.arange(20) % 2
WEIGHTS = np.linspace(0.5, 2, 20).astype("float32")
in_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="needs TensorFlow"
)


def dense():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((6,), name="row")
    x = keras.layers.Dense(5, activation="tanh", name="body")(inputs)
    model = keras.Model(inputs, keras.layers.Dense(2, name="top")(x))
    TrainHead().apply(model)
    return model


def two_inputs(as_dict):
    keras.utils.set_random_seed(0)
    left, right = keras.Input((6,), name="left"), keras.Input((3,), name="right")
    joined = keras.layers.Concatenate()([keras.layers.Dense(4, name="body")(left), right])
    inputs = {"left": left, "right": right} if as_dict else [left, right]
    model = keras.Model(inputs, keras.layers.Dense(2, name="top")(joined))
    TrainHead().apply(model)
    return model


class Rows(keras.utils.PyDataset):
    def __init__(self, *arrays):
        super().__init__()
        self.arrays = arrays

    def __len__(self):
        return 4

    def __getitem__(self, index):
        return tuple(array[5 * index : 5 * index + 5] for array in self.arrays)


def fit(model, cached, **kwargs):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.1), loss, run_eagerly=True)
    model.fit(cached, epochs=2, verbose=0, shuffle=False, **kwargs)
    return [np.array(w) for w in model.trainable_weights]


def expected(**kwargs):
    model = dense()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.1), loss, run_eagerly=True)
    model.fit(INPUTS, LABELS, batch_size=5, shuffle=False, epochs=2, verbose=0, **kwargs)
    return [np.array(w) for w in model.trainable_weights]


def as_tf_data(*arrays, batch_size=7):
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices(arrays).batch(batch_size)


SOURCES = {
    "arrays": lambda: ((INPUTS, LABELS, WEIGHTS), {}),
    "a pair": lambda: (((INPUTS, LABELS, WEIGHTS),), {}),
    "batches": lambda: ((Rows(INPUTS, LABELS, WEIGHTS),), {}),
    "a list of batches": lambda: (
        (list(map(Rows(INPUTS, LABELS, WEIGHTS).__getitem__, range(4))),),
        {},
    ),
    "tf.data": lambda: ((as_tf_data(INPUTS, LABELS, WEIGHTS),), {}),
}


@pytest.mark.parametrize("directory", [False, True])
@pytest.mark.parametrize(
    "source",
    [pytest.param(name, marks=in_tensorflow if name == "tf.data" else ()) for name in SOURCES],
)
def test_the_same_training_from_every_source(tmp_path, source, directory):
    model = dense()
    arguments, options = SOURCES[source]()
    for _ in range(1 + directory):  # the second time they are read from the directory
        cache = FeatureCache(model, tmp_path if directory else None)
        cached = cache.batches(*arguments, batch_size=5, **options)
    np.testing.assert_array_equal(cached.labels, LABELS)
    np.testing.assert_array_equal(cached.sample_weight, WEIGHTS)
    for found, wanted in zip(
        fit(cache.model, cached), expected(sample_weight=WEIGHTS), strict=True
    ):
        np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_class_weights_and_several_labels_pass_through():
    cache = FeatureCache(dense())
    weights = {0: 1.0, 1: 3.0}
    cached = cache.batches(INPUTS, LABELS, batch_size=5)
    for found, wanted in zip(
        fit(cache.model, cached, class_weight=weights), expected(class_weight=weights), strict=True
    ):
        np.testing.assert_allclose(found, wanted, atol=1e-6)
    several = np.stack([LABELS, 1 - LABELS], axis=1).astype("float32")
    cached = cache.batches(INPUTS, several, batch_size=5)
    np.testing.assert_array_equal(np.concatenate([y for _, y in cached]), several)


@pytest.mark.parametrize("as_dict", [True, False])
def test_several_inputs(as_dict):
    model = two_inputs(as_dict)
    right = INPUTS[:, :3] * 2
    inputs = {"left": INPUTS, "right": right} if as_dict else [INPUTS, right]
    cache = FeatureCache(model)
    cached = cache.batches(inputs, LABELS, batch_size=8)
    np.testing.assert_allclose(
        cache.model.predict(cached, verbose=0), model.predict(inputs, verbose=0), atol=1e-6
    )


def test_several_inputs_in_tuples_and_enough_batches_for_a_graph():
    model, inputs = two_inputs(as_dict=False), (INPUTS, INPUTS[:, :3])
    batches = [(tuple(part[row : row + 1] for part in inputs),) for row in range(20)] * 2
    cache = FeatureCache(model)
    np.testing.assert_allclose(
        cache.model.predict(cache.batches(batches), verbose=0)[20:],
        model.predict(list(inputs), verbose=0),
        atol=1e-6,
    )


def test_the_budget_holds_for_batches_too():
    needed = 20 * 5 * 4
    for budget, in_files in ((needed - 1, True), (needed, False)):
        cached = FeatureCache(dense(), memory_budget=budget).batches(Rows(INPUTS, LABELS))
        values = cached.collate.stores[0].values.array()
        assert isinstance(values, np.memmap) == in_files


def test_shuffling_by_the_seed_and_the_epoch():
    cache = FeatureCache(dense())
    one = cache.batches(INPUTS, LABELS, batch_size=5, shuffle=True, seed=3)
    other = cache.batches(INPUTS, LABELS, batch_size=5, shuffle=True, seed=3)
    for (x, y), (again, labels) in zip(one, other, strict=True):
        np.testing.assert_array_equal(x, again)
        np.testing.assert_array_equal(y, labels)
    assert not np.array_equal(np.concatenate([y for _, y in one]), LABELS)


def test_images_of_a_keras_application():
    keras.utils.set_random_seed(0)
    backbone = kerasft.Backbone.from_application(
        "MobileNet", weights=None, alpha=0.25, input_shape=(32, 32, 3)
    )
    model = backbone.attach(kerasft.ClassificationHead(num_classes=3))
    images = np.random.default_rng(0).uniform(0, 255, (6, 32, 32, 3)).astype("uint8")
    data = kerasft.data.Batches(backbone.preprocessor(), batch_size=4)(images, [0, 1, 2, 0, 1, 2])
    for policy, shape in (
        (TrainHead(), (None, 256)),
        (kerasft.TrainLastBlocks(1), (None, 1, 1, 256)),
    ):
        policy.apply(model)
        cache = FeatureCache(model)
        assert [tuple(t.shape) for t in cache.model.inputs] == [shape]
        np.testing.assert_allclose(
            cache.model.predict(cache.batches(data), verbose=0),
            model.predict(data, verbose=0),
            atol=1e-4,
        )


@pytest.mark.parametrize("pooling", ["auto", "mean", "max", "first", "last", "attention"])
def test_a_head_that_pools_and_learns_nothing_there_gives_one_vector_to_keep(pooling):
    backbone = kerasft.Backbone.from_model(tiny_bert(num_layers=1))
    head = kerasft.ClassificationHead(num_classes=2, pooling=pooling, hidden_units=4, dropout=0.5)
    model = backbone.attach(head)
    TrainHead().apply(model)
    cache = FeatureCache(model)
    ranks = [len(tensor.shape) for tensor in cache.model.inputs]
    assert ranks == ([3, 2] if pooling == "attention" else [2])
    data = Texts().batches(shuffle=False)
    cached = cache.batches(data)
    for (features, _), (inputs, _) in zip(cached, data, strict=True):
        np.testing.assert_allclose(cache.model(features), model(inputs), atol=1e-5)
    assert cache.model.get_layer(head.name) is head
    if pooling != "mean":
        return
    report = kerasft.evaluate(cache.model, cached)  # the head still tells what the outputs mean
    assert report.confusion.sum() == 9


def test_a_head_with_a_call_of_its_own_stays_whole():
    class Own(kerasft.ClassificationHead):
        def call(self, features, mask=None):
            return super().call(features * 2, mask=mask)

    backbone = kerasft.Backbone.from_model(tiny_bert(num_layers=1))
    model = backbone.attach(Own(num_classes=2, pooling="mean"))
    TrainHead().apply(model)
    assert [len(tensor.shape) for tensor in FeatureCache(model).model.inputs] == [3, 2]


# What cannot be cached.


@in_tensorflow
def test_a_data_set_that_shuffles_or_augments(tmp_path):
    import tensorflow as tf

    shuffled = tf.data.Dataset.from_tensor_slices((INPUTS, LABELS)).shuffle(20, seed=1).batch(5)
    with pytest.raises(DataError, match=r"gave others the second time: it shuffles, or augments"):
        FeatureCache(dense(), tmp_path).batches(shuffled)
    assert list(tmp_path.iterdir()) == []
    cached = FeatureCache(dense()).batches(shuffled)  # read once, labels beside their inputs
    features = FeatureCache(dense())._cut.frozen.predict(INPUTS, verbose=0)
    wanted = {tuple(x.round(4).tolist()): y for x, y in zip(features, LABELS, strict=True)}
    found = {
        tuple(x.round(4).tolist()): y
        for batch, labels in cached
        for x, y in zip(batch, labels, strict=True)
    }
    assert len(found) == len(wanted) == 20
    for features, label in found.items():
        assert wanted[features] == label


@in_tensorflow
def test_data_without_an_end_or_without_examples():
    endless = as_tf_data(INPUTS, LABELS).repeat()
    with pytest.raises(DataError, match=r"must end to be cached.*Leave out `.repeat\(\)`"):
        FeatureCache(dense()).batches(endless)
    with pytest.raises(DataError, match=r"must give examples to be cached"):
        FeatureCache(dense()).batches(as_tf_data(INPUTS, LABELS).take(0))


@in_tensorflow
def test_a_data_set_without_batches():
    import tensorflow as tf

    single = tf.data.Dataset.from_tensor_slices((INPUTS, LABELS))
    with pytest.raises(DataError, match=r"must give batches.*single values, such as 0\. Put"):
        FeatureCache(dense()).batches(single)
    with pytest.raises(DataError, match=r"must give batches of examples.*a list that gave"):
        FeatureCache(dense()).batches(INPUTS[:, :2].tolist())


@pytest.mark.parametrize("directory", [False, True])
def test_batches_of_several_lengths_are_refused_where_padding_would_count(tmp_path, directory):
    inputs = keras.Input((None, 3))
    x = keras.layers.Conv1D(4, 3, padding="same", name="body")(inputs)
    x = keras.layers.Conv1D(2, 3, padding="same", name="top")(x)
    model = keras.Model(inputs, keras.layers.GlobalAveragePooling1D()(x))
    model.get_layer("body").trainable = False
    batches = [(np.ones((2, length, 3), "float32"),) for length in (4, 7)]
    with pytest.raises(DataError, match=r"at one length.*shapes \(4, 4\) and \(7, 4\)"):
        FeatureCache(model, tmp_path if directory else None).batches(batches)
    assert list(tmp_path.iterdir()) == []


def test_arrays_that_cannot_be_used():
    with pytest.raises(DataError, match=r"`labels` must be one array with a row for each.*several"):
        FeatureCache(dense()).batches(INPUTS, {"top": LABELS})
    with pytest.raises(DataError, match=r"at least one. Received: arrays of \[0\] rows"):
        FeatureCache(dense()).batches(INPUTS[:0], LABELS[:0])
    with pytest.raises(DataError, match=r"arrays of \[19, 20\] rows"):
        FeatureCache(two_inputs(True)).batches({"left": INPUTS, "right": INPUTS[:19, :3]}, LABELS)
    with pytest.raises(DataError, match=r"`labels` must be as many as the examples, 20"):
        FeatureCache(dense()).batches(INPUTS, LABELS[:3])
    with pytest.raises(ArgumentError, match=r"`data` must be something that can be read twice"):
        FeatureCache(dense()).batches(iter([(INPUTS, LABELS)]))
    with pytest.raises(ArgumentError, match=r"`data` must be batches of"):
        FeatureCache(dense()).batches(3)
    with pytest.raises(DataError, match=r"`labels` must be left out where the data set brings"):
        FeatureCache(dense()).batches([(INPUTS, LABELS)] * 2, LABELS)
    with pytest.raises(DataError, match=r"7 labels for 20 examples in batch 0"):
        FeatureCache(dense()).batches([(INPUTS, LABELS[:7])])


def test_augmentation_before_the_boundary_is_refused_with_the_reason():
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.RandomFlip()(inputs)
    x = keras.layers.Conv2D(2, 3, name="body")(x)
    model = keras.Model(inputs, keras.layers.Dense(2, name="top")(keras.layers.Flatten()(x)))
    TrainHead().apply(model)
    with pytest.raises(UnsupportedError, match=r"augmented differs in every epoch"):
        FeatureCache(model)


def test_nothing_frozen_and_no_graph():
    model = dense()
    kerasft.TrainEverything().apply(model)
    with pytest.raises(UnsupportedError, match=r"must be frozen at its front"):
        FeatureCache(model)

    class Subclassed(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(UnsupportedError, match=r"must have a graph"):
        FeatureCache(Subclassed())
