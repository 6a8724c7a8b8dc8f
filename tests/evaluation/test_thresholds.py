"""Thresholds: the best of all, as brute force finds it with scikit-learn's own figures."""

import json
import re

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn import metrics

from kerasft.errors import ArgumentError, DataError, SourceError
from kerasft.evaluation import Thresholds, choose_threshold, evaluate_arrays, plot_thresholds
from kerasft.evaluation.thresholds.cuts import METRICS, WeightedCuts, figure, find_cuts

SKLEARN = {
    "accuracy": metrics.accuracy_score,
    "balanced_accuracy": metrics.balanced_accuracy_score,
    "f0.5": lambda y, p: metrics.fbeta_score(y, p, beta=0.5, zero_division=0.0),
    "f1": lambda y, p: metrics.f1_score(y, p, zero_division=0.0),
    "f2": lambda y, p: metrics.fbeta_score(y, p, beta=2, zero_division=0.0),
    "matthews": metrics.matthews_corrcoef,
    "precision": lambda y, p: metrics.precision_score(y, p, zero_division=0.0),
    "recall": metrics.recall_score,
}


def imbalanced(count=600, share=0.1, seed=0, shift=2.0):
    random = np.random.default_rng(seed)
    labels = (random.random(count) < share).astype(int)
    labels[:2] = [0, 1]
    logits = random.normal(size=count) + shift * labels - 3
    return labels, 1 / (1 + np.exp(-logits))


@st.composite
def tasks(draw):
    """Both classes, and probabilities on a grid, so that ties, zeros and ones occur."""
    pairs = st.tuples(st.integers(0, 1), st.integers(0, 8))
    rows = draw(st.lists(pairs, min_size=2, max_size=20))
    labels, said = (np.array(column) for column in zip(*rows, strict=True))
    assume(0 < labels.sum() < len(labels))
    return labels, said / 8


def every_threshold(said):
    """One between any two neighbours of the grid, and the ends: no way to divide is left out."""
    return np.r_[0.0, np.arange(0.5, 8) / 8, 1.0]


@settings(max_examples=30, deadline=None)
@given(task=tasks(), metric=st.sampled_from([name for name in METRICS if name not in (
    "precision", "recall")]))  # fmt: skip
def test_no_threshold_has_a_larger_metric(task, metric):
    labels, said = task
    chosen = choose_threshold(labels, said, metric=metric, bootstrap=0)
    found = SKLEARN[metric](labels, chosen.decide(said))
    best = max(SKLEARN[metric](labels, said > threshold) for threshold in every_threshold(said))
    assert found == pytest.approx(best, abs=1e-12)
    assert chosen.choices[0].figures[metric] == pytest.approx(found, abs=1e-12)
    assert 0 <= chosen.threshold <= 1
    assert not (said == chosen.threshold).any() or chosen.threshold in (0, 1)
    assert chosen.decide([chosen.threshold]).tolist() == [0]


@settings(max_examples=30, deadline=None)
@given(task=tasks(), least=st.sampled_from([0.2, 0.5, 2 / 3, 0.75, 0.9, 1.0]), data=st.data())
def test_a_stated_precision_or_recall_is_reached_or_refused(task, least, data):
    labels, said = task
    part, other = data.draw(st.sampled_from([("precision", "recall"), ("recall", "precision")]))
    reachable = [
        SKLEARN[other](labels, said > threshold)
        for threshold in every_threshold(said)
        if SKLEARN[part](labels, said > threshold) >= least and (said > threshold).any()
    ]
    if not reachable:
        top = max(SKLEARN[part](labels, said > threshold) for threshold in every_threshold(said))
        with pytest.raises(
            ArgumentError, match=rf"`at_least_{part}` must be at most {top:.4f} for"
        ):
            choose_threshold(labels, said, **{f"at_least_{part}": least}, bootstrap=0)
        return
    chosen = choose_threshold(labels, said, **{f"at_least_{part}": least}, bootstrap=0)
    decided = chosen.decide(said)
    assert SKLEARN[part](labels, decided) >= least
    assert SKLEARN[other](labels, decided) == pytest.approx(max(reachable))
    assert chosen.metric == other


