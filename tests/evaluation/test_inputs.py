"""What arrays are refused, and what the refusal says."""

import re

import ml_dtypes
import numpy as np
import pytest

from kerasft.errors import ArgumentError, DataError
from kerasft.evaluation.inputs import read_examples

THREE = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1]])


@pytest.mark.parametrize(
    ("labels", "probabilities", "options", "message"),
    [
        ([0, 1, 1], [0.2, 0.9], {}, "3 labels, 2 rows of probabilities"),
        ([], [], {}, "`labels` must be at least one example"),
        ([0, 1], [0.2, float("nan")], {}, "Row 1 (of 2) holds NaN or infinite values"),
        ([0, float("nan")], [0.2, 0.3], {}, "`labels` must be finite numbers"),
        ([0, None], [0.2, 0.3], {}, "whole numbers or class names. Received: labels=None"),
        ([0, 1], [0.2, float("inf")], {}, "training may have diverged"),
        ([0, 1], [-2.3, 1.7], {}, "These look like logits"),
        ([0, 1], [-2.3, 1.7], {}, "Received: probabilities=-2.3 (of type float)"),
        ([0, 1], [-2.3, 1.7], {}, "keras.ops.sigmoid"),
        ([0, 1], THREE * 9, {}, "keras.ops.softmax"),
        ([0, 1], THREE * 0.9, {}, "rows that sum to one, to within 0.001"),
        ([0, 1], THREE * 0.9, {}, "Received: probabilities=0.9"),
        (np.eye(3)[[0, 1]], THREE * 0.9, {}, "Pass task='multiclass'"),
        (np.eye(3)[[0, 1]], THREE * 9, {}, "These look like logits"),
        (np.eye(3)[[0, 1]], THREE * 0.9, {"task": "multiclass"}, "rows that sum to one"),
        ([0, 3], THREE, {}, "whole numbers from 0 to 2 for 3 classes"),
        ([0, 3], THREE, {}, "Received: labels=3.0"),
        ([0, -1], THREE, {}, "Row 1 (of 2) holds other labels"),
        ([0, 1.5], THREE, {}, "whole numbers from 0 to 2"),
        ([0, 2], [0.1, 0.2], {}, "0 or 1 where there is one column"),
        ([0.5, 0.7], [0.1, 0.2], {}, "pass task='regression'"),
        (["a", "b", "c"], [0.1, 0.2, 0.3], {}, "whole numbers where no class_names are given"),
        (["1", "0"], [0.1, 0.2], {}, "digits read from a file want int()"),
        (["good", 1], [0.1, 0.2], {"class_names": ["bad", "good"]}, "all strings or all whole"),
        (["goood", "bad"], [0.1, 0.2], {"class_names": ["bad", "good"]}, "Did you mean 'good'?"),
        ([0, 1], ["0.1", "0.2"], {}, "`probabilities` must be numbers. Received: probabilities="),
        ([[0, 1], [1]], THREE, {}, "`labels` must be rows of one length"),
        ("good", [0.1], {}, "`labels` must be an array or a list with one item per example"),
        (5, [0.1], {}, "`labels` must be an array or a list"),
        (np.zeros((2, 4)), THREE, {}, "of shape (examples,), or one-hot of shape (examples, 3)"),
        ([0, 1], np.zeros((2, 3, 4)), {}, "Bring predictions for every token or pixel"),
        ([0, 1], THREE, {"task": "binary"}, "of one or two columns for a binary task"),
        ([0, 1], [0.1, 0.2], {"task": "multiclass"}, "One column is the task 'binary'"),
        ([0, 1], THREE, {"task": "multilabel"}, "MultiLabelBinarizer"),
        ([[2, 0, 1], [0, 1, 1]], THREE, {}, "0 or 1 for each class"),
        ([[1, 1, 0], [0, 1, 0]], THREE, {"task": "multiclass"}, "pass task='multilabel'"),
        (["a", "b"], [1.0, 2.0], {"task": "regression"}, "numbers for a regression"),
        (np.ones((2, 2)), [1.0, 2.0], {"task": "regression"}, "of the predictions' shape, (2, 1)"),
    ],
)
def test_data_that_cannot_be_used(labels, probabilities, options, message):
    with pytest.raises(DataError, match=re.escape(message)):
        read_examples(labels, probabilities, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"class_names": [0, 1, 2]}, "`class_names` must be strings. Received: class_names=0"),
        ({"class_names": "abc"}, "a list of strings, one per class"),
        ({"class_names": ["a", "b"]}, "3 different strings, one per class"),
        ({"class_names": ["a", "b", "b"]}, "3 different strings"),
        ({"threshold": 0.7}, "left out for a multi-class task"),
        ({"threshold": np.array([0.5, 0.5, 0.5])}, "left out for a multi-class task"),
        ({"task": "classification"}, "one of 'binary', 'multiclass', 'multilabel', 'regression'"),
        ({"task": "regression", "class_names": ["a"]}, "None for a regression"),
    ],
)
def test_arguments_that_break_their_rule(options, message):
    with pytest.raises(ArgumentError, match=re.escape(message)):
        read_examples([0, 1], THREE, **options)


