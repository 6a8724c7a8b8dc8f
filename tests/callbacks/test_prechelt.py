"""The two formulas, against exact arithmetic on the paper's own form of them."""

import math
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasft.callbacks._prechelt import generalization_loss, training_progress

pytestmark = pytest.mark.core

losses = st.floats(2**-20, 2**20, width=32)


@settings(deadline=None)
@given(error=losses, lowest=losses)
def test_generalization_loss_by_the_paper(error, lowest):
    exact = 100 * (Fraction(error) / Fraction(lowest) - 1)
    assert generalization_loss(error, lowest) == pytest.approx(float(exact), rel=1e-12)


@settings(deadline=None)
@given(strip=st.lists(losses, min_size=2, max_size=9))
def test_training_progress_by_the_paper(strip):
    exact_strip = [Fraction(error) for error in strip]
    exact = 1000 * (sum(exact_strip) / (len(strip) * min(exact_strip)) - 1)
    assert training_progress(strip) == pytest.approx(float(exact), rel=1e-12)


@settings(deadline=None)
@given(error=losses, count=st.integers(2, 9))
def test_no_progress_is_exactly_zero(error, count):
    assert training_progress([error] * count) == 0.0
    assert generalization_loss(error, error) == 0.0


def test_by_hand():
    assert generalization_loss(0.63, 0.6) == pytest.approx(5.0)
    # the mean is 0.5, the lowest 0.4
    assert training_progress([0.6, 0.5, 0.4]) == pytest.approx(250.0)


def test_at_zero_and_at_infinity():
    assert generalization_loss(0.0, 0.0) == 0.0
    assert generalization_loss(0.5, 0.0) == math.inf
    assert generalization_loss(math.inf, 0.5) == math.inf
    assert generalization_loss(math.inf, math.inf) == 0.0
    assert training_progress([0.0, 0.0]) == 0.0
    assert training_progress([0.5, 0.0]) == math.inf
    assert training_progress([math.inf, 0.5]) == math.inf
