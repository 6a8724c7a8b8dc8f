"""The cache: the same batches, the same training, the frozen part computed once."""

import gc

import keras
import numpy as np
import pytest
from models import flat_bert, image_batch, nested_bert, small_resnet, tiny_bert, with_a_table

import kerasft
from kerasft import FeatureCache, TrainHead, TrainLastBlocks, TrainSelected
from kerasft.data import LengthGroupedBatches
from kerasft.errors import ArgumentError, UnsupportedError
from kerasft.structure import take_apart

# Weights after three epochs, cached against uncached. The batches are the same; the sums in the
# frozen part run over batches of another shape, in another order.
TOLERANCE = {"float32": 1e-5, "mixed_bfloat16": 2e-2}


class Texts:
    """Random token ids of various lengths, padded as a preprocessor pads them."""

    def __init__(self, examples=9, shortest=3, longest=12, segments=True):
        random = np.random.default_rng(0)
        self.lengths = random.integers(shortest, longest + 1, examples)
        self.ids = [random.integers(1, 50, n).astype("int32") for n in self.lengths]
        self.labels = random.integers(0, 2, examples).astype("int32")
        self.segments = segments

    def __call__(self, rows, length):
        ids = np.stack([np.pad(self.ids[row], (0, length - len(self.ids[row]))) for row in rows])
        mask = (np.arange(length) < self.lengths[rows][:, None]).astype("int32")
        inputs = {"token_ids": ids, "padding_mask": mask}
        return {**inputs, "segment_ids": ids * 0} if self.segments else inputs

    def batches(self, **kwargs):
        kwargs = {"batch_size": 3, "pad_to_multiple_of": 4, "shuffle": True} | kwargs
        return LengthGroupedBatches(self, self.lengths, labels=self.labels, **kwargs)


def flat():
    return flat_bert(num_layers=2)


def nested():
    return nested_bert(num_layers=2)


def masked():
    """A head that leaves padding out, as kerasft's own do."""
    backbone = kerasft.Backbone.from_model(tiny_bert(num_layers=2))
    return backbone.attach(kerasft.ClassificationHead(num_classes=2, pooling="mean", name="head"))


def rows_of(values):
    """Batches of plain rows without a length."""

    def make(batch_size=4, labels=None, **kwargs):
        first = keras.tree.flatten(values)[0]
        count = len(first)
        labels = np.arange(count) % 2 if labels is None else labels
        return LengthGroupedBatches(
            lambda rows, length: keras.tree.map_structure(lambda v: v[rows], values),
            np.ones(count, int),
            labels=labels.astype("int32"),
            batch_size=batch_size,
            shuffle=True,
            **kwargs,
        )

    return make


def compile_(model):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    # SGD: Adam divides a gradient of nearly zero by its own size and would blow rounding up.
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), loss=loss, run_eagerly=True)


def weights_of(model):
    return {
        v.path: keras.ops.convert_to_numpy(v.variable).copy() for v in take_apart(model).variables
    }


def check_same_training(make, policy, data, epochs=3, dtype="float32"):
    """Train the whole model, and one with the same weights on the cache; compare all weights."""
    whole, cached = make(), make()
    cached.set_weights(whole.get_weights())
    for model in (whole, cached):
        policy.apply(model)
    before = list(weights_of(whole).values())
    compile_(whole)
    whole.fit(data(), epochs=epochs, verbose=0)

    cache = FeatureCache(cached)
    compile_(cache.model)
    history = cache.model.fit(cache.batches(data()), epochs=epochs, verbose=0).history
    ends = zip(weights_of(whole).items(), weights_of(cached).values(), strict=True)
    for (path, one), other in ends:
        np.testing.assert_allclose(other, one, rtol=0, atol=TOLERANCE[dtype], err_msg=path)
    assert any(
        not np.array_equal(one, two)
        for one, two in zip(weights_of(whole).values(), before, strict=True)
    )
    assert len(history["loss"]) == epochs
    return cache


def without_dropout(make):
    """Random numbers would differ by their order; what is compared here is arithmetic."""

    def made():
        model = make()
        for layer in model._flatten_layers():
            if isinstance(layer, (keras.layers.Dropout, keras.layers.MultiHeadAttention)):
                for name in ("rate", "_dropout"):
                    if hasattr(layer, name):
                        setattr(layer, name, 0.0)
        return model

    return made


@pytest.mark.parametrize(
    ("make", "policy"),
    [
        (masked, TrainHead()),
        (flat, TrainLastBlocks(1)),
        (nested, TrainLastBlocks(1)),
    ],
)
def test_training_on_the_cache_is_training_without_it(make, policy):
    """`flat` averages over padding: then what stands there has to be kept too."""
    check_same_training(without_dropout(make), policy, Texts().batches, epochs=1)