def test_the_curve_is_scikit_learns():
    labels, said = imbalanced()
    said = np.round(said, 2) + 0.001
    choice = choose_threshold(labels, said, bootstrap=0).choices[0]
    precision, recall, thresholds = metrics.precision_recall_curve(labels, said)
    assert choice.curve["precision"] == pytest.approx(precision[:-1][::-1])
    assert choice.curve["recall"] == pytest.approx(recall[:-1][::-1])
    # scikit-learn's are the probabilities themselves, for >=; ours lie below, for >.
    ours = choice.curve["threshold"]
    assert (ours < thresholds[::-1]).all()
    assert (ours[:-1] > thresholds[::-1][1:]).all()


@settings(max_examples=60, deadline=None)
@given(task=tasks(), seed=st.integers(0, 1000), name=st.sampled_from(METRICS))
def test_a_weight_is_a_number_of_copies(task, seed, name):
    labels, said = task
    weights = np.random.default_rng(seed).integers(0, 4, len(labels))
    copies = np.repeat(np.arange(len(labels)), weights)
    assume(0 < labels[copies].sum() < len(copies))
    cuts = find_cuts(labels == 1, said)
    found = figure(name, WeightedCuts(labels == 1, said, cuts).count(weights.astype(float)))
    for value, threshold in zip(found, cuts.thresholds, strict=True):
        expected = SKLEARN[name](labels[copies], said[copies] > threshold)
        assert value == pytest.approx(expected, abs=1e-12)


def test_reports_thresholds_and_heads_decide_alike():
    from kerasft.heads import ClassificationHead

    labels, said = imbalanced()
    chosen = choose_threshold(labels, said, class_names=["-", "+"], bootstrap=0)
    report = evaluate_arrays(labels, said, threshold=chosen.threshold, bootstrap=0)
    head = ClassificationHead(1, activation="sigmoid", class_names=["-", "+"])
    head.threshold = chosen.threshold
    words = head.decode(said[:, None])
    assert report.predictions.tolist() == chosen.decide(said).tolist()
    assert [["-", "+"].index(word) for word in words] == chosen.decide(said).tolist()
    for name in ("precision", "recall", "f1"):
        assert chosen.choices[0].figures[name] == pytest.approx(report.metrics[name])
        half = evaluate_arrays(labels, said, bootstrap=0).metrics[name]
        assert chosen.choices[0].at_half[name] == pytest.approx(half)


def test_neighbouring_floats_are_told_apart():
    low, high = 0.7, np.nextafter(0.7, 1)
    chosen = choose_threshold([0, 0, 1, 1], [0.1, low, high, 0.9], bootstrap=0)
    assert chosen.decide([low, high]).tolist() == [0, 1]


def test_equals_go_to_the_threshold_nearest_to_a_half():
    """Anything from 0.4 to 0.9 divides them perfectly, and so does only the middle of it."""
    assert choose_threshold([0, 1], [0.4, 0.9], bootstrap=0).threshold == pytest.approx(0.65)
    # Precision 1 with recall 1/2 above both 0.45 and 0.75: equal in balanced accuracy.
    chosen = choose_threshold([1, 0, 0, 1], [0.9, 0.6, 0.6, 0.3], metric="matthews", bootstrap=0)
    assert chosen.threshold == pytest.approx(0.75)


def test_what_has_probability_zero_is_above_no_threshold():
    labels, said = [1, 1, 0], [0.0, 0.9, 0.5]
    with pytest.raises(ArgumentError, match="exactly 0 are above no threshold") as caught:
        choose_threshold(labels, said, at_least_recall=0.8)
    assert "at most 0.5000" in str(caught.value)


