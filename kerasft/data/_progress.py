"""A progress bar for work that takes long enough to make people wonder."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")


def progress(
    parts: Iterable[T], description: str, total: int, show_from: int, part_size: int
) -> Iterator[T]:
    """Go through `parts`, with a bar that counts up to `total` if that is `show_from` or more.

    The bar goes to the standard error stream, so that what a script prints stays clean.
    """
    if total < show_from:
        yield from parts
        return
    try:
        from rich.console import Console
        from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn
    except ImportError:  # an installation without the optional dependencies works in silence
        yield from parts
        return
    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(file=sys.stderr)) as bar:
        task = bar.add_task(description, total=total)
        for part in parts:
            yield part
            bar.advance(task, min(part_size, total - bar.tasks[task].completed))


def in_parts(values: Sequence[T], size: int) -> list[Sequence[T]]:
    """`values` in slices of `size`."""
    return [values[start : start + size] for start in range(0, len(values), size)]
