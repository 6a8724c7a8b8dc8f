"""Thresholds and temperatures of models: found on validation data, carried by the head, gone by."""

import keras
import numpy as np
import pytest

from kerasft.errors import ArgumentError, DataError, UnsupportedError
from kerasft.evaluation import choose_threshold, evaluate_arrays, fit_temperature
from kerasft.heads import ClassificationHead, Head, RegressionHead
from kerasft.tuning import calibrate, choose_thresholds, evaluate

RANDOM = np.random.default_rng(0)
COUNT = 300
# The model is the identity: its outputs are its inputs, so that every number is known.
LOGITS = (3 * RANDOM.normal(size=(COUNT, 3)) - 2).astype("float32")
SETS = (RANDOM.random((COUNT, 3)) < 1 / (1 + np.exp(-LOGITS / 3))).astype(int)
SETS[:2] = [[1, 1, 0], [0, 0, 1]]
Y3 = (LOGITS / 3 + RANDOM.gumbel(size=(COUNT, 3))).argmax(axis=1)
QUIET = {"verbose": 0, "bootstrap": 0}


def softmax(values):
    powers = np.exp(values - values.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def logistic(values):
    return 1 / (1 + np.exp(-np.asarray(values, dtype=float)))


def identity(head):
    """A model whose logits are its inputs."""
    width = head.num_classes
    inputs = keras.Input((width,))
    model = keras.Model(inputs, head(inputs))
    model.set_weights([np.eye(width), np.zeros(width)])
    model.compile("sgd", run_eagerly=True)
    return model


def one_logit(**options):
    return identity(ClassificationHead(1, class_names=["no", "yes"], **options))


X1, Y1 = LOGITS[:, :1], SETS[:, 0]


def test_chosen_thresholds_are_those_of_the_arrays_and_the_head_carries_them():
    model = one_logit()
    chosen = choose_thresholds(model, (X1, Y1), metric="f2", **QUIET)
    expected = choose_threshold(Y1, logistic(X1[:, 0]), metric="f2", bootstrap=0)
    assert chosen.threshold == pytest.approx(expected.threshold, rel=1e-6)
    assert chosen.class_names == ("no", "yes")
    head = model.get_layer("head")
    assert head.threshold == chosen.threshold
    report = evaluate(model, (X1, Y1), **QUIET)
    assert report.examples.threshold == chosen.threshold
    for name in ("precision", "recall", "f1"):
        assert report.metrics[name] == pytest.approx(chosen.choices[0].figures[name])
    words = head.decode(model.predict(X1, verbose=0))
    assert [head.class_names.index(word) for word in words] == report.predictions.tolist()


def test_it_stays_off_the_head_where_that_is_asked():
    model = one_logit()
    chosen = choose_thresholds(model, (X1, Y1), at_least_recall=0.9, set_on_head=False, **QUIET)
    fitted = calibrate(model, (X1, Y1), set_on_head=False, **QUIET)
    head = model.get_layer("head")
    assert (head.threshold, head.temperature) == (None, 1.0)
    assert evaluate(model, (X1, Y1), **QUIET).notes == ()
    report = evaluate(
        model, (X1, Y1), threshold=chosen.threshold, temperature=fitted.temperature, **QUIET
    )
    assert report.examples.threshold == chosen.threshold
    assert report.probabilities == pytest.approx(logistic(X1[:, 0] / fitted.temperature))


def test_one_threshold_per_label():
    model = identity(ClassificationHead(3, multi_label=True, class_names=["a", "b", "c"]))
    chosen = choose_thresholds(model, (LOGITS, SETS), **QUIET)
    assert len(set(chosen.threshold)) == 3
    assert model.get_layer("head").threshold == chosen.threshold
    report = evaluate(model, (LOGITS, SETS), **QUIET)
    assert report.examples.threshold == chosen.threshold
    assert np.array_equal(report.predictions, chosen.decide(logistic(LOGITS)))


@pytest.mark.parametrize(
    ("head", "labels", "task"),
    [
        ({"num_classes": 1}, Y1, "binary"),
        ({"num_classes": 1, "activation": "sigmoid"}, Y1, "binary"),
        ({"num_classes": 2}, Y1, "binary"),
        ({"num_classes": 3}, Y3, "multiclass"),
        ({"num_classes": 3, "activation": "softmax"}, Y3, "multiclass"),
        ({"num_classes": 3, "multi_label": True}, SETS, "multilabel"),
    ],
)
def test_calibration_of_every_head(head, labels, task):
    model = identity(ClassificationHead(**head))
    width = head["num_classes"]
    x = np.c_[-LOGITS[:, 0] / 2, LOGITS[:, 0] / 2] if width == 2 else LOGITS[:, :width]
    fitted = calibrate(model, (x, labels), **QUIET)
    values = LOGITS[:, 0] if task == "binary" else LOGITS
    expected = fit_temperature(labels, values, from_logits=True, task=task, bootstrap=0)
    assert fitted.temperature == pytest.approx(expected.temperature, rel=1e-3)
    assert 2 < fitted.temperature < 4.5
    report = evaluate(model, (x, labels), **QUIET)
    for name, value in fitted.after.items():
        assert report.metrics[name] == pytest.approx(value, abs=1e-5)
    assert report.metrics["log_loss"] < fitted.before["log_loss"]
    assert report.notes == (
        f"Logits were divided by the temperature of the model's head, {fitted.temperature:.4g}.",
    )
    said = model.get_layer("head").probabilities(model.predict(x, verbose=0))
    said = said[:, -1] if task == "binary" else said
    assert report.probabilities == pytest.approx(said, abs=1e-6)


def test_a_temperature_per_label():
    model = identity(ClassificationHead(3, multi_label=True))
    fitted = calibrate(model, (LOGITS * [1, 2, 4], SETS), per_label=True, **QUIET)
    assert model.get_layer("head").temperature == fitted.temperature
    report = evaluate(model, (LOGITS * [1, 2, 4], SETS), **QUIET)
    expected = logistic(LOGITS * [1, 2, 4] / np.array(fitted.temperature))
    assert report.probabilities == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("classes", [1, 2])
def test_calibrating_later_moves_the_thresholds_and_changes_no_decision(classes):
    model = identity(ClassificationHead(classes, temperature=1.5))
    x = X1 if classes == 1 else np.c_[-X1 / 2, X1 / 2]
    choose_thresholds(model, (x, Y1), **QUIET)
    head = model.get_layer("head")
    threshold, before = head.threshold, evaluate(model, (x, Y1), **QUIET)
    calibrate(model, (x, Y1), **QUIET)
    after = evaluate(model, (x, Y1), **QUIET)
    assert head.threshold != threshold
    assert after.predictions.tolist() == before.predictions.tolist()
    assert after.metrics["calibration_error"] < before.metrics["calibration_error"]
    again = calibrate(model, (x, Y1), **QUIET)  # from the outputs themselves: the same again
    assert head.temperature == pytest.approx(again.temperature)
    assert evaluate(model, (x, Y1), **QUIET).predictions.tolist() == before.predictions.tolist()


def test_thresholds_of_several_labels_and_of_zero_and_one_are_moved():
    head = ClassificationHead(3, multi_label=True, threshold=[0.0, 0.2, 1.0])
    model = identity(head)
    before = evaluate(model, (LOGITS, SETS), **QUIET).predictions
    calibrate(model, (LOGITS, SETS), per_label=True, **QUIET)
    assert head.threshold[0] == 0.0
    assert head.threshold[1] > 0.2
    assert head.threshold[2] == 1.0
    assert np.array_equal(evaluate(model, (LOGITS, SETS), **QUIET).predictions, before)


def test_they_travel_with_the_saved_model_and_a_report_says_so(tmp_path):
    model = one_logit()
    calibrate(model, (X1, Y1), **QUIET)
    chosen = choose_thresholds(model, (X1, Y1), **QUIET)
    expected = evaluate(model, (X1, Y1), **QUIET)
    assert expected.metrics["recall"] > evaluate(model, (X1, Y1), threshold=0.5, **QUIET).metrics[
        "recall"
    ]  # fmt: skip
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    report = evaluate(loaded, (X1, Y1), **QUIET)
    assert report.metrics == expected.metrics
    text = " ".join(str(report).split())
    assert f"above {chosen.threshold:g}. That is the threshold of 'head', the model's head." in text
    assert "Logits were divided by the temperature of the model's head, " in text
    assert np.array_equal(loaded.predict(X1, verbose=0), model.predict(X1, verbose=0))
    # What is said by hand goes before what the head carries.
    plain = evaluate(loaded, (X1, Y1), threshold=0.5, temperature=1.0, **QUIET)
    assert plain.notes == ()
    assert plain.probabilities == pytest.approx(logistic(X1[:, 0]))
    assert plain.examples.threshold == 0.5


def test_a_plan_does_not_mind(tmp_path):
    from kerasft.freezing import TrainHead
    from kerasft.saving import load_model

    inputs = keras.Input((1,))
    head = ClassificationHead(1)
    model = keras.Model(inputs, head(keras.layers.Dense(2, name="body")(inputs)))
    TrainHead().apply(model)
    model.compile("sgd", head.default_loss(), run_eagerly=True)
    before = [variable.path for variable in model.trainable_variables]
    head.threshold, head.temperature = 0.25, 2.0
    kernel = np.array(head.dense_layers[-1].kernel)
    model.fit(X1, Y1, epochs=1, batch_size=100, verbose=0)
    assert [variable.path for variable in model.trainable_variables] == before
    assert not np.array_equal(np.array(head.dense_layers[-1].kernel), kernel)
    model.save(tmp_path / "model.keras")
    again = load_model(tmp_path / "model.keras")
    assert [variable.path for variable in again.trainable_variables] == before
    assert again.get_layer("head").threshold == 0.25
    assert again.get_layer("head").temperature == 2.0


def test_models_without_a_head_give_the_result_and_carry_nothing():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, activation="sigmoid")])
    model.set_weights([np.ones((1, 1)), np.zeros(1)])
    for function, name in ((choose_thresholds, "threshold"), (calibrate, "temperature")):
        with pytest.raises(UnsupportedError) as caught:
            function(model, (X1, Y1), **QUIET)
        assert f"A {name} travels with a model in a head" in str(caught.value)
        assert "Pass set_on_head=False" in str(caught.value)
    fitted = calibrate(model, (X1, Y1), set_on_head=False, **QUIET)
    assert fitted.temperature == pytest.approx(
        fit_temperature(Y1, X1[:, 0], from_logits=True, bootstrap=0).temperature, rel=1e-3
    )
    report = evaluate(model, (X1, Y1), temperature=fitted.temperature, **QUIET)
    assert report.metrics["log_loss"] == pytest.approx(fitted.after["log_loss"], abs=1e-5)
    assert report.notes == (f"Logits were divided by a temperature of {fitted.temperature:.4g}.",)
    chosen = choose_thresholds(model, (X1, Y1), set_on_head=False, **QUIET)
    assert chosen.threshold == pytest.approx(
        choose_threshold(Y1, logistic(X1[:, 0]), bootstrap=0).threshold, rel=1e-5
    )


