import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from kerasft.data._grouping import (
    FixedSizePlan,
    group_by_length,
    let_first_two_differ,
    rows_of_whole_batches,
)

LENGTHS = st.one_of(
    st.lists(st.integers(1, 40), min_size=1, max_size=60),
    st.lists(st.sampled_from([8, 8, 8, 8, 16]), min_size=1, max_size=60),
)


def plan(lengths, batch_size, window, seed, whole=False):
    random = None if seed is None else np.random.default_rng(seed)
    padded = -(-lengths // 8) * 8
    rows = rows_of_whole_batches(padded, batch_size, random) if whole else None
    batches = group_by_length(lengths, batch_size, window, random, rows)
    return let_first_two_differ(batches, padded, batch_size, random), padded


@settings(deadline=None)
@given(LENGTHS, st.integers(1, 7), st.integers(1, 4), st.one_of(st.none(), st.integers(0, 50)))
def test_every_example_is_in_one_batch_and_only_one_batch_is_short(
    lengths, batch_size, window, seed
):
    lengths = np.array(lengths)
    batches, _ = plan(lengths, batch_size, window, seed)
    assert sorted(np.concatenate(batches)) == list(range(len(lengths)))
    sizes = [len(rows) for rows in batches]
    assert len(sizes) == -(-len(lengths) // batch_size)
    assert sum(size < batch_size for size in sizes) <= 1
    assert sizes[0] == batch_size or len(sizes) == 1


@settings(deadline=None)
@given(LENGTHS, st.integers(1, 7), st.integers(1, 4), st.booleans(), st.booleans())
def test_if_the_first_two_agree_all_batches_of_all_epochs_do(
    lengths, batch_size, window, shuffle, whole
):
    lengths = np.array(lengths)
    assume(not whole or len(lengths) >= batch_size)
    of_epochs = []
    for seed in range(12) if shuffle else [None]:
        batches, padded = plan(lengths, batch_size, window, seed, whole)
        of_epochs.append([padded[rows].max() for rows in batches])
    of_all = {length for lengths in of_epochs for length in lengths}
    for lengths_of_batches in of_epochs:
        if len(of_all) > 1:
            assert lengths_of_batches[0] != lengths_of_batches[1]


@settings(deadline=None)
@given(LENGTHS, st.integers(1, 7), st.integers(1, 4), st.one_of(st.none(), st.integers(0, 50)))
def test_with_whole_batches_only_the_rest_is_left_out(lengths, batch_size, window, seed):
    lengths = np.array(lengths)
    assume(len(lengths) >= batch_size)
    batches, padded = plan(lengths, batch_size, window, seed, whole=True)
    rows = np.concatenate(batches)
    assert {len(batch) for batch in batches} == {batch_size}
    assert len(batches) == len(lengths) // batch_size
    assert len(set(rows)) == len(rows)
    assert padded.max() in padded[rows] or seed is None


def left_out(padded, times):
    randoms = (np.random.default_rng(seed) for seed in range(times))
    return [set(range(len(padded))) - set(rows_of_whole_batches(padded, 4, r)) for r in randoms]


def test_whole_batches_leave_out_other_examples_each_time_long_and_short_alike():
    padded = np.array([8] * 10 + [16] * 13)
    passes = left_out(padded, 1000)
    assert all(len(rows) == 3 for rows in passes)
    counts = [sum(row in rows for rows in passes) for row in range(23)]
    assert max(counts) < 2 * min(counts)
    assert rows_of_whole_batches(padded, 4).tolist() == list(range(20))


def test_whole_batches_keep_the_short_ones_where_they_are_needed_for_two_lengths():
    passes = left_out(np.array([8] * 4 + [16] * 6), 50)
    assert set.union(*passes) == set(range(4, 10))


@settings(deadline=None)
@given(LENGTHS, st.integers(1, 7))
def test_without_shuffling_the_longest_come_first(lengths, batch_size):
    lengths = np.array(lengths)
    batches, _ = plan(lengths, batch_size, 1, None)
    longest = [lengths[rows].max() for rows in batches]
    assert longest[0] == lengths.max() or len(longest) > 1
    rest = longest[:1] + longest[2:]
    assert rest == sorted(rest, reverse=True) or sorted(longest, reverse=True)[1:] == longest[1:]


def test_shuffled_batches_hold_similar_lengths_and_less_padding_than_chance():
    random = np.random.default_rng(0)
    lengths = random.integers(1, 200, 3000)
    batches = group_by_length(lengths, 30, 50, np.random.default_rng(1))
    padding = sum(lengths[rows].max() * len(rows) for rows in batches) / lengths.sum()
    by_chance = np.array_split(random.permutation(3000), 100)
    chance = sum(lengths[rows].max() * len(rows) for rows in by_chance) / lengths.sum()
    assert padding < 1.05
    assert chance > 1.8


def test_each_epoch_brings_other_companions():
    lengths = np.random.default_rng(0).integers(1, 200, 3000)
    of_epochs = [
        {
            frozenset(rows.tolist())
            for rows in group_by_length(lengths, 30, 5, np.random.default_rng(e))
        }
        for e in (0, 1)
    ]
    assert not of_epochs[0] & of_epochs[1]


@settings(deadline=None)
@given(LENGTHS, st.integers(1, 7), st.integers(1, 4), st.booleans(), st.booleans())
def test_a_plan_says_what_its_batches_hold(lengths, batch_size, window, shuffle, drop):
    lengths = np.array(lengths)
    assume(not drop or len(lengths) >= batch_size)
    padded = -(-lengths // 8) * 8
    plan = FixedSizePlan(lengths, padded, batch_size, window, drop)
    for seed in range(3):
        batches = plan.batches(np.random.default_rng(seed) if shuffle else None)
        assert len(batches) == plan.num_batches
        assert sum(len(rows) for rows, _ in batches) == plan.num_examples
        assert all(length == padded[rows].max() for rows, length in batches)
