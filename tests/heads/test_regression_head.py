"""Numbers out: loss, metrics and the config."""

import inspect

import keras
import numpy as np
import pytest
from keras import ops

from kerasft.errors import ArgumentError
from kerasft.heads import RegressionHead

pytestmark = pytest.mark.core


def test_outputs_loss_and_metrics_are_those_of_numpy():
    generator = np.random.default_rng(0)
    features = generator.normal(size=(6, 4, 3)).astype("float32")
    mask = (np.arange(4) < generator.integers(1, 5, size=(6, 1))).astype("int32")
    labels = generator.normal(size=(6, 2))
    head = RegressionHead(2)
    inputs, masks = keras.Input((4, 3)), keras.Input((4,), dtype="int32")
    model = keras.Model([inputs, masks], head(inputs, mask=masks))
    kernel, bias = (ops.convert_to_numpy(each) for each in head.weights)
    mean = (features * mask[:, :, None]).sum(axis=1) / mask.sum(axis=1, keepdims=True)
    expected = mean @ kernel + bias
    np.testing.assert_allclose(model.predict([features, mask], verbose=0), expected, rtol=1e-5)

    model.compile("sgd", head.default_loss(), metrics=head.default_metrics())
    results = model.evaluate([features, mask], labels, verbose=0, return_dict=True)
    error = labels - expected
    assert results["loss"] == pytest.approx((error**2).mean(), rel=1e-5)
    assert results["mae"] == pytest.approx(np.abs(error).mean(), rel=1e-5)
    assert results["rmse"] == pytest.approx(np.sqrt((error**2).mean()), rel=1e-5)
    assert head.task == "regression"


def test_metrics_are_new_each_time():
    head = RegressionHead()
    assert not {map(id, head.default_metrics())} & {map(id, head.default_metrics())}


def test_the_config_goes_round():
    head = RegressionHead(
        3, "max", [4, 5], "tanh", 0.2, "softplus", "pooled_output", "channels_first", "numbers"
    )
    config = head.get_config()
    signature = set(inspect.signature(RegressionHead).parameters) - {"kwargs"}
    assert set(config) == signature | {"trainable", "dtype"}
    assert RegressionHead.from_config(config).get_config() == config
    head.build((None, None, 6))
    assert [variable.path for variable in head.weights] == [
        f"numbers/{layer}/{kind}"
        for layer in ("hidden_0", "hidden_1", "outputs")
        for kind in ("kernel", "bias")
    ]


def test_softplus_gives_positive_numbers():
    outputs = RegressionHead(activation="softplus")(np.full((2, 3), -5, "float32"))
    assert (keras.ops.convert_to_numpy(outputs) > 0).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_outputs": 0}, "`num_outputs` must be a whole number, at least 1"),
        ({"activation": "softpluss"}, r"Did you mean 'softplus'"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        RegressionHead(**arguments)


def test_a_loss_option_that_keras_does_not_have():
    assert RegressionHead().default_loss(reduction="sum").reduction == "sum"
    with pytest.raises(ArgumentError, match=r"MeanSquaredError takes .* Did you mean 'reduction'"):
        RegressionHead().default_loss(reducton="sum")
