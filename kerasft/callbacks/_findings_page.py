"""How findings are shown and saved."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kerasft.evaluation import Verdict

__all__ = ["findings_table", "findings_to_dict"]

_COLUMNS = ("finding", "level", ">epoch", "what was seen, and what to do")
_FORMAT = "kerasft doctor"
_VERSION = 1


def findings_to_dict(
    findings: Sequence[Verdict], not_judged: Mapping[str, str], epochs: int
) -> dict[str, Any]:
    """Findings as plain values for JSON, in which NaN and infinity are None."""
    return {
        "format": _FORMAT,
        "version": _VERSION,
        "epochs": epochs,
        "findings": [
            {
                "name": finding.name,
                "level": finding.level,
                "message": finding.message,
                "evidence": {
                    name: value if math.isfinite(value) else None
                    for name, value in finding.evidence.items()
                },
                "remedy": finding.remedy,
            }
            for finding in findings
        ],
        "not_judged": dict(not_judged),
    }


def findings_table(
    table: Callable[..., str],
    findings: Sequence[Verdict],
    not_judged: Mapping[str, str],
    epochs: int,
) -> str:
    """Findings as a table, and below it what could not be judged.

    Args:
        table: Draws it: `text_table` or `html_table`.
        findings: The findings, in order.
        not_judged: By finding, why it could not be judged.
        epochs: How many epochs were watched.
    """
    caption = "\n".join(f"Not judged: {name}, as {why}." for name, why in not_judged.items())
    title = f"Doctor: {len(findings) or 'nothing'} found in {epochs} epochs"
    rows = [
        [finding.name, finding.level, finding.evidence.get("epoch"), _in_words(finding)]
        for finding in findings
    ]
    if not rows:
        return table(("finding",), [["none"]], title=title, caption=caption)
    return table(_COLUMNS, rows, title=title, caption=caption)


def _in_words(finding: Verdict) -> str:
    return f"{finding.message} What to do: {finding.remedy}"