def test_both_stated_and_the_best_of_what_can_be_had():
    labels, said = imbalanced()
    chosen = choose_threshold(
        labels, said, at_least_precision=0.3, at_least_recall=0.6, bootstrap=0
    )
    figures = chosen.choices[0].figures
    assert chosen.metric == "f1"
    assert figures["precision"] >= 0.3
    assert figures["recall"] >= 0.6
    with pytest.raises(ArgumentError) as caught:
        choose_threshold(labels, said, at_least_precision=0.95, at_least_recall=0.9, bootstrap=0)
    text = str(caught.value)
    assert "reached together with a recall of 0.9" in text
    by_recall = choose_threshold(labels, said, at_least_recall=0.9, bootstrap=0).choices[0]
    assert f"precision {by_recall.figures['precision']:.3f} with recall" in text
    by_precision = choose_threshold(labels, said, at_least_precision=0.95, bootstrap=0).choices[0]
    assert f"({by_precision.predicted} predicted)" in text


def test_the_message_for_a_precision_out_of_reach():
    labels, said = [0, 1, 0, 1, 0, 0], [0.9, 0.8, 0.7, 0.6, 0.2, 0.1]
    with pytest.raises(ArgumentError) as caught:
        choose_threshold(labels, said, at_least_precision=0.9, class_names=["ham", "spam"])
    assert str(caught.value) == (
        "`at_least_precision` must be at most 0.5000 for 'spam' on these 6 examples: no threshold "
        "reaches more. Received: at_least_precision=0.9 (of type float). The best: precision 0.500 "
        "with recall 1.000 above 0.4 (4 predicted). A better model, or more examples of the class, "
        "may reach more."
    )


def test_several_labels_each_have_their_own():
    labels, said = imbalanced()
    other, others = imbalanced(seed=1, shift=3)
    sets, both = np.stack([labels, other], 1), np.stack([said, others], 1)
    chosen = choose_threshold(sets, both, class_names=["a", "b"], bootstrap=30)
    alone = choose_threshold(labels, said, bootstrap=30)
    assert chosen.task == "multilabel"
    assert chosen.threshold[0] == alone.threshold
    assert chosen.choices[0].unseen == alone.choices[0].unseen
    assert chosen.threshold[0] != chosen.threshold[1]
    assert chosen.decide(both).shape == (600, 2)
    assert chosen.decide(both)[:, 0].tolist() == alone.decide(said).tolist()
    with pytest.raises(ArgumentError, match="for 'a' on these 600 examples"):
        choose_threshold(
            sets, both, at_least_precision=0.9, at_least_recall=0.9, class_names=["a", "b"]
        )


def test_a_label_without_examples_keeps_a_half_and_that_is_said():
    labels, said = imbalanced()
    sets = np.stack([labels, np.zeros_like(labels), np.ones_like(labels)], axis=1)
    chosen = choose_threshold(sets, np.stack([said] * 3, axis=1), bootstrap=5)
    assert chosen.threshold[1:] == (0.5, 0.5)
    assert [choice.chosen for choice in chosen.choices] == [True, False, False]
    assert "Not chosen: '1', '2' keep 0.5" in str(chosen).replace("\n", " ")
    with pytest.raises(DataError, match="`labels` must be examples with and without a label"):
        choose_threshold(sets[:, 1:], np.stack([said] * 2, axis=1), task="multilabel")


def test_unseen_examples_are_judged_more_soberly_than_those_it_was_chosen_on():
    """Noise: on the examples themselves some threshold always looks better than chance."""
    random = np.random.default_rng(0)
    gains = []
    for _ in range(8):
        labels, said = random.integers(0, 2, 60), random.random(60)
        chosen = choose_threshold(labels, said, metric="balanced_accuracy", bootstrap=60)
        choice = chosen.choices[0]
        gains.append(choice.figures["balanced_accuracy"] - choice.unseen["balanced_accuracy"])
        low, high = choice.intervals["balanced_accuracy"]
        assert low <= choice.figures["balanced_accuracy"] <= high
    assert np.mean(gains) > 0.04


