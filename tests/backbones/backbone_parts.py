"""What the tests of backbones share: a head, a chain of dense layers, arrays of tensors."""

import keras

from kerasft import ClassificationHead


def numbers(x):
    return keras.ops.convert_to_numpy(x)


def head(**kwargs):
    return ClassificationHead(**({"num_classes": 2, "name": "head"} | kwargs))


def chain():
    names = ("a", "b", "c")
    return keras.Sequential(
        [keras.Input((4,), name="rows"), *(keras.layers.Dense(4, name=name) for name in names)],
        name="chain",
    )
