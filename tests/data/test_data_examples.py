import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasft.data import Examples
from kerasft.data._texts import fold
from kerasft.errors import DataError


def make(num_examples, num_classes=2):
    return Examples(
        [f"text {n}" for n in range(num_examples)], np.arange(num_examples) % num_classes
    )


def test_what_belongs_together_stays_together():
    examples = Examples(["a", "b", "c"], ["y", "x", "y"], [1, 2, 3])
    assert len(examples) == 3
    assert examples[1] == ("b", 0)
    assert examples[-1][0] == "c"
    for index in (slice(1, None), [1, 2], np.array([1, 2]), np.array([False, True, True])):
        part = examples[index]
        assert part.texts == ["b", "c"]
        assert part.labels.tolist() == [0, 1]
        assert part.sample_weight.tolist() == [2, 3]
        assert part.class_names == ("x", "y")


@pytest.mark.parametrize("index", [[9], np.array([True])])
def test_an_index_that_selects_nothing_there_is_refused(index):
    with pytest.raises(DataError, match="An index must select among 3 examples"):
        make(3)[index]


def test_an_empty_selection_is_refused():
    with pytest.raises(DataError, match="at least one example"):
        make(3)[3:]


@pytest.mark.parametrize(
    ("examples", "shown"),
    [
        (Examples(["a", "b"], ["yes", "no"]), "Examples(2 texts: 1 no, 1 yes)"),
        (make(5), "Examples(5 texts: 3 of class 0, 2 of class 1)"),
        (make(8, 8), "of class 5, 2 more classes)"),
        (Examples(["a", "b"], [0.5, 2.0]), "Examples(2 texts: targets from 0.5 to 2)"),
        (Examples(["a"], [[1, 0]], class_names=["x", "y"]), "Examples(1 texts: 1 x, 0 y)"),
    ],
)
def test_it_shows_how_many_of_each(examples, shown):
    assert shown in repr(examples)


@pytest.mark.parametrize("sizes", [(0.8, 0.1, 0.1), (80, 10, 10), (None, 10, 10), (0.1, 20)])
def test_parts_have_their_sizes_share_nothing_and_keep_the_mix(sizes):
    whole = Examples([f"text {n}" for n in range(100)], [0] * 70 + [1] * 30)
    parts = whole.split(*sizes, seed=3)
    wanted = [round(size * 100) if isinstance(size, float) else size or 80 for size in sizes]
    assert [len(part) for part in parts] == wanted
    texts = [text for part in parts for text in part.texts]
    assert len(set(texts)) == len(texts)
    for part in parts:
        assert part.labels.mean() == pytest.approx(0.3, abs=0.51 / len(part) + 1e-9)


def test_the_seed_decides():
    whole = make(50)
    assert whole.split(0.5, 0.5, seed=1)[0].texts == whole.split(0.5, 0.5, seed=1)[0].texts
    assert whole.split(0.5, 0.5, seed=1)[0].texts != whole.split(0.5, 0.5, seed=2)[0].texts


@settings(max_examples=40, deadline=None)
@given(
    copies=st.lists(st.integers(1, 3), min_size=30, max_size=50),
    fraction=st.floats(0.3, 0.7),
    seed=st.integers(0, 99),
)
def test_duplicates_never_land_in_two_parts(copies, fraction, seed):
    spellings = ["Text %d", "text  %d", " TEXT %d\n"]
    texts = [spellings[c] % n for n, count in enumerate(copies) for c in range(count)]
    labels = [n % 2 for n, count in enumerate(copies) for _ in range(count)]
    first, second = Examples(texts, labels).split(fraction, None, seed=seed)
    assert not {fold(text) for text in first.texts} & {fold(text) for text in second.texts}
    assert len(first) + len(second) == len(texts)
    # Whole groups move until the size fits; less than the largest one can be amiss.
    assert abs(len(first) - round(fraction * len(texts))) < max(copies)


def test_targets_and_several_labels_are_split_at_random():
    for labels in (np.linspace(0, 1, 20), np.eye(20)):
        first, second = Examples([f"text {n}" for n in range(20)], labels).split(0.5, 0.5)
        assert len(first) == len(second) == 10


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ((), "`sizes` must be fractions"),
        ((None, None), "at most one None"),
        ((0.0, 0.5), "`sizes` must be fractions"),
        ((1.5,), "`sizes` must be fractions"),
        ((-3,), "`sizes` must be fractions"),
        ((True,), "`sizes` must be fractions"),
        (("half",), "`sizes` must be fractions"),
        ((8, 8), "must not exceed the 10 examples there are. Received: .*, which is 16"),
        ((10, None), "at least one example for each part"),
        ((0.01, 0.5), "at least one example for each part|each class an example"),
    ],
)
def test_sizes_that_are_none_are_refused(sizes, message):
    with pytest.raises(DataError, match=message):
        make(10).split(*sizes)


def test_a_class_too_small_to_be_everywhere_is_named():
    examples = Examples([f"text {n}" for n in range(10)], [0] * 9 + [1])
    with pytest.raises(DataError, match=r"each class an example in each part.*1 of class 1"):
        examples.split(0.5, 0.5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((["a", "b"], [1]), "as many as the texts"),
        (([], []), "empty data set"),
        ((["a", " "], [0, 1]), "must not be blank"),
        ((["a"], [float("nan")]), "must be finite"),
        ((["a"], ["x"], None, ["y"]), "among the classes"),
    ],
)
def test_what_does_not_fit_is_refused_at_once(arguments, message):
    with pytest.raises(DataError, match=message):
        Examples(*arguments)
