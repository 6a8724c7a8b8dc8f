import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasft.data._padded_lengths import check_padded_lengths, choose_lengths, pad_each
from kerasft.errors import ArgumentError, DataError


def tokens(lengths, allowed):
    return sum(min(one for one in allowed if one >= length) for length in lengths)


def best_by_trying_all(lengths, count):
    values = sorted(set(lengths))
    sets = (
        {*chosen, values[-1]}
        for some in range(count)
        for chosen in itertools.combinations(values[:-1], some)
    )
    return min(tokens(lengths, allowed) for allowed in sets)


@settings(deadline=None)
@given(st.lists(st.integers(1, 12), min_size=1, max_size=40), st.integers(1, 6))
def test_the_chosen_lengths_are_as_good_as_any(lengths, count):
    chosen = choose_lengths(np.array(lengths), count)
    assert chosen == sorted(set(chosen))
    assert len(chosen) == min(count, len(set(lengths)))
    assert chosen[-1] == max(lengths)
    assert tokens(lengths, chosen) == best_by_trying_all(lengths, count)


@settings(deadline=None)
@given(
    st.lists(st.integers(1, 60), min_size=1, max_size=40),
    st.integers(1, 3),
    st.sampled_from([1, 5, 8]),
    st.one_of(st.none(), st.just(60)),
)
def test_they_are_the_best_of_the_multiples(lengths, count, multiple, maximum):
    padded = pad_each(np.array(lengths), multiple, maximum, count)
    rounded = [min(-(-length // multiple) * multiple, maximum or 100) for length in lengths]
    assert (padded >= lengths).all()
    assert set(padded) <= set(rounded)
    assert len(set(padded)) <= count
    assert padded.sum() == best_by_trying_all(rounded, count)


def test_a_few_lengths_by_hand():
    lengths = np.array([3] * 10 + [4] + [50] * 2 + [60])
    assert choose_lengths(lengths, 1) == [60]
    assert choose_lengths(lengths, 2) == [4, 60]
    assert choose_lengths(lengths, 3) in ([3, 50, 60], [4, 50, 60])
    assert choose_lengths(lengths, 9) == [3, 4, 50, 60]


def test_many_long_examples_do_not_overflow():
    lengths = np.array([100_000] * 300_000 + [1] * 10, dtype="int32")
    assert choose_lengths(lengths, 2) == [1, 100_000]


def test_few_lengths_take_the_place_of_a_multiple():
    lengths = np.array([1, 16, 17, 64])
    assert pad_each(lengths, 8).tolist() == [8, 16, 24, 64]
    assert pad_each(lengths, 8, 60).tolist() == [8, 16, 24, 60]
    assert pad_each(lengths, 8, None, [64, 16]).tolist() == [16, 16, 64, 64]
    with pytest.raises(
        DataError, match=r"1 of 4 examples are longer, the first in row 3 with leng"
    ):
        pad_each(lengths, 8, None, [63, 16])


@pytest.mark.parametrize("value", [None, 1, 4, np.int64(3), [8], (8, 40)])
def test_what_padded_lengths_may_be(value):
    assert check_padded_lengths(value, 40) is value


@pytest.mark.parametrize("value", [0, -2, True, 2.0, "8", [], [8, 41], [0], [True], {8}])
def test_what_padded_lengths_may_not_be(value):
    with pytest.raises(ArgumentError, match="`padded_lengths` must be a"):
        check_padded_lengths(value, 40)
