"""Class weights and sample weights: against scikit-learn, and against losses computed by hand."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight

from kerasft.data import Batches, Examples, class_weights, sample_weights
from kerasft.errors import ArgumentError, DataError

TAGS = np.array([[1, 0, 0], [1, 1, 0], [1, 0, 1], [0, 0, 0], [1, 0, 0]])


def all_classes(count):
    """Labels that have each of `count` classes at least once."""
    more = st.lists(st.integers(0, count - 1), max_size=30)
    return more.map(lambda labels: [*range(count), *labels])


# ---- class weights ---------------------------------------------------------------------------


@settings(deadline=None)
@given(st.integers(2, 6).flatmap(all_classes))
def test_balanced_weights_are_those_of_scikit_learn(labels):
    weights = class_weights(labels)
    classes = np.unique(labels)
    expected = compute_class_weight("balanced", classes=classes, y=labels)
    assert list(weights) == classes.tolist()
    assert all(type(number) is int and type(weights[number]) is float for number in weights)
    np.testing.assert_allclose([*weights.values()], expected)
    np.testing.assert_allclose(
        sample_weights(labels, weights), compute_sample_weight("balanced", labels), rtol=1e-6
    )


def test_each_of_several_labels_is_balanced_by_itself():
    weights = class_weights(TAGS)
    for column, row in zip(TAGS.T, weights, strict=True):
        np.testing.assert_allclose(
            row, compute_class_weight("balanced", classes=np.array([0, 1]), y=column)
        )


@settings(deadline=None)
@given(st.integers(2, 5).flatmap(all_classes), st.floats(0, 0.9999))
def test_weights_by_effective_number_follow_the_paper_up_to_their_scale(labels, beta):
    counts = np.bincount(labels)
    paper = np.array([(1 - beta) / (1 - beta**count) for count in counts])
    weights = np.array([*class_weights(labels, beta=beta).values()])
    np.testing.assert_allclose(weights / weights.sum(), paper / paper.sum(), rtol=1e-6)
    assert np.mean(weights[labels]) == pytest.approx(1)


def test_beta_goes_from_no_weights_to_balanced_ones():
    labels = [0] * 90 + [1] * 10
    assert class_weights(labels, beta=0) == {0: 1.0, 1: 1.0}
    between = class_weights(labels, beta=0.95)[1]
    assert 1 < between < class_weights(labels)[1] == pytest.approx(5)
    assert class_weights(labels, beta=1 - 1e-9)[1] == pytest.approx(5, rel=1e-5)


def test_classes_can_be_names_examples_or_one_logit():
    named = class_weights(["b", "a", "b", "b"], class_names=["a", "b"])
    assert named == class_weights([1, 0, 1, 1])
    assert class_weights(Examples(["x", "y", "z", "w"], ["b", "a", "b", "b"])) == named
    assert class_weights([1.0, 0.0, 1.0, 1.0], num_classes=1) == named
    assert class_weights([True, False, True, True]) == named


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        ([], {}, r"at least one label. Received: none"),
        ([0, 2, 2], {}, r"an infinite weight. Received: no example of class 1, in 3 examples"),
        ([0, 1], {"num_classes": 3}, r"Received: no example of class 2, in 2 examples"),
        ([1, 1], {"num_classes": 1}, r"Received: no example of class 0"),
        (["a", "a"], {"class_names": ["a", "b"]}, r"Received: no example of class 'b'"),
        ([[1, 0], [1, 1]], {}, r"Received: label 0 always, in 2 examples"),
        ([[1, 0], [0, 0]], {"class_names": ["x", "y"]}, r"Received: label 'y' never"),
        ([0, 1], {"num_classes": 90}, r"class 2, .*class 6, 83 more"),
        ([0, 7], {"num_classes": 2}, r"be classes from 0 to 1. Received: 7 in row 1"),
        ([0, -1], {}, r"not be negative.*Received: -1 in row 1"),
        ([0, "1"], {}, r"all numbers or all texts.*0 in row 0 and '1' in row 1"),
        (["0", "1"], {}, r"must be numbers where no class names are given.*Received: '0'"),
        ([0, None], {}, r"none may be missing.*None in row 1"),
        ([0.0, float("nan")], {"num_classes": 2}, r"must be finite. Received: nan in row 1"),
        ([0.0, 1.0], {}, r"whole numbers that name classes. Received: 0.0 \(of type float\)"),
        ([[0, 2], [1, 1]], {}, r"must lie between 0 and 1. Received: \[0.0, 2.0\] in row 0"),
        ([[0, 1], [1, 0]], {}, r"exactly one 1 each.*labels.argmax\(axis=1\).*multi_label=True"),
        ("01", {}, r"must be a list of labels"),
    ],
)
def test_labels_that_cannot_be_weighed_are_told(labels, options, message):
    with pytest.raises(DataError, match=message):
        class_weights(labels, **options)


@pytest.mark.parametrize("beta", [1, -0.1, "0.9", True])
def test_beta_lies_below_one(beta):
    with pytest.raises(ArgumentError, match="`beta` must be a number, at least 0 and below 1"):
        class_weights([0, 1], beta=beta)


def test_rows_with_one_label_each_may_be_said_to_be_sets():
    rows = [[1, 0], [0, 1], [0, 1], [0, 1]]
    np.testing.assert_allclose(class_weights(rows, multi_label=True), [[2 / 3, 2], [2, 2 / 3]])


# ---- sample weights, against the loss --------------------------------------------------------


def model_with(units, names=("out",), losses=None):
    """Dense layers on one input, compiled without a step of training."""
    inputs = keras.Input((3,))
    outputs = {name: keras.layers.Dense(units, name=name)(inputs) for name in names}
    model = keras.Model(inputs, outputs if len(names) > 1 else outputs[names[0]])
    model.compile(loss=losses, run_eagerly=True)
    return model


def features(count):
    return np.random.default_rng(1).normal(size=(count, 3)).astype("float32")


def crossentropy(logits, labels):
    """Of each decision, by the definition."""
    chance = 1 / (1 + np.exp(-logits.astype("float64")))
    return -labels * np.log(chance) - (1 - labels) * np.log(1 - chance)


def evaluate(model, x, y, **options):
    return model.evaluate(x, y, batch_size=len(x), verbose=0, **options)


def test_one_class_per_example_gives_the_loss_of_keras_class_weight():
    labels = np.array([0, 0, 2, 1, 0, 0])
    weights = class_weights(labels)
    x = features(6)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model = model_with(3, losses=loss)
    logits = model.predict(x, verbose=0).astype("float64")
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    expected = np.mean([weights[y] * -np.log(p[y]) for y, p in zip(labels, chances, strict=True)])
    ours = evaluate(model, x, labels, sample_weight=sample_weights(labels, weights))
    assert ours == pytest.approx(expected, rel=1e-5)
    # Keras's own way, where it is right.
    theirs = model.fit(x, labels, class_weight=weights, batch_size=6, verbose=0)
    assert theirs.history["loss"][0] == pytest.approx(expected, rel=1e-5)


def test_several_labels_weigh_each_example_by_the_mean_of_its_decisions():
    weights = class_weights(TAGS)
    x = features(len(TAGS))
    model = model_with(3, losses=keras.losses.BinaryCrossentropy(from_logits=True))
    losses = crossentropy(model.predict(x, verbose=0), TAGS)
    expected = 0.0
    for row, tags in enumerate(TAGS):
        mean_weight = sum(weights[label][tag] for label, tag in enumerate(tags)) / 3
        expected += mean_weight * losses[row].mean() / len(TAGS)
    ours = evaluate(model, x, TAGS, sample_weight=sample_weights(TAGS, weights))
    assert ours == pytest.approx(expected, rel=1e-5)


def test_several_labels_can_be_weighed_one_by_one():
    weights = class_weights(TAGS)
    x = features(len(TAGS))
    model = model_with(3, losses=keras.losses.BinaryCrossentropy(from_logits=True, axis=()))
    losses = crossentropy(model.predict(x, verbose=0), TAGS)
    expected = np.mean(
        [
            [weights[label][tag] * losses[row, label] for label, tag in enumerate(tags)]
            for row, tags in enumerate(TAGS)
        ]
    )
    decisions = sample_weights(TAGS, weights, per_label=True)
    assert decisions.shape == TAGS.shape
    assert decisions.mean() == pytest.approx(1)
    assert evaluate(model, x, TAGS, sample_weight=decisions) == pytest.approx(expected, rel=1e-5)


def test_why_the_loss_must_not_average_over_the_labels():
    """What Keras does otherwise, as the docstring tells: fail, or weigh the wrong places."""
    decisions = sample_weights(TAGS, class_weights(TAGS), per_label=True)
    x = features(len(TAGS))
    model = model_with(3, losses=keras.losses.BinaryCrossentropy(from_logits=True))
    with pytest.raises(Exception, match=r"[Dd]imensions|[Ii]ncompatible shapes"):
        evaluate(model, x, TAGS, sample_weight=decisions)
    losses = crossentropy(model.predict(x[:3], verbose=0), TAGS[:3])
    wrong = evaluate(model, x[:3], TAGS[:3], sample_weight=decisions[:3])
    assert wrong != pytest.approx((decisions[:3] * losses).mean(), rel=1e-3)


def test_keras_takes_the_argmax_of_several_labels_and_we_do_not():
    """The reason for all this; when Keras changes, the docs must."""
    weights = {0: 1.0, 1: 10.0, 2: 100.0}
    x = features(len(TAGS))
    model = model_with(3, losses=keras.losses.BinaryCrossentropy(from_logits=True))
    losses = crossentropy(model.predict(x, verbose=0), TAGS).mean(axis=1)
    by_argmax = np.mean([weights[int(np.argmax(row))] for row in TAGS] * losses)
    history = model.fit(x, TAGS, class_weight=weights, batch_size=len(x), verbose=0)
    assert history.history["loss"][0] == pytest.approx(by_argmax, rel=1e-5)


def test_each_output_has_its_own_weights():
    topic, mood = np.array([0, 1, 1, 1, 1]), TAGS
    labels = {"topic": topic, "mood": mood, "size": np.linspace(0, 1, 15).reshape(5, 3)}
    weights = {"topic": class_weights(topic, num_classes=3 - 1), "mood": class_weights(mood)}
    given_weights = sample_weights(labels, weights)
    assert {name: value.tolist() for name, value in given_weights.items()} == {
        "topic": sample_weights(topic, weights["topic"]).tolist(),
        "mood": sample_weights(mood, weights["mood"]).tolist(),
        "size": [1, 1, 1, 1, 1],
    }
    x = features(5)
    losses = {
        "topic": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        "mood": keras.losses.BinaryCrossentropy(from_logits=True),
        "size": keras.losses.MeanSquaredError(),
    }
    model = model_with(3, tuple(losses), losses)
    said = model.predict(x, verbose=0)
    chances = np.exp(said["topic"]) / np.exp(said["topic"]).sum(axis=1, keepdims=True)
    expected = (
        np.mean(given_weights["topic"] * -np.log(chances[np.arange(5), topic]))
        + np.mean(given_weights["mood"] * crossentropy(said["mood"], mood).mean(axis=1))
        + np.mean((said["size"] - labels["size"]) ** 2)
    )
    total = evaluate(model, x, labels, sample_weight=given_weights, return_dict=True)["loss"]
    assert total == pytest.approx(expected, rel=1e-5)
    with pytest.raises(ValueError, match="single output"):
        model.fit(x, labels, class_weight={0: 1.0, 1: 2.0}, verbose=0)


def test_outputs_are_weighed_per_label_where_they_have_several():
    labels = {"topic": [0, 1, 1, 1, 1], "mood": TAGS}
    weights = {"topic": {0: 1.0, 1: 2.0}, "mood": class_weights(TAGS)}
    result = sample_weights(labels, weights, per_label=True)
    assert result["topic"].shape == (5,)
    assert result["mood"].shape == (5, 3)


def test_weights_of_the_training_set_serve_every_set():
    weights = class_weights([0, 0, 0, 1])
    assert sample_weights([1, 1], weights).tolist() == [2, 2]
    assert sample_weights([[1, 1, 1]], class_weights(TAGS), per_label=True).shape == (1, 3)


def test_smoothed_labels_weigh_between_the_two():
    weights = class_weights(TAGS)
    middle = sample_weights(np.full((1, 3), 0.5), weights, per_label=True)
    np.testing.assert_allclose(middle[0], weights.mean(axis=1), rtol=1e-6)


def test_own_weights_of_examples_are_multiplied_in_and_batches_take_the_result(letters):
    examples = Examples(["one", "two", "three"], ["a", "b", "b"], sample_weight=[1, 2, 3])
    weights = sample_weights(examples, {0: 10.0, 1: 0.5})
    assert weights.tolist() == [10, 1, 1.5]
    batches = Batches(letters, 3)(examples.texts, examples.labels, sample_weight=weights)
    (_, labels, given), *_ = list(batches)
    assert dict(zip(labels.tolist(), given.tolist(), strict=False)).keys() == {0, 1}
    assert sorted(given.tolist()) == [1, 1.5, 10]


@pytest.mark.parametrize(
    ("labels", "weights", "message"),
    [
        ([0, 2], {0: 1, 1: 2, 3: 1}, r"a weight for each class in `labels`. Received: none for"),
        ([0, 2], {0: 1, 1: 2}, r"be classes from 0 to 1. Received: 2 in row 1"),
        ([0, 1], {}, r"`weights` must be given for each class. Received: weights={}"),
        (
            [0, 1],
            {0: 1, 1: float("nan")},
            r"must be finite and not negative. Received: weights=nan",
        ),
        ([0, 1], {0: 1, 1: -2}, r"must be finite and not negative. Received: weights=-2.0"),
        ([0, 1], {0: 1, 1: "much"}, r"`weights` must be numbers"),
        ([0, 1], [1.0, 2.0], r"a dict of weights by class number, or an array of shape"),
        ([0, 1], None, r"a dict of weights by class number, or an array of shape"),
        ([0, 1], [[1, 2]], r"must be rows of 1 labels, as the weights are. Received: one label"),
        (TAGS, {0: 1.0, 1: 2.0, 2: 3.0}, r"labels of shape \(5, 3\)"),
        (TAGS, {0: 1.0, 1: 2.0}, r"must have 2 columns, one per class. Received: 3 columns"),
        (TAGS, [[1, 2]], r"must have 1 columns, one per class. Received: 3 columns"),
        (["a", "b"], {0: 1, 1: 2}, r"must be numbers where no class names are given"),
        ([0, float("nan")], {0: 1, 1: 2}, r"must be finite. Received: nan in row 1"),
        ({"a": [0, 1]}, {0: 1, 1: 2}, r"a dict by output"),
        ({"topic": [0]}, {"topics": {0: 1}}, r"outputs \['topic'\]. Rec.*Did you mean 'topic'\?"),
        ({"a": [0, 1], "b": [1]}, {"a": {0: 1}}, r"equally many for all outputs.*'a': 2, 'b': 1"),
        ({"a": [0, 1]}, {"a": {0: 1}}, r"Output 'a': `weights` must have a weight for each class"),
    ],
)
def test_weights_that_do_not_fit_are_told(labels, weights, message):
    with pytest.raises(DataError, match=message):
        sample_weights(labels, weights)


def test_class_numbers_are_whole_and_per_label_wants_several():
    with pytest.raises(ArgumentError, match="Its keys are class numbers"):
        sample_weights([0, 1], {"a": 1.0})
    with pytest.raises(ArgumentError, match="`per_label` must be False where there is one class"):
        sample_weights([0, 1], {0: 1.0, 1: 1.0}, per_label=True)
