"""Texts and labels that cannot be used: found and named, whatever the rest of the data are."""

import numpy as np
import pytest

from kerasft.data import Examples, audit

TEXTS = [
    f"{word} {word[::-1]} {word * 2}" for word in ("sun", "rain", "wind", "snow", "hail", "fog")
]


def report_of(labels, **options):
    return audit((TEXTS[: len(labels)], labels), **options)


def test_texts_that_are_none_or_blank_or_broken_are_told_by_row():
    texts = ["fine", None, "  \n", float("nan"), 7, b"bytes too", b"\xff", "\ud800x", ""]
    report = audit((texts, [0] * 9))
    found = {name: report.finding(name) for name in ("missing", "blank", "broken")}
    found = {name: report.finding(f"{name}_texts") for name in found}
    assert found["missing"].message == (
        "3 of 9 train texts (33.3%) are no texts at all (None, or of another type)."
    )
    assert found["missing"].rows == {"train": (1, 3, 4)}
    assert found["blank"].message == "2 of 9 train texts (22.2%) are blank."
    assert found["blank"].rows == {"train": (2, 8)}
    assert found["broken"].rows == {"train": (6, 7)}
    assert "wrong encoding" in found["broken"].message
    assert {finding.level for finding in found.values()} == {"bad"}
    assert report.sizes["train"]["usable"] == 2
    assert report.cleaned()["train"].texts == ["fine", "bytes too"]


def test_a_split_without_any_text_is_no_reason_to_stop():
    report = audit((["a", "b"], [0, 1]), test=([None, ""], [0, 1]))
    assert report.sizes["test"]["usable"] == 0
    assert report.sizes["test"]["longest_words"] == 0
    report = audit(([None], [0]))
    assert report.rows_to_drop()["train"].tolist() == [0]


@pytest.mark.parametrize("missing", [None, float("nan"), float("inf"), np.nan])
def test_missing_labels_are_told(missing):
    finding = report_of([0, missing, 1]).finding("missing_labels")
    assert finding.message == "1 of 3 train labels (33.3%) is missing (None, NaN or infinite)."
    assert finding.rows == {"train": (1,)}


def test_strings_where_whole_numbers_are_due():
    report = report_of([0, 1, "1", 1, 0])
    finding = report.finding("label_types")
    assert finding.level == "bad"
    assert finding.message == (
        "The train labels are 1 of type text and 4 of type whole number. 1 of 5 (20.0%) cannot be "
        "used beside the others."
    )
    assert finding.examples == ("train row 2: '1'",)
    assert "int()" in finding.remedy
    assert report.rows_to_drop()["train"].tolist() == [2]


def test_whole_numbers_where_strings_are_due():
    report = report_of(["no", "yes", 1, "no"])
    finding = report.finding("label_types")
    assert finding.rows == {"train": (2,)}
    assert report.class_counts == {"train": {"no": 2, "yes": 1}}


def test_numbers_are_classes_beside_names_where_the_names_have_an_order():
    report = report_of(["no", "yes", 1, "no"], class_names=["no", "yes"])
    assert report.finding("label_types").level == "warning"
    assert report.finding("label_types").rows == {}
    assert report.class_counts == {"train": {"no": 2, "yes": 2}}
    assert report.cleaned()["train"].labels.tolist() == [0, 1, 1, 0]


def test_mixed_numbers_are_only_a_warning():
    report = report_of([0, 1.0, True, 2, 0])
    finding = report.finding("label_types")
    assert finding.level == "warning"
    assert finding.message == (
        "The train labels are 1 of type bool and 1 of type float and 3 of type whole number."
    )
    assert report.class_counts == {"train": {"class 0": 2, "class 1": 2, "class 2": 1}}
    assert report.finding("absent_class") is None
    assert report_of([True, False]).findings == ()


def test_labels_outside_of_the_classes():
    finding = report_of([0, 1, 2, -1], num_classes=2).finding("labels_out_of_range")
    assert finding.message == ("2 of 4 train labels (50.0%) are outside of the classes 0 to 1.")
    assert finding.rows == {"train": (2, 3)}
    assert finding.examples == ("train row 2: 2", "train row 3: -1")
    finding = report_of([1, 2, 3, 1], num_classes=3).finding("labels_out_of_range")
    assert "counted from 1: subtract 1" in finding.remedy
    finding = report_of([0, 1, -1]).finding("labels_out_of_range")
    assert finding.rows == {"train": (2,)}


