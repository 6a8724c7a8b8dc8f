import collections

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from kerasft.data._token_budget import TokenBudgetPlan
from kerasft.errors import DataError

PADDED = st.one_of(
    st.lists(st.integers(1, 40), min_size=1, max_size=80),
    st.lists(st.sampled_from([8, 8, 8, 8, 16, 40]), min_size=1, max_size=80),
)
BUDGET = st.integers(40, 200)
WINDOW = st.integers(1, 4)


def plan_of(padded, budget=80, window=2, shuffle=True, drop=False):
    return TokenBudgetPlan(np.array(padded), budget, window, shuffle, drop)


def passes(plan, count=4):
    return [plan.batches(np.random.default_rng([7, number])) for number in range(count)]


def shape_counts(batches):
    return collections.Counter((len(rows), length) for rows, length in batches)


@settings(deadline=None)
@given(PADDED, BUDGET, WINDOW, st.booleans())
def test_every_example_is_in_one_batch_within_the_budget(padded, budget, window, shuffle):
    plan = plan_of(padded, budget, window, shuffle)
    for batches in passes(plan) if shuffle else [plan.batches(None)]:
        assert len(batches) == plan.num_batches
        assert sorted(np.concatenate([rows for rows, _ in batches])) == list(range(len(padded)))
        assert plan.num_examples == len(padded)
        for rows, length in batches:
            assert len(rows) * length <= budget
            assert all(padded[row] <= length for row in rows)


@settings(deadline=None)
@given(PADDED, BUDGET, WINDOW)
def test_every_pass_has_the_same_shapes_equally_often(padded, budget, window):
    of_passes = [shape_counts(batches) for batches in passes(plan_of(padded, budget, window))]
    assert all(counts == of_passes[0] for counts in of_passes)


@settings(deadline=None)
@given(PADDED, BUDGET, WINDOW, st.booleans())
def test_all_batches_are_full_but_one(padded, budget, window, shuffle):
    plan = plan_of(padded, budget, window, shuffle)
    batches = plan.batches(np.random.default_rng(0) if shuffle else None)
    short = [length for rows, length in batches if len(rows) < budget // length]
    assert len(short) <= 1
    assert not short or short[0] == min(length for _, length in batches)
    assert len(shape_counts(batches)) <= len(set(padded)) + 1
    # A model is built on several devices with the first batch.
    assert len(batches) == 1 or len(batches[0].rows) == budget // batches[0].length


@settings(deadline=None)
@given(PADDED, BUDGET, WINDOW, st.booleans())
def test_the_first_two_differ_in_length_if_any_two_do(padded, budget, window, shuffle):
    plan = plan_of(padded, budget, window, shuffle)
    for batches in passes(plan) if shuffle else [plan.batches(None)]:
        lengths = [length for _, length in batches]
        assert len(set(lengths)) == 1 or lengths[0] != lengths[1]


@settings(deadline=None)
@given(PADDED, BUDGET, WINDOW, st.integers(0, 100))
def test_a_pass_is_a_function_of_what_it_is_drawn_from(padded, budget, window, seed):
    one, other = (
        plan_of(padded, budget, window).batches(np.random.default_rng(seed)) for _ in range(2)
    )
    assert [(rows.tolist(), n) for rows, n in one] == [(rows.tolist(), n) for rows, n in other]


@settings(deadline=None)
@given(PADDED, BUDGET, WINDOW, st.booleans())
def test_without_the_remainder_there_is_one_size_for_each_length(padded, budget, window, shuffle):
    whole = plan_of(padded, budget, window, shuffle)
    assume(whole.num_batches > 1)
    plan = plan_of(padded, budget, window, shuffle, drop=True)
    assert whole.num_batches - 1 <= plan.num_batches <= whole.num_batches
    for batches in passes(plan) if shuffle else [plan.batches(None)]:
        rows = np.concatenate([rows for rows, _ in batches])
        assert len(set(rows)) == len(rows) == plan.num_examples
        for rows, length in batches:
            assert len(rows) == budget // length
            assert all(padded[row] <= length for row in rows)


def partitions(values):
    if not values:
        yield []
        return
    first, rest = values[0], values[1:]
    for parts in partitions(rest):
        yield [[first], *parts]
        for n, part in enumerate(parts):
            yield [*parts[:n], [first, *part], *parts[n + 1 :]]


@settings(deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=6), st.integers(9, 25))
def test_without_windows_there_are_as_few_batches_as_there_can_be(padded, budget):
    fewest = min(
        len(parts)
        for parts in partitions(padded)
        if all(len(part) * max(part) <= budget for part in parts)
    )
    assert plan_of(padded, budget, shuffle=False).num_batches == fewest
    assert plan_of(padded, budget, window=50).num_batches == fewest


