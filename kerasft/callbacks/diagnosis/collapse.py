"""A head that calls everything one class."""

from collections.abc import Mapping

from kerasft.callbacks.diagnosis.course import Course
from kerasft.callbacks.diagnosis.doctor_limits import DoctorLimits
from kerasft.callbacks.diagnosis.sample import Sample
from kerasft.evaluation import Verdict

# An epoch that lowers the loss by less than this share of it gives reason to look.
_FLAT = 0.02


def suspects_collapse(course: Course) -> bool:
    """Whether the losses alone give reason to look at what the model says.

    The first epoch is suspect when it ends near guessing, a later one when it gained next to
    nothing; so is the last, which is the one that stays.
    """
    _, losses = course.curve
    last = course.complete[-1]
    if course.planned is not None and last.number >= course.planned:
        return True
    if len(losses) == 1:
        return bool(losses[0] >= 0.9 * course.guessing)
    return bool(losses[-2] - losses[-1] < _FLAT * losses[-2])


def collapsed(
    course: Course, samples: Mapping[int, Sample], limits: DoctorLimits
) -> Verdict | None:
    """One class for all, epoch after epoch, and outputs that know nothing of the others.

    A rare class is often not called in the first epochs of a sound fit: as long as the loss falls,
    or the outputs rank its examples apart, that is no collapse. If the last epoch still calls one
    class only, though its outputs rank the others apart, the threshold is what is wrong.

    Args:
        course: The fit so far.
        samples: What the model said at the end of epochs, by their number.
        limits: Where the lines are drawn.
    """
    last = course.complete[-1]
    sample = samples.get(last.number)
    if sample is None:
        return None
    label, share = sample.most_called
    others = sample.others(label)
    if share < limits.collapsed_share or others < limits.mixed_share:
        return None
    ends = course.planned is not None and last.number >= course.planned
    ranking = sample.ranking(label)
    evidence = {
        "epoch": last.number,
        "class": label,
        "share": share,
        "share_of_others": others,
        "ranking": ranking,
        "examples": len(sample.labels),
    }
    said = (
        f"of {len(sample.labels)} validation examples {share:.0%} are called class {label}, and "
        f"{others:.0%} are of another class"
    )
    if ranking >= limits.ranking:
        if not ends:
            return None
        message = (
            f"One class only: {said}. The outputs do tell them apart (area under the ROC curve "
            f"{ranking:.2f}), but never far enough."
        )
        remedy = (
            "Weight the classes (kerasft.data.class_weights), choose the threshold on validation "
            "data, or train longer."
        )
        return Verdict("collapsed", "warning", message, evidence, remedy)
    wanted = range(last.number - limits.collapse_epochs + 1, last.number + 1)
    before = [samples.get(number) for number in wanted if number >= course.stage[0].number]
    if not all(s is not None and s.most_called[1] >= limits.collapsed_share for s in before):
        return None
    if not ends and (len(before) < limits.collapse_epochs or _falls(course, len(before))):
        return None
    message = (
        f"Collapsed to one class: {said}, and the outputs tell nothing of it (area under the ROC "
        f"curve {ranking:.2f}, chance is 0.50)."
    )
    remedy = (
        "Begin again from the weights before the fit, at a rate 10 times lower; check that inputs "
        "are scaled, that they belong to their labels, and that the last layer's activation fits "
        "the loss. If one class is rare, weight the classes."
    )
    return Verdict("collapsed", "bad", message, evidence, remedy)


def _falls(course: Course, epochs: int) -> bool:
    _, losses = course.curve
    return bool(losses[-epochs] - losses[-1] > _FLAT * losses[-epochs])
