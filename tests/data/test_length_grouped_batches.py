import random
import threading

import keras
import numpy as np
import pytest

from kerasft.data import LengthGroupedBatches
from kerasft.errors import ArgumentError, DataError, UnsupportedError

ADVERSARIAL = {
    "one long text among short ones": [40] + [3] * 30,
    "one short text among the longest there may be": [3] + [40] * 30,
    "as many short ones as the last batch holds": [3] * 3 + [40] * 28,
    "all of one length": [11] * 13,
    "one batch": [5, 9],
    "one example": [7],
    "two batches that differ": [40, 40, 40, 40, 3],
    "all lengths": list(range(1, 41)),
    "alternating": [8, 16] * 20,
}


def collate(rows, length):
    """Row numbers repeated, so that a batch tells who is in it and how wide it is."""
    return np.repeat(rows[:, None], length, axis=1).astype("float32")


def make(lengths, **options):
    options = {"batch_size": 4, "maximum_length": 40, "window": 2, **options}
    labels = np.arange(len(lengths), dtype="float32")
    return LengthGroupedBatches(collate, lengths, labels, **options)


class Recorder(LengthGroupedBatches):
    """Remembers the rows that Keras was given in each pass."""

    given: list

    def _batch(self, rows, length):
        if hasattr(self, "given"):
            self.given.append((self.epoch, tuple(rows.tolist())))
        return super()._batch(rows, length)


@pytest.fixture(scope="module")
def model():
    inputs = keras.Input((None,))
    pooled = keras.layers.GlobalAveragePooling1D()(keras.layers.Reshape((-1, 1))(inputs))
    model = keras.Model(inputs, keras.layers.Dense(1, kernel_initializer="ones")(pooled))
    model.compile("sgd", "mse", jit_compile=False)
    return model


@pytest.mark.parametrize("lengths", ADVERSARIAL.values(), ids=ADVERSARIAL.keys())
def test_fit_takes_every_mix_of_lengths(model, lengths):
    train = make(lengths, shuffle=True)
    model.fit(train, validation_data=make(lengths), epochs=4, verbose=0)
    assert train.epoch == 3


@pytest.mark.parametrize("options", [{}, {"shuffle": False}, {"steps_per_epoch": 4}])
def test_the_order_depends_on_seed_and_epoch_alone(model, options):
    lengths = np.random.default_rng(0).integers(1, 40, 30)
    passes = []
    for state in (1, 2):
        random.seed(state)  # where fit shuffles from
        train = Recorder(
            collate, lengths, np.zeros(30, "float32"), batch_size=4, shuffle=True, window=2
        )
        train.given = []
        model.fit(train, epochs=4, verbose=0, **options)
        by_epoch: dict[int, list] = {}
        for epoch, rows in train.given[2:]:  # the first two were for the shapes
            by_epoch.setdefault(epoch, []).append(rows)
        passes.append(by_epoch)
    assert passes[0] == passes[1]
    for epoch, batches in passes[0].items():
        train.epoch = epoch
        assert batches == [tuple(train.rows(n).tolist()) for n in range(len(train))]
    assert len(passes[0]) == (2 if "steps_per_epoch" in options else 4)
    assert passes[0][0] != passes[0][1]


def test_a_fit_broken_off_in_mid_epoch_leaves_nothing_behind(model):
    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = batch == 2

    lengths = ADVERSARIAL["one long text among short ones"]
    train = Recorder(collate, lengths, np.zeros(31), batch_size=4, shuffle=True, window=2)
    train.given = []
    model.fit(train, epochs=2, verbose=0, callbacks=[Stop()])
    train.given.clear()
    model.fit(train, epochs=1, verbose=0)
    passed = [rows for _, rows in train.given[-len(train) :]]
    assert passed == [tuple(train.rows(n).tolist()) for n in range(len(train))]


def test_a_new_reader_sees_two_lengths_where_the_last_one_broke_off():
    train = make(ADVERSARIAL["one long text among short ones"], shuffle=True)
    train.on_epoch_begin()
    assert train.num_batches == 8
    for index in (5, 4, 3):
        train[index]
    assert train.num_batches == 8
    assert len({train[index][0].shape[1] for index in (0, 1)}) == 2


