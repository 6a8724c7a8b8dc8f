import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasft.data import Batches, Examples, class_weights, sample_weights
from kerasft.errors import ArgumentError, DataError

TEXTS = ["one", "two more", "three of them", "four", "five"]
LABELS = [0, 1, 1, 0, 1]


@pytest.mark.parametrize(
    "data",
    [
        (TEXTS, LABELS),
        (np.array(TEXTS), np.array(LABELS)),
        (np.array(TEXTS, dtype=object), tuple(LABELS)),
        (Examples(TEXTS, LABELS),),
        (tf.data.Dataset.from_tensor_slices((TEXTS, LABELS)),),
        (tf.data.Dataset.from_tensor_slices({"text": TEXTS, "label": LABELS}).batch(2),),
    ],
)
def test_every_form_of_data_gives_the_same_batches(letters, data):
    batches = Batches(letters, batch_size=2)(*data)
    assert batches.num_examples == 5
    assert len(batches) == 3
    assert batches.texts == [TEXTS[row] for row in batches.order]
    assert batches.labels.tolist() == [LABELS[row] for row in batches.order]
    assert batches.labels.dtype == "int32"
    for x, y in batches:
        assert x.shape[1] % 8 == 0
        assert len(x) == len(y)


def test_texts_alone_are_for_predict(letters):
    make = Batches(letters, batch_size=2)
    for data in (TEXTS, tf.data.Dataset.from_tensor_slices(TEXTS)):
        batches = make(data)
        assert batches.labels is None
        assert [len(batch) for batch in batches] == [1, 1, 1]


def test_each_text_is_tokenized_once_however_many_epochs(letters):
    train = Batches(letters, batch_size=2)(TEXTS, LABELS, shuffle=True)
    for epoch in range(3):
        train.epoch = epoch
        list(train)
    assert sorted(letters.encoded) == sorted(TEXTS)


def test_weights_several_labels_and_one_logit_pass_through(letters):
    weighted = Batches(letters, batch_size=5)(TEXTS, LABELS, [1, 2, 3, 4, 5])
    _, y, weights = weighted[0]
    assert weights.dtype == "float32"
    assert weights.tolist() == [[1, 2, 3, 4, 5][row] for row in weighted.order]
    assert y.tolist() == weighted.labels.tolist()
    several = Batches(letters, num_classes=3)(TEXTS, np.eye(5, 3))
    assert several.labels.shape == (5, 3)
    assert several.labels.dtype == "float32"
    assert Batches(letters, num_classes=1)(TEXTS, LABELS).labels.dtype == "float32"


def test_fixed_shapes_for_tpus(letters):
    make = Batches(letters, batch_size=2, drop_remainder=True, padded_lengths=[8, 40])
    train = make(TEXTS, LABELS, shuffle=True)
    assert {x.shape for x, _ in train} == {(2, 8), (2, 40)}
    assert len(train) == 2
    assert [len(y) for _, y in train.unshuffled()] == [2, 2, 1]
    (x, _), *_ = Batches(letters, batch_size=5, padded_lengths=[40])(TEXTS, LABELS)
    assert x.shape == (5, 40)
    # The preprocessor cuts at 40 letters. What it lets through must have a place.
    with pytest.raises(DataError, match=r"longer, the first in row 2 with length 13"):
        Batches(letters, batch_size=2, padded_lengths=[9])(["one", "two", "three of them"])
    assert Batches(letters, padded_lengths=[40])(["x" * 90])[0][0].shape == (1, 40)


def test_a_weight_for_each_label_passes_through(letters):
    tags = [[0, 1], [1, 1], [0, 0], [1, 0], [0, 1]]
    per_label = sample_weights(tags, class_weights(tags), per_label=True)
    batches = Batches(letters, batch_size=5)(TEXTS, tags, per_label)
    _, y, weights = batches[0]
    assert y.tolist() == [tags[row] for row in batches.order]
    assert weights.tolist() == per_label[batches.order].tolist()
    with pytest.raises(DataError, match=r"or for each label of shape \(5, 2\). Received.*\(5, 3\)"):
        Batches(letters)(TEXTS, tags, np.ones((5, 3)))
    with pytest.raises(DataError, match=r"each of the 5 texts. Received: an array of shape \(5, 2"):
        Batches(letters)(TEXTS, LABELS, per_label)
    with pytest.raises(DataError, match=r"finite and not negative. Received: -1.0 in row 3"):
        Batches(letters)(TEXTS, tags, [[1, 1], [1, 0], [0, 0], [2, -1], [1, 1]])


def test_a_budget_of_tokens_in_place_of_a_batch_size(letters):
    make = Batches(letters, max_tokens_per_batch=32)
    train = make(TEXTS, LABELS, shuffle=True)
    assert train.max_tokens_per_batch == 32
    assert train.shapes == [(2, 16), (3, 8)]
    assert sorted(len(y) for _, y in train) == [2, 3]
    with pytest.raises(DataError, match=r"max_tokens_per_batch=32, while 1 of 2.*in row 1 with 40"):
        make(["short", "x" * 40])


