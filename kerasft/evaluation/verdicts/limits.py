"""Where a report's verdicts draw their lines."""

import dataclasses

from kerasft._checks import check_int, check_number, fail


@dataclasses.dataclass(frozen=True)
class Limits:
    """Where a report's verdicts draw their lines.

    Args:
        good_accuracy: Good is an accuracy above this, with
        good_precision: precision above this and
        good_recall: recall above this; of the second class of a binary task, and the mean over
            the classes otherwise.
        bad_precision: Bad is a precision below this, or
        bad_recall: a recall below this.
        chance_margin: Near chance is a balanced accuracy that covers at most this share of the
            way from guessing to perfect; for a regression, an R squared of at most this.
        calibration_error: A larger expected calibration error is called miscalibrated, if chance
            alone does not explain it.
        gap: Overfitting is an accuracy (R squared for a regression) in training that beats the
            report's by more than this.
        margin: Too few examples is a 95% interval of the accuracy that reaches further than this
            to either side (Wilson's interval), or
        class_examples: fewer examples of a class than this.
        weak_class_examples: A class with fewer examples than this is not called weak, nor bad for
            never being predicted: with 5, one example moves its recall by 20 points.
        good_ranking: Where a model is near chance, a ROC area from this on says that the ranking is
            good and the threshold is not.

    Raises:
        ArgumentError: if a share is outside [0, 1], or good is not above bad.

    Example:
        >>> from kerasft.evaluation import Limits
        >>> Limits(good_recall=0.95).good_recall
        0.95
    """

    good_accuracy: float = 0.85
    good_precision: float = 0.80
    good_recall: float = 0.80
    bad_precision: float = 0.50
    bad_recall: float = 0.50
    chance_margin: float = 0.10
    calibration_error: float = 0.05
    gap: float = 0.05
    margin: float = 0.05
    class_examples: int = 30
    weak_class_examples: int = 5
    good_ranking: float = 0.70

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(field.default, int):
                check_int(field.name, value, minimum=0)
            else:
                check_number(field.name, value, minimum=0, maximum=1)
        for name in ("precision", "recall"):
            good, bad = getattr(self, f"good_{name}"), getattr(self, f"bad_{name}")
            if good < bad:
                fail(f"good_{name}", good, f"at least bad_{name}, which is {bad:g}")