def test_a_batch_read_to_build_a_model_is_no_pass():
    """On several devices, and on JAX and PyTorch, `fit` reads a batch, and then starts over."""
    train = make(list(range(1, 31)), shuffle=True)
    train.on_epoch_begin()
    assert train.num_batches == 8
    train[5]
    assert train.num_batches == 8
    train.on_epoch_end()
    for epoch in range(3):
        train.on_epoch_begin()
        assert train.num_batches == 8
        given = [train[index][1].tolist() for index in (3, 1, 2)]
        assert train.epoch == epoch
        assert given == [train.rows(place).tolist() for place in range(3)]
        train.on_epoch_end()


def test_predict_comes_in_the_order_that_is_told(model):
    lengths = np.random.default_rng(0).integers(1, 40, 30)
    batches = LengthGroupedBatches(
        collate,
        lengths,
        np.arange(30, dtype="float32"),
        np.arange(30, dtype="float32") / 30,
        [f"text {n}" for n in range(30)],
        batch_size=4,
    )
    identity = keras.Model(model.input, model.layers[-2].output)
    rows = identity.predict(batches, verbose=0)[:, 0].round().astype(int)
    assert rows.tolist() == batches.order.tolist()
    assert batches.labels.tolist() == rows.tolist()
    assert batches.texts == [f"text {row}" for row in rows]
    assert np.allclose(batches.sample_weight, rows / 30)


def test_shuffled_batches_tell_no_order_and_say_what_does(model):
    train = make([3, 9, 5, 30, 2], shuffle=True)
    for name in ("order", "labels"):
        with pytest.raises(UnsupportedError, match=r"Use `batches.unshuffled\(\)`"):
            getattr(train, name)
    fixed = train.unshuffled()
    assert sorted(fixed.order) == [0, 1, 2, 3, 4]
    assert not fixed.shuffle
    assert train.shuffle


def test_what_is_not_there_is_none():
    batches = LengthGroupedBatches(collate, [3, 4])
    assert batches.labels is None
    assert batches.texts is None
    assert batches.sample_weight is None
    (inputs,) = batches[0]
    assert inputs.shape == (2, 8)


def test_batches_are_padded_to_a_multiple_within_the_maximum():
    widths = [x.shape[1] for x, _ in make(list(range(1, 51)), maximum_length=44)]
    assert max(widths) == 44
    assert all(width % 8 == 0 for width in widths if width != 44)
    assert {x.shape[1] for x, _ in make([3, 20], pad_to_multiple_of=32, batch_size=1)} == {32}


@pytest.mark.parametrize("options", [{}, {"batch_size": None, "max_tokens_per_batch": 120}])
def test_other_inputs_come_in_the_same_batches(options):
    train = make(list(range(1, 31)), shuffle=True, **options)
    other = train.with_inputs(lambda rows, length: -collate(rows, length))
    for epoch in range(3):
        train.epoch = other.epoch = epoch
        for (x, y), (negative, labels) in zip(train, other, strict=True):
            assert np.array_equal(x, -negative)
            assert np.array_equal(y, labels)


def test_an_epoch_can_be_set_to_resume(model):
    whole = Recorder(collate, np.arange(1, 31), np.zeros(30), batch_size=4, shuffle=True)
    whole.given = []
    model.fit(whole, epochs=3, verbose=0)
    resumed = Recorder(collate, np.arange(1, 31), np.zeros(30), batch_size=4, shuffle=True)
    resumed.given = []
    resumed.epoch = 2
    model.fit(resumed, initial_epoch=2, epochs=3, verbose=0)
    assert resumed.given[2:] == whole.given[-len(whole) :]


def test_several_steps_per_execution_with_a_short_last_batch(model):
    model.compile("sgd", "mse", jit_compile=False, steps_per_execution=3)
    train = make(list(range(1, 30)), shuffle=True)
    model.fit(train, epochs=2, verbose=0)
    model.compile("sgd", "mse", jit_compile=False)


def test_nothing_is_printed_or_warned(model, capfd):
    train = make(list(range(1, 30)), shuffle=True)
    model.fit(train, validation_data=train.unshuffled(), epochs=2, verbose=0)
    model.predict(train.unshuffled(), verbose=0)
    assert capfd.readouterr().out == ""


