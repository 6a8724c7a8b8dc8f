"""`KerasHubTokenizer`: the tokenizer that KerasHub has for a pretrained model."""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasft._checks import require
from kerasft.errors import SourceError


class KerasHubTokenizer:
    """KerasHub's tokenizer, with the special tokens that its classifier preprocessor adds.

    Args:
        tokenizer: A `keras_hub.models.Tokenizer`.
        prefix_ids: The ids before each text.
        suffix_ids: The ids after each text.
        pad_id: The id of padding.

    Example:
        >>> import keras_hub
        >>> from kerasft.data.tokenizers import KerasHubTokenizer
        >>> words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "joy"]
        >>> tokenizer = keras_hub.models.BertTokenizer(vocabulary=words)
        >>> KerasHubTokenizer(tokenizer, [2], [3], 0).encode_batch(["a joy", "joy"])
        [[5, 6], [6]]
    """

    def __init__(
        self, tokenizer: Any, prefix_ids: Sequence[int], suffix_ids: Sequence[int], pad_id: int
    ):
        self.tokenizer = tokenizer
        self.prefix_ids = tuple(prefix_ids)
        self.suffix_ids = tuple(suffix_ids)
        self.pad_id = pad_id

    @classmethod
    def from_preset(cls, preset: str) -> "KerasHubTokenizer":
        """Load it as `keras_hub.models.TextClassifierPreprocessor.from_preset` does.

        A family without a classifier gets the start and end tokens of its tokenizer.

        Raises:
            SourceError: KerasHub cannot load it; with what it says.
        """
        keras_hub = require("keras_hub", "kerasft[hub]", "Loading a tokenizer")
        try:
            try:
                packer = keras_hub.models.TextClassifierPreprocessor.from_preset(
                    preset, sequence_length=16
                )
            except ValueError as error:
                if "subclass" not in str(error):
                    raise
                tokenizer = keras_hub.models.Tokenizer.from_preset(preset)
                start, end, pad = (
                    getattr(tokenizer, f"{name}_token_id", None) for name in ("start", "end", "pad")
                )
                known = [[] if one is None else [one] for one in (start, end)]
                return cls(tokenizer, known[0], known[1], pad or 0)
        except Exception as error:
            raise SourceError(
                f"The tokenizer of {preset!r} cannot be loaded. KerasHub was tried, and says: "
                f"{type(error).__name__}: {error} See that its files are there and whole."
            ) from error
        # What the packer puts round a text is read off, as families differ in how they store it.
        body = _lists(packer.tokenizer(["x"]))[0]
        packed = {name: np.asarray(value)[0] for name, value in packer(["x"]).items()}
        there = packed["padding_mask"].astype(bool)
        ids, padding = packed["token_ids"][there].tolist(), packed["token_ids"][~there]
        for at in range(len(ids) - len(body) + 1):
            if ids[at : at + len(body)] == body:
                return cls(packer.tokenizer, ids[:at], ids[at + len(body) :], int(padding.flat[0]))
        raise SourceError(
            f"The tokenizer of {preset!r} cannot be used: its classifier preprocessor gives {ids} "
            f"for a text whose tokens are {body}."
        )

    @property
    def identity(self) -> dict[str, Any]:
        """The class, its settings and a digest of the vocabulary."""
        config = {
            key: value
            for key, value in self.tokenizer.get_config().items()
            if key not in ("name", "trainable") and isinstance(value, (str, int, bool, type(None)))
        }
        vocabulary = "\n".join(map(str, self.tokenizer.get_vocabulary()))
        digest = hashlib.sha256(vocabulary.encode()).hexdigest()
        return {"kind": type(self.tokenizer).__name__, "config": config, "vocabulary": digest}

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each text, without special tokens."""
        return _lists(self.tokenizer(list(texts))) if texts else []

    def __repr__(self) -> str:
        return f"KerasHubTokenizer({type(self.tokenizer).__name__})"


def _lists(ids: Any) -> list[list[int]]:
    """Ragged tokens of any kind as lists of ints."""
    if hasattr(ids, "to_list"):
        return ids.to_list()
    return [np.asarray(row).tolist() for row in ids]
