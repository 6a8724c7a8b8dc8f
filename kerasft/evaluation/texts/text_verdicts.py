"""What a report on generated texts says in words."""

from collections import Counter
from typing import TYPE_CHECKING

from kerasft.evaluation.verdicts import Verdict

if TYPE_CHECKING:
    from kerasft.evaluation.texts.text_report import TextReport


def judge_texts(report: "TextReport") -> tuple[Verdict, ...]:
    """What is wrong with the texts, worst first."""
    found = [rule(report) for rule in (_one_text_for_all, _empty, _too_short, _too_few)]
    return tuple(verdict for verdict in found if verdict is not None)


def _one_text_for_all(report: "TextReport") -> Verdict | None:
    """Whether the model writes the same whatever it is given."""
    (text, times), *_ = Counter(report.hypotheses).most_common(1)
    wanted = Counter(reference[0] for reference in report.references)[text]
    if len(report.hypotheses) < 2 or times <= max(len(report.hypotheses) / 2, 2 * wanted):
        return None
    shown = text if len(text) <= 60 else text[:57] + "..."
    message = f"Collapsed: {times} of {len(report.hypotheses)} texts are {shown!r}."
    remedy = "Look at the sampling temperature and the learning rate, and at whether inputs arrive."
    return Verdict("one_text_for_all", "bad", message, {"times": times}, remedy)


def _empty(report: "TextReport") -> Verdict | None:
    empty = sum(not text.strip() for text in report.hypotheses)
    if not empty:
        return None
    message = f"Empty: {empty} of {len(report.hypotheses)} texts hold no word."
    remedy = "See whether generation stops at once, or the text is cut off with the prompt."
    return Verdict("empty", "warning", message, {"empty": empty}, remedy)


def _too_short(report: "TextReport") -> Verdict | None:
    penalty, ratio = report.metrics["brevity_penalty"], report.metrics["length_ratio"]
    if penalty > 1 - report.limits.margin:
        return None
    message = (
        f"Too short: the texts have {ratio:.0%} of the references' length, which multiplies BLEU "
        f"by {penalty:.2f}."
    )
    evidence = {"brevity_penalty": penalty, "length_ratio": ratio}
    remedy = "Allow longer texts, or see what ends them."
    return Verdict("too_short", "warning", message, evidence, remedy)


def _too_few(report: "TextReport") -> Verdict | None:
    if "bleu" not in report.intervals:
        return None
    low, high = report.intervals["bleu"]
    value = report.metrics["bleu"]
    if max(value - low, high - value) <= 100 * report.limits.margin:
        return None
    message = (
        f"Too few texts for the claim: with {len(report.hypotheses)}, the BLEU of {value:.1f} may "
        f"as well be {low:.1f} or {high:.1f} ({report.confidence:.0%})."
    )
    remedy = "Evaluate on more texts, or state the interval with the figure."
    return Verdict("too_few_examples", "warning", message, {"low": low, "high": high}, remedy)
