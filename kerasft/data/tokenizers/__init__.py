"""Texts to ids: tokenizers of two makes behind the same attributes."""

from kerasft.data.tokenizers.keras_hub_tokenizer import KerasHubTokenizer
from kerasft.data.tokenizers.rust_tokenizer import RustTokenizer

__all__ = ["KerasHubTokenizer", "RustTokenizer"]
