"""Too few epochs, and too many."""

import numpy as np
import pytest
from courses import LIMITS, course

from kerasft.callbacks.diagnosis import overfitting, too_few_epochs


def test_a_steep_end():
    falling = [0.65, 0.55, 0.46, 0.38]
    found = too_few_epochs(course(falling, falling), LIMITS)
    assert (found.name, found.level) == ("too_few_epochs", "note")
    assert found.message == (
        "Too few epochs: the validation loss was still falling steeply at the end, by 0.16 to 0.38 "
        "over the second half of the 4 epochs."
    )
    assert found.evidence == {
        "epoch": 4,
        "val_loss": 0.38,
        "gain": pytest.approx(0.16),
        "epochs": 4,
    }


@pytest.mark.parametrize(
    ("val", "changes"),
    [
        ([0.65, 0.5, 0.45, 0.44, 0.438], {}),  # flat at the end
        ([0.65, 0.5, 0.4, 0.41, 0.3], {}),  # up and down
        ([0.05, 0.04, 0.03, 0.02], {}),  # next to nothing is left
        ([0.65, 0.55, 0.46, 0.38], {"planned": 9}),  # it goes on
    ],
)
def test_no_steep_end(val, changes):
    assert too_few_epochs(course(val, val, **changes), LIMITS) is None


def test_a_fit_that_was_stopped_had_enough_epochs():
    made = course([0.65, 0.55, 0.46, 0.38], [0.65, 0.55, 0.46, 0.38])
    made.stopped = True
    assert too_few_epochs(made, LIMITS) is None


def test_one_epoch_is_judged_by_its_batches():
    steep = np.linspace(0.9, 0.3, 60)
    flat = np.concatenate([np.linspace(0.9, 0.5, 10), np.full(50, 0.5)])
    assert "the one epoch" in too_few_epochs(course([steep]), LIMITS).message
    assert too_few_epochs(course([flat]), LIMITS) is None
    assert too_few_epochs(course([steep[:7]]), LIMITS) is None  # too little to tell


def test_without_validation_a_low_training_loss_may_stay():
    high, low = [0.69, 0.6, 0.5, 0.4], [0.5, 0.35, 0.25, 0.15]
    assert too_few_epochs(course(high), LIMITS) is not None
    assert too_few_epochs(course(low), LIMITS) is None


def test_a_validation_loss_that_rises():
    trained = [0.6, 0.5, 0.4, 0.3, 0.2, 0.1]
    found = overfitting(course(trained, [0.6, 0.5, 0.5, 0.55, 0.6, 0.65]), LIMITS)
    assert (found.name, found.level) == ("overfitting", "warning")
    assert found.message == (
        "Overfitting: since epoch 2 the validation loss has risen from 0.5 to 0.65, while the "
        "training loss went on falling, from 0.5 to 0.1."
    )
    assert "Keep the weights of epoch 2" in found.remedy
    assert found.evidence["gap"] == pytest.approx(0.55)
    assert found.evidence["gap_at_best"] == 0


@pytest.mark.parametrize(
    ("trained", "val"),
    [
        ([0.6, 0.5, 0.4, 0.3], [0.5, 0.55, 0.9, 0.5]),  # one bad epoch
        ([0.6, 0.5, 0.4], [0.5, 0.7, 0.9]),  # not yet three epochs
        ([0.6, 0.5, 0.4, 0.3, 0.2], [0.5, 0.51, 0.52, 0.53, 0.54]),  # a little
        ([0.1, 0.05, 0.03, 0.02, 0.01], [0.01, 0.02, 0.03, 0.03, 0.03]),  # of next to nothing
        ([0.5, 0.6, 0.7, 0.8, 0.9], [0.5, 0.6, 0.7, 0.8, 0.9]),  # both rise: another sickness
        ([0.5, 0.4, 0.3, 0.2, 0.1], None),
    ],
)
def test_no_overfitting(trained, val):
    assert overfitting(course(trained, val), LIMITS) is None


def test_overfitting_is_of_one_stage():
    # In a new stage the training loss begins elsewhere.
    trained, val = [0.3, 0.2, 0.5, 0.4, 0.3], [0.3, 0.4, 0.5, 0.5, 0.5]
    assert overfitting(course(trained, val, stage=[0, 0, 1, 1, 1]), LIMITS) is None
