"""What an audit says to drop, and the splits without it."""

import json
import os

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from kerasft.data import Examples, audit
from kerasft.errors import ArgumentError, DataError, SourceError

LONG = "The plot is thin and the cast seems tired, but the music carries it to the end."
TRAIN = Examples(
    ["One.", "one.", LONG, LONG + " Yes.", "Two.", "Leaked!", "three words here", "Two."],
    [0, 0, 1, 1, 0, 1, 0, 1],
    sample_weight=[1, 2, 3, 4, 5, 6, 7, 8],
    class_names=["no", "yes"],
)
VALID = Examples(["leaked!", "Also leaked.", "four"], [1, 0, 1], class_names=["no", "yes"])
TEST = Examples(
    ["ALSO  leaked.", "leaked", "five", "five"], [0, 1, 0, 0], class_names=["no", "yes"]
)


def dropped(report, **options):
    return {name: rows.tolist() for name, rows in report.rows_to_drop(**options).items()}


def test_by_default_leaks_go_from_the_earlier_split_and_exact_repeats_from_training():
    report = audit(TRAIN, VALID, TEST)
    assert dropped(report) == {"train": [1, 5], "validation": [0, 1], "test": []}


def test_a_leak_can_go_from_the_later_split_or_stay():
    report = audit(TRAIN, VALID, TEST)
    later = dropped(report, drop_from="later")
    assert later == {"train": [1], "validation": [0], "test": [0, 1]}
    assert dropped(report, drop_from="neither") == {"train": [1], "validation": [], "test": []}


def test_near_repeats_and_contradictions_go_when_asked():
    report = audit(TRAIN, VALID, TEST)
    assert dropped(report, near_duplicates=True)["train"] == [1, 3, 5]
    assert dropped(report, contradictions=True)["train"] == [1, 4, 5, 7]
    assert dropped(report, contradictions=True)["test"] == []


def test_a_text_is_not_dropped_for_a_neighbour_that_is_dropped_itself():
    """Row 1 is near row 0, which leaks; row 1 itself is not near the test text."""
    words = [f"w{n:03}" for n in range(100)]
    train = [" ".join(words), " ".join(words[17:])]
    test = [" ".join(words[:-17])]
    report = audit((train, [0, 0]), test=(test, [0]))
    assert report.finding("leak").rows["train"] == (0,)
    assert report.finding("repeats").rows == {"train": (1,)}
    assert dropped(report, near_duplicates=True)["train"] == [0]


def test_cleaned_splits_keep_order_weights_and_names():
    cleaned = audit(TRAIN, VALID, TEST).cleaned()
    assert list(cleaned) == ["train", "validation", "test"]
    train = cleaned["train"]
    assert train.texts == ["One.", LONG, LONG + " Yes.", "Two.", "three words here", "Two."]
    assert train.labels.tolist() == [0, 1, 1, 0, 0, 1]
    assert train.sample_weight.tolist() == [1, 3, 4, 5, 7, 8]
    assert train.class_names == ("no", "yes")
    assert cleaned["validation"].texts == ["four"]
    assert cleaned["test"] is TEST  # nothing of it was dropped
    assert TRAIN.texts[1] == "one."  # and what came is as it was


def test_cleaned_pairs_are_examples_with_one_numbering():
    train = (["a b c", None, "d e f", "g h i"], ["y", "x", None, "x"], [1, 2, 3, 4])
    cleaned = audit(train, test=(["j k l"], ["y"])).cleaned()
    assert cleaned["train"].texts == ["a b c", "g h i"]
    assert cleaned["train"].labels.tolist() == [1, 0]
    assert cleaned["train"].sample_weight.tolist() == [1, 4]
    assert cleaned["test"].labels.tolist() == [1]
    assert cleaned["test"].class_names == ("x", "y")
    numbers = audit((["a b c", "d e f"], [0.5, 3.5])).cleaned()["train"]
    assert numbers.labels.tolist() == [0.5, 3.5]
    assert numbers.labels.dtype == "float32"


def test_something_must_be_left():
    with pytest.raises(DataError, match=r"left of 'train'. Received: 1 texts, all to be dropped"):
        audit((["A joy."], [1]), test=(["a joy."], [1])).cleaned()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"drop_from": "laters"}, "`drop_from` must be one of 'earlier', 'later', 'neither'"),
        ({"near_duplicates": 1}, "`near_duplicates` must be True or False"),
        ({"contradictions": None}, "`contradictions` must be True or False"),
    ],
)
def test_wrong_arguments_are_told(options, message):
    report = audit(TRAIN)
    for method in (report.rows_to_drop, report.cleaned):
        with pytest.raises(ArgumentError, match=message):
            method(**options)


WORDS = st.lists(st.sampled_from(["red", "blue", "Red", "sun", "sea", "sky"]), min_size=1)
SPLIT = st.lists(st.tuples(WORDS.map(" ".join), st.integers(0, 1)), min_size=1, max_size=8)


@settings(
    derandomize=True, deadline=None, max_examples=60
)  # the search is random by its hashes, though the same every time
@given(SPLIT, SPLIT, SPLIT, st.sampled_from(["earlier", "later"]), st.booleans(), st.booleans())
def test_what_was_cleaned_has_nothing_more_to_drop(train, valid, test, drop_from, near, against):
    parts = {"train": train, "validation": valid, "test": test}
    splits = {name: tuple(zip(*part, strict=True)) for name, part in parts.items()}
    options = {"drop_from": drop_from, "near_duplicates": near, "contradictions": against}
    report = audit(splits)
    drop = report.rows_to_drop(**options)
    assume(all(len(drop[name]) < len(part) for name, part in parts.items()))
    cleaned = report.cleaned(**options)
    again = audit(cleaned)
    assert again.finding("leak") is None
    assert not any(len(rows) for rows in again.rows_to_drop(**options).values())
    if drop_from == "earlier":
        assert cleaned["test"].texts == list(splits["test"][0])
    for name, part in splits.items():
        left = [text for row, text in enumerate(part[0]) if row not in drop[name]]
        assert cleaned[name].texts == left


def test_a_report_goes_to_json_and_nothing_else(tmp_path):
    report = audit(TRAIN, VALID, TEST)
    path = tmp_path / "audit.json"
    report.save(path)
    content = json.loads(path.read_text(encoding="utf-8"))
    assert content == report.to_dict()
    assert content["kind"] == "kerasft.data.AuditReport"
    assert content["rows_to_drop"] == {"train": [1, 5], "validation": [0, 1], "test": []}
    assert [f["name"] for f in content["findings"]] == [f.name for f in report.findings]
    assert content["findings"][0]["rows"] == {"validation": [0, 1], "test": [0, 1]}
    assert content["class_counts"]["train"] == {"no": 4, "yes": 4}
    assert content["class_weights"] == {"0": 1.0, "1": 1.0}
    assert os.listdir(tmp_path) == ["audit.json"]
    with pytest.raises(ArgumentError, match=r"`path` must be a file name that ends in .json"):
        report.save(tmp_path / "audit.html")
    with pytest.raises(SourceError, match="could not be written"):
        report.save(tmp_path / "no" / "audit.json")


def test_weights_of_sets_and_numbers_go_to_json_too():
    rows = np.array([[1, 0], [1, 1], [0, 1], [1, 0]])
    sets = audit((["a b", "c d", "e f", "g h"], rows)).to_dict()
    assert np.shape(sets["class_weights"]) == (2, 2)
    numbers = audit((["a b", "c d"], [0.5, 2.5])).to_dict()
    assert numbers["class_weights"] is None
    json.dumps([sets, numbers])