def test_a_head_of_ones_own_without_them():
    class Own(Head):
        task, from_logits, num_classes = "binary", True, 1

        def call(self, features):
            return features

    inputs = keras.Input((1,))
    model = keras.Model(inputs, Own(name="own")(inputs))
    with pytest.raises(UnsupportedError, match="a Own at its output, which carries none"):
        choose_thresholds(model, (X1, Y1), **QUIET)
    assert evaluate(model, (X1, Y1), **QUIET).notes == ()
    Own.threshold, Own.temperature = 0.2, 2.0
    report = evaluate(model, (X1, Y1), **QUIET)
    assert report.examples.threshold == 0.2
    assert report.probabilities == pytest.approx(logistic(X1[:, 0] / 2))


def test_another_task_than_the_heads_own_is_not_read_by_the_head():
    model = one_logit(threshold=0.9, temperature=5.0)
    report = evaluate(model, (X1, Y1[:, None]), task="multilabel", class_names=["yes"], **QUIET)
    assert report.examples.threshold == 0.5
    assert report.probabilities[:, 0] == pytest.approx(logistic(X1[:, 0]))
    with pytest.raises(UnsupportedError, match="no kerasft head at its output that is judged as"):
        calibrate(model, (X1, Y1[:, None]), task="multilabel", class_names=["yes"], **QUIET)


