"""A report on generated texts as a document."""

import math
from typing import TYPE_CHECKING

from kerasft.evaluation.metrics import TITLES
from kerasft.evaluation.rendering.document import Document, Table, one_line
from kerasft.evaluation.rendering.report_document import between, number

if TYPE_CHECKING:
    from kerasft.evaluation.texts import TextReport

_LONGEST_TEXT = 200


def text_document(report: "TextReport") -> Document:
    """Lead, verdicts, figures and the worst texts."""
    lead = f"BLEU is from 0 to 100, counted by sacrebleu: {report.signature}."
    if report.resamples:
        lead += (
            f" Intervals: {report.confidence:.0%}, percentile bootstrap, {report.resamples} draws "
            f"of the texts, seed {report.seed}."
        )
    rows = tuple(
        (
            TITLES[name],
            number(value),
            between(*report.intervals.get(name, (math.nan, math.nan))),
        )
        for name, value in report.metrics.items()
    )
    tables = [Table("Figures", ("figure", "value", "interval"), rows)]
    if report.worst:
        tables.append(_worst(report))
    return Document(
        title=f"{len(report.hypotheses)} generated texts",
        lead=lead,
        verdicts=report.verdicts,
        tables=tuple(tables),
    )


def _worst(report: "TextReport") -> Table:
    columns = ["row", "BLEU", "reference", "written"]
    if report.inputs is not None:
        columns.append("input")
    rows = []
    for text in report.worst:
        cells = [text.reference, text.hypothesis] + ([text.input or ""] if report.inputs else [])
        shown = [one_line(cell, _LONGEST_TEXT) for cell in cells]
        rows.append((str(text.index), number(text.bleu, 1), *shown))
    note = "BLEU of a text by itself; the lowest first."
    return Table("Worst texts", tuple(columns), tuple(rows), note, text_columns=(2, 3, 4))
