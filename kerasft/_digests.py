"""Digests of models: equal ones mean equal weights, in this process or in any other."""

import hashlib
import re

import keras
import numpy as np

_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


def digest_of_weights(model: keras.Model) -> str:
    """The SHA-256 of the shapes, dtypes and values of all its weights, in their order."""
    digest = hashlib.sha256()
    for variable in model.weights:
        value = np.ascontiguousarray(keras.ops.convert_to_numpy(variable))
        digest.update(f"{tuple(variable.shape)} {variable.dtype} ".encode())
        # As bytes where it lies: a large weight is not copied to be read.
        digest.update(value.reshape(-1).view("uint8").data)
    return digest.hexdigest()


def without_addresses(text: str) -> str:
    """A text of `repr`s without the addresses of objects, which no two processes share."""
    return _ADDRESS.sub("", text)
