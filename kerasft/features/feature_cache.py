"""`FeatureCache`: the frozen part's output, computed once and trained on many times."""

import os
import weakref
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerasft import _tables
from kerasft._checks import check_choice, check_int, check_type, fail
from kerasft._digests import digest_of_weights
from kerasft.data import LengthGroupedBatches
from kerasft.errors import SourceError, UnsupportedError
from kerasft.features import _directory, _identity
from kerasft.features._compute import compute
from kerasft.features._examples import Examples, GroupedExamples, examples_of
from kerasft.features._frozen_run import FrozenRun
from kerasft.features._index import Index
from kerasft.features._layout import STORED_DTYPES, Layout, alike, shortest_float
from kerasft.features._padding import Padding
from kerasft.features._store import CachedFeatures, Store
from kerasft.features._values import MemoryValues
from kerasft.features.cut import cut, has_batch_axis
from kerasft.freezing import is_pinned
from kerasft.structure import changeable_variables, walk


class FeatureCache:
    """Computes the frozen part of a model once, and gives a model that trains on the result.

    The model is cut at its freeze boundary, whatever policy froze it. The part before runs once
    over the data, in inference mode; each example's features are kept unpadded. Only where the
    part after reads what stands at padded places (a mean over all tokens with no mask) is padding
    computed and kept as well. A kerasft head's pooling counts as frozen where it learns nothing,
    so that behind a wholly frozen backbone one vector per example is kept. The part after is a
    plain `keras.Model` that shares its layers with the whole: what it learns, the whole model has
    learned.

    Training on the cache gives what training the whole model on the same batches gives, up to the
    rounding of sums in another order: weights agreed to 1e-5 in float32 after three epochs.
    Features in a shorter `dtype` are rounded once more, when they are kept.

    With a `directory` features outlive the process: another run, another head or another learning
    rate starts at once. They are found again by the frozen weights, the frozen layers, the inputs
    of every example, and the dtype; when one of these changes, features are computed anew, and the
    former ones stay for whoever goes back. A run that was interrupted is gone on with, and what is
    damaged is made again. Old entries are not deleted: remove the directory when it is too large.

    A schedule that unfreezes blocks (`Phases`) runs on `cache.model` as on the whole model, if the
    cache was made under the policy that trains most: what its later phases train lies behind the
    boundary then. A phase that would train what the cache holds is refused before the fit begins.

    Augmentation before the boundary is refused, for its features differ in every epoch.

    Args:
        model: A functional model, frozen at its front.
        directory: Where features are kept, or None to keep them as long as they are used: in
            memory up to the budget, beyond it in a temporary folder.
        dtype: In which they are kept: `"float32"`, `"bfloat16"` or `"float16"`; None for the dtype
            in which the model computes them. What is no float (a mask) stays as it is.
        memory_budget: How many bytes of features are held in memory for one data set, where no
            directory is given. What is larger lies in memory-mapped files.

    Attributes:
        model: What trains, from the boundary to the outputs, for your own `compile` and `fit`.

    Raises:
        UnsupportedError: If the model has no graph, is not frozen at its front, or has a fixed
            batch size.
        SourceError: If `directory` is a file.

    Example:
        >>> import keras, kerasft, numpy as np
        >>> inputs = keras.Input((4,))
        >>> x = keras.layers.Dense(8, name="body")(inputs)
        >>> model = keras.Model(inputs, keras.layers.Dense(2, name="top")(x))
        >>> plan = kerasft.TrainHead().apply(model)
        >>> rows, labels = np.ones((6, 4), "float32"), np.array([0, 1, 0, 1, 0, 1])
        >>> cache = kerasft.FeatureCache(model)
        >>> cached = cache.batches(rows, labels, batch_size=3)
        >>> np.allclose(cache.model.predict(cached, verbose=0), model.predict(rows, verbose=0))
        True
    """

    def __init__(
        self,
        model: keras.Model,
        directory: str | os.PathLike[str] | None = None,
        dtype: str | None = None,
        memory_budget: int = 2**31,
    ) -> None:
        check_type("model", model, keras.Model, "a keras.Model")
        if dtype is not None:
            check_choice("dtype", dtype, STORED_DTYPES)
        self.memory_budget = check_int("memory_budget", memory_budget, minimum=0)
        self.dtype = dtype
        self.directory = directory
        self._directory = _check_directory(directory)
        self._whole = model
        self._cut = cut(model)
        for tensor in self._cut.frozen.inputs:
            if not has_batch_axis(tensor):
                raise UnsupportedError(
                    f"A model must take batches of any size to be cached. Received: model "
                    f"{model.name!r}, whose input {tensor.name!r} has the shape {tensor.shape}. "
                    "Make its `keras.Input` without a batch size."
                )
        self._frozen = FrozenRun(self._cut.frozen)
        self._padding: Padding | None = None
        self._made_for = _state(model, self._cut.frozen)
        computed = shortest_float(self._cut.frozen)
        self._layouts = [Layout.of(tensor, dtype, computed) for tensor in self._cut.boundary]
        # By what shares its inputs, with what must live as long as its `id` is looked up.
        self._made: dict[Any, tuple[Any, CachedFeatures]] = {}
        self._passing: weakref.WeakSet[CachedFeatures] = weakref.WeakSet()
        self._weights: str | None = None
        self.model = self._cut.trainable

    def batches(
        self,
        data: Any,
        labels: Any = None,
        sample_weight: Any = None,
        batch_size: int = 32,
        shuffle: bool = False,
        seed: int = 0,
    ) -> LengthGroupedBatches:
        """The same examples with cached features in place of the inputs.

        Args:
            data: What `kerasft.data.Batches` made for the whole model: then the batches and their
                orders are the same, and the other arguments are left out. Or arrays, one or a
                list or dict of them, or `(inputs, labels)`; or a `tf.data.Dataset`, a `PyDataset`
                or another iterable of batches, which is read once (twice with a directory) and
                must give all its examples at one length.
            labels: With arrays, one label or row of labels per example.
            sample_weight: With arrays, one weight per example.
            batch_size: Examples per batch, where `data` are not batches by length.
            shuffle: Whether each epoch has its own order, where they are not.
            seed: Where the orders come from, where they are not.

        Returns:
            Batches for `cache.model`'s `fit`, `evaluate` and `predict`.

        Raises:
            ArgumentError: If `data` is nothing that can be read.
            DataError: If there are no examples, not as many labels, or other examples each time.
            SourceError: If the directory cannot be written, or the disk is full.
            UnsupportedError: If another plan was applied since the cache was made, or features
                depend on how far a batch is padded.
        """
        examples = examples_of(data, labels, sample_weight, batch_size, shuffle, seed)
        if _state(self._whole, self._cut.frozen) != self._made_for:
            raise UnsupportedError(
                f"The cache was made for other frozen layers than model {self._whole.name!r} has "
                "now. Make a new `FeatureCache(model)` after applying a plan: it cuts at the new "
                "boundary."
            )
        weights = digest_of_weights(self._cut.frozen)
        if weights != self._weights:  # others were loaded since
            self._made.clear()
            self._passing.clear()
            self._weights = weights
        if examples.key in self._made:
            features = self._made[examples.key][1]
        else:
            features = CachedFeatures(self._features(examples))
            if isinstance(data, LengthGroupedBatches):
                self._made[examples.key] = examples, features
            else:  # arrays and streams are not known again: their features last as their batches
                self._passing.add(features)
        return examples.with_features(features)

    # ---- how -------------------------------------------------------------------------------------

    def _features(self, examples: Examples) -> list[Store]:
        if self._directory is None:
            return self._compute(examples, None)
        identity = {
            "weights": self._weights,
            "graph": _identity.digest_of_graph(self._cut.frozen),
            "inputs": examples.digest(),
            "dtypes": _identity.digest_of_layouts(self._layouts),
        }
        found = _directory.find(self._directory, identity, self._layouts)
        if found is not None and self._still_holds(found, examples):
            return found.stores
        why = _directory.what_changed(self._directory, identity)
        entry = _directory.NewEntry(self._directory, identity)
        return self._compute(examples, entry, why)

    def _compute(
        self, examples: Examples, entry: _directory.NewEntry | None, why: str | None = None
    ) -> list[Store]:
        stores, self._padding = compute(
            self._cut,
            self._frozen,
            self._layouts,
            examples,
            entry,
            self.memory_budget,
            self._padding,
            why,
        )
        return stores

    def _still_holds(self, entry: _directory.Entry, examples: Examples) -> bool:
        """Whether the model gives today, for two examples, what was kept of them."""
        if not entry.padding.any_length and entry.padded_range != examples.padded_range:
            return False
        rows, inputs, lengths = examples.few()
        if entry.padding.keep_to is not None and isinstance(examples, GroupedExamples):
            inputs = examples.once.collate(rows, entry.padding.keep_to)
        for store, values in zip(entry.stores, self._frozen(inputs), strict=True):
            now = Store(store.layout, MemoryValues(store.layout.raw), Index(store.layout.rank))
            now.put(np.arange(len(rows)), values, lengths)
            length = int(lengths.max()) if lengths is not None else 1
            length = entry.padding.keep_to or length
            one, other = now.take(np.arange(len(rows)), length), store.take(rows, length)
            if not alike(one, other, store.layout.rounding):
                return False
        return True

    # ---- how it shows itself ---------------------------------------------------------------------

    def _table(self) -> tuple[list[str], list[list[object]], str, str]:
        rows: list[list[object]] = []
        made = [*(features for _, features in self._made.values()), *self._passing]
        for number, (layout, tensor) in enumerate(
            zip(self._layouts, self._cut.boundary, strict=True)
        ):
            kept = [features.stores[number].nbytes for features in made]
            shape = str(tuple(tensor.shape)).replace("None", "any")
            rows.append([layout.name, shape, layout.stored, f"{sum(kept) / 2**20:,.1f}"])
        frozen, whole = self._cut.frozen.count_params(), self._whole.count_params()
        where = "memory" if self._directory is None else repr(os.fspath(self._directory))
        title = f"Features of model {self._whole.name!r} at its freeze boundary"
        caption = (
            f"Computed once: {frozen:,} of {whole:,} parameters. Kept in {where}, for "
            f"{len(made)} data set{'s' * (len(made) != 1)} so far."
        )
        return ["boundary tensor", "shape", "kept as", ">MiB"], rows, title, caption

    def __str__(self) -> str:
        columns, rows, title, caption = self._table()
        return _tables.text_table(columns, rows, title=title, caption=caption)

    def _repr_html_(self) -> str:
        columns, rows, title, caption = self._table()
        return _tables.html_table(columns, rows, title=title, caption=caption)


def _check_directory(directory: str | os.PathLike[str] | None) -> Path | None:
    if directory is None:
        return None
    if not isinstance(directory, (str, os.PathLike)):
        fail("directory", directory, "the path of a folder, or None")
    path = Path(directory).expanduser().absolute()
    if path.exists() and not path.is_dir():
        raise SourceError(
            f"`directory` must be a folder. Received: {str(path)!r}, which is a file. Name another."
        )
    return path


def _state(whole: keras.Model, frozen: keras.Model) -> tuple[frozenset[int], frozenset[int]]:
    """What of the frozen part may change in a fit, and what of it runs as in inference."""
    inside = {id(variable) for variable in frozen.weights}
    changeable = {id(variable) for variable in changeable_variables(whole)}
    paths = list(walk(whole))
    pinned = tuple(f"{path}/" for path, layer in paths if is_pinned(layer))
    still = {id(layer) for path, layer in paths if f"{path}/".startswith(pinned)}
    return frozenset(inside & changeable), frozenset(
        id(layer) for _, layer in walk(frozen) if id(layer) in still
    )