def test_few_lengths_are_chosen_for_each_data_set_by_itself(letters):
    make = Batches(letters, batch_size=2, padded_lengths=2, pad_to_multiple_of=1)
    assert make(["a" * n for n in (3, 3, 3, 9, 10)]).shapes == [(1, 3), (2, 3), (2, 10)]
    assert make(["a" * n for n in (5, 30, 31, 31)]).shapes == [(2, 31)]
    assert make.padded_lengths == 2


def test_class_names_travel_and_must_agree(letters):
    make = Batches(letters)
    train = make(Examples(TEXTS, ["pos", "neg", "pos", "mid", "neg"]))
    assert train.class_names == ("mid", "neg", "pos")
    with pytest.raises(DataError, match=r"the same in all data sets.*\['neg', 'pos'\] after"):
        make(Examples(["a", "b"], ["pos", "neg"]))
    assert make(["a"], ["neg"]).labels.tolist() == [1]
    with pytest.raises(DataError, match=r"classes from 0 to 2. Received: 3 in row 0"):
        make(["a"], [3])


def test_a_fit_as_users_write_it(letters, capfd):
    make = Batches(letters, batch_size=2, num_classes=2)
    train, valid = make(TEXTS, LABELS, shuffle=True), make(TEXTS, LABELS)
    inputs = keras.Input((None,), dtype="int32")
    embedded = keras.layers.Embedding(100, 4)(inputs)
    outputs = keras.layers.Dense(2)(keras.layers.GlobalAveragePooling1D()(embedded))
    model = keras.Model(inputs, outputs)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=["accuracy"], jit_compile=False)
    history = model.fit(train, validation_data=valid, epochs=2, verbose=0)
    assert len(history.history["val_loss"]) == 2
    assert model.predict(letters(["a text"]), verbose=0).shape == (1, 2)
    predicted = model.predict(valid, verbose=0).argmax(-1)
    measured = model.evaluate(valid, verbose=0, return_dict=True)["accuracy"]
    assert np.mean(predicted == valid.labels) == pytest.approx(measured)
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize(
    ("options", "arguments", "message"),
    [
        ({}, (TEXTS, [0, 1]), "as many as the texts"),
        ({}, ([], []), "empty data set"),
        ({}, ([*TEXTS[:4], " "], LABELS), r"must not be blank.*row 4"),
        (
            {"num_classes": 2},
            (TEXTS, [0, 1, 2, 0, 1]),
            r"classes from 0 to 1. Received: 2 in row 2",
        ),
        ({"num_classes": 2}, (TEXTS, [0, 1, 0.5, 0, 1]), r"whole numbers.*0.5 in row 2"),
        ({}, (TEXTS, [0, 1, -1, 0, 1]), r"not be negative.*-1 in row 2"),
        (
            {"class_names": ["a", "b"]},
            (TEXTS, ["a", "b", "c", "a", "a"]),
            r"Received: 'c' in row 2",
        ),
        ({}, (TEXTS, ["a", "b", "c", "a", "a"]), "Give class_names="),
        ({}, (TEXTS, None, [1, 1, 1, 1, 1]), "`sample_weight` must come with labels"),
        ({}, (Examples(TEXTS, LABELS), LABELS), "brings its own"),
        ({}, ("a text",), "must be a list of texts"),
    ],
)
def test_bad_data_are_refused_before_anything_is_tokenized(letters, options, arguments, message):
    with pytest.raises(DataError, match=message):
        Batches(letters, **options)(*arguments)
    assert letters.encoded == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"preprocessor": len}, r"`preprocessor` must be a kerasft.data.Preprocessor"),
        ({"batch_size": 0}, "`batch_size` must be"),
        ({"num_classes": 0}, "`num_classes` must be"),
        ({"num_classes": 3, "class_names": ["a", "b"]}, r"as many as `num_classes`.*2 names"),
        ({"class_names": ["a", "a"]}, "each class once"),
        ({"pad_to_multiple_of": 0}, "`pad_to_multiple_of` must be"),
        ({"window": 0}, "`window` must be"),
        ({"seed": 1.5}, "`seed` must be"),
        ({"drop_remainder": None}, "`drop_remainder` must be True or False"),
        ({"padded_lengths": []}, "`padded_lengths` must be a list of the lengths"),
        ({"padded_lengths": 0}, "how many to choose, or None. Received: padded_lengths=0"),
        ({"max_tokens_per_batch": 0}, "`max_tokens_per_batch` must be a whole number, at least 1"),
        ({"max_tokens_per_batch": 64, "batch_size": 2}, "`batch_size` must be None where max_tok"),
        (
            {"padded_lengths": [16, 41]},
            r"`padded_lengths` must be.*40. Received: padded_lengths=41",
        ),
    ],
)
def test_arguments_of_the_maker_are_checked(letters, options, message):
    with pytest.raises(ArgumentError, match=message):
        Batches(**{"preprocessor": letters, **options})


def test_a_wrong_shuffle_is_refused(letters):
    with pytest.raises(ArgumentError, match="`shuffle` must be True or False"):
        Batches(letters)(TEXTS, LABELS, shuffle="yes")
