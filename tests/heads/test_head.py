"""The base class: what a person's own head gets, and what it need not think of."""

import keras
import numpy as np
import pytest
from keras import ops

from kerasft.errors import UnsupportedError
from kerasft.heads import Head

pytestmark = pytest.mark.core

TOKENS = 6


@keras.saving.register_keras_serializable(package="kerasft_tests")
class MaskedSum(Head):
    """A person's own head: the sum over the real tokens, then a dense layer."""

    def __init__(self, num_outputs, **kwargs):
        super().__init__(**kwargs)
        self.num_outputs = num_outputs
        self.dense = keras.layers.Dense(num_outputs, name="outputs")

    def call(self, features, mask=None):
        if mask is not None:
            features = features * ops.cast(mask, features.dtype)[:, :, None]
        return self.dense(ops.sum(features, axis=1))


class Recorder(Head):
    """Remembers what its `call` was given."""

    def call(self, features, mask=None):
        self.given = (features, mask)
        return features


class Maskless(Head):
    def call(self, features):
        return 2 * features


class OnlyPooled(Recorder):
    def uses(self, features):
        return features["pooled"]


def masked_backbone():
    """A model whose output carries the mask of its embedding, as Keras's own layers do it."""
    ids = keras.Input((None,), dtype="int32", name="ids")
    tokens = keras.layers.Embedding(20, 4, mask_zero=True, name="embedding")(ids)
    return keras.Model(ids, keras.layers.Dense(4, name="dense")(tokens))


def ids(padding=0):
    tokens = np.array([[3, 5, 7, 0, 0, 0], [2, 9, 1, 4, 8, 0]], "int32")
    return np.pad(tokens, ((0, 0), (0, padding)))


def values_of(variables):
    return [ops.convert_to_numpy(variable) for variable in variables]


def predict(model, inputs):
    return keras.tree.map_structure(ops.convert_to_numpy, model(inputs))


def test_the_mask_of_a_symbolic_tensor_becomes_an_edge_of_the_graph(tmp_path):
    backbone, head = masked_backbone(), MaskedSum(3, name="head")
    implied = keras.Model(backbone.input, head(backbone.output))
    mask = ops.not_equal(backbone.input, 0)
    explicit = keras.Model(backbone.input, head(backbone.output, mask=mask))
    expected = predict(implied, ids())

    assert "mask" in head._inbound_nodes[0].arguments.kwargs
    np.testing.assert_array_equal(expected, predict(explicit, ids()))
    np.testing.assert_allclose(expected, predict(implied, ids(padding=3)), rtol=1e-6)
    tokens = keras.Model(backbone.input, backbone.output)(ids())
    by_hand = (ops.convert_to_numpy(tokens) * (ids() != 0)[:, :, None]).sum(axis=1)
    kernel, bias = values_of(head.weights)
    np.testing.assert_allclose(expected, by_hand @ kernel + bias, rtol=1e-5, atol=1e-6)

    copy = keras.models.clone_model(implied)
    copy.set_weights(implied.get_weights())
    np.testing.assert_array_equal(expected, predict(copy, ids()))

    implied.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(expected, predict(loaded, ids()))
    assert [v.path for v in loaded.weights] == [v.path for v in implied.weights]


def test_a_model_with_a_head_can_be_cut_before_it():
    backbone, head = masked_backbone(), MaskedSum(3)
    outputs = head(backbone.output)
    mask = head._inbound_nodes[0].arguments.kwargs["mask"]
    front = keras.Model(backbone.input, [backbone.output, mask])
    rest = keras.Model([backbone.output, mask], outputs)
    whole = keras.Model(backbone.input, outputs)
    features, real = predict(front, ids())
    np.testing.assert_allclose(predict(rest, [features, real]), predict(whole, ids()), rtol=1e-6)


def test_a_real_tensor_s_mask_is_taken_too():
    tokens = keras.layers.Embedding(20, 4, mask_zero=True)(ids())
    head = Recorder()
    head(tokens)
    np.testing.assert_array_equal(ops.convert_to_numpy(head.given[1]), ids() != 0)


