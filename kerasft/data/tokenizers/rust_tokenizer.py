"""`RustTokenizer`: a tokenizer.json, read by the Rust package `tokenizers`."""

import hashlib
import itertools
import re
from collections.abc import Sequence
from typing import Any

from kerasft._checks import require
from kerasft.errors import SourceError

_PLAIN = re.compile(r"[\t\n\r -~]*")
_SPACE = re.compile(r"[ \t\n\r]+")


class RustTokenizer:
    """A `tokenizer.json`, read by the Rust package `tokenizers`.

    Special tokens that a text spells out ("[SEP]") are plain text. The truncation and the padding
    that the file may ask for are left aside.

    Args:
        definition: The text of a `tokenizer.json`.
        prefix_ids: The ids before each text.
        suffix_ids: The ids after each text.
        pad_id: The id of padding.
        other: The tokenizer, such as a `KerasHubTokenizer`, that is asked for what holds characters
            outside of printable ASCII, so that its ids come out everywhere; None to take the
            file's own.

    Raises:
        SourceError: the definition cannot be read.

    Example:
        >>> import tokenizers
        >>> from kerasft.data.tokenizers import RustTokenizer
        >>> words = tokenizers.models.WordLevel({"[UNK]": 0, "a": 1, "joy": 2}, unk_token="[UNK]")
        >>> definition = tokenizers.Tokenizer(words)
        >>> definition.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
        >>> RustTokenizer(definition.to_str(), [], [], pad_id=0).encode_batch(["a joy", "a bore"])
        [[1, 2], [1, 0]]
    """

    def __init__(
        self,
        definition: str,
        prefix_ids: Sequence[int],
        suffix_ids: Sequence[int],
        pad_id: int,
        other: Any = None,
    ):
        tokenizers = require("tokenizers", "kerasft[hub]", "Reading a tokenizer.json")
        try:
            self.tokenizer = tokenizers.Tokenizer.from_str(definition)
        except Exception as error:  # the package raises nothing more special
            raise SourceError(
                f"The tokenizer.json cannot be read: {error}. Fetch it again, or delete it to "
                "let KerasHub tokenize."
            ) from error
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()
        self.tokenizer.encode_special_tokens = True
        self.definition = definition
        self.prefix_ids = tuple(prefix_ids)
        self.suffix_ids = tuple(suffix_ids)
        self.pad_id = pad_id
        self.other = other
        # WordPiece takes each word by itself, so that single words can be handed over; others
        # look at the spaces too, and hand over whole texts.
        self._by_word = type(self.tokenizer.model).__name__ == "WordPiece"

    @property
    def identity(self) -> dict[str, Any]:
        """A digest of the definition, and whose ids stand for what is not ASCII."""
        digest = hashlib.sha256(self.definition.encode()).hexdigest()
        other = None if self.other is None else self.other.identity
        return {"kind": "tokenizer.json", "definition": digest, "other": other}

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each text, without special tokens."""
        if self.other is None:
            return self._encode(texts)
        pieces: list[tuple[str, bool]] = []
        bounds = [0]
        for text in texts:
            pieces += self._pieces(text)
            bounds.append(len(pieces))
        plain = iter(self._encode([piece for piece, is_plain in pieces if is_plain]))
        foreign = list(dict.fromkeys(piece for piece, is_plain in pieces if not is_plain))
        ids_of = dict(zip(foreign, self.other.encode_batch(foreign), strict=True))
        ids = [next(plain) if is_plain else ids_of[piece] for piece, is_plain in pieces]
        return [
            ids[start]
            if end - start == 1
            else [token for piece in ids[start:end] for token in piece]
            for start, end in itertools.pairwise(bounds)
        ]

    def _encode(self, texts: Sequence[str]) -> list[list[int]]:
        encodings = self.tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return [encoding.ids for encoding in encodings]

    def _pieces(self, text: str) -> list[tuple[str, bool]]:
        """The text in parts, each with whether it is printable ASCII."""
        if _PLAIN.fullmatch(text):
            return [(text, True)]
        if not self._by_word:
            return [(text, False)]
        pieces: list[tuple[str, bool]] = []
        plain: list[str] = []
        for word in _SPACE.split(text):
            if _PLAIN.fullmatch(word):
                plain.append(word)
                continue
            if plain:
                pieces.append((" ".join(plain), True))
                plain = []
            pieces.append((word, False))
        return pieces + ([(" ".join(plain), True)] if plain else [])

    def __repr__(self) -> str:
        return f"RustTokenizer({type(self.tokenizer.model).__name__})"
