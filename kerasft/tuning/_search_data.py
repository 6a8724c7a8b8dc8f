"""What the learning-rate search trains on, made of what the user has."""

import sys
import threading
from collections.abc import Callable
from typing import Any, NoReturn

import keras
import numpy as np

from kerasft._checks import fail, received
from kerasft.errors import DataError

_RULE = (
    "arrays (inputs, labels) or (inputs, labels, sample_weight), batches from kerasft.data, a "
    "keras.utils.PyDataset or a tf.data.Dataset"
)


class SearchBatches(keras.utils.PyDataset):
    """A fixed number of batches, each a function of its number alone.

    Keras reads batches ahead, on a thread of its own. After `close` nothing more is read, so that
    what the reading changes (random states, say) can be put back.

    Args:
        read: Gives the batch of a number.
        count: How many there are.
    """

    def __init__(self, read: Callable[[int], Any], count: int) -> None:
        super().__init__(workers=1)
        self.error: BaseException | None = None
        self._read = read
        self._count = count
        self._reading = threading.Lock()
        self._closed = False

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Any:
        with self._reading:
            if self._closed or self.error is not None:
                raise RuntimeError("Nothing more is read after the search has ended.")
            try:
                return self._read(index)
            except BaseException as error:
                # TensorFlow would turn it into an error of its own; the search raises this one.
                self.error = error
                raise RuntimeError("A batch could not be read.") from error

    def close(self) -> None:
        """Wait for a batch that is being read, and read no other."""
        with self._reading:
            self._closed = True


def search_data(data: Any, count: int, batch_size: int, seed: int) -> Any:
    """`count` batches of the user's data, which is gone through again where it has fewer.

    Args:
        data: What the user gave.
        count: How many batches to give.
        batch_size: Of arrays.
        seed: Of the order of rows or batches; no global random state is drawn from.

    Returns:
        `SearchBatches`, or a `tf.data.Dataset` without an end.

    Raises:
        DataError: for anything else, and for data that hold no batch.
    """
    if isinstance(data, keras.utils.PyDataset):
        return SearchBatches(_read_dataset(data, seed), count)
    if _is_tf_data(data):
        if int(data.cardinality()) == 0:
            fail("data", data, "at least one batch", error=DataError)
        return data.repeat()
    if isinstance(data, tuple) and len(data) in (2, 3):
        return SearchBatches(_read_arrays(data, batch_size, seed), count)
    _refuse(data)
    return None


def _refuse(data: Any) -> NoReturn:
    hint = ""
    if hasattr(data, "__next__"):
        hint = (
            "A generator would be used up by the search: wrap what it reads in a "
            "keras.utils.PyDataset, or give arrays."
        )
    elif _has_rows(data):
        hint = "Labels and inputs go together in one tuple."
    fail("data", data, _RULE, hint, DataError)


def first_inputs(batches: Any) -> Any:
    """The inputs of one batch, by which a model can be built."""
    batch = batches[0] if isinstance(batches, SearchBatches) else next(iter(batches))
    return keras.utils.unpack_x_y_sample_weight(batch)[0]


def _is_tf_data(data: Any) -> bool:
    # Whoever made one has imported TensorFlow.
    tensorflow = sys.modules.get("tensorflow")
    return tensorflow is not None and isinstance(data, tensorflow.data.Dataset)


def _has_rows(value: Any) -> bool:
    return hasattr(value, "shape") and hasattr(value, "__getitem__")


def _read_dataset(data: keras.utils.PyDataset, seed: int) -> Callable[[int], Any]:
    size = data.num_batches
    if size is None:
        return data.__getitem__
    if size == 0:
        fail("data", data, "at least one batch", error=DataError)
    orders: dict[int, np.ndarray] = {}

    def read(index: int) -> Any:
        # Its hooks are not called: they begin and end epochs, which a search does not.
        epoch, place = divmod(index, size)
        if epoch not in orders:
            order = np.random.default_rng([seed, epoch]).permutation(size)
            if epoch == 0:
                # Keras takes the shapes from the first two, and data sets see to these.
                order = np.concatenate([np.arange(min(2, size)), order[order >= 2]])
            orders[epoch] = order
        return data[int(orders[epoch][place])]

    return read


def _read_arrays(data: tuple[Any, ...], batch_size: int, seed: int) -> Callable[[int], Any]:
    arrays = keras.tree.map_structure(_as_array, data, none_is_leaf=False)
    sizes = {len(array) for array in keras.tree.flatten(arrays) if array is not None}
    if len(sizes) != 1:
        raise DataError(
            "`data` must be arrays with one row for each example. Received: arrays of "
            f"{', '.join(f'{size:,}' for size in sorted(sizes)) or 'no'} rows."
        )
    [rows] = sizes
    if rows == 0:
        raise DataError("`data` must be at least one example. Received: arrays without rows.")
    # A last batch that is not full would be a jump in the curve.
    size = max(1, rows // batch_size)
    orders: dict[int, np.ndarray] = {}

    def read(index: int) -> Any:
        epoch, place = divmod(index, size)
        if epoch not in orders:
            orders[epoch] = np.random.default_rng([seed, epoch]).permutation(rows)
        chosen = orders[epoch][place * batch_size : (place + 1) * batch_size]
        return keras.tree.map_structure(lambda array: array[chosen], arrays, none_is_leaf=False)

    return read


def _as_array(value: Any) -> np.ndarray:
    if not _has_rows(value) or not len(value.shape):
        raise DataError(f"`data` must be {_RULE}. {received('data', value)} This part is no array.")
    return value if isinstance(value, np.ndarray) else keras.ops.convert_to_numpy(value)
