"""A comparison of two reports as a document."""

import math
from typing import TYPE_CHECKING

from kerasft.evaluation.metrics import TITLES
from kerasft.evaluation.rendering.document import UNDEFINED, Document, Table, one_line
from kerasft.evaluation.rendering.report_document import number

if TYPE_CHECKING:
    from kerasft.evaluation.comparison import Comparison


def comparison_document(comparison: "Comparison") -> Document:
    """The differences, and McNemar's test in words."""
    first, second = comparison.names
    heads = tuple(one_line(name, 12) for name in comparison.names)
    columns = ("figure", *heads, "difference", f"{comparison.confidence:.0%} interval")
    rows = []
    for name, found in comparison.differences.items():
        between = "" if math.isnan(found.low) else f"{found.low:+.3f} to {found.high:+.3f}"
        shown = UNDEFINED if math.isnan(found.difference) else f"{found.difference:+.3f}"
        values = (number(found.first), number(found.second))
        rows.append((TITLES.get(name, name), *values, shown, between))
    if comparison.paired:
        lead = "Both were judged on the same examples, so each draw takes the same ones for both."
    else:
        lead = "The examples differ, so each report is drawn on its own, and McNemar's test is out."
    if comparison.mcnemar is not None:
        test = comparison.mcnemar
        lead += (
            f" McNemar's exact test: {first} alone is right {test.only_first} times, {second} "
            f"alone {test.only_second} times; p = {test.p_value:.3g}."
        )
    note = f"Differences are {first} minus {second}"
    note += f"; {comparison.resamples} draws, seed {comparison.seed}." if rows else "."
    title = f"{first} against {second}"
    return Document(title, lead, (), (Table("Figures", columns, tuple(rows), note),))