def test_unseen_is_what_a_fresh_sample_gives():
    labels, said = imbalanced(1500)
    chosen = choose_threshold(labels, said, bootstrap=200).choices[0]
    fresh_labels, fresh = imbalanced(40_000, seed=99)
    found = metrics.f1_score(fresh_labels, fresh > chosen.threshold)
    low, high = chosen.intervals["f1"]
    assert low < found < high
    assert chosen.unseen["f1"] == pytest.approx(found, abs=0.05)


def test_few_examples_and_the_edge_are_said():
    labels, said = imbalanced(200, share=0.06)
    few = choose_threshold(labels, said, bootstrap=50)
    assert "Too few examples for the claim" in few.verdicts[0].message
    random = np.random.default_rng(0)
    noise = choose_threshold(
        random.integers(0, 2, 400), random.random(400), at_least_precision=0.6, bootstrap=100
    )
    assert noise.choices[0].unreached > 0.05
    assert "At the edge: in " in str(noise)


def test_the_seed_decides_the_draws():
    first, again, other = (
        choose_threshold(*imbalanced(), bootstrap=20, seed=seed).to_dict() for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other | {"seed": 1}
    bare = choose_threshold(*imbalanced(), bootstrap=0)
    assert bare.choices[0].intervals == bare.choices[0].unseen == {}
    assert "interval" in str(bare)


@pytest.mark.parametrize("several", [False, True])
def test_saved_and_loaded(tmp_path, several):
    labels, said = imbalanced()
    if several:
        labels, said = np.stack([labels, 0 * labels], 1), np.stack([said, said], 1)
    chosen = choose_threshold(labels, said, metric="f2", bootstrap=20)
    chosen.save(tmp_path / "thresholds.json")
    json.loads((tmp_path / "thresholds.json").read_text(), parse_constant=pytest.fail)
    loaded = Thresholds.load(tmp_path / "thresholds.json")
    assert loaded.to_dict() == chosen.to_dict()
    assert loaded.threshold == chosen.threshold
    assert str(loaded) == str(chosen)
    assert np.array_equal(loaded.decide(said), chosen.decide(said))
    for ending in ("md", "html"):
        chosen.save(tmp_path / f"thresholds.{ending}")
        assert "unseen" in (tmp_path / f"thresholds.{ending}").read_text()
    assert "data:image/png" in (tmp_path / "thresholds.html").read_text()
    assert "<table>" in chosen._repr_html_()
    with pytest.raises(ArgumentError, match=r"ends in \.json, \.md, \.html"):
        chosen.save(tmp_path / "thresholds.txt")


def test_files_that_hold_no_thresholds(tmp_path):
    path = tmp_path / "file.json"
    with pytest.raises(SourceError, match="No file of thresholds could be read"):
        Thresholds.load(path)
    evaluate_arrays([0, 1], [0.1, 0.9], bootstrap=0).save(path)
    with pytest.raises(DataError, match="holds no file of thresholds of kerasft's"):
        Thresholds.load(path)
    choose_threshold([0, 1], [0.1, 0.9], bootstrap=0).save(path)
    content = json.loads(path.read_text())
    for damage in (
        {"choices": [{}]},
        {"choices": [content["choices"][0] | {"threshold": 7}]},
        {"class_names": None},
    ):
        path.write_text(json.dumps(content | damage))
        with pytest.raises(DataError, match="missing or damaged parts"):
            Thresholds.load(path)


@pytest.mark.parametrize(
    ("labels", "said", "options", "message"),
    [
        ([0, 1, 1], [0.1, 0.9], {}, "3 labels, 2 rows of probabilities"),
        ([0, 1], [0.1, float("nan")], {}, "NaN or infinite values"),
        ([0, float("nan")], [0.1, 0.2], {}, "`labels` must be finite numbers"),
        ([0, 1], [-3.0, 2.0], {}, "These look like logits"),
        ([0, 1], [[0.5, 0.4], [0.5, 0.5]], {}, "rows that sum to one"),
        ([1, 1], [0.1, 0.9], {}, "`labels` must be examples of both classes"),
        ([0, 0], [0.1, 0.9], {"class_names": ["a", "b"]}, "only 'a', 2 times"),
        (["a", "b"], [0.1, 0.9], {}, "whole numbers where no class_names are given"),
        ([0, 2], [0.1, 0.9], {}, "0 or 1 where there is one column"),
        ([], [], {}, "at least one example"),
        ([0, 1, 2], np.full((3, 3), 1 / 3), {}, "the most probable is predicted"),
        ([0.5, 1.7], [0.1, 3.0], {}, "`task` must be 'binary' or 'multilabel'"),
    ],
)
def test_data_that_cannot_be_used(labels, said, options, message):
    with pytest.raises(DataError, match=re.escape(message)):
        choose_threshold(labels, said, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metric": "f3"}, "`metric` must be one of 'accuracy', 'balanced_accuracy'"),
        ({"metric": "recal"}, "Did you mean 'recall'"),
        ({"metric": "recall"}, "another, or go with `at_least_precision`"),
        ({"metric": "precision"}, "another, or go with `at_least_recall`"),
        ({"metric": "recall", "at_least_recall": 0.5}, "go with `at_least_precision`"),
        ({"at_least_precision": 0}, "`at_least_precision` must be a number, above 0 and at most 1"),
        ({"at_least_recall": 90}, "`at_least_recall` must be a number"),
        ({"at_least_recall": "0.9"}, "`at_least_recall` must be a number"),
        ({"bootstrap": -1}, "`bootstrap` must be a whole number"),
        ({"confidence": 95}, "`confidence` must be a number"),
        ({"task": "binry"}, "Did you mean 'binary'"),
    ],
)
def test_arguments_that_break_their_rule(options, message):
    with pytest.raises(ArgumentError, match=re.escape(message)):
        choose_threshold([0, 1], [0.1, 0.9], **options)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ([[0.1, 0.2, 0.7]], "of shape (examples, 1) or (examples, 2)"),
        ([2.0], "These look like logits"),
        ([float("nan")], "finite numbers"),
        ([[0.1, 0.2]], "rows that sum to one"),
        (0.5, "an array or a list"),
    ],
)
def test_probabilities_that_cannot_be_decided(said, message):
    chosen = choose_threshold([0, 1], [0.1, 0.9], bootstrap=0)
    with pytest.raises(DataError, match=re.escape(message)):
        chosen.decide(said)
    assert chosen.decide([[0.1, 0.9]]).tolist() == chosen.decide([[0.9]]).tolist() == [1]


