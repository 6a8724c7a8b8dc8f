"""Where the doctor's findings draw their lines."""

import dataclasses

from kerasft._checks import check_int, check_number, fail

__all__ = ["DoctorLimits"]

_SHARES = ("collapsed_share", "mixed_share", "near_guessing", "ranking")
_COUNTS = ("collapse_epochs", "fewest_epochs", "fewest_steps", "overfitting_epochs")


@dataclasses.dataclass(frozen=True)
class DoctorLimits:
    """Where the findings of `kerasft.callbacks.Doctor` draw their lines.

    *Guessing* is the loss of a model that knows nothing: that of guessing evenly among the classes
    or, for other tasks and for weighted losses, the loss of the first batch. *Moved* is how far the
    weights that train are from where they began, as a share of their size there.

    Args:
        jump: The rate is too high when the loss of a few batches rises to this many times guessing
            (and the first loss), or the validation loss is there and never was below guessing,
        jump_moved: while the weights have moved at least this far; or when it rises to
        blow_up: this many times,
        blow_up_moved: with weights that have moved at least this far.
        near_guessing: The rate is too low when the loss is still above this share of guessing,
        moved: and the weights have moved less than this,
        standstill: or less than this, where the loss fell by less than 5% from near guessing and
            is still above half of it,
        fewest_steps: after at least this many batches and
        fewest_epochs: at least this many epochs.
        steep: There were too few epochs when the second half of them lowered the loss by at least
            this share of itself,
        steep_of_guessing: and by at least this share of guessing, and the last one was as fast.
        rise: A fit overfits when the validation loss has risen by at least this share above its
            lowest value,
        rise_of_guessing: and by at least this share of guessing,
        overfitting_epochs: at least this many epochs after it, while the training loss went on
            falling.
        collapsed_share: A head has collapsed when at least this share of a sample of the
            validation examples is called one class,
        mixed_share: while at least this share of the sample is of other classes,
        collapse_epochs: in this many epochs in a row in which the loss did not fall,
        ranking: and its outputs for that class tell those examples from the others with an area
            under the ROC curve below this (0.5 is chance).

    Raises:
        ArgumentError: if a limit is not a positive number, a share is above 1, or `blow_up` is
            below `jump`.

    `docs/experiments.md` tells how many sick fits on real data the doctor named with these
    defaults, and of how many sound ones it said nothing, with the command.

    Example:
        >>> from kerasft.callbacks import DoctorLimits
        >>> DoctorLimits(rise=0.3).rise
        0.3
    """

    jump: float = 1.3
    jump_moved: float = 2.0
    blow_up: float = 3.0
    blow_up_moved: float = 0.1
    near_guessing: float = 0.8
    moved: float = 0.15
    standstill: float = 0.02
    fewest_steps: int = 50
    fewest_epochs: int = 3
    steep: float = 0.1
    steep_of_guessing: float = 0.075
    rise: float = 0.15
    rise_of_guessing: float = 0.05
    overfitting_epochs: int = 3
    collapsed_share: float = 0.995
    mixed_share: float = 0.05
    collapse_epochs: int = 3
    ranking: float = 0.65

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name in _COUNTS:
                check_int(field.name, value, minimum=1)
            else:
                maximum = 1 if field.name in _SHARES else None
                check_number(field.name, value, above=0, maximum=maximum)
        if self.blow_up < self.jump:
            fail("blow_up", self.blow_up, f"at least jump, which is {self.jump:g}")
