"""What the tests of the doctor share: tiny models, data, and fits of them beside a doctor."""

import keras
import numpy as np
import pytest

from kerasft.callbacks import Doctor

in_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="tf.data, and what TensorFlow says"
)
CROSSENTROPY = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
FORMS = ["arrays", "batches", pytest.param("tf.data", marks=in_tensorflow)]


def separable(count=48, classes=2, seed=0):
    """Blobs that a linear model tells apart."""
    random = np.random.default_rng(seed)
    y = np.arange(count) % classes
    x = random.normal(size=(count, 4)) * 0.5
    x[:, :classes] += 2 * np.eye(classes)[y]
    return x.astype("float32"), y.astype("int64")


def compiled(rate=0.5, classes=2, hidden=(), loss=CROSSENTROPY, outputs=None, optimizer=None, **to):
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(units, "tanh", name=f"hidden_{units}") for units in hidden]
    top = keras.layers.Dense(classes if outputs is None else outputs, name="top")
    model = keras.Sequential([keras.Input((4,)), *layers, top])
    to = {"run_eagerly": True, **to}
    model.compile(optimizer or keras.optimizers.SGD(rate), loss, **to)
    return model


def fit(model, x, y, doctor, validate=True, epochs=3, batch_size=8, callbacks=(), **kwargs):
    validation = separable(64, seed=1) if validate is True else validate or None
    if isinstance(validation, tuple):
        kwargs["validation_batch_size"] = 200
    model.fit(
        x,
        y,
        validation_data=validation,
        epochs=epochs,
        batch_size=batch_size,
        verbose=0,
        callbacks=[*callbacks, doctor],
        **kwargs,
    )
    return [finding.name for finding in doctor.findings]


def quiet(**kwargs):
    return Doctor(verbose=0, **kwargs)


class Batches(keras.utils.PyDataset):
    def __init__(self, x, y, size=16):
        super().__init__()
        self.x, self.y, self.size = x, y, size
        self.asked = []

    @property
    def num_batches(self):
        return -(-len(self.x) // self.size)

    def __getitem__(self, index):
        self.asked.append(index)
        rows = slice(index * self.size, (index + 1) * self.size)
        return self.x[rows], self.y[rows]


def in_form(form, x, y):
    if form == "arrays":
        return x, y
    if form == "batches":
        return Batches(x, y)
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices((x, y)).batch(16)
