"""Running the frozen part over all examples, and keeping what comes out."""

import math
import shutil
import tempfile
import weakref
from pathlib import Path

import numpy as np

from kerasft._progress import progress
from kerasft.features._directory import NewEntry, writing
from kerasft.features._examples import Examples, GroupedExamples
from kerasft.features._frozen_run import FrozenRun
from kerasft.features._index import Index
from kerasft.features._layout import Layout
from kerasft.features._padding import Padding, find_padding
from kerasft.features._store import Store
from kerasft.features._values import MemoryValues
from kerasft.features.cut import Cut

_SHOW_PROGRESS_FROM = 50


def compute(
    parts: Cut,
    frozen: FrozenRun,
    layouts: list[Layout],
    examples: Examples,
    entry: NewEntry | None,
    memory_budget: int,
    known: Padding | None = None,
    why: str | None = None,
) -> tuple[list[Store], Padding]:
    """The features of all examples.

    Args:
        parts: The model, cut.
        frozen: Calls of its frozen part.
        layouts: Of the boundary tensors.
        examples: The examples.
        entry: Where the features go; None to keep them for this process.
        memory_budget: How many bytes may be held in memory; what is larger goes to a temporary
            folder, which lasts as long as the stores.
        known: What was found out about padding with other examples.
        why: Why it has to be done again, for the progress bar.

    Returns:
        For each boundary tensor its values, and how they are padded.

    Raises:
        SourceError: If there is no room, or writing fails; nothing is left behind.
    """
    folder = None
    try:
        padding = entry.padding(examples.padded_range) if entry else None
        if padding is None and known is not None and known.any_length:
            padding = known
        padding = padding or _padding_of(parts, frozen, layouts, examples)
        sizes = _sizes(layouts, examples, padding)
        needed = sum(s * layout.raw.itemsize for s, layout in zip(sizes, layouts, strict=True))
        if entry is None and needed > memory_budget:
            folder = tempfile.mkdtemp(prefix="kerasft-")
            entry = NewEntry(Path(folder), {"kept": "while it is used"})
        if entry is None:
            stores = _in_memory(layouts, examples, padding, sizes)
        else:
            nbytes = 0 if math.isinf(needed) else int(needed)
            stores = entry.begin(
                layouts, examples.count or 0, padding, examples.padded_range, nbytes
            )
        _fill(stores, frozen, examples, padding, why)
        if entry is not None:
            entry.finish(examples.count or 0, padding, examples.padded_range)
    except Exception as error:
        # A full disk wants room, and what went wrong once would go wrong again from there.
        if entry is not None:
            entry.discard()
        _remove(folder)
        if isinstance(error, OSError) and entry is not None:
            with writing(entry.directory):
                raise
        raise
    except BaseException:  # interrupted: what is there can be gone on with
        if entry is not None:
            entry.interrupt()
        _remove(folder)
        raise
    if folder is not None:
        weakref.finalize(stores[0], _remove, folder)
    return stores, padding


def _fill(
    stores: list[Store], frozen: FrozenRun, examples: Examples, padding: Padding, why: str | None
) -> None:
    def done(rows: np.ndarray) -> bool:
        return all(store.has(rows) for store in stores)

    run = None
    total = len(examples)
    for part in progress(
        examples.parts(padding.keep_to, done),
        "Computing frozen features" + (f" ({why})" if why else ""),
        total,
        _SHOW_PROGRESS_FROM,
        1,
    ):
        if part is None:
            continue
        rows, inputs, lengths = part
        run = run or frozen.for_batches(inputs, total)
        for store, values in zip(stores, run(inputs), strict=True):
            store.put(rows, values, lengths)


def _in_memory(
    layouts: list[Layout], examples: Examples, padding: Padding, sizes: list[float]
) -> list[Store]:
    return [
        Store(
            layout,
            MemoryValues(layout.raw, 0 if math.isinf(size) else int(size)),
            Index(layout.rank, examples.count or 0),
        )
        for layout, size in zip(padding.applied_to(layouts), sizes, strict=True)
    ]


def _padding_of(
    parts: Cut, frozen: FrozenRun, layouts: list[Layout], examples: Examples
) -> Padding:
    if isinstance(examples, GroupedExamples):
        return find_padding(parts, frozen, examples.once)
    values = frozen(examples.few()[1])
    shapes = (
        value.shape if layout.shared else value.shape[1:]
        for layout, value in zip(layouts, values, strict=True)
    )
    return Padding(tuple(() for _ in values), None, tuple(shapes))


def _sizes(layouts: list[Layout], examples: Examples, padding: Padding) -> list[float]:
    """How many values each boundary tensor has in all; infinitely many where nobody knows."""
    sizes = []
    for layout, shape, axes in zip(layouts, padding.shapes, padding.length_axes, strict=True):
        size = float(np.prod(shape))
        if layout.shared:
            sizes.append(size)
        elif not isinstance(examples, GroupedExamples):
            sizes.append(size * examples.expected if examples.expected else math.inf)
        elif axes and padding.keep_to is None:
            lengths = examples.data.lengths / padding.length
            sizes.append(size * float((lengths ** len(axes)).sum()))
        else:
            sizes.append(size * len(examples.data.lengths))
    return sizes


def _remove(folder: str | None) -> None:
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)
