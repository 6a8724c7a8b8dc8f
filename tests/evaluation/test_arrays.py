"""`evaluate_arrays`: the figures of whole reports, and what they mean where little is known."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasft.errors import ArgumentError, DataError
from kerasft.evaluation import Limits, evaluate_arrays


def by_hand(bootstrap=0, **options):
    """90 true positives, 10 false negatives, 15 false positives, 85 true negatives."""
    labels = [1] * 100 + [0] * 100
    said = [0.9] * 90 + [0.2] * 10 + [0.8] * 15 + [0.1] * 85
    return evaluate_arrays(labels, said, bootstrap=bootstrap, **options)


def test_the_check_by_hand():
    report = by_hand()
    assert round(report.metrics["precision"], 3) == 0.857
    assert round(report.metrics["recall"], 3) == 0.900
    assert report.metrics["precision"] == 90 / 105
    assert report.metrics["accuracy"] == 0.875
    assert report.metrics["f1"] == pytest.approx(2 * 90 / (2 * 90 + 15 + 10))
    assert report.metrics["balanced_accuracy"] == pytest.approx((0.90 + 0.85) / 2)
    expected = (90 * 85 - 15 * 10) / math.sqrt(105 * 100 * 95 * 100)
    assert report.metrics["matthews"] == pytest.approx(expected)
    right, wrong = 90 * math.log(0.9) + 85 * math.log(0.9), 10 * math.log(0.2) + 15 * math.log(0.2)
    assert report.metrics["log_loss"] == pytest.approx(-(right + wrong) / 200)
    assert report.confusion.tolist() == [[85, 15], [10, 90]]
    assert report.classes["0"]["recall"] == 0.85
    assert report.classes["1"]["examples"] == 100
    assert report.classes["1"]["predicted"] == 105


@pytest.mark.parametrize("form", ["one column", "column vector", "two columns", "one-hot", "names"])
def test_every_form_of_a_binary_task_gives_the_same_report(form):
    random = np.random.default_rng(0)
    labels, said = random.integers(0, 2, 50), random.random(50)
    names = ["bad", "good"]
    expected = evaluate_arrays(labels, said, class_names=names, bootstrap=20)
    two = np.stack([1 - said, said], axis=1)
    forms = {
        "one column": (labels.astype(float), said),
        "column vector": (labels[:, None], said[:, None]),
        "two columns": (labels, two),
        "one-hot": (np.eye(2)[labels], two),
        "names": ([names[label] for label in labels], said),
    }
    report = evaluate_arrays(*forms[form], class_names=names, bootstrap=20)
    assert report.task == "binary"
    for name, value in expected.metrics.items():
        assert report.metrics[name] == pytest.approx(value, rel=1e-12), name
    assert report.confusion.tolist() == expected.confusion.tolist()
    assert report.verdicts == expected.verdicts


def test_tasks_are_told_apart_by_shape():
    even = np.full((4, 3), 1 / 3)
    assert evaluate_arrays([0, 1, 2, 0], even, bootstrap=0).task == "multiclass"
    assert evaluate_arrays(np.eye(3)[[0, 1, 2, 0]], even, bootstrap=0).task == "multiclass"
    several = [[1, 1, 0], [0, 0, 0], [1, 0, 0], [0, 1, 1]]
    assert evaluate_arrays(several, np.full((4, 3), 0.4), bootstrap=0).task == "multilabel"
    assert evaluate_arrays([0.5, 2.5], [1.0, 2.0], bootstrap=0).task == "regression"


def test_several_labels_by_hand():
    labels = np.array([[1, 0], [1, 1], [0, 1], [0, 0]])
    said = np.array([[0.9, 0.2], [0.8, 0.4], [0.6, 0.7], [0.1, 0.3]])
    report = evaluate_arrays(labels, said, class_names=["a", "b"], bootstrap=0)
    assert report.metrics["accuracy"] == 6 / 8
    assert report.metrics["exact_match"] == 2 / 4
    assert report.classes["a"]["precision"] == pytest.approx(2 / 3)
    assert report.classes["b"]["recall"] == 0.5
    assert report.metrics["precision_micro"] == pytest.approx(3 / 4)
    assert report.confusion.tolist() == [[[1, 1], [0, 2]], [[2, 0], [1, 1]]]
    assert [mistake.index for mistake in report.mistakes] == [2, 1]
    assert report.mistakes[0].label == "b"
    assert report.mistakes[0].prediction == "a, b"


def test_one_threshold_per_label():
    labels = np.array([[1, 0], [0, 1], [1, 1], [0, 0]])
    said = np.array([[0.3, 0.6], [0.1, 0.9], [0.35, 0.8], [0.2, 0.7]])
    report = evaluate_arrays(labels, said, threshold=[0.25, 0.75], bootstrap=0)
    assert report.metrics["exact_match"] == 1.0


def test_a_probability_at_the_threshold_is_not_above_it():
    """As in Keras's metrics, and as an argmax over two equal columns."""
    report = evaluate_arrays([0, 1], [0.5, 0.51], bootstrap=0)
    assert report.predictions.tolist() == [0, 1]
    assert evaluate_arrays([0, 1], [0.5, 0.51], threshold=0.6, bootstrap=0).confusion.tolist() == [
        [1, 0],
        [1, 0],
    ]


