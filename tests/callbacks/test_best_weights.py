import keras
import numpy as np
import pytest

from kerasft.callbacks._best_weights import BestWeights

pytestmark = pytest.mark.core


def values(model):
    return [np.array(value) for value in model.get_weights()]


def equal(left, right):
    return all(np.array_equal(a, b) for a, b in zip(left, right, strict=True))


def test_only_what_can_change_is_kept(kit):
    model = kit.tiny_model()
    best = BestWeights()
    best.record(model)
    kept = {variable.path.partition("/")[2] for variable in best.variables}
    assert kept == {
        "norm/gamma",
        "norm/beta",
        "norm/moving_mean",
        "norm/moving_variance",
        "head/kernel",
        "head/bias",
    }
    assert best.nbytes == 4 * (4 * 8 + 8 + 1)


def test_nothing_frozen_and_everything_frozen(kit):
    model = kit.tiny_model()
    for layer in model.layers:
        layer.trainable = True
    best = BestWeights()
    best.record(model)
    assert best.nbytes == sum(value.nbytes for value in model.get_weights())
    for layer in model.layers:
        layer.trainable = False
    best.record(model)
    assert best.nbytes == 0
    assert best.variables == []
    before = values(model)
    best.restore()
    assert equal(values(model), before)


def test_restore_is_exact_and_leaves_frozen_values_alone(kit):
    model = kit.tiny_model()
    best = BestWeights()
    best.record(model)
    before = values(model)
    for variable in model.weights:
        variable.assign(variable + 1)
    best.restore()
    after = values(model)
    for variable, old, new in zip(model.weights, before, after, strict=True):
        moved = "/frozen" in variable.path
        assert np.array_equal(new, old + 1 if moved else old), variable.path


def test_the_copy_is_no_view(kit):
    model = kit.tiny_model()
    best = BestWeights()
    best.record(model)
    kernel = model.get_layer("head").kernel
    before = np.array(model.get_layer("head").get_weights()[0])
    kernel.assign(kernel * 0)
    kernel.assign(kernel + 3)
    best.restore()
    assert np.array_equal(np.asarray(kernel), before)


def test_a_second_record_replaces_the_first(kit):
    model = kit.tiny_model()
    best = BestWeights()
    best.record(model)
    bias = model.get_layer("head").bias
    bias.assign([7.0])
    best.record(model)
    bias.assign([9.0])
    best.restore()
    assert np.asarray(bias) == 7


def test_follow_adds_only_what_is_new(kit):
    model = kit.tiny_model()
    best = BestWeights()
    best.record(model)
    small = best.nbytes
    bias = model.get_layer("head").bias
    bias.assign([7.0])
    best.follow(model)
    assert best.nbytes == small
    model.get_layer("frozen").trainable = True
    best.follow(model)
    assert best.nbytes == small + 4 * (4 * 8 + 8)
    best.restore()
    assert np.asarray(bias) == 0  # the value of the record, not of the follow


def test_dtypes_are_kept():
    model = keras.Sequential(
        [keras.Input((2,)), keras.layers.Dense(3, dtype=keras.DTypePolicy("bfloat16"))]
    )
    best = BestWeights()
    best.record(model)
    assert best.nbytes == 2 * (2 * 3 + 3)
    before = values(model)
    model.layers[0].kernel.assign(np.zeros((2, 3)))
    best.restore()
    assert equal(values(model), before)


def test_nested_models_are_counted_from_outside(kit):
    backbone = kit.tiny_model()
    backbone.trainable = False
    inputs = keras.Input((4,))
    model = keras.Model(inputs, keras.layers.Dense(2)(backbone(inputs)))
    best = BestWeights()
    best.record(model)
    assert best.nbytes == 4 * (2 + 2)
    backbone.get_layer("head").trainable = True
    best.follow(model)
    assert best.nbytes == 4 * (2 + 2 + 8 + 1)
