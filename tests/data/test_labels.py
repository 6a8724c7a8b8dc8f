import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasft.data._labels import check_class_names, prepare_labels, prepare_weights
from kerasft.errors import DataError


@pytest.mark.parametrize(
    ("labels", "options", "dtype", "expected"),
    [
        ([0, 2, 1], {}, "int32", [0, 2, 1]),
        ([0, 2, 1], {"num_classes": 3}, "int32", [0, 2, 1]),
        ([0.0, 2.0], {"num_classes": 3}, "int32", [0, 2]),
        ([True, False], {}, "int32", [1, 0]),
        ([0, 1], {"num_classes": 1}, "float32", [0, 1]),
        ([0, 1], {"num_classes": 1, "class_names": ["no", "yes"]}, "float32", [0, 1]),
        (["no", "yes"], {"num_classes": 1, "class_names": ["no", "yes"]}, "float32", [0, 1]),
        (["b", "a"], {"class_names": ["b", "a"]}, "int32", [0, 1]),
        ([0.5, -1.5], {}, "float32", [0.5, -1.5]),
        ([[0, 1], [1, 1]], {}, "float32", [[0, 1], [1, 1]]),
        ([[0, 1], [1, 1]], {"num_classes": 2}, "float32", [[0, 1], [1, 1]]),
        (np.array([[3], [1]]), {}, "int32", [3, 1]),
        (np.array([3, 1], dtype="uint8"), {}, "int32", [3, 1]),
    ],
)
def test_labels_get_the_dtype_that_their_loss_wants(labels, options, dtype, expected):
    array, _ = prepare_labels(labels, len(labels), **options)
    assert array.dtype == dtype
    assert array.tolist() == expected


def test_classes_named_by_the_labels_are_sorted():
    array, names = prepare_labels([b"pos", b"neg", b"pos"], 3, name_classes=True)
    assert names == ("neg", "pos")
    assert array.tolist() == [1, 0, 1]


@given(st.lists(st.sampled_from(["x", "y", "z"]), min_size=1))
def test_names_and_numbers_stand_for_the_same_classes(labels):
    array, names = prepare_labels(labels, len(labels), name_classes=True)
    assert [names[number] for number in array] == labels


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        ([0, 1], {"num_examples": 3}, "must be as many as the texts. Received: 2 labels for 3"),
        ([0, 2], {"num_classes": 2}, r"be classes from 0 to 1. Received: 2 in row 1"),
        ([1, 2], {"num_classes": 2}, r"Received: 2 in row 1.*counted from 1: subtract 1"),
        ([0, -1], {"num_classes": 2}, r"be classes from 0 to 1. Received: -1 in row 1"),
        ([0, -1], {}, r"not be negative.*Received: -1 in row 1.*Give regression targets as floats"),
        ([0, 0.5], {"num_classes": 2}, r"whole numbers.*Received: 0.5 in row 1"),
        ([0, 2], {"num_classes": 1}, r"be classes from 0 to 1. Received: 2 in row 1"),
        ([0, float("nan")], {}, r"must be finite. Received: nan in row 1"),
        ([[0, 1], [0, float("inf")]], {}, r"must be finite. Received: inf in row 1"),
        ([0, None], {}, r"none may be missing. Received: 0 in row 0 and None in row 1"),
        ([0, "a"], {}, r"all numbers or all texts.*0 in row 0 and 'a' in row 1"),
        (["a", "b"], {}, r"must be numbers where no class names are given.*Give class_names"),
        (
            ["good", "goood"],
            {"class_names": ["bad", "good"]},
            r"among the classes \['bad', 'good'\]. Received: 'goood' in row 1.*mean 'good'",
        ),
        ([[0, 1], [1]], {}, r"same number of columns in every row"),
        ([[0, 1], [1, 1]], {"num_classes": 3}, r"must have 3 columns.*Received: 2 columns"),
        ([[0, 1], [1, 7]], {"num_classes": 2}, r"between 0 and 1. Received: \[1, 7\] in row 1"),
        ([["a", "b"], ["a", "c"]], {}, r"must be numbers where there are several per example"),
        ([{}, {}], {}, r"must be numbers, or texts"),
        ("labels", {}, r"`labels` must be a list of labels"),
    ],
)
def test_wrong_labels_are_refused_with_row_and_value(labels, options, message):
    options = {"num_examples": 2, **options}
    with pytest.raises(DataError, match=message):
        prepare_labels(labels, **options)


@pytest.mark.parametrize("names", [[], ["a", "a"], [1, 2], "ab"])
def test_class_names_are_texts_each_there_once(names):
    with pytest.raises(ValueError, match="`class_names` must"):
        check_class_names(names)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0], r"one number for each of the 2 texts. Received: an array of shape \(1,\)"),
        ([1, -1], r"finite and not negative. Received: -1.0 in row 1"),
        ([1, float("nan")], r"Received: nan in row 1"),
        (["a", "b"], r"`sample_weight` must be numbers"),
    ],
)
def test_wrong_weights_are_refused(weights, message):
    with pytest.raises(DataError, match=message):
        prepare_weights(weights, 2)
