"""Verdicts: each sickness is named, and health is not called a sickness."""

import dataclasses
import re

import numpy as np
import pytest

from kerasft.errors import ArgumentError
from kerasft.evaluation import Limits, Verdict, evaluate_arrays


def counted(true_positive, false_negative, false_positive, true_negative, **options):
    labels = np.r_[np.ones(true_positive + false_negative), np.zeros(false_positive)]
    labels = np.r_[labels, np.zeros(true_negative)].astype(int)
    said = np.r_[np.ones(true_positive), np.zeros(false_negative), np.ones(false_positive)]
    said = np.r_[said, np.zeros(true_negative)]
    options = {"class_names": ["normal", "fraud"], "bootstrap": 0} | options
    return evaluate_arrays(labels, 0.01 + 0.98 * said, **options)


def calibrated(count, seed, spread=3.0):
    """Outcomes drawn from the probabilities themselves: nothing is wrong with this model."""
    random = np.random.default_rng(seed)
    said = 1 / (1 + np.exp(-spread * random.normal(size=count)))
    return (random.random(count) < said).astype(int), said


def test_98_percent_accuracy_with_12_percent_recall_is_not_fit_for_production():
    report = counted(6, 44, 4, 2346)
    assert round(report.metrics["accuracy"], 2) == 0.98
    assert report.metrics["recall"] == 0.12
    verdict = report.verdict("accuracy_paradox")
    assert verdict.level == "bad"
    assert verdict.message == (
        "Accuracy paradox: 98.0% accuracy hides 12.0% recall of 'fraud' (50 of 2400 examples): "
        "not fit for production."
    )
    assert verdict.evidence == {"accuracy": 0.98, "recall": 0.12, "examples": 50}
    assert "weight the classes" in verdict.remedy
    whole = report.verdicts[0]
    assert (whole.name, whole.level) == ("overall", "bad")
    assert whole.message.startswith("Not fit for production: accuracy 98.0%, precision 60.0%")


def test_the_paradox_is_seen_in_the_first_class_too():
    verdict = counted(2346, 4, 44, 6).verdict("accuracy_paradox")
    assert "recall of 'normal'" in verdict.message


def test_a_weak_class_without_high_accuracy_is_no_paradox():
    report = counted(40, 60, 10, 90)
    assert report.verdict("accuracy_paradox") is None
    assert report.verdict("weak_class").message == (
        "Weak class: 40.0% recall of 'fraud' (100 of 200 examples)."
    )
    assert report.verdicts[0].level == "bad"


def test_more_weak_classes_are_counted():
    labels = np.repeat([0, 1, 2], [900, 20, 20])
    said = np.tile([0.8, 0.1, 0.1], (940, 1))
    verdict = evaluate_arrays(labels, said, bootstrap=0).verdict("accuracy_paradox")
    assert "0.0% precision of '1'" in verdict.message
    assert "and 1 more such class:" in verdict.message


@pytest.mark.parametrize(
    ("counts", "level", "start"),
    [
        ((430, 50, 50, 470), "good", "Good: accuracy 90.0%"),
        ((400, 80, 80, 440), "warning", "Fair: accuracy 84.0%"),
        ((380, 101, 19, 500), "warning", "Fair: accuracy 88.0%"),
        ((240, 260, 20, 480), "bad", "Not fit for production: accuracy 72.0%"),
        ((49, 1, 60, 890), "bad", "Not fit for production: accuracy 93.9%, precision 45.0%"),
    ],
)
def test_good_is_above_85_with_80_and_80_and_bad_is_below_50(counts, level, start):
    verdict = counted(*counts).verdicts[0]
    assert verdict.name == "overall"
    assert verdict.level == level
    assert verdict.message.startswith(start)


def test_near_chance():
    random = np.random.default_rng(0)
    report = evaluate_arrays(random.integers(0, 2, 1000), random.random(1000), bootstrap=0)
    verdict = report.verdict("near_chance")
    assert verdict.level == "bad"
    assert re.match(r"Near chance: balanced accuracy is \d\d\.\d% where guessing", verdict.message)
    assert verdict.evidence["chance"] == 0.5
    assert "paired" in verdict.remedy
    report = evaluate_arrays(random.integers(0, 2, 9), random.random(9) / 10, bootstrap=0)
    assert report.verdict("near_chance").evidence["balanced_accuracy"] == 0.5


def test_near_chance_with_a_good_ranking_asks_for_another_threshold():
    labels = np.repeat([0, 1], 50)
    verdict = evaluate_arrays(labels, 0.1 + 0.3 * labels, bootstrap=0).verdict("near_chance")
    assert "the ROC area is 1.00" in verdict.message
    assert verdict.remedy.startswith("Choose the threshold")


def test_chance_of_several_classes():
    random = np.random.default_rng(0)
    said = random.dirichlet([1, 1, 1, 1], 800)
    verdict = evaluate_arrays(random.integers(0, 4, 800), said, bootstrap=0).verdict("near_chance")
    assert verdict.evidence["chance"] == 0.25


