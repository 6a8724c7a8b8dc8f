"""The splits as an audit reads them: what cannot be used is marked, not refused."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from kerasft._checks import check_type, fail
from kerasft.data._labels import prepare_weights
from kerasft.data._texts import as_list
from kerasft.data.examples import Examples
from kerasft.data.tf_datasets import is_tf_dataset, read_tf_dataset
from kerasft.errors import DataError

NAMES = ("train", "validation", "test")
_SURROGATES = range(0xD800, 0xE000)


@dataclasses.dataclass
class Split:
    """One split: texts, labels as they came, and what is wrong with the texts.

    Args:
        name: What it is called.
        texts: The texts; empty where there is none that could be used.
        labels: The labels as they came.
        weights: Sample weights, or None.
        source: The `Examples` that it came as, or None.
        text_problems: The rows that have no text, a blank one, or broken Unicode, by these words.
    """

    name: str
    texts: list[str]
    labels: list[Any]
    weights: np.ndarray | None = None
    source: Examples | None = None
    text_problems: dict[str, list[int]] = dataclasses.field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def has_text(self) -> np.ndarray:
        """Whether each row has a text that can be used."""
        return np.array([bool(text) for text in self.texts])


def read_splits(train: Any, validation: Any, test: Any) -> list[Split]:
    """The splits by name, in the order in which they are used: trained on first, judged on last."""
    if isinstance(train, Mapping):
        if validation is not None or test is not None:
            fail("train", "a dict, with other splits beside it", "the only one where it is a dict")
        named = dict(train)
        for place, name in enumerate(named):
            check_type("train", name, str, "a dict from names of splits to their data")
            if place and name.lower() in ("train", "training"):
                fail(
                    "train",
                    list(named),
                    "a dict that begins with the training set",
                    "Copies in two splits are dropped from the earlier one.",
                )
        if not named:
            fail("train", train, "a dict with at least one split")
    else:
        given = zip(NAMES, (train, validation, test), strict=True)
        named = {name: data for name, data in given if data is not None or name == "train"}
    return [_read_split(name, data) for name, data in named.items()]


def _read_split(name: str, data: Any) -> Split:
    if isinstance(data, Examples):
        return Split(name, data.texts, data.labels.tolist(), data.sample_weight, source=data)
    if is_tf_dataset(data):
        data = read_tf_dataset(data)
    if not isinstance(data, (tuple, list)) or len(data) not in (2, 3):
        fail(
            name,
            data,
            "Examples, (texts, labels), or a tf.data.Dataset of these",
            "kerasft.data.read_csv and its kin give Examples.",
            DataError,
        )
    texts = as_list(f"texts of {name}", data[0], "texts")
    if data[1] is None:
        fail(f"labels of {name}", None, "a list of labels", error=DataError)
    labels = as_list(f"labels of {name}", data[1], "labels")
    if not texts:
        raise DataError(f"`{name}` must hold at least one text. Received: an empty data set.")
    if len(texts) != len(labels):
        raise DataError(
            f"The labels of `{name}` must be as many as its texts. Received: {len(labels):,} "
            f"labels for {len(texts):,} texts."
        )
    weights = prepare_weights(data[2], len(texts)) if len(data) == 3 else None
    problems: dict[str, list[int]] = {}
    for row, text in enumerate(texts):
        texts[row], problem = _usable(text)
        if problem:
            problems.setdefault(problem, []).append(row)
    return Split(name, texts, labels, weights, text_problems=problems)


def _usable(text: Any) -> tuple[str, str]:
    """The text, or an empty one and why it cannot be used."""
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8")
        except UnicodeDecodeError:
            return "", "broken"
    if not isinstance(text, str):
        return "", "missing"
    if not text.strip():
        return "", "blank"
    if not text.isascii() and any(ord(character) in _SURROGATES for character in text):
        return "", "broken"
    return str(text), ""
