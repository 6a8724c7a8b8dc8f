"""Tables, printed and in notebooks, all in one look. rich draws them and is imported only then."""

import html
import io
from collections.abc import Sequence

Row = Sequence[object]

_TEXT_WIDTH = 100


def text_table(
    columns: Sequence[str], rows: Sequence[Row], *, title: str = "", caption: str = ""
) -> str:
    """A table as plain text.

    Args:
        columns: The headings; one that begins with `>` is aligned to the right.
        rows: The cells; numbers are written with thousands separators.
        title: A line above.
        caption: Lines below.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in columns:
        right = column.startswith(">")
        table.add_column(column.lstrip(">"), justify="right" if right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(cell_text(cell) for cell in row))
    out = io.StringIO()
    console = Console(
        file=out,
        width=_TEXT_WIDTH,
        color_system=None,
        highlight=False,
        markup=False,
        force_jupyter=False,  # or rich shows it on the page and writes nothing
    )
    if title:
        console.print(title)
    console.print(table)
    if caption:
        console.print(caption)
    return "\n".join(line.rstrip() for line in out.getvalue().rstrip().splitlines())


def html_table(
    columns: Sequence[str], rows: Sequence[Row], *, title: str = "", caption: str = ""
) -> str:
    """The same table for a notebook."""

    def cells(values: Sequence[str], tag: str) -> str:
        return "".join(
            f'<{tag} style="text-align:{"right" if right else "left"};padding:2px 10px">'
            f"{html.escape(value)}</{tag}>"
            for value, right in zip(values, aligned_right, strict=True)
        )

    aligned_right = [column.startswith(">") for column in columns]
    head = cells([column.lstrip(">") for column in columns], "th")
    body = "".join(f"<tr>{cells([cell_text(c) for c in row], 'td')}</tr>" for row in rows)
    return (
        (f"<p><b>{html.escape(title)}</b></p>" if title else "")
        + f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        + (f"<p>{html.escape(caption)}</p>" if caption else "")
    )


def cell_text(cell: object) -> str:
    """One cell as text: thousands separators in whole numbers, nothing for None."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, int):
        return f"{cell:,}"
    return str(cell)
