"""`TextClassifier`: what it learns, what it refuses, and that it changes nothing but its own."""

import functools
import gc
import pickle
import random
import weakref

import keras
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from text_estimators import (
    RAN,
    Words,
    backbone_for_numbers,
    bert_for_words,
    new_bert,
    note_what_runs,
    reviews,
)

import kerasft
from kerasft import Backbone, ClassificationHead, TrainEverything, TrainHead, TrainLastBlocks
from kerasft.errors import ArgumentError, DataError, PlanError, SourceError
from kerasft.sklearn import TextClassifier, _backbones, _feature_pool, clear_shared

TEXTS, LABELS = reviews()


def classifier(**arguments):
    usual = {"learning_rate": 0.1, "epochs": 2, "batch_size": 16, "random_state": 0}
    return TextClassifier(bert_for_words, **{**usual, **arguments})


def noting_bert():
    return note_what_runs(new_bert())


def weights_of(model):
    return [keras.ops.convert_to_numpy(weight).copy() for weight in model.weights]


def same(one, other):
    return len(one) == len(other) and all(map(np.array_equal, one, other))


# What it learns.


@pytest.mark.parametrize(
    "names",
    [("-", "+"), (3, 7), (False, True), (np.str_("no"), np.str_("yes"))],
    ids=lambda names: type(names[0]).__name__,
)
def test_labels_of_any_kind(names):
    labels = [names[label] for label in LABELS]
    fitted = classifier(epochs=10).fit(TEXTS, labels)
    assert fitted.classes_.tolist() == sorted(names)
    assert fitted.score(TEXTS, labels) > 0.9
    assert set(fitted.predict(TEXTS).tolist()) <= set(names)
    assert len(fitted.history_["loss"]) == 10
    assert fitted.history_["loss"][-1] < fitted.history_["loss"][0]


def test_probabilities_and_decisions_are_the_heads():
    labels = np.array(["a", "b", "c"])[np.arange(len(TEXTS)) % 3]
    fitted = classifier(epochs=1).fit(TEXTS, labels)
    logits, proba = fitted.decision_function(TEXTS), fitted.predict_proba(TEXTS)
    assert logits.shape == proba.shape == (len(TEXTS), 3)
    np.testing.assert_allclose(
        np.exp(logits) / np.exp(logits).sum(1, keepdims=True), proba, rtol=1e-6
    )
    np.testing.assert_allclose(np.log(proba), fitted.predict_log_proba(TEXTS))
    assert (fitted.predict(TEXTS) == fitted.classes_[logits.argmax(1)]).all()

    two = classifier(epochs=1).fit(TEXTS, LABELS)
    above = two.decision_function(TEXTS)
    assert above.shape == (len(TEXTS),)
    assert ((above > 0) == (two.predict(TEXTS) == 1)).all()
    np.testing.assert_allclose(1 / (1 + np.exp(-above)), two.predict_proba(TEXTS)[:, 1], rtol=1e-6)


def test_it_is_a_head_on_pooled_features_and_nothing_else():
    """The same by hand: the same first weights, the whole model, the same batches."""
    fitted = classifier(share_features=False, epochs=2).fit(TEXTS, LABELS)
    shared = classifier(epochs=2).fit(TEXTS, LABELS)
    np.testing.assert_allclose(
        shared.decision_function(TEXTS), fitted.decision_function(TEXTS), atol=1e-4
    )
    model = shared.model_
    outputs = model.predict(inputs_of(TEXTS), verbose=0)
    np.testing.assert_allclose(
        outputs[:, 1] - outputs[:, 0], shared.decision_function(TEXTS), atol=1e-4
    )


def test_a_text_is_judged_by_itself():
    fitted = classifier(epochs=1).fit(TEXTS, LABELS)
    alone = np.concatenate([fitted.decision_function([text]) for text in TEXTS])
    np.testing.assert_allclose(alone, fitted.decision_function(TEXTS), atol=1e-5)
    backwards = fitted.decision_function(TEXTS[::-1])[::-1]
    np.testing.assert_allclose(backwards, fitted.decision_function(TEXTS), atol=1e-5)


def inputs_of(texts):
    encoded = Words().encode(texts)
    return Words().pad(encoded, max(map(len, encoded)))


