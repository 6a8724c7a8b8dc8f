"""`TextPreprocessor`: texts to the inputs of a language model, as KerasHub makes them, faster."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerasft._checks import check_choice, check_int, did_you_mean, fail
from kerasft.data.preprocessor import Preprocessor
from kerasft.data.tokenizers import KerasHubTokenizer, RustTokenizer
from kerasft.errors import ArgumentError, SourceError

_INPUTS = ("token_ids", "padding_mask", "segment_ids")
_TRUNCATIONS = ("end", "both_ends")
_READINGS = ("keras_hub", "tokenizer_json")

# What tokenizers disagree about within ASCII. KerasHub's reading must agree on all of it with that
# of a tokenizer.json before the latter is trusted to stand in for it.
_PROBES = (
    "The quick BROWN fox jumps over the lazy dog's back.",
    "don't--stop!!! :-) $5.99 (50% off) `code` a_b ^^ ~x~ <br /><br />http://example.com/a?b=c#d",
    "  two  spaces\tand a tab\nand a line\r\nbreak ",
    "[CLS] [SEP] [PAD] [MASK] [UNK] <s> </s> <pad> <unk> <mask> <|endoftext|>",
    "antidisestablishmentarianism xqzjvkw " + "a" * 100 + " " + "b" * 101 + " 3.14159 1,000,000",
    "x",
)


class TextPreprocessor(Preprocessor):
    """Tokenizes, cuts, adds the special tokens and pads.

    Args:
        tokenizer: A `RustTokenizer` or a `KerasHubTokenizer` from `kerasft.data.tokenizers`, or
            anything with their attributes.
        input_names: The model's inputs: "token_ids", "padding_mask", "segment_ids".
        sequence_length: The most tokens of a text, the special tokens included. What is longer is
            cut; what is shorter is padded only as far as its batch needs.
        truncation: What is kept of a text that is too long: its beginning ("end" is cut), or its
            beginning and its end in equal parts ("both_ends"; for long reviews head and tail
            together beat either one, Sun et al. 2019, https://arxiv.org/abs/1905.05583). The
            special tokens are kept in both.
        maximum_length: How many positions the model has, None for no limit.

    Raises:
        ArgumentError: an unknown input name, or a sequence length outside of what the model has.

    Example:
        >>> from kerasft.backbones.text_preprocessor import TextPreprocessor
        >>> class Letters:
        ...     prefix_ids, suffix_ids, pad_id, identity = (1,), (2,), 0, {"kind": "letters"}
        ...     def encode_batch(self, texts):
        ...         return [[ord(letter) for letter in text] for text in texts]
        >>> preprocessor = TextPreprocessor(
        ...     Letters(), ["token_ids", "padding_mask"], sequence_length=4)
        >>> inputs = preprocessor(["abcd", "a"])
        >>> inputs["token_ids"].tolist(), inputs["padding_mask"].tolist()
        ([[1, 97, 98, 2], [1, 97, 2, 0]], [[1, 1, 1, 1], [1, 1, 1, 0]])
    """

    def __init__(
        self,
        tokenizer: Any,
        input_names: Sequence[str],
        sequence_length: int,
        truncation: str = "end",
        maximum_length: int | None = None,
    ):
        for name in ("encode_batch", "prefix_ids", "suffix_ids", "pad_id", "identity"):
            if not hasattr(tokenizer, name):
                fail("tokenizer", tokenizer, f"a tokenizer with `{name}`")
        special = len(tokenizer.prefix_ids) + len(tokenizer.suffix_ids)
        check_int(
            "sequence_length",
            sequence_length,
            minimum=special + 1,
            maximum=maximum_length,
            hint=f"Each text has {special} special tokens"
            + (f", and the model has {maximum_length} positions." if maximum_length else "."),
        )
        self.tokenizer = tokenizer
        self.input_names = _check_input_names(input_names)
        self._sequence_length = sequence_length
        self.truncation = check_choice("truncation", truncation, _TRUNCATIONS)
        self.maximum_length = maximum_length

    @classmethod
    def from_preset(
        cls,
        preset: str | os.PathLike[str],
        model: Any,
        sequence_length: int,
        truncation: str = "end",
        reading: str = "keras_hub",
    ) -> "TextPreprocessor":
        """The preprocessor of a pretrained model.

        Where the preset has a `tokenizer.json` of Hugging Face's format, the Rust package
        `tokenizers` reads it, several times faster than KerasHub; its truncation and padding are
        left aside. The ids are those of KerasHub's classifier preprocessor for the same preset:
        on a few probing texts the two are compared, KerasHub takes over if they differ, and
        words with characters outside of ASCII, where the two follow different rules of Unicode,
        are always KerasHub's.

        Args:
            preset: A local folder in the layout of Hugging Face or KerasHub, or a preset name.
            model: The backbone, for the names of its inputs and the number of its positions.
            sequence_length: The most tokens of a text, the special tokens included.
            truncation: "end" or "both_ends".
            reading: Whose ids: "keras_hub", or "tokenizer_json" for those of the file alone. They
                differ for BERT's uncased models, whose accents the file strips ("café" to "cafe"),
                while KerasHub 0.32 keeps them and mostly finds the word unknown.

        Returns:
            The preprocessor.

        Raises:
            ArgumentError: an argument breaks its rule.
            SourceError: a file is missing or cannot be read.
            MissingDependencyError: KerasHub is not installed.
        """
        check_choice("reading", reading, _READINGS)
        preset = os.fspath(preset)
        keras_hub = KerasHubTokenizer.from_preset(preset)
        tokenizer: Any = _rust_tokenizer(preset, keras_hub, reading) or keras_hub
        return cls(
            tokenizer, _input_names_of(model), sequence_length, truncation, _positions_of(model)
        )

    @property
    def sequence_length(self) -> int:
        """The most tokens of a text, the special tokens included."""
        return self._sequence_length

    @property
    def identity(self) -> dict[str, Any]:
        """What decides the inputs: the tokenizer's own identity and the cut."""
        return {
            "tokenizer": self.tokenizer.identity,
            "prefix_ids": list(self.tokenizer.prefix_ids),
            "suffix_ids": list(self.tokenizer.suffix_ids),
            "pad_id": self.tokenizer.pad_id,
            "input_names": list(self.input_names),
            "sequence_length": self.sequence_length,
            "truncation": self.truncation,
        }

    def encode(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Tokenize each text by itself.

        Args:
            texts: Texts that are not blank.

        Returns:
            For each text its ids of type `int32` and shape `(tokens,)`, special tokens in, cut to
            `sequence_length`.
        """
        prefix, suffix = list(self.tokenizer.prefix_ids), list(self.tokenizer.suffix_ids)
        room = self.sequence_length - len(prefix) - len(suffix)
        tail = room // 2 if self.truncation == "both_ends" else 0
        encoded = []
        for ids in self.tokenizer.encode_batch(list(texts)):
            if len(ids) > room:
                ids = [*ids[: room - tail], *ids[len(ids) - tail :]]
            encoded.append(np.array([*prefix, *ids, *suffix], dtype="int32"))
        return encoded

    def pad(
        self, encoded: Sequence[np.ndarray], length: int | None = None
    ) -> dict[str, np.ndarray]:
        """Put encoded texts into one batch.

        Args:
            encoded: What `encode` gave, any part of it in any order.
            length: How many tokens to pad to; the longest by default.

        Returns:
            The model's inputs, each `int32` of shape `(batch, length)`: the ids, with the
            tokenizer's own id for padding; a mask with 1 where there is a token; segments, all 0.
        """
        lengths = np.array([len(ids) for ids in encoded])
        longest = int(lengths.max())
        length = longest if length is None else check_int("length", length, minimum=longest)
        there = np.arange(length) < lengths[:, None]
        inputs = {}
        for name in self.input_names:
            if name == "token_ids":
                inputs[name] = np.full(there.shape, self.tokenizer.pad_id, dtype="int32")
                inputs[name][there] = np.concatenate(encoded)
            elif name == "padding_mask":
                inputs[name] = there.astype("int32")
            else:
                inputs[name] = np.zeros(there.shape, dtype="int32")
        return inputs

    def __repr__(self) -> str:
        return (
            f"TextPreprocessor({self.tokenizer!r}, inputs {', '.join(self.input_names)}; at most "
            f"{self.sequence_length} tokens, truncation={self.truncation!r})"
        )


def _check_input_names(names: Sequence[str]) -> tuple[str, ...]:
    for name in names:
        if name not in _INPUTS:
            fail(
                "input_names",
                list(names),
                f"among {', '.join(map(repr, _INPUTS))}",
                did_you_mean(name, _INPUTS)
                or f"{name!r} cannot be made from a text: subclass kerasft.data.Preprocessor.",
            )
    if "token_ids" not in names:
        fail("input_names", list(names), "a list with 'token_ids'")
    return tuple(names)


def _input_names_of(model: Any) -> tuple[str, ...]:
    """The names under which a functional model takes its inputs."""
    inputs = getattr(model, "input", None)
    if isinstance(inputs, dict):
        return tuple(inputs)
    try:
        return tuple(tensor.name for tensor in model.inputs)
    except (AttributeError, TypeError):
        fail("model", model, "a functional model, whose inputs have names", error=ArgumentError)


def _positions_of(model: Any) -> int | None:
    """How many positions the model has, as far as it says."""
    lengths = [getattr(model, "max_sequence_length", None)]
    for layer in model._flatten_layers():
        if type(layer).__name__ in ("PositionEmbedding", "TokenAndPositionEmbedding"):
            lengths.append(getattr(layer, "sequence_length", None))
    known = [length for length in lengths if isinstance(length, int)]
    return min(known) if known else None


def _rust_tokenizer(
    preset: str, keras_hub: KerasHubTokenizer, reading: str
) -> RustTokenizer | None:
    """The preset's tokenizer.json, if it has one that can stand in for KerasHub's tokenizer."""
    path = _tokenizer_json(preset)
    if path is None:
        if reading == "tokenizer_json":
            fail("preset", preset, "one with a tokenizer.json, for reading='tokenizer_json'")
        return None
    try:
        definition = path.read_text(encoding="utf-8")
        content = json.loads(definition)
    except (OSError, ValueError) as error:
        raise SourceError(
            f"{str(path)!r} cannot be read: {error}. The file seems to be cut off or damaged: "
            "fetch it again, or delete it to let KerasHub tokenize."
        ) from error
    if not isinstance(content, dict) or "model" not in content:
        return None  # KerasHub writes a file of the same name in a format of its own
    if reading == "keras_hub":
        try:
            import tokenizers  # noqa: F401
        except ImportError:
            return None
    special = keras_hub.prefix_ids, keras_hub.suffix_ids, keras_hub.pad_id
    if reading == "tokenizer_json":
        return RustTokenizer(definition, *special)
    rust = RustTokenizer(definition, *special, other=keras_hub)
    agrees = rust.encode_batch(_PROBES) == keras_hub.encode_batch(_PROBES)
    return rust if agrees else None


def _tokenizer_json(preset: str) -> Path | None:
    """The path of the preset's tokenizer.json, fetched where the preset is Hugging Face's."""
    if preset.startswith("hf://"):
        try:
            import huggingface_hub

            repository = preset.removeprefix("hf://")
            return Path(huggingface_hub.hf_hub_download(repository, "tokenizer.json"))
        except Exception:  # not there, or not reachable: KerasHub's own tokenizer does as well
            return None
    path = Path(preset).expanduser() / "tokenizer.json"
    return path if path.is_file() else None
