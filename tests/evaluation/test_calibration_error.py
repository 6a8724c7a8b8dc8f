"""The expected calibration error, against the definition written out with loops."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasft.errors import ArgumentError, DataError
from kerasft.evaluation import expected_calibration_error
from kerasft.evaluation.calibration_error import confidences, error_by_chance
from kerasft.evaluation.inputs import read_examples


def by_definition(confidence, correct, bins):
    """Guo et al. 2017, equation 3, bin by bin: bin m holds ((m - 1)/M, m/M]."""
    total = 0.0
    for m in range(1, bins + 1):
        low, high = (m - 1) / bins, m / bins
        inside = [i for i, c in enumerate(confidence) if low < c <= high or (m == 1 and c == 0.0)]
        if inside:
            accuracy = sum(correct[i] for i in inside) / len(inside)
            mean = sum(confidence[i] for i in inside) / len(inside)
            total += len(inside) / len(confidence) * abs(accuracy - mean)
    return total


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        # Away from the edges of the bins, which rounding may place on either side.
        st.tuples(st.integers(0, 10_000).map(lambda n: n / 10_007), st.booleans()),
        min_size=1,
        max_size=40,
    ),
    st.integers(1, 20),
)
def test_equals_the_definition(pairs, bins):
    confidence, correct = [c for c, _ in pairs], [r for _, r in pairs]
    found = expected_calibration_error(confidence, correct, bins=bins)
    assert found == pytest.approx(by_definition(confidence, correct, bins), abs=1e-12)


def test_bounds():
    assert expected_calibration_error([1.0, 1.0], [True, True]) == 0.0
    assert expected_calibration_error([1.0, 1.0], [False, False]) == 1.0
    assert expected_calibration_error([0.75] * 4, [True, True, True, False]) == 0.0


def test_the_confidence_is_that_of_the_predicted_class():
    confidence, correct = confidences(read_examples([0, 1, 1], [0.2, 0.7, 0.4]))
    assert np.allclose(confidence, [0.8, 0.7, 0.6])
    assert correct.tolist() == [True, True, False]
    both = read_examples([[1, 1], [0, 0]], [[0.9, 0.2], [0.3, 0.6]])
    confidence, correct = confidences(both)
    assert np.allclose(confidence, [0.9, 0.8, 0.7, 0.6])
    assert correct.tolist() == [True, False, True, False]


def test_a_calibrated_model_stays_under_what_chance_explains():
    """In about 95% of samples, by construction; 40 samples, so at least 33."""
    random = np.random.default_rng(3)
    under = 0
    for _ in range(40):
        confidence = random.uniform(0.5, 1.0, 120)
        correct = random.random(120) < confidence
        under += expected_calibration_error(confidence, correct) <= error_by_chance(confidence)
    assert 33 <= under <= 40


def test_bad_input():
    with pytest.raises(DataError, match="of the shape of `correct`"):
        expected_calibration_error([0.5], [True, False])
    with pytest.raises(DataError, match="not empty"):
        expected_calibration_error([], [])
    with pytest.raises(DataError, match="between 0 and 1"):
        expected_calibration_error([1.5], [True])
    with pytest.raises(DataError, match="`confidence` must be finite numbers"):
        expected_calibration_error([float("nan")], [True])
    with pytest.raises(DataError, match="`confidence` must be numbers"):
        expected_calibration_error(["0.5"], [True])
    with pytest.raises(DataError, match=r"`correct` must be True or False.*and is no label"):
        expected_calibration_error([0.5, 0.6], [1, 2])
    with pytest.raises(DataError, match="`correct` must be numbers"):
        expected_calibration_error([0.5], ["False"])
    with pytest.raises(DataError, match="`correct` must be finite numbers"):
        expected_calibration_error([0.5], [float("nan")])
    assert expected_calibration_error([0.5], [1]) == expected_calibration_error([0.5], [True])
    with pytest.raises(ArgumentError, match="`bins` must be a whole number, at least 1"):
        expected_calibration_error([0.5], [True], bins=0)