class Column:
    """A column of a table, as far as scikit-learn and we look at one."""

    def __init__(self, values):
        self.values = list(values)

    def __len__(self):
        return len(self.values)

    def tolist(self):
        return self.values


class Table:
    """A table of one column: its iterator gives names, as a data frame's does."""

    def __init__(self, values):
        self.values = np.array(values, dtype=object)[:, None]
        self.shape = self.values.shape

    def __len__(self):
        return len(self.values)

    def __array__(self, dtype=None, copy=None):
        return self.values.astype(dtype)

    def __iter__(self):
        return iter(["text"])


@pytest.mark.parametrize(
    "form",
    [list, tuple, np.array, Column, Table, lambda t: np.array(t, object)[:, None]],
    ids=["list", "tuple", "array", "column", "table", "two axes"],
)
def test_texts_in_any_form(form):
    expected = classifier(epochs=1).fit(TEXTS, LABELS).decision_function(TEXTS)
    fitted = classifier(epochs=1).fit(form(TEXTS), LABELS)
    np.testing.assert_array_equal(fitted.decision_function(form(TEXTS)), expected)


# Weights of examples and classes.


def test_weights_of_classes_are_weights_of_texts():
    by_class = classifier(epochs=2, class_weight={0: 1.0, 1: 3.0}).fit(TEXTS, LABELS)
    by_text = classifier(epochs=2).fit(TEXTS, LABELS, np.where(LABELS == 1, 3.0, 1.0))
    plain = classifier(epochs=2).fit(TEXTS, LABELS)
    one, two, three = (each.decision_function(TEXTS) for each in (by_class, by_text, plain))
    np.testing.assert_array_equal(one, two)
    assert one.mean() > three.mean()


def test_balanced_weights():
    texts, labels = TEXTS[:18], np.array([0] * 12 + [1] * 6)
    balanced = classifier(epochs=1, class_weight="balanced").fit(texts, labels)
    by_hand = classifier(epochs=1).fit(texts, labels, np.where(labels, 1.5, 0.75))
    np.testing.assert_array_equal(
        balanced.decision_function(texts), by_hand.decision_function(texts)
    )


def test_a_text_of_no_weight_teaches_nothing():
    wrong = [*LABELS, *(1 - LABELS)]
    weights = [1.0] * len(TEXTS) + [0.0] * len(TEXTS)
    fitted = classifier(epochs=10).fit(TEXTS * 2, wrong, weights)
    assert fitted.score(TEXTS, LABELS) > 0.9


# Randomness.


def test_one_seed_one_result_and_the_users_random_state_stays():
    first = classifier(dropout=0.3, patience=2).fit(TEXTS, LABELS).decision_function(TEXTS)
    states = random.getstate(), np.random.get_state()[1].tolist()
    again = classifier(dropout=0.3, patience=2).fit(TEXTS, LABELS).decision_function(TEXTS)
    np.testing.assert_array_equal(first, again)
    assert np.random.get_state()[1].tolist() == states[1]
    other = classifier(dropout=0.3, patience=2, random_state=1).fit(TEXTS, LABELS)
    assert not np.array_equal(first, other.decision_function(TEXTS))


def test_without_a_seed_numpys_decides():
    np.random.seed(3)
    first = classifier(random_state=None, epochs=1).fit(TEXTS, LABELS).decision_function(TEXTS)
    second = classifier(random_state=None, epochs=1).fit(TEXTS, LABELS).decision_function(TEXTS)
    np.random.seed(3)
    again = classifier(random_state=None, epochs=1).fit(TEXTS, LABELS).decision_function(TEXTS)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, second)


# What is frozen, what is shared, and what is its own.


def test_a_backbone_object_is_never_changed():
    backbone = new_bert()
    before, flags = weights_of(backbone.model), [v.trainable for v in backbone.model.variables]
    for policy in (TrainHead(), TrainLastBlocks(1), TrainEverything()):
        arguments = {"policy": policy, "epochs": 1, "random_state": 0, "learning_rate": 0.05}
        TextClassifier(backbone, **arguments).fit(TEXTS, LABELS)
    assert same(weights_of(backbone.model), before)
    assert [v.trainable for v in backbone.model.variables] == flags
    assert not any("call" in vars(layer) for layer in backbone.model.layers)