def test_a_regression_no_better_than_the_mean():
    random = np.random.default_rng(0)
    labels = random.normal(size=100)
    bad = evaluate_arrays(labels, np.zeros(100), task="regression", bootstrap=0)
    assert bad.verdict("near_chance").message.startswith("Hardly better than always predicting")
    good = evaluate_arrays(labels, labels + 0.1, task="regression", bootstrap=0)
    assert good.verdicts == ()


def test_a_class_never_predicted():
    said = np.array([[0.6, 0.3, 0.1]] * 30 + [[0.3, 0.6, 0.1]] * 30 + [[0.5, 0.4, 0.1]] * 30)
    report = evaluate_arrays(np.repeat([0, 1, 2], 30), said, bootstrap=0)
    verdict = report.verdict("never_predicted")
    assert verdict.level == "bad"
    assert verdict.message == "Never predicted: '2' (30 examples)."
    assert verdict.evidence == {"2": 30}


def test_a_head_that_collapsed_to_one_class():
    verdict = counted(0, 50, 0, 50).verdict("never_predicted")
    assert "Everything is called 'normal': the head has collapsed to one class" in verdict.message


def test_miscalibrated():
    labels, said = calibrated(3000, 0)
    logits = np.log(said / (1 - said))
    sure = 1 / (1 + np.exp(-4 * logits))
    verdict = evaluate_arrays(labels, sure, bootstrap=0).verdict("miscalibrated")
    assert verdict.level == "warning"
    assert "too sure of itself" in verdict.message
    assert verdict.evidence["calibration_error"] > verdict.evidence["explained_by_chance"]
    shy = 1 / (1 + np.exp(-0.2 * logits))
    verdict = evaluate_arrays(labels, shy, bootstrap=0).verdict("miscalibrated")
    assert "less sure than it could be" in verdict.message


@pytest.mark.parametrize("count", [40, 200, 2000])
def test_calibrated_models_are_not_called_miscalibrated(count):
    """At most 5% of them may be, of which 20 samples hold more than four in one of 400 cases."""
    called = [
        evaluate_arrays(*calibrated(count, seed), bootstrap=0).verdict("miscalibrated")
        for seed in range(20)
    ]
    assert sum(verdict is not None for verdict in called) <= 4


def test_too_few_examples_for_the_claim():
    verdict = counted(43, 7, 6, 44).verdict("too_few_examples")
    assert verdict.message.startswith(
        "Too few examples for the claim: with 100 the accuracy, 87.0%, may as well be 79.0% or 92.2"
    )
    assert counted(430, 70, 60, 440).verdict("too_few_examples") is None
    verdict = counted(19, 1, 30, 950).verdict("too_few_examples")
    assert verdict.message == "Too few examples for the claim: 'fraud' has only 20."
    assert counted(5, 0, 0, 995, limits=Limits(class_examples=0)).verdict("too_few_examples") is (
        None
    )


def test_all_right_on_few_examples_is_no_proof():
    """Where a bootstrap sees no spread at all, Wilson's interval does."""
    verdict = counted(10, 0, 0, 10, bootstrap=50).verdict("too_few_examples")
    assert verdict.evidence["low"] == pytest.approx(0.839, abs=0.001)


def test_overfitting_against_a_report_on_the_training_data():
    held_out, trained = counted(400, 100, 100, 400), counted(490, 10, 10, 490)
    report = counted(400, 100, 100, 400, train_report=trained)
    verdict = report.verdict("overfitting")
    assert verdict.level == "warning"
    assert verdict.message == (
        "Overfitting: 98.0% accuracy in training and 80.0% here, 18.0 points apart."
    )
    assert counted(490, 10, 10, 490, train_report=held_out).verdict("overfitting") is None
    wide = counted(400, 100, 100, 400, train_report=trained, limits=Limits(gap=0.2))
    assert wide.verdict("overfitting") is None


def test_a_train_report_of_another_task_is_refused():
    other = evaluate_arrays([1.5, 2.5], [1.0, 2.0], bootstrap=0)
    with pytest.raises(ArgumentError, match="`train_report` must be of the report's task"):
        counted(1, 1, 1, 1, train_report=other)


DISEASE = {
    "accuracy": [0.70, 0.90, 0.98],
    "val_accuracy": [0.68, 0.70, 0.70],
    "val_loss": [0.6, 0.9, 1.5],
}


def test_overfitting_in_a_history_that_was_sound_at_its_best_epoch_is_a_note():
    verdict = counted(430, 50, 50, 470, history=DISEASE).verdict("overfitting")
    assert verdict.level == "note"
    assert verdict.message == (
        "Overfitting: in epoch 3 training reached 98.0% accuracy and validation 70.0%, 28.0 points "
        "apart; epoch 1, with the lowest validation loss, was still sound."
    )


def test_overfitting_in_a_history_at_its_best_epoch():
    history = DISEASE | {"val_loss": [0.9, 0.6, 1.5]}
    verdict = counted(430, 50, 50, 470, history=history).verdict("overfitting")
    assert verdict.level == "warning"
    assert verdict.evidence["epoch"] == 2


