"""An audit's report as text and for notebooks."""

import collections
import html
import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasft._tables import html_table, text_table
from kerasft.data.auditing.finding import LEVELS

if TYPE_CHECKING:
    from kerasft.data.auditing.audit_report import AuditReport

_WIDTH = 100
_CLASSES_SHOWN = 20


def headline(report: "AuditReport") -> str:
    """What was looked at, and how many findings of each level there are."""
    texts = sum(int(sizes["texts"]) for sizes in report.sizes.values())
    counts = collections.Counter(finding.level for finding in report.findings)
    plural = {"bad": "bad", "warning": "warnings", "note": "notes"}
    found = [f"{counts[k]} {k if counts[k] == 1 else plural[k]}" for k in LEVELS if counts[k]]
    return f"{texts:,} texts in {', '.join(report.sizes)}; {', '.join(found) or 'nothing found'}"


def as_text(report: "AuditReport") -> str:
    """Tables of sizes and classes, then each finding as a paragraph."""
    parts = [f"Audit of {headline(report)}", text_table(*_sizes(report))]
    if report.class_counts:
        columns, rows, caption = _classes(report)
        parts.append(text_table(columns, rows, caption=caption))
    for finding in report.findings:
        lines = [_paragraph(f"[{finding.level}] ", finding.message)]
        lines += [_paragraph("    For example: ", example) for example in finding.examples]
        lines += [_paragraph("    What to do: ", finding.remedy)] if finding.remedy else []
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def as_html(report: "AuditReport") -> str:
    """The same as tables."""
    parts = [html_table(*_sizes(report), title=f"Audit of {headline(report)}")]
    if report.class_counts:
        columns, rows, caption = _classes(report)
        parts.append(html_table(columns, rows, caption=caption))
    if report.findings:
        found = [(f.level, f.message, "; ".join(f.examples), f.remedy) for f in report.findings]
        parts.append(html_table(["level", "finding", "for example", "what to do"], found))
    else:
        parts.append(f"<p>{html.escape('Nothing found.')}</p>")
    return "".join(parts)


def _paragraph(lead: str, text: str) -> str:
    return textwrap.fill(
        lead + text,
        _WIDTH,
        subsequent_indent="    ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _sizes(report: "AuditReport") -> tuple[list[str], list[list[Any]]]:
    names = list(next(iter(report.sizes.values())))
    columns = ["split", *(">" + name.replace("_", " ") for name in names)]
    return columns, [[split, *sizes.values()] for split, sizes in report.sizes.items()]


def _classes(report: "AuditReport") -> tuple[list[str], list[list[Any]], str]:
    splits = list(report.class_counts)
    columns = ["class", *(f">{split}" for split in splits)]
    weights = report.class_weights
    shown: list[str] = []
    if isinstance(weights, np.ndarray):
        columns += [">weight without", ">weight with"]
    elif weights is not None:
        columns += [">balanced weight"]
    names = list(report.class_counts[splits[0]])
    rows = []
    for number, name in enumerate(names[:_CLASSES_SHOWN]):
        if weights is not None:
            shown = [f"{weight:.3g}" for weight in np.atleast_1d(weights[number])]
        rows.append([name, *(report.class_counts[split][name] for split in splits), *shown])
    more = len(names) - _CLASSES_SHOWN
    return columns, rows, f"and {more:,} more classes" if more > 0 else ""