@pytest.mark.parametrize("policy", [TrainLastBlocks(1), TrainEverything()], ids=repr)
def test_every_fit_starts_from_the_pretrained_weights(policy):
    pretrained = new_bert().model
    names = [weight.path for weight in pretrained.weights]
    one = classifier(policy=policy, epochs=1).fit(TEXTS, LABELS)
    learned = one.model_
    again = clone(one).fit(TEXTS, LABELS)
    assert same(weights_of(learned), weights_of(again.model_))
    assert learned is not again.model_

    plan = kerasft.Plan.of(learned)
    now = {weight.path: weight for weight in learned.weights}
    moved = {
        path
        for path, before in zip(names, weights_of(pretrained), strict=True)
        if path in now and not np.array_equal(before, keras.ops.convert_to_numpy(now[path]))
    }
    trains = {path for path, decision in plan.decisions.items() if decision and path in names}
    out_of_reach = {path for path in names if "pooled_dense" in path}
    # Moved are exactly those that the plan lets train and the loss reaches.
    key_bias = {path for path in trains if path.endswith("key/bias")}
    assert moved <= trains
    assert trains - moved <= out_of_reach | key_bias
    # A head alone, in the same process, still meets the pretrained weights.
    head = classifier(epochs=1).fit(TEXTS, LABELS)
    clear_shared()
    np.testing.assert_array_equal(
        head.decision_function(TEXTS),
        classifier(epochs=1).fit(TEXTS, LABELS).decision_function(TEXTS),
    )


def test_training_blocks_on_shared_features_is_training_them_without():
    shared = classifier(policy=TrainLastBlocks(1), epochs=2, optimizer="sgd")
    alone = clone(shared).set_params(share_features=False)
    one, other = (each.fit(TEXTS, LABELS).decision_function(TEXTS) for each in (shared, alone))
    # Dropout of the block that trains draws in both from the same seeds, batch by batch.
    np.testing.assert_allclose(one, other, atol=1e-3)


@pytest.mark.parametrize("policy", [None, TrainLastBlocks(1)], ids=repr)
def test_the_model_is_the_users_own(policy):
    fitted = classifier(policy=policy, epochs=1).fit(TEXTS, LABELS)
    before = fitted.decision_function(TEXTS)
    model = fitted.model_
    assert model is fitted.model_
    TrainEverything().apply(model)
    model.compile("sgd", ClassificationHead(num_classes=2).default_loss())
    model.fit(inputs_of(TEXTS), LABELS, verbose=0)
    np.testing.assert_array_equal(fitted.decision_function(TEXTS), before)
    refitted = clone(fitted).fit(TEXTS, LABELS)
    np.testing.assert_array_equal(refitted.decision_function(TEXTS), before)


def test_the_model_is_saved_with_its_plan(tmp_path):
    fitted = classifier(epochs=1).fit(TEXTS, LABELS)
    fitted.model_.save(tmp_path / "model.keras")
    loaded = kerasft.load_model(tmp_path / "model.keras", compile=False)
    assert kerasft.Plan.of(loaded).trainable_parameters == 18
    outputs = loaded.predict(inputs_of(TEXTS), verbose=0)
    np.testing.assert_allclose(outputs[:, 1] - outputs[:, 0],
                               fitted.decision_function(TEXTS), atol=1e-4)  # fmt: skip


# Clones and pickles.


def test_clones_have_the_same_backbone_and_nothing_learned():
    backbone = bert_for_words()
    one = TextClassifier(backbone, policy=TrainLastBlocks(1), epochs=3)
    other = clone(one)
    assert other.backbone is backbone
    assert other.policy == one.policy
    assert other.get_params().keys() == one.get_params().keys()
    assert clone(classifier(epochs=1).fit(TEXTS, LABELS)).__sklearn_is_fitted__() is False


@pytest.mark.parametrize("policy", [None, TrainLastBlocks(1)], ids=repr)
def test_a_pickle_holds_what_was_learned_and_not_the_backbone(policy):
    fitted = classifier(policy=policy, epochs=1).fit(TEXTS, LABELS)
    stored = pickle.dumps(fitted)
    assert pickle.loads(pickle.dumps(classifier())).get_params() == classifier().get_params()
    if policy is None:
        assert len(stored) < 4 * bert_for_words().model.count_params()
    clear_shared()
    loaded = pickle.loads(stored)
    assert loaded.classes_.tolist() == [0, 1]
    np.testing.assert_array_equal(loaded.decision_function(TEXTS), fitted.decision_function(TEXTS))
    assert same(weights_of(loaded.model_), weights_of(fitted.model_))


