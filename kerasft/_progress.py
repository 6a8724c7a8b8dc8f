"""Progress bars, drawn by rich on the error stream: what a script prints stays clean."""

import importlib.util
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.console import Console

T = TypeVar("T")
Update = Callable[[int, "int | None"], None]


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
        from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn
    except ImportError:  # an installation without the optional dependencies works in silence
        yield from parts
        return
    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=_console()) as bar:
        task = bar.add_task(description, total=total)
        for part in parts:
            yield part
            bar.advance(task, min(part_size, total - bar.tasks[task].completed))


def _console() -> "Console":
    """The error stream; in a notebook, where ipywidgets draw moving bars, these."""
    from rich.console import Console

    if importlib.util.find_spec("ipywidgets") is None:  # rich would warn of it in every notebook
        return Console(file=sys.stderr, force_jupyter=False)
    return Console(file=sys.stderr)


def in_parts(values: Sequence[T], size: int) -> list[Sequence[T]]:
    """`values` in slices of `size`."""
    return [values[start : start + size] for start in range(0, len(values), size)]


@contextmanager
def transfer_bar(name: str, shown: bool) -> Iterator[Update]:
    """Give a function `update(bytes_done, bytes_in_all)` for the transfer of `name`.

    Until its first call something else shows that there is life: an index that does not answer
    keeps people waiting before the first byte. Standard output is left to the user's script.
    """
    if not shown:
        yield lambda done, total: None
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    console = _console()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        DownloadColumn(),
        TimeRemainingColumn(),
    )
    with ExitStack() as waiting, ExitStack() as downloading:
        waiting.enter_context(console.status(f"Looking for {name}"))
        bar = Progress(*columns, console=console)

        def update(done: int, total: int | None) -> None:
            if not bar.tasks:
                waiting.close()  # the console draws one thing that moves at a time
                downloading.enter_context(bar)
                bar.add_task(f"Fetching {name}")
            bar.update(bar.task_ids[0], completed=done, total=total)

        yield update
