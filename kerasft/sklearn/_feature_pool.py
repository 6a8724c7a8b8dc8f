"""Features of single texts, shared by every fit and prediction of a process.

A cross-validation asks for the same texts in ever other combinations. So features are looked up
text by text; those that are missing are computed together by a `FeatureCache`, and any rows of any
such computation make up a batch.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from kerasft.data import LengthGroupedBatches, Preprocessor
from kerasft.errors import UnsupportedError
from kerasft.features import FeatureCache
from kerasft.sklearn._kept_texts import KeptTexts

_BATCH_SIZE = 32
_LOOKED_AT = 8

_pools: OrderedDict[tuple[str, str | None], "FeaturePool"] = OrderedDict()


class EncodedInputs:
    """The whole model's inputs for some texts.

    Args:
        preprocessor: What pads.
        encoded: What it encoded: the ids of each text.

    Attributes:
        lengths: The number of tokens of each text.
    """

    def __init__(self, preprocessor: Preprocessor, encoded: Sequence[np.ndarray]) -> None:
        self._preprocessor = preprocessor
        self._encoded = encoded
        self.lengths = np.array([len(ids) for ids in encoded])

    def __call__(self, rows: np.ndarray, length: int) -> Any:
        """The inputs of some rows, padded to a length."""
        return self._preprocessor.pad([self._encoded[row] for row in rows], length)


class PooledInputs:
    """The trainable part's inputs for some texts: their features, wherever in the pool they lie.

    Args:
        parts: The computations that the pool has made.
        places: For each text its part and its row there, shape `(texts, 2)`.
        shared: For each boundary tensor, whether it is one value for all examples.

    Attributes:
        lengths: The number of tokens of each text.
    """

    def __init__(
        self, parts: list[LengthGroupedBatches], places: np.ndarray, shared: list[bool]
    ) -> None:
        self._parts = parts
        self._places = places
        self._shared = shared
        self.lengths = np.array([parts[part].lengths[row] for part, row in places])

    def __call__(self, rows: np.ndarray, length: int) -> Any:
        """The features of some rows, padded to a length."""
        places = self._places[rows]
        batch: list[np.ndarray] = []
        for part in np.unique(places[:, 0]):
            where = np.flatnonzero(places[:, 0] == part)
            values = keras.tree.flatten(self._parts[part].collate(places[where, 1], length))
            batch = batch or [
                value if one_for_all else np.empty((len(rows), *value.shape[1:]), value.dtype)
                for value, one_for_all in zip(values, self._shared, strict=True)
            ]
            for target, value, one_for_all in zip(batch, values, self._shared, strict=True):
                if not one_for_all:
                    target[where] = value
        return batch[0] if len(batch) == 1 else tuple(batch)


class FeaturePool:
    """The features of all texts seen so far, behind one frozen front.

    Args:
        preprocessor: What turns texts into inputs.
        kept: What lies in the user's directory, or None where nothing is to be kept.

    Attributes:
        nbytes: About how many bytes of memory the features take.
    """

    def __init__(self, preprocessor: Preprocessor, kept: KeptTexts | None = None) -> None:
        self._preprocessor = preprocessor
        self._kept = kept
        self._ids_of: dict[str, bytes] = {}
        self._places: dict[bytes, tuple[int, int]] = {}
        self._parts: list[LengthGroupedBatches] = []
        self._shared: list[bool] = []
        self.nbytes = 0

    def inputs(
        self, texts: Sequence[str], make_cache: Callable[[int], FeatureCache], memory_budget: int
    ) -> PooledInputs:
        """The features of some texts; the frozen front runs over those that are new.

        Args:
            texts: The texts, checked.
            make_cache: Makes the cache that computes, given the bytes that it may hold in memory.
                It is called only where texts are new.
            memory_budget: How many bytes of features all pools together may hold in memory.
        """
        unread = list(dict.fromkeys(text for text in texts if text not in self._ids_of))
        encoded = self._preprocessor.encode(unread) if unread else []
        self._ids_of.update({t: ids.tobytes() for t, ids in zip(unread, encoded, strict=True)})
        # Texts with the same ids (beyond the cut, or in case) have the same features.
        new = {ids.tobytes(): ids for ids in encoded if ids.tobytes() not in self._places}
        if new:
            cache = make_cache(_make_room(self, memory_budget))
            self._take_from_directory(new, cache)
            left = [ids for key, ids in new.items() if key not in self._places]
            if left:
                self._add(left, cache)
                if self._kept is not None:
                    self._kept.add(left)
        places = np.array([self._places[self._ids_of[text]] for text in texts])
        return PooledInputs(self._parts, places, self._shared)

    def _take_from_directory(self, wanted: dict[bytes, np.ndarray], cache: FeatureCache) -> None:
        for known in self._kept.read() if self._kept is not None else ():
            keys = {ids.tobytes() for ids in known}
            if keys.intersection(wanted) - self._places.keys():
                self._add(known, cache)

    def _add(self, encoded: Sequence[np.ndarray], cache: FeatureCache) -> None:
        inputs = EncodedInputs(self._preprocessor, encoded)
        part = cache.batches(
            LengthGroupedBatches(
                inputs,
                inputs.lengths,
                batch_size=_BATCH_SIZE,
                maximum_length=self._preprocessor.sequence_length,
            )
        )
        if not self._parts:
            _check_blind_to_padding(part, cache.model)
            self._shared = [tensor.shape[0] is not None for tensor in cache.model.inputs]
        number = len(self._parts)
        self._parts.append(part)
        self._places.update({ids.tobytes(): (number, row) for row, ids in enumerate(encoded)})
        if self._kept is None:
            self.nbytes += _about_bytes(part)


def pool_of(key: str, directory: str | None, make: Callable[[], FeaturePool]) -> FeaturePool:
    """The pool of this process for a frozen front, made where there is none yet."""
    pool = _pools.get((key, directory))
    if pool is None:
        pool = _pools[key, directory] = make()
    _pools.move_to_end((key, directory))
    return pool


def forget_features() -> None:
    """Drop all pools; what is in use lasts until its user goes."""
    _pools.clear()


def _make_room(wanted: FeaturePool, memory_budget: int) -> int:
    """Drop pools that were not used for the longest time, until there is room; gives what is left.

    What one pool needs beyond that, a `FeatureCache` puts into a temporary folder.
    """
    for key, pool in list(_pools.items()):
        if sum(other.nbytes for other in _pools.values()) < memory_budget:
            break
        if pool is not wanted:
            del _pools[key]
    return max(0, memory_budget - sum(pool.nbytes for pool in _pools.values()))


def _about_bytes(part: LengthGroupedBatches) -> int:
    """The bytes of a part's features, from a few of its texts."""
    rows = np.unique(np.linspace(0, len(part.lengths) - 1, _LOOKED_AT).astype(int))
    sizes = [
        sum(
            value.nbytes
            for value in keras.tree.flatten(part.collate(np.array([row]), int(part.lengths[row])))
        )
        for row in rows
    ]
    return int(np.mean(sizes) * len(part.lengths))


def _check_blind_to_padding(part: LengthGroupedBatches, trainable: keras.Model) -> None:
    """Features are padded with zeros here, as far as each batch goes; that must not matter."""
    row = np.array([int(np.argmin(part.lengths))])
    length = int(part.lengths[row[0]])
    outputs = []
    for padded in (length, length + 8):
        features = keras.tree.map_structure(keras.ops.convert_to_tensor, part.collate(row, padded))
        outputs.append(keras.ops.convert_to_numpy(trainable(features, training=False)))
    if not np.allclose(outputs[0], outputs[1], rtol=1e-2, atol=1e-2):
        raise UnsupportedError(
            "Features can be shared between fits only where padding changes nothing. Received: a "
            "backbone and a head whose outputs change with the length that a batch is padded to. "
            "Take share_features=False, or a backbone whose inputs have a padding mask."
        )
