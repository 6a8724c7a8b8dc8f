"""Which texts' features lie in a directory, so that another process finds them one by one.

    DIRECTORY/KEY.texts/DIGEST.npz     the token ids of the texts of one computation

The features themselves are a `FeatureCache`'s entries beside it, one for each computation.
"""

import hashlib
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kerasft.errors import SourceError

_DIGITS = 20


class KeptTexts:
    """The token ids of all computations that a directory has for one frozen front.

    Args:
        directory: The user's directory.
        key: What the features depend on, but for the texts.
    """

    def __init__(self, directory: Path, key: str) -> None:
        self._folder = directory / f"{key}.texts"

    def read(self) -> list[list[np.ndarray]]:
        """The texts of each computation; a damaged file counts as not there."""
        found = []
        for path in sorted(self._folder.glob("*.npz")):
            try:
                with open(path, "rb") as opened, np.load(opened) as file:
                    ends = np.cumsum(file["lengths"])
                    found.append(np.split(file["ids"], ends[:-1]))
            except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
                continue
        return found

    def add(self, encoded: Sequence[np.ndarray]) -> None:
        """Note the texts of a computation, whole or not at all."""
        ids = np.concatenate(encoded)
        lengths = np.array([len(each) for each in encoded])
        digest = hashlib.sha256(lengths.tobytes() + ids.tobytes()).hexdigest()[:_DIGITS]
        part = self._folder / f"{digest}.{os.getpid()}.part"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with open(part, "wb") as file:
                np.savez(file, ids=ids, lengths=lengths)
            os.replace(part, self._folder / f"{digest}.npz")
        except OSError as error:
            part.unlink(missing_ok=True)
            raise SourceError(
                f"`cache_directory` must be a folder that can be written to. Received: "
                f"{str(self._folder.parent)!r} ({error.strerror})."
            ) from error
