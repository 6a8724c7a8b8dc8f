"""What the tests of the doctor's rules share: fits that never ran, told in numbers."""

import math

import numpy as np

from kerasft.callbacks import DoctorLimits
from kerasft.callbacks.diagnosis import Course, EpochNotes

LIMITS = DoctorLimits()
LOG2 = math.log(2)
SLOW = [0.70, 0.698, 0.696, 0.694, 0.692, 0.690]  # as at a rate that is too low


def course(
    losses, val=None, *, chance=LOG2, planned=None, moved=0.5, rates=None, stage=None, looks=10
):
    """A fit whose epochs have these training and validation losses; each look has its mean."""
    made = Course(chance=chance, planned=len(losses) if planned is None else planned)
    for number, loss in enumerate(losses, 1):
        figures = {"loss": float(np.mean(loss))}
        if val is not None:
            figures["val_loss"] = val[number - 1]
        made.epochs.append(
            EpochNotes(
                number=number,
                losses=np.full(looks, loss) if np.isscalar(loss) else np.array(loss, float),
                figures=figures,
                learning_rate=rates[number - 1] if rates else 0.01,
                moved=moved if np.isscalar(moved) else moved[number - 1],
                stage=stage[number - 1] if stage else 0,
            )
        )
    return made


def jumping(level, moved, **kwargs):
    """An epoch at guessing, but for six batches at another level."""
    losses = [LOG2] * 20 + [level] * 6 + [LOG2] * 20
    return course([losses], moved=moved, **kwargs)