def other_bert():
    backbone = new_bert()
    backbone.model.set_weights([weight * 2 for weight in backbone.model.get_weights()])
    return backbone


def test_a_pickle_that_meets_another_backbone_says_so():
    loaded = pickle.loads(pickle.dumps(classifier(epochs=1).fit(TEXTS, LABELS)))
    loaded.backbone = other_bert
    with pytest.raises(SourceError, match=r"the backbone that it was fitted on.*other weights"):
        loaded.predict(TEXTS)


# Held-out texts.


def test_patience_stops_and_takes_the_best_epoch():
    fitted = classifier(epochs=30, learning_rate=1.0, patience=1, validation_fraction=0.25)
    history = fitted.fit(TEXTS, LABELS).history_
    assert len(history["loss"]) < 30
    assert len(history["val_loss"]) == len(history["loss"])
    assert int(np.argmin(history["val_loss"])) == len(history["val_loss"]) - 2


# The features are shared.


def rows_run():
    """How many texts went through the backbone since the last time."""
    count = len(RAN)
    RAN.clear()
    return count


# When a computation begins, its shortest text runs twice, to see what padding does.
PROBES = 2


def test_the_backbone_runs_once_per_distinct_text():
    fitted = TextClassifier(noting_bert, epochs=2, batch_size=8, random_state=0)
    texts = [*TEXTS, *TEXTS[:5]]
    fitted.fit(texts, [*LABELS, *LABELS[:5]])
    distinct = len({tuple(ids) for ids in Words().encode(texts)})
    assert rows_run() == distinct + PROBES
    fitted.predict(TEXTS)
    clone(fitted).set_params(hidden_units=4, dropout=0.3, optimizer="sgd").fit(
        TEXTS[3:], LABELS[3:]
    )
    assert rows_run() == 0
    fitted.predict(["good film", "bad film", *TEXTS])
    assert 2 <= rows_run() <= 2 + PROBES
    # Another boundary, other features.
    fitted.set_params(pooling="max").fit(TEXTS, LABELS)
    assert rows_run() >= distinct


def with_activation(activation):
    backbone = backbone_for_numbers()
    backbone.model.get_layer("wide").activation = keras.activations.get(activation)
    return backbone


@pytest.mark.parametrize(
    "given", [with_activation, lambda a: functools.partial(with_activation, a)]
)
def test_backbones_of_equal_weights_that_compute_otherwise_are_two(given):
    texts, labels = ["1 2 -3", "2 1 -1", "-1 3 2", "-2 1 0"] * 2, [0, 0, 1, 1] * 2
    found, expected = [], []
    for fresh, results in ((False, found), (True, expected)):
        for activation in ("tanh", "relu"):
            if fresh:
                clear_shared()
            fitted = TextClassifier(given(activation), epochs=1, random_state=0)
            results.append(fitted.fit(texts, labels).decision_function(texts))
    assert not np.allclose(*expected)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_backbone_that_is_built_again_is_the_same_one():
    one, other = (_backbones.shared_backbone(with_activation("tanh"), None) for _ in range(2))
    assert one.backbone is other.backbone
    other = _backbones.shared_backbone(with_activation("relu"), None)
    assert one.backbone is not other.backbone
    one, other = (_backbones.shared_backbone(new_bert(), None) for _ in range(2))
    assert one.backbone is other.backbone


def test_blocks_that_train_leave_the_features_before_them_shared():
    fitted = TextClassifier(
        noting_bert, policy=TrainLastBlocks(1), epochs=1, batch_size=8, random_state=0
    )
    fitted.fit(TEXTS, LABELS)
    keys = list(_feature_pool._pools)
    fitted.set_params(dropout=0.5).fit(TEXTS[5:], LABELS[5:])
    fitted.predict(TEXTS)
    assert list(_feature_pool._pools) == keys
    assert len(keys) == 1


