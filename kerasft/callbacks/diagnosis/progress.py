"""A fit that ends too early, or goes on too long."""

import math

import numpy as np

from kerasft.callbacks.diagnosis.course import Course
from kerasft.callbacks.diagnosis.doctor_limits import DoctorLimits
from kerasft.callbacks.diagnosis.learning_rate import in_words
from kerasft.evaluation import Verdict

_FEWEST_LOOKS = 8


def too_few_epochs(course: Course, limits: DoctorLimits) -> Verdict | None:
    """A loss that was still falling steeply when the last planned epoch was over.

    What the second half of a fit has gained is about what as many epochs again would, for a loss
    falls roughly with the logarithm of time; the last epoch must have been as fast, too.
    """
    epochs = course.complete
    if course.stopped or course.planned is None or not epochs:
        return None
    if epochs[-1].number < course.planned or not course.guessing > 0:
        return None
    name, losses = course.curve
    gain = _gain(course, losses)
    value = float(losses[-1])
    enough = gain >= limits.steep * value and gain >= limits.steep_of_guessing * course.guessing
    if not enough or math.isnan(gain):
        return None
    if name == "loss" and len(course.stage) > 1 and value < 0.5 * course.guessing:
        # Without validation nobody knows whether a loss that is low already should fall further.
        return None
    count = len(course.stage)
    evidence = {"epoch": epochs[-1].number, name: value, "gain": gain, "epochs": count}
    message = (
        f"Too few epochs: the {in_words(name)} was still falling steeply at the end, by "
        f"{gain:.3g} to {value:.3g} over the second half of "
        f"{f'the {count} epochs' if count > 1 else 'the one epoch'}."
    )
    remedy = (
        f"Train on for {max(2, count)} epochs or more (`fit` goes on where it stopped), with "
        "EarlyStopping to end it; a higher rate gets there sooner."
    )
    return Verdict("too_few_epochs", "note", message, evidence, remedy)


def overfitting(course: Course, limits: DoctorLimits) -> Verdict | None:
    """A validation loss that rises from its lowest value while the training loss falls on."""
    if not course.complete:
        return None
    trained, validated = course.series("loss"), course.series("val_loss")
    if not course.guessing > 0 or np.isnan(validated).all() or math.isnan(validated[-1]):
        return None
    best = int(np.nanargmin(validated))
    last = len(validated) - 1
    if last - best < limits.overfitting_epochs:
        return None
    # The better of the last two, so that one bad epoch does not decide.
    recent = float(np.nanmin(validated[-2:]))
    lowest, rise = float(validated[best]), recent - float(validated[best])
    if rise < limits.rise * lowest or rise < limits.rise_of_guessing * course.guessing:
        return None
    if not trained[-1] < trained[best]:
        return None
    first = course.stage[0].number
    gap, gap_at_best = validated[-1] - trained[-1], lowest - trained[best]
    evidence = {
        "epoch": last + first,
        "best_epoch": best + first,
        "val_loss": float(validated[-1]),
        "best_val_loss": lowest,
        "loss": float(trained[-1]),
        "gap": float(gap),
        "gap_at_best": float(gap_at_best),
    }
    message = (
        f"Overfitting: since epoch {best + first} the validation loss has risen from {lowest:.3g} "
        f"to {validated[-1]:.3g}, while the training loss went on falling, from "
        f"{trained[best]:.3g} to {trained[-1]:.3g}."
    )
    remedy = (
        f"Keep the weights of epoch {best + first}: EarlyStopping does, with "
        "restore_best_weights=True. To get further, freeze more of the model, add dropout or "
        "weight decay, or train on more data."
    )
    return Verdict("overfitting", "warning", message, evidence, remedy)


def _gain(course: Course, losses: np.ndarray) -> float:
    """What the second half of the stage gained, or would have at the pace of its end."""
    count = len(losses)
    if count == 1:
        looks = course.stage[0].losses
        if looks.size < _FEWEST_LOOKS:
            return math.nan
        quarters = np.array_split(looks, 4)
        second, third, fourth = (float(np.mean(quarter)) for quarter in quarters[1:])
        noise = math.hypot(*(np.std(q) / math.sqrt(q.size) for q in (quarters[1], quarters[3])))
        gain = min(second - fourth, 2 * (third - fourth))
        return gain if gain > 2 * noise else math.nan
    middle = float(np.interp(count / 2 - 1, np.arange(count), losses))
    falls = -np.diff(losses)[-2:]
    if (falls <= 0).any():
        return math.nan
    return min(middle - float(losses[-1]), float(falls[-1]) * count / 2)