def test_a_frozen_mean_over_padding_needs_one_length_for_all():
    model = flat()
    TrainHead().apply(model)
    with pytest.raises(UnsupportedError, match=r"leaves padding out .*pad_to_multiple_of"):
        FeatureCache(model).batches(Texts().batches())
    check_same_training(
        without_dropout(flat),
        TrainHead(),
        lambda: Texts().batches(pad_to_multiple_of=12),
        epochs=1,
    )


def test_training_in_bfloat16():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        check_same_training(
            without_dropout(masked), TrainHead(), Texts().batches, epochs=2, dtype="mixed_bfloat16"
        )
    finally:
        keras.config.set_dtype_policy("float32")


def test_images_with_spatial_features():
    images, labels = image_batch(10)
    data = rows_of(images)
    check_same_training(
        without_dropout(small_resnet), TrainLastBlocks(1), lambda: data(labels=labels)
    )


def test_images_of_open_size():
    """An axis that is open but has nothing to do with the length of an example stays as it is."""

    def make():
        inputs = keras.Input((None, None, 3))
        x = keras.layers.Conv2D(4, 3, strides=4, padding="same", name="body")(inputs)
        x = keras.layers.GlobalAveragePooling2D()(x)
        return keras.Model(inputs, keras.layers.Dense(3, name="top")(x))

    images, labels = image_batch(10)

    def data():  # lengths are the height, as `Batches` counts an image's
        return LengthGroupedBatches(
            lambda rows, length: images[rows],
            np.full(10, 8),
            labels=labels.astype("int32"),
            batch_size=4,
            shuffle=True,
        )

    check_same_training(make, TrainHead(), data)
    check_same_training(make_with_late_conv, TrainSelected("late"), data)


def make_with_late_conv():
    inputs = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(4, 3, strides=4, padding="same", name="body")(inputs)
    x = keras.layers.Conv2D(4, 3, padding="same", name="late")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(3, name="top")(x))


def test_several_inputs_and_boundary_tensors():
    def make():
        left, right = keras.Input((4,), name="left"), keras.Input((3,), name="right")
        a = keras.layers.Dense(5, name="a")(left)
        b = keras.layers.Dense(5, name="b")(right)
        x = keras.layers.Concatenate(name="join")([a, b, left])
        return keras.Model({"left": left, "right": right}, keras.layers.Dense(2, name="top")(x))

    random = np.random.default_rng(0)
    values = {
        "left": random.normal(size=(9, 4)).astype("float32"),
        "right": random.normal(size=(9, 3)).astype("float32"),
    }
    cache = check_same_training(make, TrainHead(), rows_of(values))
    assert len(cache.model.inputs) == 1  # what the head reads was joined by the frozen part
    late = TrainSelected("b", and_head=True)
    cache = check_same_training(make, late, rows_of(values))
    assert len(cache.model.inputs) == 3


def test_a_tensor_without_a_batch_axis_is_kept_once():
    values = np.random.default_rng(0).normal(size=(9, 4)).astype("float32")
    cache = check_same_training(with_a_table, TrainSelected("mix"), rows_of(values))
    assert [tuple(t.shape) for t in cache.model.inputs] == [(None, 5), (5, 4)]


def test_deberta_keeps_its_table_of_distances_once():
    import keras_hub

    backbone = keras_hub.models.DebertaV3Backbone(
        vocabulary_size=50,
        num_layers=2,
        num_heads=2,
        hidden_dim=8,
        intermediate_dim=16,
        max_sequence_length=16,
        bucket_size=4,
    )
    model = kerasft.Backbone.from_model(backbone).attach(
        kerasft.ClassificationHead(num_classes=2, pooling="mean", name="head")
    )
    TrainLastBlocks(1).apply(model)
    cache = FeatureCache(model)
    data = Texts(segments=False).batches(shuffle=False)
    cached = cache.batches(data)
    np.testing.assert_allclose(
        cache.model.predict(cached, verbose=0), model.predict(data, verbose=0), atol=1e-5
    )
    table = [s for s in cached.collate.stores if len(set(s.index.starts.tolist())) == 1]
    assert len(table) == 1


def test_features_are_kept_unpadded_where_padding_is_not_read():
    texts = Texts()
    for make, padded in ((masked, False), (flat, True)):
        model = make()
        TrainLastBlocks(1).apply(model)
        stores = FeatureCache(model).batches(texts.batches()).collate.stores
        hidden = next(s for s in stores if s.layout.rank == 2)
        lengths = hidden.index.shapes[:, 0].tolist()
        assert lengths == ([12] * 9 if padded else texts.lengths.tolist())


