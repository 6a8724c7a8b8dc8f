"""A learning rate that is too high, or too low."""

import math

import numpy as np

from kerasft.callbacks.diagnosis.course import Course, EpochNotes, means_of
from kerasft.callbacks.diagnosis.doctor_limits import DoctorLimits
from kerasft.evaluation import Verdict

# A jump is the mean of so many batches and examples at least: one alone may just be hard.
_BATCHES = 4
_EXAMPLES = 64
_SHARE_OF_EPOCH = 0.02
# How many deviations above the middle a jump is; the deviation is told from the median distance.
_DEVIATIONS = 4
_TO_DEVIATION = 1.4826
# Where the level of guessing is not known but read off one batch, its noise is in the ratio too.
_WHERE_UNKNOWN = 1.5

# A loss above this share of guessing: nothing was learned yet.
_NOTHING_YET = 0.95
# Paces (see `_pace`) of a fall that flattens out, and of one that does not.
_SLOWING = 0.3
_STEADY = 0.5


def jump_of(course: Course, epoch: EpochNotes) -> tuple[float, int, int]:
    """How many times above guessing the loss rose in an epoch.

    Returns:
        That ratio, the look with which the highest stretch began, and its length in looks.
    """
    reference = max(course.guessing, course.start)
    if not epoch.losses.size or not reference > 0:
        return math.nan, 0, 0
    batches = max(_BATCHES, -(-_EXAMPLES // (course.batch_size or _EXAMPLES)))
    size = max(-(-batches // course.batches_per_look), int(_SHARE_OF_EPOCH * epoch.losses.size))
    size = min(size, epoch.losses.size)
    means = means_of(epoch.losses, size)
    if np.isnan(means).all():
        return math.nan, 0, 0
    worst = int(np.nanargmax(means))
    # Small batches and much dropout make a loss that leaps by itself. A jump stands out of that,
    # unless the loss lies above guessing most of the time.
    middle = float(np.nanmedian(epoch.losses))
    noise = _TO_DEVIATION * float(np.nanmedian(np.abs(epoch.losses - middle))) / math.sqrt(size)
    if middle <= reference and means[worst] - middle < _DEVIATIONS * noise:
        return 1.0, worst, size
    return float(means[worst] / reference), worst, size


def suspects_high_rate(course: Course, limits: DoctorLimits) -> bool:
    """Whether the loss of the last epoch alone gives reason to look at the weights."""
    jump, _, _ = jump_of(course, course.epochs[-1])
    return jump >= limits.jump * _slack(course)


def learning_rate_too_high(course: Course, limits: DoctorLimits) -> Verdict | None:
    """A loss that rises above guessing while the weights move by more than their own size.

    Each alone is no sign of a sickness: small batches and much dropout make a noisy loss, and
    weights that begin small move far. Where the training loss came back at once, a validation loss
    that stays above guessing says the same.
    """
    epoch = course.epochs[-1]
    jump, look, size = jump_of(course, epoch)
    slack = _slack(course)
    moved_far = jump >= limits.jump * slack and epoch.moved >= limits.jump_moved
    blew_up = jump >= limits.blow_up * slack and epoch.moved >= limits.blow_up_moved
    evidence: dict[str, float] = {"epoch": epoch.number}
    if moved_far or blew_up:
        batch = look * course.batches_per_look + 1
        until = (look + size) * course.batches_per_look
        loss = jump * max(course.guessing, course.start)
        evidence |= {"batch": batch, "loss": loss}
        seen = f"in batches {batch} to {until} of epoch {epoch.number} the training loss was"
    elif _stays_above_guessing(course, limits) and epoch.moved >= limits.jump_moved:
        loss = float(course.series("val_loss")[-1])
        evidence["val_loss"] = loss
        seen = f"after epoch {epoch.number} the validation loss still is"
    else:
        return None
    evidence |= {"guessing": course.guessing, "moved": epoch.moved}
    message = (
        f"Learning rate too high: {seen} {loss:.3g}, where {guessing_in_words(course)} gives "
        f"{course.guessing:.3g}, and the weights have moved {epoch.moved:.2g} times their own size."
    )
    remedy = "Lower it by 10 to 100 times"
    if epoch.learning_rate is not None:
        evidence["learning_rate"] = epoch.learning_rate
        message = message[:-1] + f", at a rate of {epoch.learning_rate:.3g}."
        remedy = (
            f"Lower it by 10 to 100 times, to {epoch.learning_rate / 10:.2g} or less, and begin "
            "again: the weights are spoilt"
        )
    return Verdict("learning_rate_too_high", "bad", message, evidence, remedy + ".")


def learning_rate_too_low(course: Course, limits: DoctorLimits) -> Verdict | None:
    """A loss that is still near guessing, and weights that hardly moved.

    Weights that did move and a loss that stays are another matter: there may be nothing to learn.
    So is a loss near guessing whose fall has flattened, for the task may be hard, and a validation
    loss alone. Judged from the middle of the planned epochs on, and not while the rate still rises
    (warm-up).
    """
    stage = course.stage if course.complete else []
    if not stage or not course.guessing > 0:
        return None
    last = stage[-1]
    if not _is_due(course, last, limits):
        return None
    if _rate_rises(stage) or not last.moved < limits.moved:
        return None
    name, losses = course.curve
    if not _near_guessing(course, losses, limits) and not _stands_still(course, losses, limits):
        return None
    evidence: dict[str, float] = {
        "epoch": last.number,
        name: float(losses[-1]),
        "guessing": course.guessing,
        "moved": last.moved,
    }
    message = (
        f"Learning rate too low: after {course.steps:,} batches in {len(stage)} "
        f"epoch{'s' if len(stage) > 1 else ''} the {in_words(name)} is "
        f"{losses[-1]:.3g}, where {guessing_in_words(course)} gives {course.guessing:.3g}, and the "
        f"weights have moved {last.moved:.2g} times their own size."
    )
    remedy = "Raise it by 10 to 100 times"
    if last.learning_rate is not None:
        evidence["learning_rate"] = last.learning_rate
        message = message[:-1] + f", at a rate of {last.learning_rate:.3g}."
        remedy += f", to {10 * last.learning_rate:.2g} or more"
    remedy += ", or train much longer."
    return Verdict("learning_rate_too_low", "warning", message, evidence, remedy)


def guessing_in_words(course: Course) -> str:
    """What the level of guessing is, for a sentence that ends in 'gives'."""
    known = course.chance is not None and course.guessing == course.chance
    return "guessing" if known else "the first batch"


def in_words(name: str) -> str:
    """`val_loss` is the validation loss."""
    return "validation loss" if name == "val_loss" else "training loss"


def _stays_above_guessing(course: Course, limits: DoctorLimits) -> bool:
    """Whether no epoch of two or more has brought the validation loss below guessing."""
    if not course.complete or not course.epochs[-1].complete:
        return False
    losses = course.series("val_loss")
    if losses.size < 2 or not losses.min() >= course.guessing:
        return False
    return bool(losses[-1] >= limits.jump * _slack(course) * course.guessing)


def _slack(course: Course) -> float:
    return 1.0 if course.chance is not None else _WHERE_UNKNOWN


def _rate_rises(stage: list[EpochNotes]) -> bool:
    rates = [epoch.learning_rate for epoch in stage[-2:] if epoch.learning_rate is not None]
    return len(rates) == 2 and rates[1] > 1.05 * rates[0]


def _is_due(course: Course, last: EpochNotes, limits: DoctorLimits) -> bool:
    """Whether there is enough to judge a low rate by."""
    if course.planned is None or course.steps < limits.fewest_steps:
        return False
    if len(course.stage) >= limits.fewest_epochs:
        return course.stopped or last.number >= course.planned / 2
    # Of fewer epochs only the whole fit counts, and long ones; or weights that stand still.
    ended = course.stopped or last.number >= course.planned
    still = last.moved < limits.standstill / 20
    return ended and (course.steps >= 4 * limits.fewest_steps or still)


def _near_guessing(course: Course, losses: np.ndarray, limits: DoctorLimits) -> bool:
    if course.chance is None:
        # The first loss need not be that of a model that knows nothing: a trained one that is
        # trained on would look the same, were it not for the steady fall.
        near = losses[-1] >= limits.near_guessing * losses[0]
        return bool(near) and _pace(losses) >= _STEADY and losses[0] - losses[-1] > 0.02 * losses[0]
    value = min(losses[-1], course.series("loss")[-1])
    left = 0 if course.stopped or not course.planned else course.planned - course.stage[-1].number
    fall = max(losses[-2] - losses[-1], 0.0) if len(losses) > 1 else 0.0
    if value - left * fall < limits.near_guessing * course.guessing:
        return False  # at this pace it gets there
    return bool(value >= _NOTHING_YET * course.guessing) or _pace(losses) >= _SLOWING


def _stands_still(course: Course, losses: np.ndarray, limits: DoctorLimits) -> bool:
    return bool(
        course.chance is not None
        and course.start >= limits.near_guessing * course.guessing
        and course.stage[-1].moved < limits.standstill
        and min(losses[-1], course.series("loss")[-1]) >= 0.5 * course.guessing
        and losses[0] - losses[-1] < 0.05 * losses[0]
    )


def _pace(losses: np.ndarray) -> float:
    """The mean fall in the last third of the epochs, by that in the first third.

    0 where fewer than four in five epochs lowered the loss, or there are too few to tell.
    """
    falls = -np.diff(losses)
    if falls.size < 2 or (falls > 0).mean() < 0.8:
        return 0.0
    third = max(1, falls.size // 3)
    first, last = falls[:third].mean(), falls[-third:].mean()
    return float(last / first) if first > 0 else math.inf