@settings(deadline=None)
@given(PADDED, BUDGET)
def test_without_shuffling_the_longest_come_first(padded, budget):
    lengths = [length for _, length in plan_of(padded, budget, shuffle=False).batches(None)]
    assert max(padded) in lengths[:2]
    rest = lengths[2:]
    assert rest == sorted(rest, reverse=True)


def test_every_pass_brings_other_companions_and_another_order():
    padded = np.random.default_rng(0).integers(1, 200, 3000)
    one, other = passes(plan_of(padded, 4096, 5), 2)
    met, met_again = ({frozenset(rows.tolist()) for rows, _ in batches} for batches in (one, other))
    assert not met & met_again
    assert [length for _, length in one] != [length for _, length in other]


def test_even_where_all_lengths_differ_windows_let_others_meet():
    plan = plan_of(np.arange(1, 401), 400, window=5)
    met = [{frozenset(rows.tolist()) for rows, _ in batches} for batches in passes(plan, 2)]
    # Of the longest there is one in a batch, so that these can only be alone.
    alone = {rows for rows in met[0] & met[1] if len(rows) == 1}
    assert len((met[0] & met[1]) - alone) < 0.2 * len(met[0])


def test_a_window_costs_little_padding_and_chance_costs_much():
    padded = np.random.default_rng(0).integers(1, 200, 3000)
    tokens = {}
    for window in (1, 10, 50):
        batches = plan_of(padded, 4096, window).batches(np.random.default_rng(1))
        tokens[window] = sum(len(rows) * length for rows, length in batches) / padded.sum()
    assert tokens[50] < tokens[10] < tokens[1]
    assert tokens[50] < 1.05
    assert tokens[10] < 1.2


def test_every_way_to_be_seated_has_the_same_chance():
    plan = plan_of([4, 2] + [1] * 8, 8, window=1)
    counts = collections.Counter()
    for number in range(3000):
        batches = plan.batches(np.random.default_rng(number))
        assert shape_counts(batches) == {(2, 4): 1, (4, 2): 1, (4, 1): 1}
        (beside,) = [rows for rows, length in batches if length == 4]
        counts.update(row for row in beside.tolist() if row)
    # The example of length 2 has 5 places, one of them beside the longest; if it is not there, any
    # of the 8 others is as likely as another.
    assert counts[1] == pytest.approx(3000 / 5, rel=0.15)
    for row in range(2, 10):
        assert counts[row] == pytest.approx(3000 * 4 / 5 / 8, rel=0.25)


def test_what_is_left_out_is_other_ones_in_each_pass_long_and_short_alike():
    padded = np.array([8] * 10 + [16] * 13)
    plan = plan_of(padded, 48, window=50, drop=True)
    assert plan.num_examples == 21
    out = np.zeros(23)
    for batches in passes(plan, 1000):
        rows = np.concatenate([rows for rows, _ in batches])
        out[np.setdiff1d(np.arange(23), rows)] += 1
    assert out.sum() == 2000
    assert max(out) < 2 * min(out)
    fixed = plan_of(padded, 48, shuffle=False, drop=True).batches(None)
    assert sorted(np.concatenate([rows for rows, _ in fixed])) == [*range(8), *range(10, 23)]


@pytest.mark.parametrize(
    ("padded", "budget", "drop", "message"),
    [
        (
            [8, 24, 8, 32],
            16,
            False,
            r"`max_tokens_per_batch` must hold the longest example, padding counted. Received: "
            r"max_tokens_per_batch=16, while 2 of 4 examples take more, the first in row 1 with 24",
        ),
        (
            [8, 8, 8],
            4096,
            True,
            r"`drop_remainder` must leave a batch. Received: 3 examples, which do not fill one "
            r"with max_tokens_per_batch=4096",
        ),
    ],
)
def test_a_budget_that_does_not_fit_the_data_is_told(padded, budget, drop, message):
    with pytest.raises(DataError, match=message):
        plan_of(padded, budget, drop=drop)


def test_a_text_as_long_as_the_budget_is_alone():
    assert plan_of([16, 8, 8], 16, shuffle=False).batches(None)[0].rows.tolist() == [0]


def test_examples_without_any_token_have_a_place():
    (batch,) = plan_of([0, 0], 5, shuffle=False).batches(None)
    assert batch.rows.tolist() == [0, 1]