def test_what_depends_on_the_padded_length_is_refused():
    """A convolution without a mask sees where padding ends."""
    ids = keras.Input((None,), dtype="int32", name="token_ids")
    mask = keras.Input((None,), dtype="int32", name="padding_mask")
    x = keras.layers.Embedding(50, 4, name="embedding")(ids)
    backwards = keras.layers.GRU(4, return_sequences=True, go_backwards=True, name="gru")(x)
    y = keras.layers.GlobalMaxPooling1D()(backwards)
    model = keras.Model(
        {"token_ids": ids, "padding_mask": mask}, keras.layers.Dense(2, name="top")(y)
    )
    TrainHead().apply(model)
    with pytest.raises(UnsupportedError, match=r"changes with the length .* \(tried \d+ and 12\)"):
        FeatureCache(model).batches(Texts(segments=False).batches())


def test_an_axis_that_shrinks_with_the_length_is_refused():
    ids = keras.Input((None,), dtype="int32", name="token_ids")
    mask = keras.Input((None,), dtype="int32", name="padding_mask")
    x = keras.layers.Embedding(50, 4, name="embedding")(ids)
    x = keras.layers.Conv1D(4, 2, strides=2, name="halve")(x)
    x = keras.layers.Conv1D(4, 1, name="late")(x)
    model = keras.Model(
        {"token_ids": ids, "padding_mask": mask},
        keras.layers.Dense(2, name="top")(keras.layers.GlobalMaxPooling1D()(x)),
    )
    TrainSelected("late").apply(model)
    with pytest.raises(UnsupportedError, match=r"where batches are padded to"):
        FeatureCache(model).batches(Texts(segments=False).batches())


def test_the_traced_fit_and_what_the_whole_model_has_learned():
    model = masked()
    TrainHead().apply(model)
    cache = FeatureCache(model)
    data = Texts().batches()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    cache.model.compile(keras.optimizers.Adam(0.05), loss=loss, metrics=["accuracy"])
    cached = cache.batches(data)
    history = cache.model.fit(cached, validation_data=cached.unshuffled(), epochs=2, verbose=0)
    assert history.history["loss"][1] < history.history["loss"][0]
    np.testing.assert_allclose(
        model.predict(data.unshuffled(), verbose=0),
        cache.model.predict(cached.unshuffled(), verbose=0),
        atol=1e-5,
    )


def test_the_model_can_be_saved_and_loaded_afterwards(tmp_path):
    x = Texts()(np.arange(3), 12)
    for make in (masked, nested):
        model = make()
        TrainLastBlocks(1).apply(model)
        FeatureCache(model)
        model.save(tmp_path / "model.keras")
        loaded = kerasft.load_model(tmp_path / "model.keras")
        np.testing.assert_array_equal(
            keras.ops.convert_to_numpy(loaded(x)), keras.ops.convert_to_numpy(model(x))
        )


# Refusals.


@pytest.mark.parametrize(
    "change",
    [lambda model: TrainLastBlocks(2).apply(model), lambda model: kerasft.Plan.of(model).undo()],
)
def test_a_plan_changed_after_the_cache_was_made(change):
    model = masked()
    TrainHead().apply(model)
    cache = FeatureCache(model)
    change(model)
    with pytest.raises(UnsupportedError, match=r"made for other frozen layers than model"):
        cache.batches(Texts().batches())


def test_dropout_switched_on_again_after_the_cache_was_made():
    model = masked()
    TrainHead().apply(model)
    cache = FeatureCache(model)
    TrainHead(frozen_mode="training").apply(model)
    with pytest.raises(UnsupportedError, match=r"Make a new `FeatureCache"):
        cache.batches(Texts().batches())


def test_a_fixed_batch_size_is_refused():
    inputs = keras.Input((4,), batch_size=3, name="rows")
    x = keras.layers.Dense(4, name="body")(inputs)
    model = keras.Model(inputs, keras.layers.Dense(2, name="top")(x))
    TrainHead().apply(model)
    with pytest.raises(UnsupportedError, match=r"'rows' has the shape \(3, 4\)"):
        FeatureCache(model)


def test_wrong_arguments():
    with pytest.raises(ArgumentError, match=r"`model` must be a keras.Model"):
        FeatureCache("model")
    model = masked()
    TrainHead().apply(model)
    with pytest.raises(
        ArgumentError, match=r"`data` must be batches of `kerasft.data.Batches`, arrays"
    ):
        FeatureCache(model).batches("reviews")


def test_features_of_arrays_go_with_their_batches_and_those_of_batches_stay():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4), keras.layers.Dense(2)])
    TrainHead().apply(model)
    cache = FeatureCache(model)
    x, y = np.random.default_rng(0).normal(size=(6, 3)).astype("float32"), np.arange(6) % 2
    first = cache.batches(x, y)
    assert "for 1 data set so far" in str(cache)
    for _ in range(3):
        cache.batches(x, y)
    gc.collect()
    assert "for 1 data set so far" in str(cache)
    del first
    gc.collect()
    assert "for 0 data sets so far" in str(cache)
    batches = rows_of(x)()
    cache.batches(batches)
    cache.batches(batches.unshuffled())
    gc.collect()
    assert "for 1 data set so far" in str(cache)