def test_fractions_where_classes_are_due():
    finding = report_of([0, 1, 0.5], num_classes=2).finding("fractional_labels")
    assert finding.rows == {"train": (2,)}
    assert "fractions, where whole numbers name classes" in finding.message


def test_names_that_are_no_class():
    finding = report_of(["good", "Good ", "bad"], class_names=["bad", "good"]).finding(
        "unknown_labels"
    )
    assert finding.message == "1 of 3 train labels (33.3%) is none of the classes 'bad', 'good'."
    assert finding.remedy.startswith("Did you mean 'good'?")


def test_names_that_hardly_differ():
    finding = report_of(["good", "Good ", "bad"]).finding("class_spelling")
    assert finding.message == "The classes 'Good ', 'good' differ in case and whitespace only."
    assert finding.level == "warning"


def test_whole_floats_may_be_meant_as_classes():
    finding = report_of([0.0, 1.0, 0.0, 1.0, 1.0]).finding("float_labels")
    assert "only 2 different ones" in finding.message
    assert report_of([0.0, 1.0, 0.0, 1.0, 1.0], num_classes=2).finding("float_labels") is None
    assert report_of([0.5, 1.0, 0.0, 1.0, 1.0]).finding("float_labels") is None
    assert report_of([10.0, 11.0, 12.0, 13.0]).finding("float_labels") is None


def test_splits_that_number_the_classes_otherwise():
    one = Examples(TEXTS[:3], ["a", "b", "a"], class_names=["a", "b"])
    other = Examples(TEXTS[3:], ["b", "a", "b"], class_names=["b", "a"])
    report = audit(one, test=other)
    finding = report.finding("class_names_differ")
    assert finding.message == (
        "The classes of 'test' are named or ordered otherwise than 'a', 'b', so that one number "
        "stands for different classes."
    )
    assert report.class_counts == {"train": {"a": 2, "b": 1}, "test": {"a": 1, "b": 2}}
    again = audit(one, test=Examples([TEXTS[0]], ["b"], class_names=["b", "a"]))
    assert again.finding("contradictions") is not None  # by name, not by number
    again = audit(one, test=Examples([TEXTS[0]], ["a"], class_names=["b", "a"]))
    assert again.finding("contradictions") is None


def test_rows_of_labels_that_cannot_be_used():
    rows = [[1, 0], [1, 1], [0, 2], [0], [1, None], [0, "1"]]
    report = report_of(rows)
    assert report.finding("labels_out_of_range").rows == {"train": (2,)}
    assert report.finding("label_types").rows == {"train": (3, 5)}
    assert report.finding("missing_labels").rows == {"train": (4,)}
    assert report.cleaned()["train"].labels.tolist() == [[1, 0], [1, 1]]


def test_one_hot_rows_are_classes_and_stay_rows():
    report = report_of([[1, 0], [0, 1], [1, 0]], class_names=["x", "y"])
    assert report.task == "classes"
    assert report.class_counts == {"train": {"x": 2, "y": 1}}
    assert report.cleaned()["train"].labels.tolist() == [[1, 0], [0, 1], [1, 0]]


def test_columns_of_one_are_plain_labels():
    report = report_of(np.array([[0], [2], [1]]))
    assert report.task == "classes"
    assert report.cleaned()["train"].labels.tolist() == [0, 2, 1]


def test_rows_of_numbers_are_targets():
    report = report_of([[3.5, 70.0], [2.0, 80.5], [9.0, 12.0]])
    assert report.task == "numbers"
    assert report.findings == ()


def test_labels_of_no_known_kind():
    report = report_of([0, 1, {"a": 1}, [0, 1]])
    assert report.finding("label_types").rows == {"train": (2, 3)}


def test_labels_in_rows_of_one_are_classes_when_cleaned_too():
    texts = ["one text", "another one", "a third here", "and the last"]
    report = audit((texts, [[0.0], [1.0], [0.0], [1.0]]), num_classes=2, progress=False)
    labels = report.cleaned()["train"].labels
    assert labels.dtype == "int32"
    assert labels.tolist() == [0, 1, 0, 1]
