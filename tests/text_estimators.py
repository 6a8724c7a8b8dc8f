"""What the tests of the estimators share: a tiny BERT for words, and a backbone for numbers."""

import functools

import keras
import numpy as np
from models import tiny_bert

from kerasft import Backbone
from kerasft.data import Preprocessor

WORDS = ["good", "great", "joy", "bad", "dull", "bore", "film", "plot", "the", "was", "it", "and"]
GOOD, BAD = WORDS[:3], WORDS[3:6]
RAN = []  # a row of ids for each text that went through the tiny BERT outside of a graph


class Words(Preprocessor):
    """One id for each known word."""

    def __init__(self, sequence_length=16):
        self._sequence_length = sequence_length

    @property
    def sequence_length(self):
        return self._sequence_length

    @property
    def identity(self):
        return {"kind": "words", "sequence_length": self._sequence_length}

    def encode(self, texts):
        return [
            np.array([1, *(WORDS.index(w) + 2 for w in text.split())], "int32")[
                : self._sequence_length
            ]
            for text in texts
        ]

    def pad(self, encoded, length=None):
        ids = np.stack([np.pad(one, (0, length - len(one))) for one in encoded])
        return {
            "token_ids": ids,
            "segment_ids": np.zeros_like(ids),
            "padding_mask": (ids > 0).astype("int32"),
        }


def new_bert():
    """A tiny BERT at weights that are the same each time, and that notes what runs through it."""
    model = tiny_bert(num_layers=2)
    random = np.random.default_rng(0)
    model.set_weights(
        [w if w.ndim == 1 else random.normal(0, 0.2, w.shape) for w in model.get_weights()]
    )
    # Good words and bad ones lie on two sides, as after pretraining.
    table = model.get_layer("token_embedding").embeddings
    values = np.array(keras.ops.convert_to_numpy(table))
    side = random.normal(0, 0.5, values.shape[1])
    values[2:5] += side
    values[5:8] -= side
    table.assign(values)
    return Backbone(model, source="a tiny BERT", make_preprocessor=Words)


@functools.cache
def bert_for_words():
    """The same for many tests: estimators leave its weights as they are."""
    return new_bert()


def note_what_runs(backbone):
    """Put the ids of every row that goes through a backbone into `RAN`, where they are known."""
    layer = backbone.model.get_layer("token_embedding")
    call = layer.call

    def noting(inputs, *args, **kwargs):
        if not keras.utils.is_keras_tensor(inputs) and inputs.shape[0] is not None:
            RAN.extend(tuple(row[row > 0]) for row in keras.ops.convert_to_numpy(inputs))
        return call(inputs, *args, **kwargs)

    layer.call = noting
    return backbone


def reviews(count=24, seed=0):
    """Texts of four words to eight that a tiny BERT can tell apart, and their labels."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    texts = [
        " ".join(random.permutation([*random.choice(words, 3), *random.choice(WORDS[6:], n)]))
        for words, n in zip(
            np.where(labels[:, None], GOOD, BAD), random.integers(1, 6, count), strict=True
        )
    ]
    return texts, labels


class Numbers(Preprocessor):
    """Texts of numbers between blanks: the ids are the numbers, a thousand times."""

    sequence_length = 24
    identity = {"kind": "numbers"}

    def encode(self, texts):
        rows = [np.array(text.split(), "float64") for text in texts]
        ids = [np.clip(row * 1000, -(2**30), 2**30).astype("int32") for row in rows]
        return [np.pad(row, (0, 24 - len(row))) for row in ids]

    def pad(self, encoded, length=None):
        return np.stack(encoded)


def backbone_for_numbers():
    """A frozen layer that keeps what it is given, and adds random products of it."""
    ids = keras.Input((24,), dtype="int32")
    x = keras.layers.Rescaling(1 / 1000, dtype="float32")(ids)
    wide = keras.layers.Dense(24, activation="tanh", name="wide")
    model = keras.Model(ids, keras.layers.Concatenate()([x, wide(x)]))
    random = np.random.default_rng(0)
    wide.set_weights([random.normal(0, 0.3, w.shape) for w in wide.get_weights()])
    return Backbone(model, make_preprocessor=lambda sequence_length=24: Numbers())
