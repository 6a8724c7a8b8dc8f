"""A preprocessor that needs no files: one id per letter."""

import numpy as np
import pytest

from kerasft.data import Preprocessor


class Letters(Preprocessor):
    sequence_length = 40
    identity = {"kind": "letters", "sequence_length": 40}

    def __init__(self):
        self.encoded = []

    def encode(self, texts):
        self.encoded += texts
        return [np.array([ord(c) % 100 for c in text[:40]], dtype="int32") for text in texts]

    def pad(self, encoded, length=None):
        length = length or max(len(ids) for ids in encoded)
        return np.stack([np.pad(ids, (0, length - len(ids))) for ids in encoded])


@pytest.fixture
def letters():
    return Letters()
