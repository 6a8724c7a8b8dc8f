"""A fitted temperature as a document."""

import functools
import math
from typing import TYPE_CHECKING

from kerasft.evaluation.metrics import TITLES
from kerasft.evaluation.pictures import plot_reliability
from kerasft.evaluation.rendering.document import Document, Table, one_line
from kerasft.evaluation.rendering.report_document import between, number

if TYPE_CHECKING:
    from kerasft.evaluation.temperatures import Temperature


def temperature_document(fitted: "Temperature") -> Document:
    """The temperature, and what it brings."""
    lead = "Logits are divided by the temperature before they become probabilities"
    if isinstance(fitted.temperature, tuple):
        lead += ": a temperature per label."
    else:
        way = "less sure" if fitted.temperature > 1 else "surer"
        lead += f": {fitted.temperature:.4g}, which makes the model {way}."
    sides = (fitted.before, fitted.before_intervals), (fitted.after, fitted.after_intervals)
    rows = []
    for name in fitted.before:
        cells = [TITLES[name]]
        for values, intervals in sides:
            cells += [number(values[name]), between(*intervals.get(name, (math.nan, math.nan)))]
        rows.append(tuple(cells))
    note = "On the examples that the temperature was fitted on."
    if fitted.resamples:
        low, high = fitted.difference_intervals["log_loss"]
        note += (
            f" Intervals: {fitted.confidence:.0%} of {fitted.resamples} bootstrap draws, seed "
            f"{fitted.seed}. The log loss changes by {low:+.3f} to {high:+.3f} nats."
        )
    columns = ("figure", "before", "interval", "after", "interval")
    tables = [Table("Before and after", columns, tuple(rows), note)]
    if isinstance(fitted.temperature, tuple):
        pairs = zip(fitted.class_names, fitted.temperature, strict=True)
        each = tuple((one_line(name, 40), f"{value:.4g}") for name, value in pairs)
        tables.insert(0, Table("Temperatures", ("class", "temperature"), each))
    return Document(
        title=f"Temperature fitted on {fitted.examples} examples",
        lead=lead,
        verdicts=fitted.verdicts,
        tables=tuple(tables),
        pictures={"Reliability": functools.partial(plot_reliability, fitted)},
    )
