"""Pooling against NumPy, and what padding may not change."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from keras import ops

from kerasft.errors import ArgumentError
from kerasft.heads import Pooling

TOKENS = 5
WIDTH = 3
METHODS = ["first", "last", "mean", "max", "attention"]
QUERY = np.array([0.7, -1.3, 2.1], "float32")


def pool(method, features, mask=None):
    layer = Pooling(method)
    layer.build(np.shape(features))
    if method == "attention":
        layer.query.assign(QUERY)
    return ops.convert_to_numpy(layer(np.asarray(features, "float32"), mask=mask))


def values_of(variables):
    return [ops.convert_to_numpy(variable) for variable in variables]


def oracle(method, features, mask):
    """Row by row, over the real tokens alone."""
    rows = []
    for row, kept in zip(features.astype("float64"), mask.astype(bool), strict=True):
        real = row[kept]
        if len(real) == 0:
            rows.append(np.zeros(row.shape[-1]))
        elif method == "attention":
            scores = real @ QUERY.astype("float64") / np.sqrt(row.shape[-1])
            powers = np.exp(scores - scores.max())
            rows.append((powers / powers.sum()) @ real)
        else:
            choose = {
                "first": lambda real: real[0],
                "last": lambda real: real[-1],
                "mean": lambda real: real.mean(axis=0),
                "max": lambda real: real.max(axis=0),
            }
            rows.append(choose[method](real))
    return np.stack(rows)


features_of_a_batch = hnp.arrays(
    "float32", (4, TOKENS, WIDTH), elements=st.floats(-50, 50, width=32, allow_subnormal=False)
)
masks = hnp.arrays("int32", (4, TOKENS), elements=st.integers(0, 1))


@pytest.mark.parametrize("method", METHODS)
@given(features=features_of_a_batch, mask=masks)
@settings(max_examples=15, deadline=None)
def test_equals_numpy_under_any_mask(method, features, mask):
    expected = oracle(method, features, mask)
    np.testing.assert_allclose(pool(method, features, mask), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("method", METHODS)
@given(features=features_of_a_batch, mask=masks, seed=st.integers(0, 100))
@settings(max_examples=10, deadline=None)
def test_more_padding_changes_nothing(method, features, mask, seed):
    padding = np.random.default_rng(seed).normal(size=(4, 3, WIDTH)).astype("float32") * 100
    padding[0, 0, 0], padding[1, 1, 1], padding[2, 2, 2] = np.nan, np.inf, -np.inf
    longer = np.concatenate([features, padding], axis=1)
    longer_mask = np.concatenate([mask, np.zeros((4, 3), "int32")], axis=1)
    before, after = pool(method, features, mask), pool(method, longer, longer_mask)
    if method in ("first", "last", "max"):
        np.testing.assert_array_equal(before, after)
    else:
        np.testing.assert_allclose(before, after, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_a_full_mask_is_no_mask(method):
    features = np.random.default_rng(0).normal(size=(4, TOKENS, WIDTH))
    full = np.ones((4, TOKENS), "int32")
    np.testing.assert_allclose(pool(method, features), pool(method, features, full), rtol=1e-5)
    np.testing.assert_allclose(pool(method, features), oracle(method, features, full), rtol=1e-5)


@pytest.mark.parametrize("kind", ["int32", "int64", "bool", "float32"])
def test_masks_of_any_type(kind):
    features = np.random.default_rng(0).normal(size=(2, TOKENS, WIDTH))
    mask = np.array([[1, 1, 0, 0, 0], [1, 1, 1, 1, 0]])
    np.testing.assert_array_equal(
        pool("mean", features, mask.astype(kind)), pool("mean", features, mask)
    )


@pytest.mark.parametrize("method", METHODS)
def test_rows_of_padding_pool_to_zeros_and_train_to_finite_weights(method):
    features = keras.Input((TOKENS, WIDTH))
    mask = keras.Input((TOKENS,), dtype="int32")
    hidden = keras.layers.Dense(WIDTH)(features)
    pooled = Pooling(method, name="pooling")(hidden, mask=mask)
    model = keras.Model([features, mask], keras.layers.Dense(1)(pooled))
    values = np.random.default_rng(0).normal(size=(4, TOKENS, WIDTH)).astype("float32")
    empty = np.zeros((4, TOKENS), "int32")
    pooling = keras.Model([features, mask], model.get_layer("pooling").output)
    np.testing.assert_array_equal(ops.convert_to_numpy(pooling([values, empty])), 0)
    empty[1:, :2] = 1
    before = values_of(model.variables)
    model.compile("sgd", "mse")
    model.fit([values, empty], np.ones((4, 1)), verbose=0)
    after = values_of(model.variables)
    assert all(np.isfinite(value).all() for value in after)
    assert not np.array_equal(before[0], after[0])


def test_every_method_compiles_and_trains_under_xla():
    features = keras.Input((None, WIDTH))
    mask = keras.Input((None,), dtype="int32")
    hidden = keras.layers.Dense(WIDTH)(features)
    pooled = [Pooling(method, name=method)(hidden, mask=mask) for method in METHODS]
    model = keras.Model([features, mask], keras.layers.Dense(1)(keras.layers.Add()(pooled)))
    values = np.random.default_rng(0).normal(size=(4, TOKENS, WIDTH)).astype("float32")
    kept = (np.arange(TOKENS) < [[5], [3], [1], [0]]).astype("int32")
    eager = ops.convert_to_numpy(model([values, kept]))
    model.compile("sgd", "mse", jit_compile=True)
    compiled = model.predict([values, kept], verbose=0)
    np.testing.assert_allclose(compiled, eager, rtol=1e-5, atol=1e-6)
    before = values_of(model.trainable_variables)
    model.fit([values, kept], np.ones((4, 1)), verbose=0)
    after = values_of(model.trainable_variables)
    assert all(not np.array_equal(*pair) for pair in zip(before, after, strict=True))


def test_auto_is_the_mean_of_tokens_and_of_space():
    features = np.random.default_rng(0).normal(size=(2, 4, 6, WIDTH)).astype("float32")
    np.testing.assert_allclose(pool("auto", features), features.mean(axis=(1, 2)), atol=1e-6)
    tokens = features[:, 0]
    mask = np.array([[1, 0, 0, 0, 0, 0], [1, 1, 1, 1, 0, 0]])
    np.testing.assert_array_equal(pool("auto", tokens, mask), pool("mean", tokens, mask))
    np.testing.assert_array_equal(pool("auto", tokens[:, 0]), tokens[:, 0])


def test_attention_starts_as_the_mean():
    features = np.random.default_rng(0).normal(size=(2, TOKENS, WIDTH)).astype("float32")
    mask = np.array([[1, 1, 0, 0, 0], [1, 1, 1, 1, 0]])
    started = ops.convert_to_numpy(Pooling("attention")(features, mask=mask))
    np.testing.assert_allclose(started, pool("mean", features, mask), rtol=1e-6)


@pytest.mark.parametrize("method", ["mean", "max", "attention"])
@pytest.mark.parametrize("space", [(4, 6), (2, 3, 4)], ids=["image", "video"])
def test_space_is_pooled_as_tokens_are(method, space):
    features = np.random.default_rng(0).normal(size=(2, *space, WIDTH)).astype("float32")
    as_tokens = features.reshape(2, -1, WIDTH)
    expected = oracle(method, as_tokens, np.ones(as_tokens.shape[:2]))
    np.testing.assert_allclose(pool(method, features), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("method", ["mean", "max", "attention", "none"])
def test_channels_first_is_the_same_transposed(method):
    last = np.random.default_rng(0).normal(size=(2, 4, 6, WIDTH)).astype("float32")
    layers = [Pooling(method, data_format=f"channels_{place}") for place in ("last", "first")]
    inputs = [last, np.moveaxis(last, -1, 1)]
    outputs = [
        ops.convert_to_numpy(layer(each)) for layer, each in zip(layers, inputs, strict=True)
    ]
    np.testing.assert_array_equal(*outputs)
    assert layers[1].pooled_shape(inputs[1].shape) == outputs[1].shape


def test_the_data_format_is_keras_s_and_stays_what_it_was():
    keras.config.set_image_data_format("channels_first")
    try:
        config = Pooling("mean").get_config()
    finally:
        keras.config.set_image_data_format("channels_last")
    assert Pooling.from_config(config).data_format == "channels_first"
    assert Pooling("mean").data_format == "channels_last"


@pytest.mark.parametrize("method", ["auto", *METHODS, "none"])
def test_symbolic_shapes_agree_with_real_ones(method):
    shapes = [(None, WIDTH)] if method in ("first", "last") else [(None, WIDTH), (None, 4, WIDTH)]
    for shape in shapes:
        features = keras.Input(shape)
        layer = Pooling(method)
        symbolic = tuple(layer(features).shape)
        assert symbolic == layer.pooled_shape((None, *shape))
        real = layer(np.ones([2, *(size or 4 for size in shape)], "float32"))
        assert len(symbolic) == len(real.shape)
        assert symbolic[-1] == real.shape[-1]


def test_none_keeps_tokens_and_their_mask():
    features = keras.Input((TOKENS, WIDTH))
    layer = Pooling("none")
    mask = ops.ones((2, TOKENS))
    assert layer.compute_mask(features, mask) is mask
    assert Pooling("mean").compute_mask(features, mask) is None
    assert layer.compute_mask(keras.Input((WIDTH,)), mask) is None
    values = np.ones((2, TOKENS, WIDTH), "float32")
    np.testing.assert_array_equal(ops.convert_to_numpy(layer(values)), values)


def test_the_config_goes_round():
    layer = Pooling("attention", "channels_first", name="pool", dtype="float64")
    config = layer.get_config()
    assert set(config) == {"name", "trainable", "dtype", "method", "data_format"}
    assert Pooling.from_config(config).get_config() == config


def test_a_dict_of_features_is_refused_with_the_way_out():
    features = {"pooled": keras.Input((WIDTH,)), "tokens": keras.Input((4, WIDTH))}
    with pytest.raises(ArgumentError, match=r"not a dict.*return features\['pooled'\]"):
        Pooling("mean")(features)


@pytest.mark.parametrize(
    ("method", "shape", "message"),
    [
        ("mean", (2, WIDTH), "They are pooled already"),
        ("first", (2, 4, 4, WIDTH), "Only tokens have a first and a last one"),
        ("mean", (2,), "`features` must be of shape"),
        ("attention", (2, 4, None), "features of a known width"),
    ],
)
def test_features_with_nothing_to_pool_over(method, shape, message):
    with pytest.raises(ArgumentError, match=message):
        Pooling(method).build(shape)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "maximum"}, r"`method` must be one of 'auto', .* Did you mean 'max'\?"),
        ({"method": None}, r"Received: method=None \(of type NoneType\)"),
        ({"data_format": "channels_frist"}, "Did you mean 'channels_first'"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        Pooling(**arguments)


@pytest.mark.parametrize("symbolic", [True, False])
@pytest.mark.parametrize("shape", [(4,), (TOKENS, 1)])
def test_a_mask_of_another_shape(symbolic, shape):
    if symbolic:
        features, mask = keras.Input((TOKENS, WIDTH)), keras.Input(shape)
    else:
        features, mask = np.ones((2, TOKENS, WIDTH), "float32"), np.ones((2, *shape))
    with pytest.raises(ArgumentError, match=r"`mask` must be of shape \(batch, tokens\)"):
        Pooling("mean")(features, mask=mask)


def test_a_mask_for_an_image():
    with pytest.raises(ArgumentError, match="`mask` must be left out for images"):
        Pooling("mean")(np.ones((2, 4, 4, WIDTH), "float32"), mask=np.ones((2, 16)))