def test_regression_by_hand():
    report = evaluate_arrays([1.0, 2.0, 4.0], [1.5, 2.0, 3.0], task="regression", bootstrap=50)
    assert report.metrics["mean_absolute_error"] == 0.5
    assert report.metrics["root_mean_squared_error"] == pytest.approx(math.sqrt(1.25 / 3))
    assert report.metrics["median_absolute_error"] == 0.5
    assert report.metrics["r2"] == pytest.approx(1 - 1.25 / (14 / 3))
    assert report.mistakes[0].index == 2
    assert report.mistakes[0].label == "4"
    assert report.confusion is None
    assert set(report.intervals) == set(report.metrics)


def test_r2_of_equal_labels_is_not_defined():
    report = evaluate_arrays([2.0, 2.0], [1.0, 3.0], task="regression", bootstrap=10)
    assert math.isnan(report.metrics["r2"])
    assert "R squared" in str(report)


def test_a_class_without_examples_has_no_figures_and_is_left_out_of_the_averages():
    said = np.array([[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.3, 0.2, 0.5]])
    report = evaluate_arrays([0, 1, 1], said, class_names=["a", "b", "c"], bootstrap=30)
    absent = report.classes["c"]
    assert absent["examples"] == 0
    assert absent["predicted"] == 1
    assert all(math.isnan(absent[key]) for key in ("precision", "recall", "f1", "roc_auc"))
    assert report.metrics["recall_macro"] == pytest.approx((1.0 + 0.5) / 2)
    verdict = report.verdict("class_without_examples")
    assert verdict.message.startswith("No example of 'c'")
    assert report.verdict("one_class_only") is None


def test_one_class_only_is_said_and_not_scored():
    report = evaluate_arrays([1, 1, 1], [0.9, 0.8, 0.4], class_names=["-", "+"], bootstrap=30)
    assert report.metrics["accuracy"] == pytest.approx(2 / 3)
    assert math.isnan(report.metrics["roc_auc"])
    verdict = report.verdict("one_class_only")
    assert verdict.level == "bad"
    assert "every example is of '+'" in verdict.message
    assert report.verdicts[0].level == "bad"


def test_a_class_that_is_never_predicted_has_precision_zero():
    report = evaluate_arrays([0, 1, 1], [0.1, 0.2, 0.3], bootstrap=0)
    assert report.metrics["precision"] == 0.0
    assert report.classes["1"]["precision"] == 0.0


def test_the_worst_mistakes_come_with_their_inputs_worst_first():
    texts = ["one", "two", "three", "four"]
    report = evaluate_arrays([1, 1, 0, 0], [0.4, 0.05, 0.9, 0.1], inputs=texts, bootstrap=0)
    found = [(mistake.index, mistake.input) for mistake in report.mistakes]
    assert found == [(1, "two"), (2, "three"), (0, "one")]
    assert report.mistakes[0].loss == pytest.approx(-math.log(0.05))
    fewer = evaluate_arrays([1, 1, 0, 0], [0.4, 0.05, 0.9, 0.1], worst=1, bootstrap=0)
    assert len(fewer.mistakes) == 1


def test_inputs_other_than_texts_are_described():
    report = evaluate_arrays([1], [0.1], inputs=np.zeros((1, 8, 8, 3)), bootstrap=0)
    assert report.mistakes[0].input == "array of shape (8, 8, 3)"
    assert evaluate_arrays([1], [0.1], inputs=[b"caf\xc3\xa9"], bootstrap=0).mistakes[0].input == (
        "café"
    )


def test_the_seed_decides_the_intervals():
    first, again, other = (by_hand(bootstrap=100, seed=seed) for seed in (1, 1, 2))
    assert first.intervals == again.intervals
    assert first.intervals != other.intervals
    assert by_hand(bootstrap=0).intervals == {}


def test_options_that_break_their_rule():
    for options, message in (
        ({"bootstrap": -1}, "`bootstrap` must be a whole number, at least 0"),
        ({"confidence": 1.0}, "`confidence` must be a number, above 0 and below 1"),
        ({"worst": 2.5}, "`worst` must be a whole number"),
        ({"limits": {"gap": 1}}, "`limits` must be a kerasft.evaluation.Limits"),
        ({"train_report": 0.9}, "`train_report` must be a Report"),
        ({"threshold": 1.5}, "`threshold` must be a number, at least 0 and at most 1"),
        ({"threshold": [0.5, 0.5]}, "`threshold` must be one number for a binary task"),
        ({"task": "multi-class"}, "Did you mean 'multiclass'"),
    ):
        with pytest.raises(ArgumentError, match=message.replace("(", r"\(")):
            by_hand(**options)
    with pytest.raises(DataError, match=r"`inputs` must be one item per example.*3 inputs, 200"):
        by_hand(inputs=["a", "b", "c"])
    with pytest.raises(DataError, match="`inputs` must be a list or an array"):
        by_hand(inputs="one text")
    with pytest.raises(ArgumentError, match="`history` must be left out"):
        by_hand(train_report=by_hand(), history={})


def test_limits_are_arguments():
    assert by_hand().verdicts[0].level == "good"
    assert by_hand(limits=Limits(good_recall=0.95)).verdicts[0].level == "warning"


@settings(max_examples=30, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.integers(0, 3), st.lists(st.floats(0.01, 1), min_size=4, max_size=4)),
        min_size=1,
        max_size=25,
    )
)
def test_any_labels_and_probabilities_give_a_report_that_can_be_shown(rows):
    labels = [label for label, _ in rows]
    said = np.array([row for _, row in rows])
    report = evaluate_arrays(labels, said / said.sum(axis=1, keepdims=True), bootstrap=5)
    assert report.confusion.sum() == len(labels)
    assert report.metrics["accuracy"] == report.confusion.trace() / len(labels)
    assert all(len(line) <= 80 for line in str(report).splitlines())
    assert report.verdicts
