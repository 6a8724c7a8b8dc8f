"""`Preprocessor`: raw examples to a model's inputs, in two steps."""

import abc
from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasft.data._texts import check_texts


class Preprocessor(abc.ABC):
    """Turns texts into a model's inputs: `encode` once, `pad` for each batch.

    The work that is the same in every epoch (tokenizing) is apart from the work that depends on
    what else is in the batch (padding), so that the first is done once and the second as narrow as
    the batch allows. `kerasft.backbones.TextPreprocessor` is the one for language models.
    To write one, override `encode`, `pad`, `sequence_length` and `identity`.

    Example:
        >>> import numpy as np
        >>> from kerasft.data import Preprocessor
        >>> class Letters(Preprocessor):
        ...     sequence_length = 8
        ...     identity = {"kind": "letters", "sequence_length": 8}
        ...     def encode(self, texts):
        ...         return [np.array([ord(c) for c in text[:8]], dtype="int32") for text in texts]
        ...     def pad(self, encoded, length=None):
        ...         length = length or max(len(ids) for ids in encoded)
        ...         return np.stack([np.pad(ids, (0, length - len(ids))) for ids in encoded])
        >>> Letters()(["ab", "c"])
        array([[97, 98],
               [99,  0]], dtype=int32)
    """

    @property
    @abc.abstractmethod
    def sequence_length(self) -> int | None:
        """The most tokens that one encoded example may have; None where there is no limit."""

    @property
    @abc.abstractmethod
    def identity(self) -> dict[str, Any]:
        """What decides the result, in plain JSON values: equal identities, equal inputs.

        A cache of features is keyed by it.
        """

    @abc.abstractmethod
    def encode(self, texts: Sequence[Any]) -> list[np.ndarray]:
        """Encode each text by itself.

        Args:
            texts: Texts that passed `check`.

        Returns:
            For each text its ids of type `int32` and shape `(tokens,)`: special tokens in, cut to
            `sequence_length`, not padded.
        """

    @abc.abstractmethod
    def pad(self, encoded: Sequence[np.ndarray], length: int | None = None) -> Any:
        """Put encoded texts into one batch.

        Args:
            encoded: What `encode` gave, any part of it in any order.
            length: How many tokens to pad to; the longest of the batch by default.

        Returns:
            The model's inputs: a dict of arrays of shape `(batch, length)`, or one array.
        """

    def check(self, texts: Any) -> list[Any]:
        """Refuse what cannot be encoded, before any long work.

        Raises:
            DataError: an empty data set, something that is no text, or a blank text.
        """
        return check_texts(texts)

    def __call__(self, texts: Any) -> Any:
        """The inputs for `model.predict(preprocessor(["A text."]))`, padded to the longest.

        Args:
            texts: A list or array of texts.

        Returns:
            What `pad` gives for them.
        """
        return self.pad(self.encode(self.check(texts)))
