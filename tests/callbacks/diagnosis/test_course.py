"""What a course tells of a fit: its start, its curve, what guessing gives."""

import math

import numpy as np
from courses import LOG2, course
from hypothesis import given
from hypothesis import strategies as st

from kerasft.callbacks.diagnosis import Course
from kerasft.callbacks.diagnosis.course import means_of


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=30), st.integers(1, 40))
def test_means_of_neighbours(values, size):
    values = np.array(values)
    got = means_of(values, size)
    size = min(size, len(values))
    windows = [sorted(values[i : i + size]) for i in range(len(values) - size + 1)]
    expected = [min(np.mean(w), 1.2 * w[-2]) if size >= 4 else np.mean(w) for w in windows]
    np.testing.assert_allclose(got, expected, atol=1e-9)


def test_guessing_is_that_of_the_classes_unless_the_scale_is_another():
    assert course([0.8, 0.5]).guessing == LOG2
    assert course([7.0, 5.0]).guessing == 7.0  # weighted
    assert course([7.0, 5.0], chance=None).guessing == 7.0
    assert math.isnan(Course(chance=LOG2).start)


def test_the_first_of_several_batches_in_one_go_may_hold_a_jump_already():
    made = course([[70.0, 0.9, 0.8, 0.8, 0.7]])
    assert made.start == 70.0
    made.batches_per_look = 4
    assert made.start == 0.8


def test_the_curve_is_that_of_validation_where_each_epoch_has_one():
    assert course([1.0, 0.5], [0.9, 0.8]).curve[0] == "val_loss"
    assert course([1.0, 0.5], [0.9, math.nan]).curve[0] == "loss"
    staged = course([1.0, 0.5, 0.4], [0.9, 0.8, 0.7], stage=[0, 1, 1])
    assert staged.curve[1].tolist() == [0.8, 0.7]
    assert staged.steps == 20