@pytest.mark.parametrize(
    "history",
    [
        {"accuracy": [0.80, 0.88], "val_accuracy": [0.80, 0.86], "val_loss": [0.5, 0.4]},
        {"loss": [0.5], "val_loss": [0.5]},
        {"accuracy": [0.9]},
        {"accuracy": [0.9, 0.9], "val_accuracy": [0.5]},
        {},
    ],
)
def test_histories_that_show_no_overfitting(history):
    assert counted(430, 50, 50, 470, history=history).verdict("overfitting") is None


def test_a_history_is_a_history():
    with pytest.raises(ArgumentError, match="`history` must be a keras History"):
        counted(1, 1, 1, 1, history=[0.9])


def test_a_healthy_model_gets_one_verdict():
    for seed in range(10):
        labels, said = calibrated(4000, seed, spread=8.0)
        report = evaluate_arrays(labels, said, bootstrap=0)
        assert [(verdict.name, verdict.level) for verdict in report.verdicts] == [
            ("overall", "good")
        ]


def test_the_worst_comes_first_after_the_whole():
    levels = [verdict.level for verdict in counted(1, 20, 1, 60).verdicts[1:]]
    assert levels == sorted(levels, key=("bad", "warning", "note", "good").index)
    assert levels[0] == "bad"


OVERFITTED = {"train_report": evaluate_arrays([0, 1] * 60, [0.0, 1.0] * 60, bootstrap=0)}
# The ranking is good, the threshold is not.
COLLAPSED = ([0, 1] * 30, [0.1, 0.4] * 29 + [0.4, 0.1], {})
SURE = ([0, 1] * 60 + [1, 0] * 10, [0.02, 0.98] * 70, {})


@pytest.mark.parametrize(
    ("limit", "value", "examples", "name"),
    [
        ("good_accuracy", 0.95, ([0, 1] * 45 + [1, 0] * 5, [0.1, 0.9] * 50, {}), "overall"),
        ("good_precision", 0.95, ([0, 1] * 45 + [1, 0] * 5, [0.1, 0.9] * 50, {}), "overall"),
        ("good_recall", 0.95, ([0, 1] * 45 + [1, 0] * 5, [0.1, 0.9] * 50, {}), "overall"),
        ("bad_precision", 0.75, ([0, 1] * 35 + [1, 0] * 15, [0.1, 0.9] * 50, {}), "weak_class"),
        ("bad_recall", 0.75, ([0, 1] * 35 + [1, 0] * 15, [0.1, 0.9] * 50, {}), "weak_class"),
        ("chance_margin", 0.5, ([0, 1] * 35 + [1, 0] * 15, [0.1, 0.9] * 50, {}), "near_chance"),
        ("calibration_error", 0.3, SURE, "miscalibrated"),
        ("gap", 0.5, (*SURE[:2], OVERFITTED), "overfitting"),
        ("margin", 0.2, SURE, "too_few_examples"),
        ("class_examples", 71, SURE, "too_few_examples"),
        ("weak_class_examples", 31, COLLAPSED, "weak_class"),
        ("good_ranking", 1.0, COLLAPSED, "near_chance"),
    ],
)
def test_every_limit_moves_its_verdict(limit, value, examples, name):
    labels, said, options = examples
    default = evaluate_arrays(labels, said, bootstrap=0, **options).verdict(name)
    limits = Limits(**{limit: value})
    moved = evaluate_arrays(labels, said, bootstrap=0, limits=limits, **options).verdict(name)
    assert default != moved


def test_every_limit_is_tried_above():
    tried = {
        case[0] for mark in test_every_limit_moves_its_verdict.pytestmark for case in mark.args[1]
    }
    assert tried == {field.name for field in dataclasses.fields(Limits)}


def test_remedies_name_what_does_it_and_no_threshold_where_there_is_none():
    verdict = counted(6, 44, 4, 2346).verdict("accuracy_paradox")
    assert verdict.remedy == (
        "Judge by its precision and recall, not by accuracy. Choose the threshold on validation "
        "data (kerasft.tuning.choose_thresholds), weight the classes in training "
        "(kerasft.data.class_weights), or gather more examples of it."
    )
    said = np.tile([0.8, 0.1, 0.1], (940, 1))
    report = evaluate_arrays(np.repeat([0, 1, 2], [900, 20, 20]), said, bootstrap=0)
    assert report.verdict("accuracy_paradox").remedy.endswith(
        "Weight the classes in training (kerasft.data.class_weights) or gather more examples of it."
    )
    for verdict in report.verdicts[1:]:
        assert "threshold" not in verdict.remedy
        assert verdict.evidence
        assert verdict.remedy


def test_limits_and_levels_are_checked():
    with pytest.raises(ArgumentError, match="`gap` must be a number, at least 0 and at most 1"):
        Limits(gap=5)
    with pytest.raises(ArgumentError, match="`good_recall` must be at least bad_recall"):
        Limits(good_recall=0.4)
    for name in ("class_examples", "weak_class_examples"):
        with pytest.raises(ArgumentError, match=f"`{name}` must be a whole number"):
            Limits(**{name: 1.5})
    with pytest.raises(ArgumentError, match="Did you mean 'warning'"):
        Verdict("overall", "warnin", "")