def test_as_tf_data_has_open_shapes_and_a_new_order_per_pass(model):
    train = make(list(range(1, 31)), shuffle=True)
    dataset = train.as_tf_data()
    assert dataset.element_spec[0].shape.as_list() == [None, None]
    assert dataset.element_spec[1].shape.as_list() == [None]
    assert int(dataset.cardinality()) == len(train)
    for epoch in range(2):
        train.epoch = epoch
        passed = [x[:, 0].astype(int).tolist() for x, _ in dataset.as_numpy_iterator()]
        assert passed == [train.rows(n).tolist() for n in range(len(train))]
    model.fit(train.as_tf_data(), validation_data=train.as_tf_data(), verbose=0, shuffle=False)


def test_as_tf_data_keeps_sizes_that_do_not_depend_on_length_and_dicts():
    batches = LengthGroupedBatches(
        lambda rows, length: {"image": np.zeros((len(rows), 5, 6)), "ids": collate(rows, length)},
        [4, 4, 4],
        np.zeros((3, 2), "float32"),
        batch_size=2,
    )
    inputs, labels = batches.as_tf_data().element_spec
    assert inputs["image"].shape.as_list() == [None, 5, 6]
    assert inputs["ids"].shape.as_list() == [None, None]
    assert labels.shape.as_list() == [None, 2]


@pytest.mark.parametrize("lengths", ADVERSARIAL.values(), ids=ADVERSARIAL.keys())
def test_whole_batches_in_few_lengths_fit_in_every_epoch(model, lengths):
    options = {"drop_remainder": True, "padded_lengths": [16, 40]}
    if len(lengths) < 4:
        options["batch_size"] = 1
    train = make(lengths, shuffle=True, **options)
    shapes = {x.shape for x, _ in train}
    assert shapes <= {(train.batch_size, 16), (train.batch_size, 40)}
    assert train.num_examples == len(train) * train.batch_size == sum(len(y) for _, y in train)
    model.fit(train, validation_data=make(lengths, **options), epochs=4, verbose=0)


def test_what_one_pass_leaves_out_another_has_and_predict_leaves_out_nothing():
    train = make(list(range(1, 31)), shuffle=True, drop_remainder=True)
    seen = []
    for epoch in range(20):
        train.epoch = epoch
        seen.append({row for n in range(len(train)) for row in train.rows(n)})
    assert {len(rows) for rows in seen} == {28}
    assert len({frozenset(rows) for rows in seen}) > 1
    assert set.union(*seen) == set(range(30))
    assert sorted(train.unshuffled().order) == list(range(30))
    fixed = make(list(range(1, 31)), drop_remainder=True)
    assert sorted(fixed.order) == list(range(28))
    assert fixed.labels.tolist() == fixed.order.tolist()


@pytest.mark.parametrize(
    ("options", "shape"),
    [
        ({}, [None, None]),
        ({"drop_remainder": True}, [4, None]),
        ({"padded_lengths": [40]}, [None, 40]),
        ({"drop_remainder": True, "padded_lengths": [20, 40]}, [4, None]),
        ({"drop_remainder": True, "padded_lengths": (40,)}, [4, 40]),
        ({"drop_remainder": True, "padded_lengths": 1}, [4, 32]),
        ({"drop_remainder": True, "padded_lengths": 2}, [4, None]),
        ({"batch_size": None, "max_tokens_per_batch": 200}, [None, None]),
        ({"batch_size": None, "max_tokens_per_batch": 200, "padded_lengths": 1}, [None, 32]),
        (
            {
                "batch_size": None,
                "max_tokens_per_batch": 200,
                "padded_lengths": 1,
                "drop_remainder": True,
            },
            [6, 32],
        ),
    ],
)
def test_as_tf_data_has_fixed_shapes_where_batches_have(model, options, shape):
    train = make(list(range(1, 31)), shuffle=True, **options)
    dataset = train.as_tf_data()
    assert dataset.element_spec[0].shape.as_list() == shape
    assert dataset.element_spec[1].shape.as_list() == shape[:1]
    assert len(list(dataset)) == len(train)
    model.fit(train.as_tf_data(), verbose=0, shuffle=False)


