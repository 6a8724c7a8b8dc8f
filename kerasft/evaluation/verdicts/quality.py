"""Verdicts on how good the decisions are."""

import math
from typing import TYPE_CHECKING

from kerasft.evaluation.verdicts.verdict import Verdict

if TYPE_CHECKING:
    from kerasft.evaluation.report import Report

_CHOOSE = "choose the threshold on validation data (kerasft.tuning.choose_thresholds)"
_WEIGHT = "weight the classes in training (kerasft.data.class_weights)"


def overall(report: "Report", others: list[Verdict]) -> Verdict | None:
    """Good, fair or bad as a whole. A regression has no limits of its own, and gets none."""
    if report.task == "regression":
        return None
    metrics, limits = report.metrics, report.limits
    suffix = "" if report.task == "binary" else "_macro"
    accuracy = metrics["accuracy"]
    precision, recall = metrics[f"precision{suffix}"], metrics[f"recall{suffix}"]
    evidence = {"accuracy": accuracy, f"precision{suffix}": precision, f"recall{suffix}": recall}
    said = f"accuracy {accuracy:.1%}, precision {_share(precision)}, recall {_share(recall)}"
    whose = f"of {report.class_names[1]!r}" if report.task == "binary" else "mean over the classes"
    low = precision < limits.bad_precision or recall < limits.bad_recall
    if low or any(verdict.level == "bad" for verdict in others):
        causes = [verdict.name.replace("_", " ") for verdict in others if verdict.level == "bad"]
        if low:
            causes.insert(0, "precision or recall is too low")
        message = f"Not fit for production: {said} ({whose}); {', '.join(causes)}."
        return Verdict("overall", "bad", message, evidence, "See the verdicts and figures below.")
    good = (
        accuracy > limits.good_accuracy
        and precision > limits.good_precision
        and recall > limits.good_recall
    )
    if good:
        return Verdict("overall", "good", f"Good: {said} ({whose}).", evidence)
    message = (
        f"Fair: {said} ({whose}). Good is accuracy above {limits.good_accuracy:.0%}, precision "
        f"above {limits.good_precision:.0%} and recall above {limits.good_recall:.0%}."
    )
    remedy = "Look at the worst mistakes and at the classes with the lowest figures."
    return Verdict("overall", "warning", message, evidence, remedy)


def near_chance(report: "Report") -> Verdict | None:
    """Whether guessing, or always the mean, would do about as well."""
    limits = report.limits
    margin = limits.chance_margin
    if report.task == "regression":
        r2 = report.metrics["r2"]
        if math.isnan(r2) or r2 > margin:
            return None
        message = f"Hardly better than always predicting the mean: R squared is {r2:.3f}."
        remedy = "Check that labels and inputs are paired; try another learning rate."
        return Verdict("near_chance", "bad", message, {"r2": r2}, remedy)
    balanced = report.metrics["balanced_accuracy"]
    present = [figures for figures in report.classes.values() if figures["examples"]]
    if report.task != "multilabel" and len(present) < 2:
        return None
    chance = 0.5 if report.task == "multilabel" else 1 / len(present)
    if math.isnan(balanced) or (balanced - chance) / (1 - chance) > margin:
        return None
    area = report.metrics["roc_auc"]
    evidence = {"balanced_accuracy": balanced, "chance": chance, "roc_auc": area}
    message = f"Near chance: balanced accuracy is {balanced:.1%} where guessing gives {chance:.1%}."
    if area >= limits.good_ranking:
        message += f" The ranking is better than that: the ROC area is {area:.2f}."
        remedy = _first_of(report, _CHOOSE, f"or {_WEIGHT}")
    else:
        remedy = "Check that labels and inputs are paired; try another learning rate; train longer."
    return Verdict("near_chance", "bad", message, evidence, remedy)


def weak_class(report: "Report") -> Verdict | None:
    """A class whose precision or recall is bad; the accuracy paradox where accuracy hides it."""
    limits = report.limits
    weak = []
    for name, figures in report.classes.items():
        if figures["examples"] < limits.weak_class_examples:
            continue
        for figure, limit in (("recall", limits.bad_recall), ("precision", limits.bad_precision)):
            if figures[figure] < limit:
                weak.append((figures[figure], figure, name))
    if not weak:
        return None
    value, figure, name = min(weak)
    accuracy, examples = report.metrics["accuracy"], int(report.classes[name]["examples"])
    more = len({name for _, _, name in weak}) - 1
    what = f"{value:.1%} {figure} of {name!r} ({examples} of {len(report.examples)} examples)"
    if more:
        what += f", and {more} more such class{'es' if more > 1 else ''}"
    evidence = {"accuracy": accuracy, figure: value, "examples": examples}
    remedy = "Judge by its precision and recall, not by accuracy. " + _first_of(
        report, _CHOOSE, _WEIGHT, "or gather more examples of it"
    )
    if accuracy >= limits.good_accuracy:
        message = f"Accuracy paradox: {accuracy:.1%} accuracy hides {what}: not fit for production."
        return Verdict("accuracy_paradox", "bad", message, evidence, remedy)
    return Verdict("weak_class", "warning", f"Weak class: {what}.", evidence, remedy)


def never_predicted(report: "Report") -> Verdict | None:
    """Classes that have examples and that the model never says."""
    never = {
        name: int(figures["examples"])
        for name, figures in report.classes.items()
        if figures["examples"] and not figures["predicted"]
    }
    if not never:
        return None
    total = sum(never.values())
    said = [name for name, figures in report.classes.items() if figures["predicted"]]
    shown = ", ".join(repr(name) for name in list(never)[:5]) + (", ..." if len(never) > 5 else "")
    message = f"Never predicted: {shown} ({total} examples)."
    if report.task != "multilabel" and len(said) == 1:
        message += f" Everything is called {said[0]!r}: the head has collapsed to one class."
    level = "bad" if max(never.values()) >= report.limits.weak_class_examples else "warning"
    remedy = _first_of(report, _CHOOSE, _WEIGHT, "or lower the learning rate")
    return Verdict("never_predicted", level, message, dict(never), remedy)


def _first_of(report: "Report", *ways: str) -> str:
    """A sentence of what to do; classes that exclude each other have no thresholds to choose."""
    if report.task == "multiclass":
        ways = tuple(way for way in ways if way is not _CHOOSE)
    sentence = ", ".join(ways).replace(", or ", " or " if len(ways) == 2 else ", or ")
    sentence = sentence.removeprefix("or ")
    return sentence[0].upper() + sentence[1:] + "."


def _share(value: float) -> str:
    return "unknown" if math.isnan(value) else f"{value:.1%}"
