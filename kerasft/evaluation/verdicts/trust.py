"""Verdicts on how far the figures and the probabilities can be relied on."""

from typing import TYPE_CHECKING

from kerasft.evaluation.calibration_error import confidences, error_by_chance
from kerasft.evaluation.verdicts.verdict import Verdict

if TYPE_CHECKING:
    from kerasft.evaluation.report import Report


def class_without_examples(report: "Report") -> Verdict | None:
    """Classes about which these examples say nothing."""
    absent = [name for name, figures in report.classes.items() if not figures["examples"]]
    if not absent:
        return None
    shown = ", ".join(repr(name) for name in absent[:5]) + (", ..." if len(absent) > 5 else "")
    evidence = {"classes_without_examples": len(absent)}
    remedy = "Evaluate on data that holds every class; figures of these classes are left empty."
    if len(report.classes) - len(absent) == 1 and report.task != "multilabel":
        only = next(name for name, figures in report.classes.items() if figures["examples"])
        message = (
            f"Only one class: every example is of {only!r}, so nothing is known about "
            "telling the classes apart."
        )
        return Verdict("one_class_only", "bad", message, evidence, remedy)
    message = f"No example of {shown}: averages run over the other classes."
    return Verdict("class_without_examples", "warning", message, evidence, remedy)


def too_few_examples(report: "Report") -> Verdict | None:
    """Whether the examples are too few for what the figures claim."""
    limits, count = report.limits, len(report.examples)
    if report.task == "regression":
        if count >= limits.class_examples:
            return None
        message = f"Too few examples for the claim: {count}."
        remedy = f"Evaluate on at least {limits.class_examples}."
        return Verdict("too_few_examples", "warning", message, {"examples": count}, remedy)
    right = int(report.examples.correct.sum())
    low, high = wilson_interval(right, count)
    share = right / count
    reach = max(share - low, high - share)
    evidence = {"examples": count, "low": low, "high": high}
    few = {
        name: figures["examples"]
        for name, figures in report.classes.items()
        if 0 < figures["examples"] < limits.class_examples
    }
    complaints = []
    if reach > limits.margin:
        figure = (
            "share of examples with all labels right"
            if report.task == "multilabel"
            else ("accuracy")
        )
        complaints.append(
            f"with {count} the {figure}, {share:.1%}, may as well be {low:.1%} or {high:.1%} (95%)"
        )
    if few:
        name = min(few, key=few.__getitem__)
        more = f" and {len(few) - 1} more" if len(few) > 1 else ""
        complaints.append(f"{name!r}{more} has only {few[name]}".replace("more has", "more have"))
        evidence["fewest_of_a_class"] = few[name]
    if not complaints:
        return None
    message = f"Too few examples for the claim: {'; '.join(complaints)}."
    remedy = "Evaluate on more examples, or state the intervals with the figures."
    return Verdict("too_few_examples", "warning", message, evidence, remedy)


def miscalibrated(report: "Report") -> Verdict | None:
    """Probabilities that cannot be taken at their word."""
    if report.task == "regression":
        return None
    error = report.metrics["calibration_error"]
    if error <= report.limits.calibration_error:
        return None
    confidence, correct = confidences(report.examples)
    chance = error_by_chance(confidence, seed=report.seed)
    if error <= chance:
        return None
    sure, right = float(confidence.mean()), float(correct.mean())
    evidence = {
        "calibration_error": error,
        "explained_by_chance": chance,
        "mean_confidence": sure,
        "share_right": right,
    }
    if abs(sure - right) < error / 2:
        direction = "too sure of some and not sure enough of others"
    else:
        direction = "too sure of itself" if sure > right else "less sure than it could be"
    message = (
        f"Miscalibrated: the expected calibration error is {error:.3f} (a calibrated model stays "
        f"under {chance:.3f} here); on the mean {sure:.1%} sure and {right:.1%} right, the model "
        f"is {direction}."
    )
    remedy = (
        "Do not read its numbers as probabilities; fit a temperature on validation data "
        "(kerasft.tuning.calibrate)."
    )
    return Verdict("miscalibrated", "warning", message, evidence, remedy)


def wilson_interval(right: int, count: int) -> tuple[float, float]:
    """The 95% interval of a share, which holds for few examples and near 0 and 1 too.

    Reference: Wilson, "Probable Inference, the Law of Succession, and Statistical Inference",
    Journal of the American Statistical Association 22, 1927.
    """
    from scipy.stats import binomtest

    low, high = binomtest(right, count).proportion_ci(confidence_level=0.95, method="wilson")
    return float(low), float(high)