class NeverRun(keras.layers.Layer):
    def call(self, x):
        raise AssertionError("predicted before the arguments were checked")

    def compute_output_shape(self, shape):
        return shape


def test_what_cannot_be_is_said_before_predicting():
    def model(head):
        inputs = keras.Input((3,))
        return keras.Model(inputs, head(NeverRun()(inputs)))

    with pytest.raises(DataError, match="the most probable is predicted"):
        choose_thresholds(model(ClassificationHead(3)), (LOGITS, Y3), **QUIET)
    with pytest.raises(DataError, match="`task` must be 'binary' or 'multilabel'"):
        choose_thresholds(model(RegressionHead()), (LOGITS, Y3), **QUIET)
    with pytest.raises(UnsupportedError, match="a RegressionHead at its output, which carries"):
        calibrate(model(RegressionHead()), (LOGITS, Y3), **QUIET)
    with pytest.raises(DataError, match="whole numbers from 0 to 2"):
        calibrate(model(ClassificationHead(3)), (LOGITS, Y3 + 1), **QUIET)
    with pytest.raises(ArgumentError, match="`set_on_head` must be True or False"):
        calibrate(model(ClassificationHead(3)), (LOGITS, Y3), set_on_head=None, **QUIET)
    for function in (choose_thresholds, calibrate):
        with pytest.raises(ArgumentError, match=r"`model` must be a keras\.Model"):
            function(None, (LOGITS, Y3))
    for temperature, message in (
        (0, "`temperature` must be a number, above 0"),
        ("2", "`temperature` must be a number"),
        ([1.0, 2.0, 3.0], "`temperature` must be one number, or one per label"),
    ):
        with pytest.raises(ArgumentError, match=message):
            evaluate(model(ClassificationHead(3)), (LOGITS, Y3), temperature=temperature, **QUIET)
    with pytest.raises(ArgumentError, match="left out for a regression"):
        evaluate(model(RegressionHead()), (LOGITS, Y3), temperature=2.0, **QUIET)


