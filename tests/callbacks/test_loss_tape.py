"""The loss tape: the losses of batches out of the running means that `fit` logs."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasft.callbacks._loss_tape import LossTape

LOSSES = st.lists(st.floats(0, 1e3, width=32), min_size=1, max_size=60)


@given(LOSSES, st.integers(1, 7), st.randoms(use_true_random=False))
def test_the_tape_gives_the_losses_behind_running_means(losses, per_look, random):
    tape = LossTape()
    noted = []
    for end in range(per_look, len(losses) + 1, per_look):
        noted.append((end - 1, float(np.mean(losses[:end]))))
    random.shuffle(noted)  # threads may come in any order
    for batch, mean in noted:
        tape.note(batch, mean)
    whole = len(losses) // per_look * per_look
    expected = np.reshape(losses[:whole], (-1, per_look)).mean(axis=1)
    assert len(tape) == len(expected)
    np.testing.assert_allclose(tape.losses(), expected, atol=1e-6 * (1 + max(losses) * 60))


def test_the_tape_takes_losses_as_they_are_where_they_are_no_means():
    tape = LossTape(running_means=False)
    for batch, loss in enumerate([3.0, 1.0, 2.0]):
        tape.note(batch, loss)
    assert tape.losses().tolist() == [3.0, 1.0, 2.0]


@pytest.mark.parametrize("last", [9.0, math.inf, math.nan])
def test_the_tape_knows_a_suspicious_loss(last):
    tape = LossTape(alarm_above=1.0)
    total = 0.0
    for batch, loss in enumerate([0.5, 0.9, 0.1]):
        total += loss
        tape.note(batch, total / (batch + 1))
    assert not tape.suspicious
    tape.note(3, (total + last) / 4)
    assert tape.suspicious


def test_rounding_in_a_running_mean_is_no_negative_loss():
    tape = LossTape()
    steps, mean = 100_000, 0.1
    tape.note(steps - 1, mean)
    tape.note(steps, mean * (steps / (steps + 1) - 1e-7))  # a loss of 0, but for rounding
    assert tape.losses()[-1] == 0.0
    tape.note(steps + 1, mean * 0.999)  # a real one
    assert tape.losses()[-1] < -1