def test_an_explicit_mask_wins():
    tokens = keras.layers.Embedding(20, 4, mask_zero=True)(ids())
    head = Recorder()
    given = np.ones((2, TOKENS), "int32")
    head(tokens, mask=given)
    np.testing.assert_array_equal(ops.convert_to_numpy(head.given[1]), given)
    head(tokens, given)
    np.testing.assert_array_equal(ops.convert_to_numpy(head.given[1]), given)


def dict_of_inputs():
    return {"tokens": keras.Input((TOKENS, 4)), "pooled": keras.Input((4,))}


def test_a_dict_without_masks_gives_none():
    values = {"tokens": np.ones((2, TOKENS, 4), "float32"), "pooled": np.ones((2, 4), "float32")}
    for features in (dict_of_inputs(), values):
        head = Recorder()
        head(features)
        assert set(head.given[0]) == {"tokens", "pooled"}
        assert head.given[1] is None


def test_a_dict_of_which_one_tensor_carries_a_mask():
    tokens = keras.layers.Embedding(20, 4, mask_zero=True)(ids())
    head = Recorder()
    head({"tokens": tokens, "pooled": np.ones((2, 4), "float32")})
    np.testing.assert_array_equal(ops.convert_to_numpy(head.given[1]), ids() != 0)


def test_what_a_head_does_not_use_is_not_in_its_graph():
    inputs = dict_of_inputs()
    dense = keras.layers.Dense(4)
    features = {"tokens": dense(inputs["tokens"]), "pooled": keras.ops.tanh(inputs["pooled"])}
    model = keras.Model(inputs["pooled"], OnlyPooled()(features))
    assert dense not in model.layers
    values = np.ones((2, 4), "float32")
    np.testing.assert_allclose(predict(model, values), np.tanh(values), rtol=1e-6)


def test_a_head_may_leave_the_mask_out():
    tokens = keras.layers.Embedding(20, 4, mask_zero=True)(ids())
    outputs = Maskless()(tokens, mask=np.ones((2, TOKENS)))
    assert getattr(outputs, "_keras_mask", None) is None


def test_outputs_carry_no_mask():
    """A mask of tokens on outputs per example would be applied to the loss by Keras."""
    backbone = masked_backbone()
    outputs = MaskedSum(3)(backbone(ids()))
    assert getattr(outputs, "_keras_mask", None) is None
    assert MaskedSum(3).supports_masking


def test_a_head_trains_under_a_mask():
    backbone = masked_backbone()
    model = keras.Model(backbone.input, MaskedSum(3)(backbone.output))
    model.compile("sgd", "mse")
    before = values_of(model.weights)[0]
    model.fit(ids(), np.ones((2, 3)), verbose=0)
    after = values_of(model.weights)[0]
    np.testing.assert_array_equal(before[0], after[0])  # the embedding of padding is not reached
    assert not np.array_equal(before[3], after[3])


def test_a_config_without_any_code_of_one_s_own():
    head = MaskedSum(3, name="mine")
    config = head.get_config()
    assert config["num_outputs"] == 3
    assert MaskedSum.from_config(config).get_config() == config


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("float32", "float32"),
        ("mixed_bfloat16", "float32"),
        ("mixed_float16", "float32"),
        ("bfloat16", "float32"),
        ("float64", "float64"),
    ],
)
def test_a_head_computes_in_float32_at_least(policy, expected):
    keras.config.set_dtype_policy(policy)
    try:
        head = MaskedSum(3)
        again = MaskedSum.from_config(head.get_config())
    finally:
        keras.config.set_dtype_policy("float32")
    assert head.compute_dtype == head.variable_dtype == expected
    assert again.compute_dtype == expected
    assert MaskedSum(3, dtype="mixed_bfloat16").compute_dtype == "bfloat16"


def test_features_of_another_float_type_are_cast():
    head = Recorder()
    head(ops.ones((2, TOKENS, 4), dtype="bfloat16"))
    assert keras.backend.standardize_dtype(head.given[0].dtype) == "float32"


def test_the_base_class_says_what_is_missing():
    head = Head()
    assert head.is_kerasft_head
    assert head.task is None
    with pytest.raises(UnsupportedError, match=r"Override `call\(self, features, mask=None\)`"):
        head(np.ones((2, 4), "float32"))
    with pytest.raises(UnsupportedError, match="Maskless does not say which loss"):
        Maskless().default_loss()
    with pytest.raises(UnsupportedError, match="Maskless does not say which metrics"):
        Maskless().default_metrics()
