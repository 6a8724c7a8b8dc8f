"""Temperature scaling: the lowest log loss, against scikit-learn, brute force and known truth."""

import json
import re

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import log_loss

from kerasft.errors import ArgumentError, DataError, SourceError
from kerasft.evaluation import Temperature, evaluate_arrays, fit_temperature


def softmax(values):
    powers = np.exp(values - values.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def logistic(values):
    return 1 / (1 + np.exp(-values))


def overconfident(task, count=3000, by=3.0, seed=0):
    """Labels drawn from a softmax or sigmoid, and the logits behind it times `by`."""
    random = np.random.default_rng(seed)
    if task == "multiclass":
        logits = 1.5 * random.normal(size=(count, 4))
        labels = (softmax(logits).cumsum(axis=1) < random.random((count, 1))).sum(axis=1)
    else:
        logits = 1.5 * random.normal(size=(count, 3) if task == "multilabel" else count) - 0.5
        labels = (random.random(logits.shape) < logistic(logits)).astype(int)
    return labels, by * logits


TASKS = ("binary", "multiclass", "multilabel")


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("by", [0.25, 3.0])
def test_the_true_temperature_is_found(task, by):
    labels, logits = overconfident(task, by=by)
    fitted = fit_temperature(labels, logits, from_logits=True, bootstrap=50)
    assert fitted.task == task
    assert fitted.temperature == pytest.approx(by, rel=0.12)
    assert fitted.after["log_loss"] < fitted.before["log_loss"] - 0.05
    assert fitted.after["calibration_error"] < fitted.before["calibration_error"] / 3
    assert fitted.difference_intervals["log_loss"][1] < 0
    assert fitted.verdicts == ()
    for values, intervals in (
        (fitted.before, fitted.before_intervals),
        (fitted.after, fitted.after_intervals),
    ):
        for name, (low, high) in intervals.items():
            assert low <= values[name] <= high


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_it_is_scikit_learns_temperature(task):
    pytest.importorskip("sklearn", minversion="1.8")
    from sklearn import calibration
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.frozen import FrozenEstimator

    class Says(ClassifierMixin, BaseEstimator):
        """A fitted classifier whose logits are its inputs."""

        def fit(self, x, y):
            self.classes_ = np.unique(y)
            return self

        def decision_function(self, x):
            return x[:, 0] if x.shape[1] == 1 else x

        def predict(self, x):
            return x.argmax(axis=1) if x.shape[1] > 1 else (x[:, 0] > 0).astype(int)

    labels, logits = overconfident(task, 400)
    x = logits.reshape(400, -1)
    scaler = calibration.CalibratedClassifierCV(
        FrozenEstimator(Says().fit(x, labels)), method="temperature"
    )
    scaler.fit(x, labels)
    fitted = fit_temperature(labels, logits, from_logits=True, bootstrap=0)
    expected = scaler.predict_proba(x)
    found = fitted.apply(logits, from_logits=True)
    if task == "binary":
        expected = expected[:, 1]
    assert found == pytest.approx(expected, abs=1e-3)


@settings(max_examples=60, deadline=None)
@given(
    logits=hnp.arrays(float, (12, 3), elements=st.floats(-8, 8)),
    labels=hnp.arrays(int, 12, elements=st.integers(0, 2)),
)
def test_no_other_temperature_has_a_lower_log_loss(logits, labels):
    try:
        fitted = fit_temperature(labels, logits, from_logits=True, bootstrap=0, task="multiclass")
    except DataError:
        return
    assume(0.01 < fitted.temperature < 100)
    for other in fitted.temperature * np.array([0.5, 0.9, 0.99, 1.01, 1.1, 2.0]):
        loss = log_loss(labels, softmax(logits / other), labels=[0, 1, 2])
        assert fitted.after["log_loss"] <= loss + 1e-9


@pytest.mark.parametrize("task", TASKS)
def test_probabilities_give_the_same_as_logits(task):
    labels, logits = overconfident(task, 300)
    said = softmax(logits) if task == "multiclass" else logistic(logits)
    by_logits = fit_temperature(labels, logits, from_logits=True, bootstrap=5)
    fitted = fit_temperature(labels, said, bootstrap=5)
    assert fitted.temperature == pytest.approx(by_logits.temperature, rel=1e-6)
    assert fitted.before == pytest.approx(by_logits.before)
    assert fitted.apply(said) == pytest.approx(by_logits.apply(logits, from_logits=True))
    # The result is what a report says of the scaled probabilities.
    report = evaluate_arrays(labels, fitted.apply(said), task=task, bootstrap=0)
    for name, value in fitted.after.items():
        assert value == pytest.approx(report.metrics[name]), name


def test_every_form_of_two_classes_gives_the_same():
    labels, logits = overconfident("binary", 200)
    expected = fit_temperature(labels, logits, from_logits=True, bootstrap=0).temperature
    two = np.stack([1 - logits, np.ones(200)], axis=1)  # their difference is the logit
    for given_labels, outputs in (
        (labels, logits[:, None]),
        (labels, two),
        (labels[:, None], logits[:, None]),
        (labels.astype(bool), logits),
    ):
        fitted = fit_temperature(given_labels, outputs, from_logits=True, bootstrap=0)
        assert fitted.temperature == pytest.approx(expected)
        assert fitted.apply(outputs, from_logits=True).shape == (200,)
    names = ["no", "yes"]
    words = [names[label] for label in labels]
    fitted = fit_temperature(words, logits, from_logits=True, class_names=names, bootstrap=0)
    assert fitted.temperature == pytest.approx(expected)
    assert fitted.class_names == ("no", "yes")


def test_one_temperature_per_label():
    labels, logits = overconfident("multilabel", 500)
    logits = logits * [1.0, 0.2, 2.0]
    fitted = fit_temperature(labels, logits, from_logits=True, per_label=True, bootstrap=0)
    for column in range(3):
        alone = fit_temperature(labels[:, column], logits[:, column], from_logits=True, bootstrap=0)
        assert fitted.temperature[column] == pytest.approx(alone.temperature)
        assert fitted.apply(logits, from_logits=True)[:, column] == pytest.approx(
            alone.apply(logits[:, column], from_logits=True)
        )
    shared = fit_temperature(labels, logits, from_logits=True, bootstrap=0)
    assert fitted.after["log_loss"] < shared.after["log_loss"]
    assert "Temperatures" in str(fitted)


def test_the_most_probable_class_stays():
    labels, logits = overconfident("multiclass", 300)
    fitted = fit_temperature(labels, logits, from_logits=True, bootstrap=0)
    assert (
        fitted.apply(logits, from_logits=True).argmax(axis=1).tolist()
        == logits.argmax(axis=1).tolist()
    )
    labels, logits = overconfident("binary", 300)
    fitted = fit_temperature(labels, logits, from_logits=True, bootstrap=0)
    assert ((fitted.apply(logits, from_logits=True) > 0.5) == (logits > 0)).all()
    assert fitted.apply([0.5]).tolist() == [0.5]


def test_saturated_probabilities_are_scaled_and_huge_logits_do_not_overflow():
    fitted = fit_temperature([1, 1, 1, 0], [1.0, 1.0, 1.0, 1.0], bootstrap=0)
    assert fitted.apply([1.0])[0] == pytest.approx(0.75)
    assert 0 < fitted.apply([0.0])[0] < 1e-3
    fitted = fit_temperature([1, 1, 1, 0], [1e6] * 4, from_logits=True, bootstrap=0)
    assert fitted.apply([1e6], from_logits=True)[0] == pytest.approx(0.75)
    fitted = fit_temperature([1, 1, 1, 0], [1e-6] * 4, from_logits=True, bootstrap=0)
    assert fitted.apply([1e-6], from_logits=True)[0] == pytest.approx(0.75)


def test_no_clear_gain_and_what_no_temperature_corrects_are_said():
    labels, logits = overconfident("binary", 500, by=1.0)
    fitted = fit_temperature(labels, logits, from_logits=True, bootstrap=100)
    assert [verdict.name for verdict in fitted.verdicts] == ["no_clear_gain"]
    # As after training with class weights: class 1 is said too often.
    shifted = fit_temperature(labels, logits + 2.0, from_logits=True, bootstrap=100)
    assert shifted.verdicts[-1].name == "still_miscalibrated"
    assert "class weights" in str(shifted)


def test_the_text_tells_before_and_after():
    labels, logits = overconfident("binary")
    fitted = fit_temperature(labels, logits, from_logits=True, bootstrap=20)
    lines = [" ".join(line.split()) for line in str(fitted).splitlines()]
    assert all(len(line) <= 80 for line in lines)
    assert "which makes the model less sure." in " ".join(lines)
    values = [side["log_loss"] for side in (fitted.before, fitted.after)]
    (row,) = [line for line in lines if line.startswith("Log loss")]
    assert all(f"{value:.3f}" in row for value in values)
    assert repr(fitted).startswith("<Temperature: 3.")


@pytest.mark.parametrize("per_label", [False, True])
def test_saved_and_loaded(tmp_path, per_label):
    labels, logits = overconfident("multilabel", 200)
    fitted = fit_temperature(labels, logits, from_logits=True, per_label=per_label, bootstrap=10)
    path = tmp_path / "temperature.json"
    fitted.save(path)
    json.loads(path.read_text(), parse_constant=pytest.fail)
    loaded = Temperature.load(path)
    assert loaded.to_dict() == fitted.to_dict()
    assert str(loaded) == str(fitted)
    said = logistic(logits)
    assert np.array_equal(loaded.apply(said), fitted.apply(said))
    fitted.save(tmp_path / "temperature.html")
    assert "data:image/png" in (tmp_path / "temperature.html").read_text()
    fitted.save(tmp_path / "temperature.md")
    assert "Before and after" in (tmp_path / "temperature.md").read_text()
    assert "<table>" in fitted._repr_html_()


def test_files_that_hold_no_temperature(tmp_path):
    path = tmp_path / "file.json"
    with pytest.raises(SourceError, match="No temperature could be read"):
        Temperature.load(path)
    path.write_text("{}")
    with pytest.raises(DataError, match="holds no temperature of kerasft's"):
        Temperature.load(path)
    fit_temperature([1, 1, 0], [0.9] * 3, bootstrap=0).save(path)
    content = json.loads(path.read_text())
    for damage in ({"temperature": -1}, {"before": None}, {"after_bins": 3}):
        path.write_text(json.dumps(content | damage))
        with pytest.raises(DataError, match="missing or damaged parts"):
            Temperature.load(path)


THREE = [[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.5, 0.3, 0.2]]


@pytest.mark.parametrize(
    ("labels", "given", "options", "message"),
    [
        ([0, 1, 1], [0.1, 0.9], {}, "3 labels, 2 rows of probabilities"),
        ([0, 1, 1], [1.0, 9.0], {"from_logits": True}, "3 labels, 2 rows of probabilities"),
        ([0, 1], [0.1, float("nan")], {}, "NaN or infinite values"),
        ([0, 1], [0.1, float("inf")], {"from_logits": True}, "NaN or infinite values"),
        ([0, 1], [-3.0, 2.0], {}, "These look like logits"),
        ([0, 1, 2], THREE, {"from_logits": True}, "`from_logits` must be False"),
        ([0, 1], [[0.5, 0.4], [0.5, 0.5]], {}, "rows that sum to one"),
        ([1, 1], [0.1, 0.9], {}, "`labels` must be of more than one class"),
        ([2, 2, 2], THREE, {}, "3 examples of one class"),
        ([0, 3, 1], THREE, {}, "whole numbers from 0 to 2 for 3 classes"),
        (["a", "b"], [0.1, 0.9], {}, "whole numbers where no class_names are given"),
        ([], [], {}, "at least one example"),
        ([], [], {"from_logits": True}, "at least one example"),
        ([0, 1, 1], [0.1, 0.9, 0.7], {}, "`labels` must be wrong at least once"),
        ([0, 1, 0], THREE, {}, "there is no best one"),
        ([1, 0, 1], [0.1, 0.9, 0.7], {}, "higher for what is true than for what is not"),
        (np.eye(3), np.eye(3) * 5, {"from_logits": True}, "`task` must be given for logits"),
        ("ab", [0.1, 0.9], {}, "an array or a list"),
    ],
)
def test_data_that_cannot_be_used(labels, given, options, message):
    with pytest.raises(DataError, match=re.escape(message)):
        fit_temperature(labels, given, **options)


def test_a_label_without_a_best_temperature_is_named():
    labels = np.array([[1, 0], [1, 0], [0, 0]])
    said = np.array([[0.9, 0.1], [0.8, 0.1], [0.7, 0.2]])
    options = {"class_names": ["a", "b"], "task": "multilabel", "bootstrap": 0}
    with pytest.raises(DataError, match="`labels` must be wrong at least once for 'b'"):
        fit_temperature(labels, said, per_label=True, **options)
    assert fit_temperature(labels, said, **options).temperature > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"from_logits": 1}, "`from_logits` must be True or False"),
        ({"per_label": True}, "`per_label` must be False where each example has one class"),
        ({"per_label": "yes"}, "`per_label` must be True or False"),
        ({"task": "regression"}, "a regression has no probabilities"),
        ({"task": "multi"}, "`task` must be one of"),
        ({"bootstrap": 1.5}, "`bootstrap` must be a whole number"),
        ({"confidence": 0}, "`confidence` must be a number"),
        ({"seed": -1}, "`seed` must be a whole number"),
    ],
)
def test_arguments_that_break_their_rule(options, message):
    with pytest.raises(ArgumentError, match=re.escape(message)):
        fit_temperature([0, 1, 1], [0.1, 0.9, 0.2], **options)


@pytest.mark.parametrize(
    ("given", "options", "message"),
    [
        ([[0.1, 0.2, 0.7]], {}, "of shape (examples, 1) or (examples, 2)"),
        ([2.0], {}, "These look like logits"),
        ([float("nan")], {"from_logits": True}, "finite numbers"),
        ([[0.1, 0.2]], {}, "rows that sum to one"),
    ],
)
def test_probabilities_that_cannot_be_scaled(given, options, message):
    fitted = fit_temperature([1, 1, 0], [0.9] * 3, bootstrap=0)
    with pytest.raises(DataError, match=re.escape(message)):
        fitted.apply(given, **options)
