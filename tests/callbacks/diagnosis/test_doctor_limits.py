"""The doctor's limits are checked, and are where the lines are drawn."""

import dataclasses

import pytest
from courses import LIMITS, SLOW, course, jumping

from kerasft.callbacks import DoctorLimits
from kerasft.callbacks.diagnosis import learning_rate_too_high, learning_rate_too_low, overfitting
from kerasft.errors import ArgumentError


def test_limits_are_checked():
    with pytest.raises(ArgumentError, match="`rise` must be a number, above 0"):
        DoctorLimits(rise=0)
    with pytest.raises(ArgumentError, match=r"`near_guessing` must be a number, .* at most 1"):
        DoctorLimits(near_guessing=1.5)
    with pytest.raises(ArgumentError, match="`fewest_epochs` must be a whole number"):
        DoctorLimits(fewest_epochs=2.5)
    with pytest.raises(ArgumentError, match=r"`blow_up` must be at least jump, which is 1\.3"):
        DoctorLimits(blow_up=1.1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        LIMITS.jump = 2.0


def test_limits_are_where_the_lines_are_drawn():
    trained, val = [0.6, 0.5, 0.4, 0.3, 0.2, 0.1], [0.6, 0.5, 0.5, 0.55, 0.6, 0.65]
    assert overfitting(course(trained, val), DoctorLimits(rise=0.5)) is None
    assert learning_rate_too_high(jumping(3.0, 5.0), DoctorLimits(jump=5, blow_up=6)) is None
    slow = course(SLOW, SLOW, moved=0.03, looks=40)
    assert learning_rate_too_low(slow, DoctorLimits(moved=0.01)) is None
