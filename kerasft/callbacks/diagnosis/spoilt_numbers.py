"""NaN and infinity: where they were seen first."""

import math

import numpy as np

from kerasft.callbacks.diagnosis.course import Course
from kerasft.callbacks.diagnosis.doctor_limits import DoctorLimits
from kerasft.callbacks.diagnosis.learning_rate import guessing_in_words
from kerasft.evaluation import Verdict

_BLEW_UP = 1e3


def spoilt_loss(
    course: Course, spoilt_weights: tuple[int, int], limits: DoctorLimits
) -> Verdict | None:
    """A loss that is no number, and what came before it.

    If it grew before, the rate was too high. If it was ordinary until then, some batch holds what
    the loss cannot take. If it was none from the first batch on, every batch may.

    Args:
        course: The fit so far.
        spoilt_weights: How many of the weights that train hold NaN or infinity, and how many train.
        limits: Where the lines are drawn.
    """
    epoch = course.epochs[-1]
    bad = np.flatnonzero(~np.isfinite(epoch.losses))
    if not bad.size:
        return None
    look = int(bad[0])
    batch = look * course.batches_per_look + 1
    before = np.concatenate([e.losses for e in course.epochs[:-1]] + [epoch.losses[:look]])
    before = before[np.isfinite(before)]
    spoilt, weights = spoilt_weights
    shown = "infinite" if math.isinf(epoch.losses[look]) else "NaN"
    until = batch + course.batches_per_look - 1
    where = f"batch {batch}" if until == batch else f"batches {batch} to {until}"
    where += f" of epoch {epoch.number}"
    evidence: dict[str, float] = {
        "epoch": epoch.number,
        "batch": batch,
        "spoilt_weights": spoilt,
        "weights": weights,
    }
    if epoch.learning_rate is not None:
        evidence["learning_rate"] = epoch.learning_rate
    held = f"{spoilt} of the {weights} weights that train hold NaN or infinity by now"
    if before.size and _grew(course, before, limits):
        peak = float(before[-10:].max())
        evidence["loss"] = peak
        evidence["guessing"] = course.guessing
        rate = f" at a rate of {epoch.learning_rate:.3g}" if epoch.learning_rate else ""
        message = (
            f"Learning rate too high: the training loss grew to {peak:.3g}{rate}, where "
            f"{guessing_in_words(course)} gives {course.guessing:.3g}, and was {shown} in {where}; "
            f"{held}."
        )
        remedy = "Lower the rate by 10 to 100 times and begin again: the weights are spoilt."
        return Verdict("learning_rate_too_high", "bad", message, evidence, remedy)
    if before.size:
        last = float(before[-1])
        evidence["loss"] = last
        message = (
            f"Not a number: the training loss was {shown} in {where}, after an ordinary "
            f"{last:.3g}; {held}. It came at once, so a batch with NaN or infinity in its inputs "
            "or labels is likelier than the rate."
        )
        remedy = (
            "Look for NaN and infinity in inputs and labels (Doctor(train_data=...) does); with "
            "mixed_float16, or a logarithm or division in a loss of your own, for an overflow. "
            "Begin again from sound weights."
        )
    else:
        message = (
            f"Not a number: the training loss was {shown} in {where} already, the first that was "
            f"seen; {held}."
        )
        remedy = (
            "Look for NaN and infinity in inputs and labels (Doctor(train_data=...) does), for "
            "labels outside the classes, and, if weights were loaded, in them."
        )
        if course.batches_per_look > 1:
            remedy += (
                " Or the rate is far too high: with steps_per_execution=1 the losses before it "
                "could be seen."
            )
    return Verdict("not_a_number", "bad", message, evidence, remedy)


def spoilt_weights(course: Course, counts: tuple[int, int]) -> Verdict | None:
    """Weights that hold NaN or infinity at the end of an epoch whose losses were ordinary.

    Args:
        course: The fit so far.
        counts: How many of the weights that train hold NaN or infinity, and how many train.
    """
    spoilt, weights = counts
    if not spoilt:
        return None
    epoch = course.epochs[-1]
    evidence: dict[str, float] = {
        "epoch": epoch.number,
        "spoilt_weights": spoilt,
        "weights": weights,
    }
    if epoch.losses.size:
        evidence["loss"] = float(epoch.losses[-1])
    message = (
        f"Not a number: {spoilt} of the {weights} weights that train hold NaN or infinity after "
        f"epoch {epoch.number}, while the training loss looks ordinary. Some activations turn NaN "
        "into 0 (relu, on some machines), and the loss cannot show it."
    )
    remedy = (
        "Look for NaN and infinity in inputs and labels (Doctor(train_data=...) does), and begin "
        "again from sound weights."
    )
    return Verdict("not_a_number", "bad", message, evidence, remedy)


def spoilt_at_start(names: list[str]) -> Verdict | None:
    """Weights that hold NaN or infinity before the first batch."""
    if not names:
        return None
    shown = ", ".join(repr(name) for name in names[:3]) + (", ..." if len(names) > 3 else "")
    message = (
        f"Not a number: {len(names)} weight{'s' if len(names) > 1 else ''} held NaN or infinity "
        f"before the first batch: {shown}."
    )
    remedy = "Load the weights again from a sound file, or make the model anew."
    return Verdict("not_a_number", "bad", message, {"weights": len(names)}, remedy)


def spoilt_inputs(kind: str, count: int, rows: int) -> Verdict:
    """Inputs or labels with NaN or infinity, found before the first batch.

    Args:
        kind: `"inputs"` or `"labels"`.
        count: How many examples hold one.
        rows: How many examples were looked at.
    """
    message = (
        f"Not a number: {count:,} of the {rows:,} examples that were looked at hold NaN or "
        f"infinity in their {kind}. One is enough to spoil all weights."
    )
    remedy = "Fill them in or leave these examples out."
    evidence = {"spoilt_examples": count, "examples": rows}
    return Verdict("not_a_number", "bad", message, evidence, remedy)


def _grew(course: Course, before: np.ndarray, limits: DoctorLimits) -> bool:
    """Whether the last losses stood well above guessing and above where they began."""
    reference = max(course.guessing, course.start) if before.size > 1 else course.guessing
    if before.size == 1 and course.chance is not None:
        # One look, which with steps_per_execution may hold a jump already.
        return bool(before[0] > _BLEW_UP * course.chance)
    return bool(before[-10:].max() > 2 * limits.jump * reference)
