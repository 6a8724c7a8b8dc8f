"""Documents as HTML: a fragment for notebooks, and a page that needs nothing but itself."""

import base64
import html
import io
from typing import Any

from kerasft.evaluation.rendering.document import Document, Table, one_line

_DOTS_PER_INCH = 144

# Colours with enough contrast on white; the level is also written out, so print loses nothing.
_STYLE = """
.kerasft-report { font: 15px/1.5 system-ui, sans-serif; color: #1b1b1b; background: #fff;
  max-width: 62rem; margin: 0 auto; padding: 1rem; }
.kerasft-report h1 { font-size: 1.5rem; margin: 0 0 .5rem; }
.kerasft-report h2 { font-size: 1.1rem; margin: 1.8rem 0 .4rem; }
.kerasft-report ul { list-style: none; padding: 0; }
.kerasft-report li { border-left: 4px solid #777; padding: .3rem .7rem; margin: .5rem 0;
  background: #f6f6f6; }
.kerasft-report li.bad { border-color: #b3261e; }
.kerasft-report li.warning { border-color: #a15c00; }
.kerasft-report li.good { border-color: #1e6b34; }
.kerasft-report .level { font-weight: 700; text-transform: uppercase; font-size: .8rem; }
.kerasft-report .wide { overflow-x: auto; }
.kerasft-report table { border-collapse: collapse; }
.kerasft-report th, .kerasft-report td { padding: .2rem .7rem; border-bottom: 1px solid #ddd;
  text-align: right; vertical-align: top; white-space: nowrap; }
.kerasft-report th { border-bottom: 2px solid #777; }
.kerasft-report th.text, .kerasft-report td.text { text-align: left; white-space: normal;
  overflow-wrap: anywhere; min-width: 5rem; }
.kerasft-report .note { font-size: .85rem; color: #555; margin: .3rem 0; }
.kerasft-report figure { display: inline-block; margin: 1rem 1rem 0 0; vertical-align: top; }
.kerasft-report img { max-width: 100%; width: 29rem; height: auto; }
@media print { .kerasft-report figure, .kerasft-report tr { break-inside: avoid; } }
"""


def as_fragment(document: Document, *, pictures: bool = False) -> str:
    """The document as one `<div>` with its own style; every text in it is escaped."""
    parts = [f"<style>{_STYLE}</style>", '<div class="kerasft-report">']
    parts.append(f"<h1>{_escape(document.title)}</h1>")
    if document.lead:
        parts.append(f"<p>{_escape(document.lead)}</p>")
    if document.verdicts:
        parts.append("<ul>")
        for verdict in document.verdicts:
            remedy = f"<br><b>What to do:</b> {_escape(verdict.remedy)}" if verdict.remedy else ""
            level = f'<span class="level">{verdict.level}</span>'
            parts.append(
                f'<li class="{verdict.level}">{level} {_escape(verdict.message)}{remedy}</li>'
            )
        parts.append("</ul>")
    if pictures:
        for title, draw in document.pictures.items():
            parts.append(_picture(title, draw()))
    for table in document.tables:
        parts.append(_table(table))
    parts.append("</div>")
    return "\n".join(parts)


def as_page(document: Document) -> str:
    """The document as one HTML page with its pictures inside, and no link to anything."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_escape(document.title)}</title>\n</head>\n<body>\n"
        f"{as_fragment(document, pictures=True)}\n</body>\n</html>\n"
    )


def _table(table: Table) -> str:
    def row(cells: tuple[str, ...], tag: str) -> str:
        shown = [
            f'<{tag} class="text">{_escape(cell)}</{tag}>'
            if number in table.text_columns
            else f"<{tag}>{_escape(cell)}</{tag}>"
            for number, cell in enumerate(cells)
        ]
        return f"<tr>{''.join(shown)}</tr>"

    parts = [f'<h2>{_escape(table.title)}</h2><div class="wide"><table><thead>']
    parts.append(row(table.columns, "th") + "</thead><tbody>")
    parts += [row(cells, "td") for cells in table.rows]
    parts.append("</tbody></table></div>")
    if table.note:
        parts.append(f'<p class="note">{_escape(table.note)}</p>')
    return "\n".join(parts)


def _picture(title: str, figure: Any) -> str:
    page = io.BytesIO()
    figure.savefig(page, format="png", dpi=_DOTS_PER_INCH)
    data = base64.b64encode(page.getvalue()).decode("ascii")
    return f'<figure><img alt="{_escape(title)}" src="data:image/png;base64,{data}"></figure>'


def _escape(text: str) -> str:
    return html.escape(one_line(text), quote=True)