def test_features_outlive_the_process_in_a_directory(tmp_path):
    arguments = {"epochs": 1, "random_state": 0, "cache_directory": tmp_path / "cache"}
    fitted = TextClassifier(noting_bert, **arguments).fit(TEXTS[:16], LABELS[:16])
    assert rows_run() > 10
    expected = fitted.decision_function(TEXTS[:16])
    clear_shared()
    # Two texts of each entry run again, to see whether the model still gives what was kept.
    again = TextClassifier(noting_bert, **arguments).fit(TEXTS[:16], LABELS[:16])
    assert rows_run() <= 2
    np.testing.assert_array_equal(again.decision_function(TEXTS[:16]), expected)
    clear_shared()
    # Other folds of the same texts, and some new ones: the new ones run.
    new = [text for text in TEXTS[16:] if tuple(Words().encode([text])[0]) not in
           {tuple(ids) for ids in Words().encode(TEXTS[:16])}]  # fmt: skip
    TextClassifier(noting_bert, **arguments).fit(TEXTS[5:], LABELS[5:])
    assert rows_run() <= len(new) + 2 + PROBES
    for path in (tmp_path / "cache").glob("*.texts/*.npz"):
        path.write_bytes(path.read_bytes()[:20])
    clear_shared()
    damaged = TextClassifier(noting_bert, **arguments).fit(TEXTS[:16], LABELS[:16])
    np.testing.assert_allclose(damaged.decision_function(TEXTS[:16]), expected, atol=1e-5)


def test_a_small_budget_changes_nothing_but_where_features_lie():
    expected = classifier(epochs=1).fit(TEXTS, LABELS).decision_function(TEXTS)
    clear_shared()
    small = classifier(epochs=1, memory_budget=0)
    np.testing.assert_array_equal(small.fit(TEXTS, LABELS).decision_function(TEXTS), expected)
    other = classifier(epochs=1, memory_budget=0, pooling="max").fit(TEXTS, LABELS)
    assert len(_feature_pool._pools) == 1
    other.predict(TEXTS)


def test_a_long_search_does_not_pile_up_heads():
    fitted = classifier(epochs=1).fit(TEXTS[:12], LABELS[:12])
    fitted.predict(TEXTS)  # texts that are new: the frozen front is cut off once more
    head = weakref.ref(fitted._prepared.head)
    assert head() is not None
    del fitted
    gc.collect()
    assert head() is None


