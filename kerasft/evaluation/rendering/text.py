"""Documents for the terminal, by rich."""

import io
from typing import Any

from kerasft.evaluation.rendering.document import WIDTH, Document, Table

_STYLES = {"bad": "bold red", "warning": "yellow", "note": "cyan", "good": "bold green"}


def as_rich(document: Document) -> Any:
    """The document for `rich.print`, in colour and as wide as the terminal."""
    from rich.console import Group
    from rich.padding import Padding
    from rich.text import Text

    parts: list[Any] = [Text(document.title, style="bold")]
    if document.lead:
        parts.append(Text(document.lead))
    parts.append(Text(""))
    for verdict in document.verdicts:
        said = Text.assemble((f"[{verdict.level}]", _STYLES[verdict.level]), " ", verdict.message)
        parts.append(said)
        if verdict.remedy:
            parts.append(Padding(Text(f"What to do: {verdict.remedy}"), (0, 0, 0, 4)))
    if document.verdicts:
        parts.append(Text(""))
    for table in document.tables:
        # A title of the table's own would be wrapped to the table's width.
        parts += [Text(table.title, style="bold"), _rich_table(table)]
        if table.note:
            parts += [Text(table.note, style="italic"), Text("")]
    return Group(*parts)


def as_text(document: Document, width: int = WIDTH) -> str:
    """The document in plain characters, no line longer than `width`."""
    from rich.console import Console

    page = io.StringIO()
    # Everything that rich would read from the environment is said here, so that the text is the
    # same in a notebook, in a log and in a terminal of any size.
    console = Console(
        file=page,
        width=width,
        color_system=None,
        force_terminal=False,
        force_jupyter=False,
        legacy_windows=False,
        emoji=False,
        highlight=False,
        _environ={},
    )
    console.print(as_rich(document))
    return "\n".join(line.rstrip() for line in page.getvalue().splitlines()).strip("\n")


def _rich_table(table: Table) -> Any:
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    shown = RichTable(
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1),
    )
    for number, column in enumerate(table.columns):
        is_text = number in table.text_columns
        shown.add_column(
            Text(column),
            justify="left" if is_text else "right",
            no_wrap=not is_text,
            overflow="fold",
        )
    for row in table.rows:
        shown.add_row(*(Text(cell) for cell in row))
    return shown
