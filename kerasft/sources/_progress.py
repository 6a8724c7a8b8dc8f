"""A progress bar for transfers, drawn by rich on the error stream."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

Update = Callable[[int, "int | None"], None]


@contextmanager
def transfer_bar(name: str, shown: bool) -> Iterator[Update]:
    """Give a function `update(bytes_done, bytes_in_all)` for the transfer of `name`.

    Until its first call something else shows that there is life: an index that does not answer
    keeps people waiting before the first byte. Standard output is left to the user's script.
    """
    if not shown:
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
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
