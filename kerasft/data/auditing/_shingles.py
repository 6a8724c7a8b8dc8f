"""Texts as sets of letter windows, and short sketches that tell how much two such sets share."""

import functools
import re
import unicodedata
from collections.abc import Iterable

import numpy as np

from kerasft.data._texts import fold

# Windows of five letters, over words and the spaces between them: a typo changes five of them, a
# changed word a few more, however long the text. Windows of whole words break at every typo.
WINDOW = 5

# How many hashes a sketch holds. An estimate from it has a standard error below 0.045.
HASHES = 128

_WORDS = re.compile(r"\w+", re.ASCII)
# A text is hashed in pieces, and pieces in parts, so that memory does not grow with the text.
_PIECE = 50_000
_PART = 65_536
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_MIXER = np.uint64(0xFF51AFD7ED558CCD)


def plain(text: str) -> str:
    """The text as exact copies are compared: without differences of case, width and whitespace."""
    return fold(unicodedata.normalize("NFKC", text))


def letters(plain_text: str) -> str:
    """The words of a plain text with single spaces: without punctuation, unless it has no more."""
    words = _WORDS if plain_text.isascii() else _words_of_any_script()
    return " ".join(words.findall(plain_text)) or plain_text


@functools.cache
def _words_of_any_script() -> re.Pattern[str]:
    """Words with their vowel signs and tone marks, which Python counts as no part of a word."""
    characters = map(chr, range(0x10000))  # few scripts lie above, and the search would be slow
    marks = "".join(c for c in characters if unicodedata.category(c) in ("Mn", "Mc"))
    return re.compile(rf"\w[\w{marks}]*")


def windows(text: str) -> np.ndarray:
    """A 64-bit hash of each window of `WINDOW` letters; of the whole where it is shorter.

    Two different windows agree by a chance of 2**-64, so that sets of them stand for the windows.
    """
    codes = np.frombuffer(text.encode("utf-32-le"), dtype="<u4").astype(np.uint64)
    width = min(WINDOW, len(codes))
    count = len(codes) - width + 1
    hashes = np.zeros(count, dtype=np.uint64)
    for offset in range(width):
        hashes = hashes * _MULTIPLIER + codes[offset : offset + count]
    # The low bits of a product know the low bits only: mix, so that each bit knows all.
    hashes ^= hashes >> np.uint64(32)
    hashes *= _MIXER
    return hashes ^ (hashes >> np.uint64(29))


class Sketches:
    """MinHash sketches of texts, made in parts as the texts come.

    A sketch holds, for each of `HASHES` hash functions, the least value over the windows. Two texts
    agree in a place of it with the probability that is their Jaccard similarity: the share of the
    windows of both that each has. So the share of equal places estimates it.

    Reference: Broder, "On the Resemblance and Containment of Documents", SEQUENCES 1997.
    """

    def __init__(self):
        random = np.random.default_rng(0)  # any fixed seed: an audit is the same every time
        # Multiplied by an odd number modulo 2**32, no two hashes fall together.
        self._factors = random.integers(2**31, size=HASHES, dtype=np.uint32) * 2 + 1
        self._offsets = random.integers(2**32, size=HASHES, dtype=np.uint32)
        self._waiting: list[tuple[int, np.ndarray]] = []
        self._waiting_size = 0
        self._count = 0
        self._done: list[np.ndarray] = []

    def add(self, text: str) -> None:
        """Take the next text, which is what `letters` gave."""
        for start in range(0, max(len(text) - WINDOW + 1, 1), _PIECE):
            piece = windows(text[start : start + _PIECE + WINDOW - 1])
            self._waiting.append((self._count, (piece >> np.uint64(32)).astype(np.uint32)))
            self._waiting_size += len(piece)
        self._count += 1
        if self._waiting_size >= _PART:
            self._sketch()

    def finish(self) -> np.ndarray:
        """All sketches, `uint32` of shape `(texts, HASHES)`."""
        self._sketch()
        return np.concatenate([*self._done, np.empty((0, HASHES), np.uint32)])

    def _sketch(self) -> None:
        if not self._waiting:
            return
        owners = np.array([owner for owner, _ in self._waiting])
        pieces = [piece for _, piece in self._waiting]
        hashes = np.concatenate(pieces)
        starts = np.concatenate([[0], np.cumsum([len(piece) for piece in pieces])[:-1]])
        least = np.empty((HASHES, len(pieces)), dtype=np.uint32)
        for place in range(HASHES):
            mixed = hashes * self._factors[place]
            mixed += self._offsets[place]
            np.minimum.reduceat(mixed, starts, out=least[place])
        firsts = np.flatnonzero(np.diff(owners, prepend=-1))
        self._done.append(np.minimum.reduceat(least, firsts, axis=1).T.copy())
        self._waiting, self._waiting_size = [], 0


def jaccard(first: np.ndarray, second: np.ndarray) -> float:
    """The share of all windows of two texts that both have; each array sorted, without repeats."""
    both = len(np.intersect1d(first, second, assume_unique=True))
    return both / (len(first) + len(second) - both)


def window_set(text: str) -> np.ndarray:
    """The different windows of a text, sorted."""
    return np.unique(windows(text))


def sketch_all(texts: Iterable[str]) -> np.ndarray:
    """The sketches of texts that `letters` gave."""
    sketches = Sketches()
    for text in texts:
        sketches.add(text)
    return sketches.finish()