def test_the_picture_shows_the_curves_and_the_choice():
    labels, said = imbalanced()
    chosen = choose_threshold(labels, said, class_names=["-", "$+$"], bootstrap=0)
    figure_ = plot_thresholds(chosen)
    figure_.draw_without_rendering()
    lines = {line.get_label(): line for line in figure_.axes[0].lines}
    assert lines["precision"].get_linestyle() != lines["recall"].get_linestyle()
    assert lines["chosen"].get_xdata() == [chosen.threshold]
    assert lines["chosen"].get_ydata() == [chosen.choices[0].figures["f1"]]
    assert figure_.axes[0].get_title().startswith(r"\$+\$: above 0.")
    sets, both = np.stack([labels] * 8, 1), np.stack([said] * 8, 1)
    many = plot_thresholds(choose_threshold(sets, both, bootstrap=0))
    many.draw_without_rendering()
    assert len(many.axes) == 6
    assert many.legends[0].get_title().get_text() == "the first 6 of 8 labels"
    with pytest.raises(ArgumentError, match="what choose_threshold gives back"):
        plot_thresholds(evaluate_arrays([0, 1], [0.1, 0.9], bootstrap=0))


def test_a_long_curve_is_thinned_and_keeps_the_choice():
    labels, said = imbalanced(3000)
    choice = choose_threshold(labels, said, bootstrap=0).choices[0]
    assert len(choice.curve["threshold"]) <= 1000
    assert choice.threshold in choice.curve["threshold"]