@pytest.mark.parametrize("name", [*ADVERSARIAL][::2])
def test_fit_takes_every_mix_of_lengths_within_a_budget(model, name):
    options = {"batch_size": None, "max_tokens_per_batch": 100}
    train = make(ADVERSARIAL[name], shuffle=True, **options)
    few = make(ADVERSARIAL[name], padded_lengths=2, **options)
    model.fit(train, validation_data=few, epochs=3, verbose=0)
    assert train.epoch == 2


@pytest.mark.parametrize(("steps", "validate"), [(1, False), (1, True), (3, True)])
def test_no_epoch_loses_or_repeats_an_example_under_a_budget(model, steps, validate):
    model.compile("sgd", "mse", jit_compile=False, steps_per_execution=steps)
    lengths = np.random.default_rng(0).integers(1, 41, 60)
    options = {"batch_size": None, "max_tokens_per_batch": 160, "window": 3, "maximum_length": 40}
    train, valid = (
        Recorder(collate, lengths, np.zeros(60, "float32"), shuffle=shuffle, **options)
        for shuffle in (True, False)
    )
    train.given, valid.given = [], []
    model.fit(train, validation_data=valid if validate else None, epochs=4, verbose=0)
    model.compile("sgd", "mse", jit_compile=False)
    assert len(train) > 8
    assert len(train.given) == 2 + 4 * len(train)  # the first two were for the shapes
    for epoch in range(4):
        given = [rows for number, rows in train.given[2:] if number == epoch]
        assert sorted(row for rows in given for row in rows) == list(range(60))
        train.epoch = epoch
        assert given == [tuple(train.rows(n).tolist()) for n in range(len(train))]
    once = [row for _, rows in valid.given[2 : 2 + len(valid)] for row in rows]
    assert sorted(once) == (list(range(60)) if validate else [])


def test_a_budget_gives_many_short_examples_or_few_long_ones():
    train = make([40] * 3 + [8] * 30, batch_size=None, max_tokens_per_batch=80, shuffle=True)
    assert train.batch_size is None
    assert train.max_tokens_per_batch == 80
    assert train.shapes == [(2, 40), (7, 8), (10, 8)]
    assert sorted(x.shape for x, _ in train) == [(2, 40)] * 3 + [(7, 8)] + [(10, 8)] * 2
    whole = make([40] * 3 + [8] * 30, batch_size=None, max_tokens_per_batch=80, drop_remainder=True)
    assert whole.shapes == [(2, 40), (10, 8)]
    assert whole.num_examples == 24
    assert whole.unshuffled().num_examples == 33
    assert whole.unshuffled().max_tokens_per_batch == 80


def test_padding_is_counted_as_it_is_paid():
    fixed = make([3, 9, 5, 20], batch_size=2)
    assert fixed.shapes == [(2, 8), (2, 24)]
    assert fixed.padding_share == pytest.approx(1 - 37 / 64)
    assert fixed.padded_lengths_of_rows.tolist() == [8, 16, 8, 24]
    with pytest.raises(ValueError, match="read-only"):
        fixed.padded_lengths_of_rows[0] = 1
    assert make([3, 9, 5, 20], batch_size=2, pad_to_multiple_of=1).padding_share == pytest.approx(
        1 - 37 / (2 * 20 + 2 * 5)
    )
    budget = make([3, 9, 5, 20], batch_size=None, max_tokens_per_batch=40, padded_lengths=[10, 20])
    assert budget.shapes == [(2, 10), (2, 20)]
    assert budget.padding_share == pytest.approx(1 - 37 / 60)
    assert make([8, 8]).padding_share == 0


def test_few_lengths_are_chosen_for_the_data_and_kept():
    lengths = [3] * 6 + [9] * 5 + [38]
    train = make(lengths, padded_lengths=2, shuffle=True)
    assert set(train.padded_lengths_of_rows) == {16, 40}
    assert train.padded_lengths == 2
    assert train.unshuffled().padded_lengths_of_rows.tolist() == [16] * 11 + [40]
    assert train.shapes == [(4, 16), (4, 40)]
    assert set(make(lengths, padded_lengths=9).padded_lengths_of_rows) == {8, 16, 40}