# What it refuses.


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"backbone": 3}, ArgumentError, r"`backbone` must be an address .*a function"),
        ({"dtype": "bfloat16"}, ArgumentError, r"`dtype` must be None where `backbone` is no addr"),
        ({"policy": "head"}, ArgumentError, r"`policy` must be a kerasft.FreezePolicy"),
        ({"sequence_length": 0}, ArgumentError, r"`sequence_length` must be a whole number"),
        ({"pooling": "maen"}, ArgumentError, r"`pooling` must be one of .*Did you mean 'mean'"),
        ({"dropout": 1.0}, ArgumentError, r"`dropout` must be a number.*below 1"),
        ({"hidden_units": "many"}, ArgumentError, r"`hidden_units` must be"),
        (
            {"optimizer": "adamx"},
            ArgumentError,
            r"`optimizer` must be the name.*Did you mean 'adam",
        ),
        ({"optimizer": lambda learning_rate: 3}, ArgumentError, r"`optimizer` must be a name, or"),
        ({"learning_rate": -1}, ArgumentError, r"`learning_rate` must be a number, above 0"),
        ({"epochs": 0}, ArgumentError, r"`epochs` must be a whole number, at least 1"),
        ({"batch_size": 1.5}, ArgumentError, r"`batch_size` must be a whole number"),
        ({"patience": -1}, ArgumentError, r"`patience` must be a whole number, at least 0"),
        ({"validation_fraction": 1}, ArgumentError, r"`validation_fraction` must be a number"),
        ({"class_weight": "even"}, ArgumentError, r"`class_weight` must be 'balanced', a dict"),
        ({"share_features": 1}, ArgumentError, r"`share_features` must be True or False"),
        (
            {"share_features": False, "cache_directory": "x"},
            ArgumentError,
            r"`share_features` must",
        ),
        ({"cache_directory": __file__}, SourceError, r"`cache_directory` must be a folder.*is a f"),
        ({"memory_budget": -1}, ArgumentError, r"`memory_budget` must be a whole number"),
        ({"policy": kerasft.TrainGradually()}, PlanError, r"`policy` must be of one stage"),
        ({"patience": 1, "validation_fraction": 0.01}, DataError, r"`validation_fraction` must le"),
        ({"backbone": lambda: 3}, ArgumentError, r"`backbone\(\)` must be a function without arg"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_bad_arguments_are_told_at_fit(arguments, error, message):
    wrong = classifier().set_params(**arguments)  # the constructor says nothing, as is the custom
    with pytest.raises(error, match=message):
        wrong.fit(TEXTS, LABELS)


@pytest.mark.parametrize(
    ("texts", "labels", "weights", "message"),
    [
        ([], [], None, r"must hold at least one text"),
        ("a text", [1], None, r"Put it into a list"),
        (["a", 3], [0, 1], None, r"`texts\[1\]` must be a text"),
        (["a", " "], [0, 1], None, r"must not be blank"),
        (iter(["a", "b"]), [0, 1], None, r"`X` must be a list, array or column of texts"),
        (np.array([["a", "b"]]), [0], None, r"`X` must be one column of texts.*\(1, 2\)"),
        (TEXTS[:2], [0], None, r"`y` must be as many as the texts, 2"),
        (TEXTS[:2], None, None, r"`y` must hold one target per text. Received: None"),
        (TEXTS[:2], [1, 1], None, r"`y` must hold at least two classes.*one class, 1"),
        (TEXTS[:2], [0.5, 1.5], None, r"`y` must hold one class per text.*'continuous'"),
        (TEXTS[:2], [[0, 1], [1, 0]], None, r"`y` must hold one target per text.*\(2, 2\)"),
        (TEXTS[:2], ["a", 3], None, r"`y` must hold targets of one type"),
        (TEXTS[:2], ["a", None], None, r"`y` must hold targets of one type"),
        (TEXTS[:2], [0, np.nan], None, r"`y` must hold one target per text.*NaN"),
        (TEXTS[:2], [0, 1], [1], r"`sample_weight` must hold one number for each of the 2"),
        (TEXTS[:2], [0, 1], [1, -1], r"`sample_weight` must be finite and not negative.*row 1"),
        (TEXTS[:2], [0, 1], [0, 0], r"`sample_weight` must not be zero for all"),
        (TEXTS[:2], [0, 1], ["x", 1], r"`sample_weight` must be numbers"),
    ],
)
def test_bad_data_are_told_before_anything_is_loaded(texts, labels, weights, message):
    def unasked():
        raise AssertionError("the backbone was loaded")

    with pytest.raises((DataError, ArgumentError), match=message):
        TextClassifier(unasked).fit(texts, labels, weights)


def test_what_is_not_fitted_says_so():
    for method in ("predict", "predict_proba", "decision_function"):
        with pytest.raises(NotFittedError):
            getattr(classifier(), method)(TEXTS)
    assert not hasattr(classifier(), "model_")


def test_an_optimizer_of_ones_own_may_ask_for_the_model():
    seen = []

    def own(learning_rate, model):
        seen.append(model)
        return kerasft.optimizers.LayerwiseOptimizer(
            keras.optimizers.SGD(learning_rate), model, decay=0.5
        )

    classifier(optimizer=own, policy=TrainEverything(), epochs=1).fit(TEXTS, LABELS)
    assert isinstance(seen[0], keras.Model)
    partial = functools.partial(keras.optimizers.SGD, momentum=0.9)
    fitted = classifier(optimizer=partial, epochs=1).fit(TEXTS, LABELS)
    assert fitted.score(TEXTS, LABELS) > 0.5
    schedule = keras.optimizers.schedules.CosineDecay(0.1, 100)
    classifier(learning_rate=schedule, epochs=1).fit(TEXTS, LABELS)


def test_an_address_is_loaded_once(tmp_path, monkeypatch):
    asked = []

    def from_preset(address, dtype=None):
        asked.append(address)
        return bert_for_words()

    monkeypatch.setattr(Backbone, "from_preset", from_preset)
    for epochs in (1, 2):
        TextClassifier("hf://some/model", epochs=epochs, random_state=0).fit(TEXTS, LABELS)
    assert asked == ["hf://some/model"]
    TextClassifier("hf://some/model", epochs=1, dtype="bfloat16").fit(TEXTS, LABELS)
    assert len(asked) == 2
    folder = tmp_path / "preset"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    for content in ("{}", "{} "):
        (folder / "config.json").write_text(content)
        TextClassifier(folder, epochs=1).fit(TEXTS, LABELS)
    assert len(asked) == 4
