"""Argument checks: one message form, the value and its type, the nearest spelling."""

import math
import sys
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasft import _checks
from kerasft.errors import ArgumentError, KerasftError, MissingDependencyError, PlanError


@given(st.integers(), st.integers(-5, 5), st.integers(5, 15))
def test_whole_numbers_between_bounds(value, minimum, maximum):
    if minimum <= value <= maximum:
        assert _checks.check_int("n", value, minimum=minimum, maximum=maximum) == value
    else:
        with pytest.raises(ArgumentError, match=f"`n` must be a whole number, at least {minimum}"):
            _checks.check_int("n", value, minimum=minimum, maximum=maximum)


@pytest.mark.parametrize("value", [True, 1.0, "1", None, np.float32(1), np.bool_(True), [1]])
def test_what_is_no_whole_number(value):
    with pytest.raises(ArgumentError) as caught:
        _checks.check_int("n", value)
    assert str(caught.value) == (
        f"`n` must be a whole number. Received: n={value!r} (of type {type(value).__name__})."
    )


def test_numpy_numbers_are_numbers():
    number = _checks.check_int("n", np.int64(3))
    assert (number, type(number)) == (3, int)
    number = _checks.check_number("x", np.float32(0.5))
    assert (number, type(number)) == (0.5, float)
    assert _checks.check_number("x", Fraction(1, 4)) == 0.25


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_numbers_between_open_and_closed_bounds(value):
    inside = math.isfinite(value) and 0 <= value < 1
    if inside:
        assert _checks.check_number("rate", value, minimum=0, below=1) == value
    else:
        with pytest.raises(
            ArgumentError, match=r"a number, at least 0 and below 1. Received: rate"
        ):
            _checks.check_number("rate", value, minimum=0, below=1)
    if math.isfinite(value) and 0 < value <= 1:
        assert _checks.check_number("rate", value, above=0, maximum=1) == value
    else:
        with pytest.raises(ArgumentError, match=r"a number, above 0 and at most 1"):
            _checks.check_number("rate", value, above=0, maximum=1)


@pytest.mark.parametrize("value", [True, "0.1", None, 1j, math.nan, math.inf, 10**400])
def test_what_is_no_finite_number(value):
    with pytest.raises(ArgumentError, match=r"`x` must be a number. Received: x="):
        _checks.check_number("x", value)


def test_large_bounds_are_written_out():
    with pytest.raises(ArgumentError, match=r"at least 1234567"):
        _checks.check_int("n", 1, minimum=1234567)
    with pytest.raises(ArgumentError, match=r"above 0 and at most 0.25"):
        _checks.check_number("x", 1, above=0.0, maximum=0.25)


@pytest.mark.parametrize("value", [1, 0, "True", None, np.bool_(True)])
def test_only_a_bool_is_a_bool(value):
    assert _checks.check_bool("flag", False) is False
    with pytest.raises(ArgumentError, match=r"`flag` must be True or False"):
        _checks.check_bool("flag", value)


def test_types():
    values = [1]
    assert _checks.check_type("x", values, list, "a list") is values
    with pytest.raises(ArgumentError, match=r"`x` must be a list. Received: x=1 \(of type int\)"):
        _checks.check_type("x", 1, list, "a list")


def test_choices_and_the_nearest():
    choices = ("mean", "attention", "first")
    assert _checks.check_choice("pooling", "first", choices) == "first"
    with pytest.raises(ArgumentError) as caught:
        _checks.check_choice("pooling", "Maen", choices)
    assert str(caught.value) == (
        "`pooling` must be one of 'mean', 'attention', 'first'. Received: pooling='Maen' "
        "(of type str). Did you mean 'mean'?"
    )
    for value in (None, ["mean"], 3):
        with pytest.raises(ArgumentError, match=r"must be one of"):
            _checks.check_choice("pooling", value, choices)


@given(st.lists(st.text("abAB", min_size=1), min_size=1), st.text("abAB"), st.integers(1, 4))
def test_the_nearest_are_candidates_each_once(candidates, value, count):
    found = _checks.nearest(value, dict.fromkeys(candidates), count)
    assert len(found) == len(set(found)) <= count
    assert set(found) <= set(candidates)
    if value in candidates:
        assert value.lower() == found[0].lower()


def test_names_that_differ_in_case_only_are_both_offered():
    assert _checks.nearest("conv1", ["Conv1", "conv1"]) == ["Conv1", "conv1"]


def test_no_hint_where_nothing_is_near():
    assert _checks.did_you_mean("xyz", ["mean", "max"]) == ""
    assert _checks.did_you_mean("meann", ["mean", "meant"]) == "Did you mean 'mean' or 'meant'?"


def test_long_values_are_cut():
    with pytest.raises(ArgumentError) as caught:
        _checks.fail("x", list(range(1000)), "short")
    assert len(str(caught.value)) < 300
    assert "..., " not in str(caught.value)
    assert "(of type list)" in str(caught.value)


def test_the_error_can_be_chosen():
    with pytest.raises(PlanError, match=r"`x` must be short. Received: x=1 \(of type int\). Cut"):
        _checks.fail("x", 1, "short", "Cut it.", PlanError)
    assert issubclass(PlanError, KerasftError)
    assert issubclass(PlanError, ValueError)


def test_a_missing_package_is_named_with_its_command(monkeypatch):
    assert _checks.require("math", "math", "Counting") is math
    monkeypatch.setitem(sys.modules, "keras_hub", None)
    with pytest.raises(MissingDependencyError) as caught:
        _checks.require("keras_hub", "kerasft[hub]", "Loading a preset")
    assert "Loading a preset needs the package `kerasft[hub]`" in str(caught.value)
    assert 'pip install "kerasft[hub]"' in str(caught.value)
    assert isinstance(caught.value, ImportError)
