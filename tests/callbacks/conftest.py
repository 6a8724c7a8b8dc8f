"""Fits for the callbacks' tests: scripted ones by hand, and real ones on a tiny model."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest


def _tiny_model(seed=0, metrics=("accuracy",), rate=0.5, eager=True):
    """A frozen layer, a frozen and a trained batch normalization, dropout, and a trained head.

    Eager, because tracing a graph takes longer than these fits.
    """
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(8, activation="tanh", name="frozen"),
            keras.layers.BatchNormalization(name="frozen_norm"),
            keras.layers.BatchNormalization(name="norm"),
            keras.layers.Dropout(0.3, name="dropout"),
            keras.layers.Dense(1, activation="sigmoid", name="head"),
        ]
    )
    model.get_layer("frozen").trainable = False
    model.get_layer("frozen_norm").trainable = False
    model.compile(
        keras.optimizers.SGD(rate),
        loss="binary_crossentropy",
        metrics=list(metrics),
        run_eagerly=eager,
    )
    return model


def _data(count=32, seed=0):
    """Noise with random labels: what there is to learn is learnt by heart."""
    random = np.random.default_rng(seed)
    return (
        random.normal(size=(count, 4)).astype("float32"),
        random.integers(0, 2, (count, 1)).astype("float32"),
    )


class Script(keras.callbacks.Callback):
    """Put in front of the others, it replaces what `fit` measured."""

    def __init__(self, **curves):
        super().__init__()
        self.curves = curves

    def on_epoch_end(self, epoch, logs=None):
        logs.update({name: values[epoch] for name, values in self.curves.items()})


def _drive(callback, curves, model, each_epoch=None, epochs=None):
    """Call the hooks as `fit` does. A None in a curve is a figure that the epoch does not have."""
    epochs = epochs or len(next(iter(curves.values())))
    history = []
    model.stop_training = False
    callback.set_model(model)
    callback.on_train_begin()
    for epoch in range(epochs):
        callback.on_epoch_begin(epoch)
        callback.on_train_batch_begin(0)
        if each_epoch is not None:
            each_epoch(model, epoch)
        logs = {name: values[epoch] for name, values in curves.items()}
        logs = {name: value for name, value in logs.items() if value is not None}
        callback.on_epoch_end(epoch, logs)
        history.append(logs)
        if model.stop_training:
            break
    callback.on_train_end()
    return history


@pytest.fixture(scope="session")
def kit():
    """The helpers of this folder, by name."""
    return SimpleNamespace(tiny_model=_tiny_model, data=_data, Script=Script, drive=_drive)
