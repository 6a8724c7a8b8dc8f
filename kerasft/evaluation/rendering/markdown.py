"""Documents as Markdown, for a README or a pull request."""

import re

from kerasft.evaluation.rendering.document import Document, Table, one_line

# What would turn a text into a table cell, a heading, a link, HTML or emphasis.
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|#~&!])")


def as_markdown(document: Document) -> str:
    """The document in GitHub's Markdown; texts are escaped so that they stay texts."""
    parts = [f"# {_escape(document.title)}"]
    if document.lead:
        parts.append(_escape(document.lead))
    if document.verdicts:
        lines = []
        for verdict in document.verdicts:
            lines.append(f"- **{verdict.level}**: {_escape(verdict.message)}")
            if verdict.remedy:
                lines.append(f"  *What to do:* {_escape(verdict.remedy)}")
        parts.append("\n".join(lines))
    for table in document.tables:
        parts += [f"## {_escape(table.title)}", _table(table)]
        if table.note:
            parts.append(_escape(table.note))
    return "\n\n".join(parts) + "\n"


def _table(table: Table) -> str:
    rules = [":--" if i in table.text_columns else "--:" for i in range(len(table.columns))]
    rows = [[_escape(cell) for cell in row] for row in (table.columns, *table.rows)]
    lines = [rows[0], rules, *rows[1:]]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _escape(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", one_line(text))
