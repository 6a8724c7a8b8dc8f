"""The bootstrap: its own arithmetic against scikit-learn's, and its intervals against theory."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from kerasft.evaluation import evaluate_arrays
from kerasft.evaluation.bootstrap import draw_figures, figures_by_weight, interval
from kerasft.evaluation.inputs import read_examples


def random_task(task, seed, count=30):
    random = np.random.default_rng(seed)
    # Probabilities on a coarse grid, so that ties occur.
    if task == "binary":
        return random.integers(0, 2, count), random.integers(0, 11, count) / 10
    if task == "multiclass":
        said = random.integers(1, 9, (count, 4)).astype(float)
        return random.integers(0, 4, count), said / said.sum(axis=1, keepdims=True)
    if task == "multilabel":
        return random.integers(0, 2, (count, 3)), random.integers(0, 11, (count, 3)) / 10
    return random.normal(size=(count, 2)), random.normal(size=(count, 2))


TASKS = ("binary", "multiclass", "multilabel", "regression")


@settings(max_examples=60, deadline=None)
@given(task=st.sampled_from(TASKS), seed=st.integers(0, 10_000), count=st.integers(2, 30))
def test_equal_weights_give_the_figures_of_the_report(task, seed, count):
    labels, said = random_task(task, seed, count)
    report = evaluate_arrays(labels, said, task=task, bootstrap=0)
    whole, classes = figures_by_weight(report.examples)(np.ones(count))
    assert {*whole} == {*report.metrics}  # every figure has an interval
    for name, value in whole.items():
        assert value == pytest.approx(report.metrics[name], abs=1e-9, nan_ok=True), name
    for name, values in classes.items():
        expected = [figures[name] for figures in report.classes.values()]
        assert values == pytest.approx(expected, abs=1e-9, nan_ok=True), name


@settings(max_examples=40, deadline=None)
@given(task=st.sampled_from(TASKS), seed=st.integers(0, 10_000))
def test_a_weight_is_a_number_of_copies(task, seed):
    labels, said = random_task(task, seed)
    weights = np.random.default_rng(seed + 1).integers(0, 4, len(labels))
    weights[0] += 1
    examples = read_examples(labels, said, task=task)
    copies = np.repeat(np.arange(len(labels)), weights)
    copied = evaluate_arrays(labels[copies], said[copies], task=task, bootstrap=0)
    whole, classes = figures_by_weight(examples)(weights.astype(float))
    for name, value in whole.items():
        assert value == pytest.approx(copied.metrics[name], abs=1e-9, nan_ok=True), name
    for name, values in classes.items():
        expected = [figures[name] for figures in copied.classes.values()]
        assert values == pytest.approx(expected, abs=1e-9, nan_ok=True), name


def test_the_areas_with_weights_are_scikit_learns():
    labels, said = random_task("binary", 5, 200)
    weights = np.random.default_rng(6).random(200)
    found = figures_by_weight(read_examples(labels, said))(weights).whole
    assert found["roc_auc"] == pytest.approx(roc_auc_score(labels, said, sample_weight=weights))
    expected = average_precision_score(labels, said, sample_weight=weights)
    assert found["pr_auc"] == pytest.approx(expected)


def test_areas_of_very_many_classes_have_no_interval():
    said = np.full((205, 101), 1 / 101)
    figures = figures_by_weight(read_examples(np.arange(205) % 101, said))(np.ones(205))
    assert not {"roc_auc", "pr_auc"} & {*figures.whole}
    report = evaluate_arrays(np.arange(205) % 101, said, bootstrap=2)
    assert "pr_auc" in report.metrics
    assert "pr_auc" not in report.intervals
    assert "ROC area" in str(report.compare(report, bootstrap=2)) + str(report)


def test_the_interval_of_a_calibration_error_holds_its_value():
    """A calibrated model's bins scatter more in a draw than in the sample: that is taken off."""
    random = np.random.default_rng(0)
    for _ in range(10):
        said = random.random(300)
        labels = (random.random(300) < said).astype(int)
        report = evaluate_arrays(labels, said, bootstrap=200)
        low, high = report.intervals["calibration_error"]
        assert 0 <= low <= report.metrics["calibration_error"] <= high


def test_the_interval_of_an_accuracy_is_the_binomials():
    """Of n examples with share p right, a draw's accuracy has the deviation sqrt(p(1-p)/n)."""
    right = 850
    labels = np.ones(1000, dtype=int)
    labels[500:] = 0
    wrong = np.r_[np.arange(75), np.arange(500, 575)]
    said = labels.astype(float)
    said[wrong] = 1 - said[wrong]
    draws = draw_figures([read_examples(labels, said)], 2000, 0)[0].whole["accuracy"]
    deviation = math.sqrt(0.85 * 0.15 / 1000)
    assert draws.mean() == pytest.approx(right / 1000, abs=4 * deviation / math.sqrt(2000))
    assert draws.std() == pytest.approx(deviation, rel=0.08)
    low, high = interval(draws, 0.95)
    assert low == pytest.approx(0.85 - 1.96 * deviation, abs=0.004)
    assert high == pytest.approx(0.85 + 1.96 * deviation, abs=0.004)


def test_several_models_are_drawn_together():
    labels, said = random_task("binary", 1)
    same = read_examples(labels, said)
    first, second = draw_figures([same, same], 50, 0)
    for part, other in zip(first, second, strict=True):
        for name in part:
            assert np.array_equal(part[name], other[name], equal_nan=True)


def test_figures_that_a_draw_leaves_undefined_are_left_out():
    """One positive among five: about a third of the draws hold none."""
    draws = draw_figures([read_examples([1, 0, 0, 0, 0], [0.9, 0.1, 0.1, 0.8, 0.1])], 200, 0)[
        0
    ].whole
    assert 20 < np.isnan(draws["recall"]).sum() < 130
    low, high = interval(draws["recall"], 0.95)
    assert low == high == 1.0
    assert all(math.isnan(bound) for bound in interval(np.array([np.nan, np.nan]), 0.95))
