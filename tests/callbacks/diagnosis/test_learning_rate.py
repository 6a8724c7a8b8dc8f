"""A learning rate that is too high or too low, and what only looks like it."""

import math

import numpy as np
import pytest
from courses import LIMITS, LOG2, SLOW, course, jumping
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasft.callbacks.diagnosis import learning_rate_too_high, learning_rate_too_low

# Too high.


def test_a_jump_of_the_loss_with_weights_that_moved_far():
    found = learning_rate_too_high(jumping(3.0, 5.0), LIMITS)
    assert (found.name, found.level) == ("learning_rate_too_high", "bad")
    assert found.message == (
        "Learning rate too high: in batches 21 to 24 of epoch 1 the training loss was 3, where "
        "guessing gives 0.693, and the weights have moved 5 times their own size, at a rate of "
        "0.01."
    )
    assert "to 0.001 or less" in found.remedy
    assert found.evidence["batch"] == 21
    assert found.evidence["learning_rate"] == 0.01


@pytest.mark.parametrize(
    ("level", "moved", "known"),
    [
        (1.3 * LOG2 + 0.01, 2.1, True),
        (1.3 * LOG2 - 0.01, 9.0, False),  # not high enough
        (1.3 * LOG2 + 0.01, 1.9, False),  # a loss that is noisy, weights that stay
        (3 * LOG2 + 0.1, 0.11, True),
        (3 * LOG2 + 0.1, 0.09, False),
        (3 * LOG2 + 0.1, math.nan, False),
    ],
)
def test_both_the_jump_and_the_movement_count(level, moved, known):
    assert (learning_rate_too_high(jumping(level, moved), LIMITS) is not None) is known


def test_one_hard_batch_is_no_jump():
    made = course([[LOG2] * 20 + [50.0] + [0.6] * 20], moved=9.0)
    assert learning_rate_too_high(made, LIMITS) is None


def test_a_jump_of_a_few_examples_is_none():
    made = jumping(1.4, 5.0)
    made.batch_size = 2
    assert learning_rate_too_high(made, LIMITS) is None
    made.batch_size = 16
    assert learning_rate_too_high(made, LIMITS) is not None


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.floats(0.1, 0.8))
def test_a_noisy_loss_below_guessing_is_no_jump(seed, level):
    random = np.random.default_rng(seed)
    losses = random.gamma(12, level * LOG2 / 12, size=300)  # a deviation of 30%
    made = course([losses], moved=50.0)
    made.batch_size = 16
    made.epochs[0].losses[0] = LOG2
    assert learning_rate_too_high(made, LIMITS) is None


def test_a_first_loss_that_is_high_by_itself_is_no_jump():
    falling = np.concatenate([np.linspace(1.6, 0.4, 40)])
    assert learning_rate_too_high(course([falling], moved=5.0), LIMITS) is None


@pytest.mark.parametrize(
    ("val", "moved", "known"),
    [
        ([1.0, 1.2], 3.0, True),
        ([1.2, 0.8], 3.0, False),  # it comes down
        ([0.6, 1.2], 3.0, False),  # it was below guessing: that is overfitting, or will be
        ([1.0, 1.2], 1.0, False),
        ([1.2], 3.0, False),
    ],
)
def test_a_validation_loss_that_stays_above_guessing(val, moved, known):
    found = learning_rate_too_high(course([0.5, 0.3][: len(val)], val, moved=moved), LIMITS)
    assert (found is not None) == known
    if known:
        assert found.message == (
            "Learning rate too high: after epoch 2 the validation loss still is 1.2, where "
            "guessing gives 0.693, and the weights have moved 3 times their own size, at a rate "
            "of 0.01."
        )
        assert found.evidence["val_loss"] == 1.2


def test_without_a_known_chance_more_is_asked():
    assert learning_rate_too_high(jumping(1.6 * LOG2, 5.0), LIMITS) is not None
    assert learning_rate_too_high(jumping(1.6 * LOG2, 5.0, chance=None), LIMITS) is None
    assert learning_rate_too_high(jumping(3.0, 5.0, chance=None), LIMITS) is not None


# Too low.