def test_thresholds_of_several_labels():
    labels, said = [[1, 1], [0, 0]], [[0.2, 0.3], [0.4, 0.5]]
    assert read_examples(labels, said, threshold=(0.1, 0.2)).threshold == (0.1, 0.2)
    with pytest.raises(ArgumentError, match="one number, or 2, one per class"):
        read_examples(labels, said, threshold=(0.1, 0.2, 0.3))


def test_labels_of_every_kind_are_read_the_same():
    names = ("no", "yes")
    said = [0.1, 0.9, 0.4]
    for labels in (
        [0, 1, 1],
        (0, 1, 1),
        [False, True, True],
        np.array([0.0, 1.0, 1.0], dtype=np.float32),
        np.array([0, 1, 1], dtype=np.uint8),
        np.array([0, 1, 1], dtype=object),
        [[0], [1], [1]],
        ["no", "yes", "yes"],
        [b"no", b"yes", b"yes"],
        np.array(["no", "yes", "yes"]),
        np.array(["no", "yes", "yes"], dtype=object),
    ):
        examples = read_examples(labels, said, names)
        assert examples.labels.dtype == np.int64
        assert examples.labels.tolist() == [0, 1, 1]


def test_numbers_are_class_numbers_and_strings_are_names_even_where_names_are_digits():
    said = np.full((2, 3), 1 / 3)
    stars = ("1", "2", "3")
    assert read_examples(["1", "2"], said, stars).labels.tolist() == [0, 1]
    assert read_examples([1, 2], said, stars).labels.tolist() == [1, 2]
    with pytest.raises(DataError, match="whole numbers from 0 to 2"):
        read_examples([1, 3], said, stars)
    with pytest.raises(DataError, match=r"among the class_names \['1', '2', '3'\]"):
        read_examples(["0", "1"], said, stars)


def test_half_width_softmax_rows_are_brought_to_one():
    random = np.random.default_rng(0)
    powers = np.exp(random.normal(size=(200, 7)))
    softmax = powers / powers.sum(axis=1, keepdims=True)
    for dtype in (np.float16, ml_dtypes.bfloat16):
        narrow = softmax.astype(dtype)
        assert abs(narrow.astype(np.float64).sum(axis=1) - 1).max() > 1e-4
        examples = read_examples(random.integers(0, 7, 200), narrow)
        assert abs(examples.probabilities.sum(axis=1) - 1).max() < 1e-12


def test_reading_twice_changes_nothing():
    random = np.random.default_rng(0)
    powers = np.exp(random.normal(size=(200, 5))).astype(np.float32)
    softmax = powers / powers.sum(axis=1, keepdims=True)
    once = read_examples(random.integers(0, 5, 200), softmax)
    twice = read_examples(once.labels, once.probabilities)
    assert np.array_equal(once.probabilities, twice.probabilities)