def test_a_goal_out_of_reach_leaves_the_head_as_it_was():
    model = one_logit(threshold=0.3)
    noise = RANDOM.integers(0, 2, COUNT)
    with pytest.raises(ArgumentError, match="`at_least_precision` must be"):
        choose_thresholds(model, (X1, noise), at_least_precision=0.99, at_least_recall=0.9, **QUIET)
    assert model.get_layer("head").threshold == 0.3
    with pytest.raises(DataError, match="`labels` must be examples of both classes"):
        choose_thresholds(model, (X1, np.zeros(COUNT, int)), **QUIET)
    with pytest.raises(DataError, match="`labels` must be of more than one class"):
        calibrate(model, (X1, np.zeros(COUNT, int)), **QUIET)
    assert model.get_layer("head").temperature == 1.0


def test_outputs_that_are_no_probabilities_are_refused_at_any_temperature():
    inputs = keras.Input((3,))
    model = keras.Model(inputs, keras.layers.Identity()(inputs))
    for temperature in (1.0, 2.0):
        with pytest.raises(DataError, match="These look like logits"):
            evaluate(model, (LOGITS, Y3), from_logits=False, temperature=temperature, **QUIET)
        halves = np.full((COUNT, 3), 0.5, "float32")
        with pytest.raises(DataError, match="rows that sum to one"):
            evaluate(model, (halves, Y3), from_logits=False, temperature=temperature, **QUIET)
    with pytest.raises(DataError, match="pass from_logits=True if they are logits"):
        calibrate(model, (LOGITS, Y3), set_on_head=False, **QUIET)


def test_the_gain_is_there_on_examples_that_were_not_seen():
    """The end of it all, small: chosen on one half, judged on the other."""
    model = one_logit()
    valid, test = (X1[:150], Y1[:150]), (X1[150:], Y1[150:])
    before = evaluate(model, test, **QUIET)
    calibrate(model, valid, **QUIET)
    choose_thresholds(model, valid, **QUIET)
    after = evaluate(model, test, **QUIET)
    assert after.metrics["f1"] > before.metrics["f1"]
    assert after.metrics["log_loss"] < before.metrics["log_loss"] - 0.1
    assert after.metrics["calibration_error"] < before.metrics["calibration_error"]
    expected = evaluate_arrays(
        test[1], after.probabilities, threshold=after.examples.threshold, bootstrap=0
    )
    assert after.metrics["f1"] == expected.metrics["f1"]