def test_a_loss_near_guessing_with_weights_that_stay():
    found = learning_rate_too_low(course(SLOW, SLOW, moved=0.03, looks=40), LIMITS)
    assert (found.name, found.level) == ("learning_rate_too_low", "warning")
    assert found.message == (
        "Learning rate too low: after 240 batches in 6 epochs the validation loss is 0.69, where "
        "guessing gives 0.693, and the weights have moved 0.03 times their own size, at a rate of "
        "0.01."
    )
    assert found.remedy == ("Raise it by 10 to 100 times, to 0.1 or more, or train much longer.")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"moved": 0.2}, "the weights did move: there may be nothing to learn"),
        ({"planned": 20}, "it is early"),
        ({"looks": 5}, "too few batches"),
        ({"rates": [1e-4, 2e-4, 3e-4, 4e-4, 5e-4, 6e-4]}, "warm-up"),
        ({"stage": [0, 0, 0, 0, 1, 1]}, "what trains has just changed"),
    ],
)
def test_what_is_not_too_low(changes, why):
    arguments = {"moved": 0.03, "looks": 40} | changes
    assert learning_rate_too_low(course(SLOW, SLOW, **arguments), LIMITS) is None, why


def test_a_validation_loss_that_rose_again_is_not_too_low():
    made = course([0.6, 0.3, 0.1, 0.03], [0.5, 0.6, 0.7, 1.4], moved=0.04, looks=50)
    assert learning_rate_too_low(made, LIMITS) is None


def test_a_loss_well_below_guessing_is_not_too_low():
    fast = [0.6, 0.5, 0.45, 0.4]
    assert learning_rate_too_low(course(fast, fast, moved=0.03, looks=50), LIMITS) is None


def test_a_stopped_fit_is_judged_before_its_middle():
    made = course(SLOW[:3], SLOW[:3], moved=0.03, looks=40, planned=20)
    assert learning_rate_too_low(made, LIMITS) is None
    made.stopped = True
    assert learning_rate_too_low(made, LIMITS) is not None


def test_a_hard_task_is_not_too_low():
    # Fine-tuning moves pretrained weights little, and some tasks stay near guessing.
    flattening = [0.66, 0.61, 0.59, 0.585, 0.585]
    made = course(flattening, flattening, moved=0.01, looks=50)
    assert learning_rate_too_low(made, LIMITS) is None
    straight = [0.68, 0.66, 0.64, 0.62, 0.60]
    made = course(straight, straight, moved=0.01, looks=50)
    assert learning_rate_too_low(made, LIMITS) is not None


def test_in_the_middle_of_a_fit_the_pace_counts():
    falling = [0.69, 0.67, 0.64]
    made = course(falling, falling, moved=0.03, looks=50, planned=6)
    assert learning_rate_too_low(made, LIMITS) is None  # at this pace it gets there
    made.planned = 5
    assert learning_rate_too_low(made, LIMITS) is not None


def test_one_long_epoch_is_enough():
    assert learning_rate_too_low(course([0.7], [0.7], moved=0.01, looks=199), LIMITS) is None
    assert learning_rate_too_low(course([0.7], [0.7], moved=0.01, looks=200), LIMITS) is not None
    still = course([0.7], [0.7], moved=1e-4, looks=60)
    assert learning_rate_too_low(still, LIMITS) is not None


def test_a_standstill_above_half_of_guessing():
    # Luck at the start: below near_guessing, and no step from there.
    stands = [0.54, 0.539, 0.538]
    made = course([0.68, 0.6, 0.6], stands, moved=0.001, looks=30)
    assert learning_rate_too_low(made, LIMITS) is not None
    resumed = course([0.5, 0.5, 0.5], stands, moved=0.001, looks=30)
    assert learning_rate_too_low(resumed, LIMITS) is None  # it began trained


def test_a_regression_must_fall_steadily():
    steady = [2.0, 1.96, 1.92, 1.88]
    made = course(steady, steady, chance=None, moved=0.01, looks=40)
    assert learning_rate_too_low(made, LIMITS) is not None
    converged = [0.5, 0.499, 0.5, 0.4995]
    made = course(converged, converged, chance=None, moved=0.01, looks=40)
    assert learning_rate_too_low(made, LIMITS) is None
    slowing = [2.0, 1.8, 1.7, 1.69, 1.69]
    made = course(slowing, slowing, chance=None, moved=0.01, looks=40)
    assert learning_rate_too_low(made, LIMITS) is None