def test_as_tf_data_makes_batches_ahead_of_the_model():
    tf = pytest.importorskip("tensorflow")
    ahead = threading.Event()
    made = []

    def slow_to_ask_for(rows, length):
        made.append(len(rows))
        if len(made) > 3:  # the first was for the shapes, the next two are asked for
            ahead.set()
        return collate(rows, length)

    options = {"batch_size": None, "max_tokens_per_batch": 80, "padded_lengths": 1}
    train = LengthGroupedBatches(slow_to_ask_for, [20] * 400, np.zeros(400, "float32"), **options)
    not_by_itself = tf.data.Options()  # tf.data would do it even for data that are not told to
    not_by_itself.experimental_optimization.inject_prefetch = False
    batches = iter(train.as_tf_data().with_options(not_by_itself))
    next(batches)
    next(batches)
    assert ahead.wait(timeout=20), "nothing is made while the model computes"


def test_it_shows_itself():
    budget = make([3] * 900 + [30] * 100, batch_size=None, max_tokens_per_batch=4096)
    assert repr(budget) == (
        "LengthGroupedBatches(1,000 examples in 3 batches of at most 4,096 tokens, lengths 3 to "
        "30, 3 shapes, 49% padding, in a fixed order)"
    )
    assert repr(make([3, 9, 5], shuffle=True)) == (
        "LengthGroupedBatches(3 examples in 1 batches of 4, lengths 3 to 9, 1 shape, 65% padding, "
        "shuffled)"
    )
    assert "in a fixed order" in repr(make([3]))
    assert repr(make([3, 9, 5, 1, 1], drop_remainder=True)) == (
        "LengthGroupedBatches(4 examples in 1 batches of 4, lengths 1 to 9, 1 shape, 72% padding, "
        "in a fixed order, the remainder dropped)"
    )


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"lengths": []}, DataError, "at least one"),
        ({"lengths": [3], "labels": np.zeros(2)}, DataError, "as many as the examples, 1"),
        ({"lengths": [3], "batch_size": 0}, ArgumentError, "`batch_size` must be a whole number"),
        ({"lengths": [3], "shuffle": 1}, ArgumentError, "`shuffle` must be True or False"),
        ({"lengths": [3], "seed": -1}, ArgumentError, "`seed` must be"),
        ({"lengths": [3], "collate": 7}, ArgumentError, r"`collate` must be a function"),
        ({"lengths": [3], "drop_remainder": 1}, ArgumentError, "`drop_remainder` must be True or"),
        (
            {"lengths": [3], "drop_remainder": True},
            DataError,
            "`drop_remainder` must leave a batch. Received: 1 examples with batch_size=32",
        ),
        (
            {"lengths": [3, 9, 5, 17], "padded_lengths": [8, 4]},
            DataError,
            r"padded_lengths=\[8, 4\], while 2 of 4 examples are longer, the first in row 1 with "
            r"length 9. Add a length, or let the preprocessor cut texts: `sequence_length=8`",
        ),
        (
            {"lengths": [3, 9], "batch_size": 8, "max_tokens_per_batch": 16},
            ArgumentError,
            r"`batch_size` must be None where max_tokens_per_batch=16 is given. Received: "
            r"batch_size=8 \(of type int\). A batch has either so many examples or so many tokens.",
        ),
        (
            {"lengths": [3], "max_tokens_per_batch": 0},
            ArgumentError,
            "`max_tokens_per_batch` must be a whole number, at least 1",
        ),
        (
            {"lengths": [3, 9], "max_tokens_per_batch": 15},
            DataError,
            r"max_tokens_per_batch=15, while 1 of 2 examples take more, the first in row 1 with 16",
        ),
        ({"lengths": [3], "padded_lengths": []}, ArgumentError, "a list of the lengths"),
        ({"lengths": [3], "padded_lengths": 0}, ArgumentError, "how many to choose, or None"),
        ({"lengths": [3], "padded_lengths": "8"}, ArgumentError, "a list of the lengths"),
        ({"lengths": [3], "padded_lengths": [0]}, ArgumentError, "`padded_lengths` must be"),
        (
            {"lengths": [3], "padded_lengths": [8, 64], "maximum_length": 40},
            ArgumentError,
            r"`padded_lengths` must be.*40. Received: padded_lengths=64",
        ),
    ],
)
def test_arguments_are_checked(arguments, error, message):
    with pytest.raises(error, match=message):
        LengthGroupedBatches(**{"collate": collate, **arguments})
