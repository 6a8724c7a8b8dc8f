"""All verdicts on one report."""

from typing import TYPE_CHECKING, Any

from kerasft.evaluation.verdicts.overfitting import overfitting_against, overfitting_in
from kerasft.evaluation.verdicts.quality import (
    near_chance,
    never_predicted,
    overall,
    weak_class,
)
from kerasft.evaluation.verdicts.trust import (
    class_without_examples,
    miscalibrated,
    too_few_examples,
)
from kerasft.evaluation.verdicts.verdict import LEVELS, Verdict

if TYPE_CHECKING:
    from kerasft.evaluation.report import Report

RULES = (
    weak_class,
    near_chance,
    never_predicted,
    class_without_examples,
    too_few_examples,
    miscalibrated,
)


def judge(
    report: "Report", train_report: "Report | None" = None, history: Any = None
) -> tuple[Verdict, ...]:
    """The verdict as a whole first, then what is worst."""
    found = [rule(report) for rule in RULES]
    if train_report is not None:
        found.append(overfitting_against(report, train_report))
    elif history is not None:
        found.append(overfitting_in(report, history))
    verdicts = [verdict for verdict in found if verdict is not None]
    verdicts.sort(key=lambda verdict: LEVELS.index(verdict.level))
    whole = overall(report, verdicts)
    return (whole, *verdicts) if whole else tuple(verdicts)
