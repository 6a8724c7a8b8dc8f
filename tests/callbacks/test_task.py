"""What a model tells apart, by its loss and outputs."""

import math

import keras
import pytest
from doctor_fits import CROSSENTROPY, compiled

from kerasft.callbacks._task import Task, task_of


@pytest.mark.parametrize(
    ("outputs", "loss", "expected"),
    [
        (3, CROSSENTROPY, Task("numbers", 3, math.log(3))),
        (3, "sparse_categorical_crossentropy", Task("numbers", 3, math.log(3))),
        (3, ["categorical_crossentropy"], Task("one_hot", 3, math.log(3))),
        (3, keras.losses.categorical_crossentropy, Task("one_hot", 3, math.log(3))),
        (1, "binary_crossentropy", Task("binary", 2, math.log(2), 0.5)),
        (
            1,
            keras.losses.BinaryCrossentropy(from_logits=True),
            Task("binary", 2, math.log(2), 0.0),
        ),
        (3, "binary_crossentropy", Task("multilabel", 3, math.log(2), 0.5)),
        (1, CROSSENTROPY, Task()),
        (1, "mse", Task()),
        (1, None, Task()),
        (1, lambda true, said: said, Task()),
    ],
)
def test_the_task_of_a_model(outputs, loss, expected):
    assert task_of(compiled(outputs=outputs, loss=loss)) == expected


def test_several_outputs_are_no_task():
    inputs = keras.Input((4,))
    model = keras.Model(inputs, [keras.layers.Dense(2)(inputs), keras.layers.Dense(2)(inputs)])
    model.compile("sgd", [CROSSENTROPY, CROSSENTROPY])
    assert task_of(model) == Task()
