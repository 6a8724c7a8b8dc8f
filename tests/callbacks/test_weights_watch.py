"""How far weights have moved, which of them have changed, and which are spoilt."""

import math

import keras
import numpy as np
import pytest
from doctor_fits import compiled

from kerasft.callbacks._weights_watch import WeightsWatch, spoilt


def test_how_far_weights_have_moved():
    model = keras.Sequential([keras.Input((200,)), keras.layers.Dense(300), keras.layers.Dense(2)])
    model.layers[1].trainable = False
    watch = WeightsWatch(model)
    assert watch.moved() == 0
    assert watch.changed() == (0, 0)
    kernel, bias = model.layers[0].weights
    before, random = np.array(kernel), np.random.default_rng(0)
    step = random.normal(size=before.shape).astype("float32") * 0.1
    kernel.assign(before + step)
    bias.assign(np.full(300, 0.2))
    expected = np.sqrt((step**2).sum() + 300 * 0.2**2) / np.sqrt((before**2).sum())
    assert watch.moved() == pytest.approx(expected, rel=0.1)  # told from 2,048 of 60,000 values
    assert watch.changed() == (2, 0)
    model.layers[1].bias.assign([0.0, 1e-30])
    assert watch.changed() == (2, 1)
    assert watch.is_of(model)
    model.layers[1].trainable = True
    assert not watch.is_of(model)


def test_weights_that_began_at_zero():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, kernel_initializer="zeros")])
    watch = WeightsWatch(model)
    assert watch.moved() == 0
    model.weights[0].assign(np.ones((2, 2)))
    assert watch.moved() == math.inf


def test_large_weights_that_no_gradient_reaches_do_not_hide_the_others():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3), keras.layers.Dense(2)])
    model.weights[1].assign(np.full(3, -30.0))
    watch = WeightsWatch(model)
    model.weights[2].assign(1.5 * np.array(model.weights[2]))
    assert watch.moved() == pytest.approx(0.5)
    model.weights[0].assign(np.full((2, 3), np.nan))
    assert math.isnan(watch.moved())


def test_spoilt_weights():
    model = compiled(hidden=(3,))
    assert spoilt(model.weights) == []
    model.weights[2].assign(np.full((3, 2), np.inf))
    assert spoilt(model.weights) == [model.weights[2].path]
