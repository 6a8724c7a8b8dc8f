"""The doctor beside real fits of tiny models. Its accuracy is another file's matter."""

import json
import math

import keras
import numpy as np
import pytest

import kerasft
from kerasft.callbacks import Doctor, DoctorLimits, Phase, Phases
from kerasft.callbacks._task import Task, task_of
from kerasft.callbacks._validation_sample import take_sample
from kerasft.callbacks._weights_watch import WeightsWatch, spoilt
from kerasft.errors import ArgumentError, DataError, KerasftError

in_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="tf.data, and what TensorFlow says"
)
CROSSENTROPY = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def separable(count=48, classes=2, seed=0):
    """Blobs that a linear model tells apart."""
    random = np.random.default_rng(seed)
    y = np.arange(count) % classes
    x = random.normal(size=(count, 4)) * 0.5
    x[:, :classes] += 2 * np.eye(classes)[y]
    return x.astype("float32"), y.astype("int64")


def nothing_but_noise():
    """Examples that can only be learned by heart."""
    x, y = separable(32)
    x[:, :2] = np.random.default_rng(3).normal(size=(32, 2))
    return x, y


def compiled(rate=0.5, classes=2, hidden=(), loss=CROSSENTROPY, outputs=None, optimizer=None, **to):
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(units, "tanh", name=f"hidden_{units}") for units in hidden]
    top = keras.layers.Dense(classes if outputs is None else outputs, name="top")
    model = keras.Sequential([keras.Input((4,)), *layers, top])
    to = {"run_eagerly": True, **to}
    model.compile(optimizer or keras.optimizers.SGD(rate), loss, **to)
    return model


def fit(model, x, y, doctor, validate=True, epochs=3, batch_size=8, callbacks=(), **kwargs):
    validation = separable(64, seed=1) if validate is True else validate or None
    if isinstance(validation, tuple):
        kwargs["validation_batch_size"] = 200
    model.fit(
        x,
        y,
        validation_data=validation,
        epochs=epochs,
        batch_size=batch_size,
        verbose=0,
        callbacks=[*callbacks, doctor],
        **kwargs,
    )
    return [finding.name for finding in doctor.findings]


def quiet(**kwargs):
    return Doctor(verbose=0, **kwargs)


# ---- arguments --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"action": "halt"}, "`action` must be one of 'warn', 'stop', 'raise'"),
        ({"verbose": 2}, "`verbose` must be 0"),
        ({"limits": {"rise": 1}}, "`limits` must be a kerasft.callbacks.DoctorLimits, or None"),
        ({"train_data": (i for i in [])}, "`train_data` must be data that can be read a second"),
        ({"train_data": iter([1])}, "What the doctor reads of a generator, `fit` would miss"),
    ],
)
def test_arguments_are_checked(arguments, text):
    with pytest.raises(ArgumentError) as raised:
        Doctor(**arguments)
    assert text in str(raised.value)


def test_the_constructor_stores_what_it_is_given():
    limits, data = DoctorLimits(rise=0.2), separable()
    doctor = Doctor("stop", data, limits, 0)
    assert (doctor.action, doctor.limits, doctor.verbose) == ("stop", limits, 0)
    assert doctor.train_data is data
    assert doctor.findings == ()


# ---- a sound fit ------------------------------------------------------------------------------


def test_a_sound_fit_has_no_findings(capsys):
    doctor = Doctor()
    assert fit(compiled(), *separable(), doctor) == []
    assert doctor.not_judged == {}
    assert capsys.readouterr().out == ""
    assert "nothing found in 3 epochs" in str(doctor)


def test_it_changes_nothing_of_the_fit():
    histories = []
    for callbacks in ([], [quiet()]):
        model = compiled(hidden=(8,))
        history = model.fit(*separable(), epochs=3, verbose=0, callbacks=callbacks)
        histories.append((history.history, [np.array(w) for w in model.weights]))
    assert histories[0][0] == histories[1][0]
    for before, after in zip(histories[0][1], histories[1][1], strict=True):
        np.testing.assert_array_equal(before, after)


def test_the_train_function_is_the_models_own_again():
    model = compiled()
    model.make_train_function()
    own = model.train_function
    fit(model, *separable(), quiet(), epochs=1)
    assert model.train_function is own


def test_the_losses_it_works_with_are_those_of_the_batches():
    """Against losses computed by hand along a fit that learns nothing."""
    x, y = separable(44)
    model = compiled(rate=0.0)  # 5 whole batches and a half one
    logits = keras.ops.convert_to_numpy(model(x))
    each = np.log(np.exp(logits).sum(1)) - logits[np.arange(len(y)), y]
    doctor = quiet()
    fit(model, x, y, doctor, epochs=1, shuffle=False)
    got = doctor._course.epochs[0].losses
    np.testing.assert_allclose(got[:5], each[:40].reshape(5, 8).mean(1), rtol=1e-4)
    assert doctor._course.batch_size == 8
    assert doctor._course.chance == math.log(2)


# ---- each sickness ----------------------------------------------------------------------------


def test_a_rate_that_is_too_high():
    doctor = quiet()
    assert fit(compiled(500.0, hidden=(8,)), *separable(), doctor) == ["learning_rate_too_high"]
    assert doctor.findings[0].evidence["learning_rate"] == 500.0
    assert doctor.findings[0].evidence["moved"] > 2


def test_a_rate_that_is_too_high_is_known_in_the_middle_of_an_epoch():
    doctor = quiet(action="stop")
    model = compiled(500.0, hidden=(8,))
    x, y = separable(480)
    # Labels of chance: from some first weights, such a rate learns the true ones at once.
    fit(model, x, np.random.default_rng(0).permutation(y), doctor)
    assert model.history.epoch == [0]
    assert model.optimizer.iterations < 60


def test_a_rate_that_is_too_low():
    doctor = quiet()
    names = fit(compiled(1e-6), *separable(), doctor, epochs=10)
    assert names == ["learning_rate_too_low"]
    assert doctor.findings[0].evidence["epoch"] == 9  # the first with 50 batches


def test_too_few_epochs():
    doctor = quiet()
    assert fit(compiled(0.02), *separable(), doctor, epochs=4) == ["too_few_epochs"]
    assert doctor.findings[0].level == "note"


def test_a_fit_that_another_callback_stopped_had_enough_epochs():
    stop = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: setattr(model, "stop_training", epoch == 3)
    )
    model = compiled(0.02)
    doctor = quiet()
    assert fit(model, *separable(), doctor, epochs=4, callbacks=[stop]) == []


def test_overfitting():
    x, y = nothing_but_noise()
    doctor = quiet()
    model = compiled(optimizer=keras.optimizers.Adam(0.03), hidden=(32, 16), run_eagerly=False)
    assert fit(model, x, y, doctor, epochs=25) == ["overfitting"]
    assert doctor.findings[0].evidence["best_epoch"] < 10


@pytest.mark.parametrize("stops", [True, False])
def test_overfitting_that_another_callback_ends(stops):
    x, y = nothing_but_noise()
    strict = DoctorLimits(rise=0.01, rise_of_guessing=0.001, overfitting_epochs=2)
    before, after = quiet(limits=strict), quiet(limits=strict)
    callbacks = [before]
    if stops:
        callbacks.append(keras.callbacks.EarlyStopping(patience=2, restore_best_weights=True))
    model = compiled(optimizer=keras.optimizers.Adam(0.03), hidden=(32, 16), run_eagerly=False)
    fit(model, x, y, after, epochs=12, callbacks=callbacks)
    assert (len(model.history.epoch) < 12) == stops
    for doctor in (before, after):
        expected = [] if stops else ["overfitting"]
        assert [finding.name for finding in doctor.findings] == expected


def test_overfitting_is_itself_a_reason_to_stop():
    x, y = nothing_but_noise()
    doctor = quiet(action="stop")
    model = compiled(optimizer=keras.optimizers.Adam(0.03), hidden=(32, 16), run_eagerly=False)
    assert fit(model, x, y, doctor, epochs=25) == ["overfitting"]
    assert len(model.history.epoch) == doctor.findings[0].evidence["epoch"] < 25


def test_a_head_that_calls_everything_one_class():
    x, y = separable(96)
    y[:] = np.random.default_rng(0).random(96) < 0.75
    valid_x, valid_y = x[::-1].copy(), y
    model = compiled(0.05, run_eagerly=False)
    doctor = quiet()
    names = fit(model, x * 1e-3, y, doctor, validate=(valid_x * 1e-3, valid_y), epochs=30)
    assert names == ["collapsed"]
    finding = doctor.findings[0]
    assert finding.evidence["class"] == 1
    assert finding.evidence["examples"] == 96


@in_tensorflow
@pytest.mark.parametrize("eager", [True, False])
def test_labels_counted_from_one(eager, capsys):
    import tensorflow as tf

    x, y = separable()
    model = compiled(run_eagerly=eager)
    doctor = Doctor()
    with pytest.raises(tf.errors.InvalidArgumentError):
        fit(model, x, y + 1, doctor)
    assert [finding.name for finding in doctor.findings] == ["labels_outside_classes"]
    assert "there is 2, where the model knows 0 to 1" in doctor.findings[0].message
    assert capsys.readouterr().out.startswith("Doctor: [bad] Labels outside the classes: ")
    # The model is as it was: it can be trained on.
    assert fit(model, x, y, doctor) == []


@in_tensorflow
def test_labels_counted_from_one_raise_in_our_words():
    x, y = separable()
    model = compiled()
    with pytest.raises(DataError, match="Labels outside the classes: there is 2"):
        fit(model, x, y + 1, quiet(action="raise"))
    assert fit(model, x, y, quiet()) == []


def test_another_error_passes_as_it_is():
    doctor = quiet()
    with pytest.raises(Exception, match=r"(?i)shape|rank|dimension"):
        fit(compiled(), separable()[0], np.zeros((48, 3, 7)), doctor, validate=False)
    assert doctor.findings == ()


@pytest.mark.parametrize("low_high", [(-1, 1), (1, 2)])
def test_labels_of_one_logit_that_are_not_0_and_1(low_high):
    x, y = separable()
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    doctor = quiet()
    labels = np.where(y, low_high[1], low_high[0])
    names = fit(compiled(outputs=1, loss=loss), x, labels, doctor)
    assert names == ["labels_outside_classes"]
    assert "it cannot be negative" in doctor.findings[0].message


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_one_bad_number_in_the_inputs(value):
    x, y = separable()
    x[37, 2] = value
    doctor = quiet()
    fit(compiled(), x, y, doctor, shuffle=False)
    assert [finding.name for finding in doctor.findings] == ["not_a_number"]
    assert doctor.findings[0].evidence["batch"] == 5
    assert doctor.findings[0].evidence["spoilt_weights"] == 2
    assert "after an ordinary" in doctor.findings[0].message


def test_one_bad_number_that_the_loss_does_not_show():
    x, y = separable()
    x[37, 2] = np.nan
    model = compiled(hidden=(8,))
    # As relu does on some machines.
    model.layers[0].activation = lambda h: keras.ops.where(keras.ops.isnan(h), 0.0, h)
    doctor = quiet()
    fit(model, x, y, doctor)
    assert np.isfinite(model.history.history["loss"]).all()
    assert [finding.name for finding in doctor.findings] == ["not_a_number"]
    assert doctor.findings[0].evidence["epoch"] == 1
    assert "while the training loss looks ordinary" in doctor.findings[0].message


def test_spoilt_weights_are_seen_before_the_first_batch():
    model = compiled()
    model.weights[0].assign(np.full((4, 2), np.nan))
    doctor = quiet()
    assert fit(model, *separable(), doctor) == ["not_a_number"]
    assert "1 weight held NaN or infinity before the first batch" in doctor.findings[0].message


# ---- what trains ------------------------------------------------------------------------------


def test_nothing_trains_at_a_rate_of_zero():
    doctor = quiet()
    assert fit(compiled(0.0), *separable(), doctor) == ["nothing_trains"]
    assert doctor.findings[0].message == (
        "Nothing trains: after 6 batches none of the 2 weights that are flagged to train has "
        "changed: the learning rate is 0."
    )


@pytest.mark.filterwarnings("ignore:The model does not have any trainable weights")
def test_nothing_trains_where_all_is_frozen():
    model = compiled()
    model.trainable = False
    model.compile(keras.optimizers.SGD(0.1), CROSSENTROPY, run_eagerly=True)
    doctor = quiet()
    assert fit(model, *separable(), doctor) == ["nothing_trains"]
    assert doctor.findings[0].message == "Nothing trains: every weight is frozen."


def test_flags_that_were_set_after_the_train_function_was_traced():
    model = compiled(hidden=(8,), run_eagerly=False)
    fit(model, *separable(), quiet(), epochs=1)
    model.layers[0].trainable = False
    doctor = quiet()
    if keras.backend.backend() == "jax":
        with pytest.raises(ValueError, match="whereas the optimizer was built with 4"):
            fit(model, *separable(), doctor)
        assert [finding.name for finding in doctor.findings] == ["wrong_weights_train"]
        assert "2 are flagged to train, and the optimizer was" in doctor.findings[0].message
        return
    names = fit(model, *separable(), doctor)
    if keras.backend.backend() == "torch":  # it has no traced function, and goes by the new flags
        assert names == []
        return
    assert names == ["wrong_weights_train"]
    assert "2 weights that are flagged as frozen have changed" in doctor.findings[0].message


def test_a_policy_freezes_at_any_time():
    model = compiled(hidden=(8,), run_eagerly=False)
    fit(model, *separable(), quiet(), epochs=1)
    kerasft.TrainHead().apply(model)
    doctor = quiet()
    assert fit(model, *separable(), doctor) == []


def test_gathered_gradients_step_late():
    optimizer = keras.optimizers.SGD(0.5, gradient_accumulation_steps=20)
    model = compiled(optimizer=optimizer)
    doctor = quiet()
    fit(model, *separable(), doctor, epochs=1)  # six batches
    assert "nothing_trains" not in [finding.name for finding in doctor.findings]


def test_in_a_long_epoch_it_is_known_before_the_end():
    x, y = separable(420)
    doctor = quiet(action="stop")
    model = compiled(0.0, run_eagerly=False)
    assert fit(model, x, y, doctor, epochs=1, batch_size=2) == ["nothing_trains"]
    assert doctor.findings[0].evidence["batches"] == 200


# ---- what is no sickness ----------------------------------------------------------------------


def test_phases_are_no_sickness():
    model = compiled(hidden=(8,), run_eagerly=False)
    phases = Phases(
        [
            Phase(kerasft.TrainHead(), epochs=2, learning_rate=0.5),
            Phase(kerasft.TrainEverything(), epochs=2, learning_rate=0.1),
            Phase(kerasft.TrainHead(), epochs=1, learning_rate=1e-4),
        ],
        verbose=0,
    )
    # On either side of it in the list.
    first, doctor = quiet(), quiet()
    fit(model, *separable(), doctor, epochs=5, callbacks=[first, phases])
    for one in (first, doctor):
        assert one.findings == ()
        assert [epoch.stage for epoch in one._course.epochs] == [0, 0, 1, 1, 2]


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="there one batch is one go")
def test_several_batches_in_one_go():
    model = compiled(run_eagerly=False, steps_per_execution=5)
    doctor = quiet()
    assert fit(model, *separable(), doctor) == []
    assert doctor._course.batch_size == 8
    assert doctor._course.epochs[0].losses.size == 2


def test_warm_up_is_no_sickness():
    rate = keras.optimizers.schedules.CosineDecay(1e-6, 30, warmup_target=0.5, warmup_steps=24)
    model = compiled(optimizer=keras.optimizers.SGD(rate))
    doctor = quiet()
    assert fit(model, *separable(), doctor, epochs=6) == []


def test_mixed_precision():
    with_policy = keras.dtype_policies.DTypePolicy("mixed_bfloat16")
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, dtype=with_policy)])
    model.compile(keras.optimizers.SGD(0.5), CROSSENTROPY, run_eagerly=True)
    doctor = quiet()
    assert fit(model, *separable(), doctor) == []
    assert doctor.not_judged == {}


def test_a_train_step_of_ones_own():
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.top = keras.layers.Dense(2)

        def call(self, x):
            return self.top(x)

        def train_step(self, *args):
            return super().train_step(*args)

    model = Own()
    model.compile(keras.optimizers.SGD(0.5), CROSSENTROPY, run_eagerly=True)
    doctor = quiet()
    assert fit(model, *separable(), doctor) == []
    assert not doctor._tape.running_means
    assert "collapsed" in doctor.not_judged


def test_without_validation_it_says_what_it_did_not_judge():
    doctor = quiet()
    assert fit(compiled(), *separable(), doctor, validate=False) == []
    assert doctor.not_judged == {
        "collapsed": "the fit has no validation data",
        "overfitting": "the fit has no validation data",
    }
    assert "Not judged: overfitting, as the fit has no validation data." in str(doctor)


def test_a_regression_has_no_classes():
    x, _ = separable()
    model = compiled(0.1, outputs=1, loss="mse")
    doctor = quiet()
    assert fit(model, x, x[:, 0], doctor, validate=(x, x[:, 0])) == []
    assert list(doctor.not_judged) == ["collapsed"]


# ---- what a finding does ----------------------------------------------------------------------


def test_a_finding_is_said_once(capsys):
    doctor = Doctor()
    fit(compiled(0.0), *separable(), doctor, epochs=5)
    out = capsys.readouterr().out
    assert out == f"Doctor: {doctor.findings[0]}\n"
    assert out.count("What to do: Give the optimizer a rate") == 1


def test_silent():
    doctor = quiet()
    fit(compiled(0.0), *separable(), doctor)
    assert doctor.findings


def test_stop():
    model = compiled(0.0)
    assert fit(model, *separable(), quiet(action="stop"), epochs=5) == ["nothing_trains"]
    assert model.history.epoch == [0]


def test_raise():
    model = compiled(0.0)
    doctor = quiet(action="raise")
    with pytest.raises(KerasftError, match=r"Nothing trains: .* What to do: Give the optimizer"):
        fit(model, *separable(), doctor)
    assert len(doctor.findings) == 1


def test_a_note_never_raises():
    doctor = quiet(action="raise")
    assert fit(compiled(0.02), *separable(), doctor, epochs=4) == ["too_few_epochs"]


def test_each_fit_begins_anew():
    doctor = quiet()
    assert fit(compiled(0.0), *separable(), doctor) == ["nothing_trains"]
    assert fit(compiled(), *separable(), doctor) == []


# ---- a look at the training data --------------------------------------------------------------


class Batches(keras.utils.PyDataset):
    def __init__(self, x, y, size=16):
        super().__init__()
        self.x, self.y, self.size = x, y, size
        self.asked = []

    @property
    def num_batches(self):
        return -(-len(self.x) // self.size)

    def __getitem__(self, index):
        self.asked.append(index)
        rows = slice(index * self.size, (index + 1) * self.size)
        return self.x[rows], self.y[rows]


def in_form(form, x, y):
    if form == "arrays":
        return x, y
    if form == "batches":
        return Batches(x, y)
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices((x, y)).batch(16)


FORMS = ["arrays", "batches", pytest.param("tf.data", marks=in_tensorflow)]


@pytest.mark.parametrize("form", FORMS)
def test_labels_are_looked_at_before_the_first_batch(form, capsys):
    x, y = separable()
    data = in_form(form, x, y + 1)
    with pytest.raises(DataError, match="there is 1 to 2, where the model knows 0 to 1"):
        fit(compiled(), x, y, Doctor("raise", data))
    x[3, 0], x[40, 1] = np.nan, np.inf
    doctor = Doctor(train_data=in_form(form, x, y))
    fit(compiled(), x, y, doctor, epochs=1)
    assert doctor.findings[0].message == (
        "Not a number: 2 of the 48 examples that were looked at hold NaN or infinity in their "
        "inputs. One is enough to spoil all weights."
    )
    assert capsys.readouterr().out.startswith("Doctor: [bad] Not a number")


@pytest.mark.parametrize("form", FORMS)
def test_sound_data_are_let_through(form):
    x, y = separable()
    assert fit(compiled(), x, y, quiet(train_data=in_form(form, x, y))) == []


@pytest.mark.parametrize(
    ("outputs", "loss", "labels", "wrong"),
    [
        (1, keras.losses.BinaryCrossentropy(from_logits=True), [0, 1], False),
        (1, keras.losses.BinaryCrossentropy(from_logits=True), [-1, 1], True),
        (1, "binary_crossentropy", [0, 2], True),
        (2, "categorical_crossentropy", [[1, 0], [0, 1]], False),
        (2, "categorical_crossentropy", [[2, 0], [0, 2]], True),
        (3, CROSSENTROPY, [0, 2], False),
        (3, CROSSENTROPY, [0, 3], True),
        (1, "mse", [0, 70], False),
    ],
)
def test_labels_are_checked_by_the_loss(outputs, loss, labels, wrong):
    x, y = separable()
    labels = np.array(labels, "float32")[y]
    doctor = quiet(action="raise", train_data=(x, labels))
    doctor.set_params({"epochs": 1})
    doctor.set_model(compiled(outputs=outputs, loss=loss))
    if wrong:
        with pytest.raises(DataError, match="Labels outside the classes"):
            doctor.on_train_begin()
    else:
        doctor.on_train_begin()
        assert doctor.findings == ()


# ---- samples of the validation data -----------------------------------------------------------


class Keep(keras.callbacks.Callback):
    """Takes a sample at the end of each epoch, as the doctor does."""

    def on_epoch_end(self, epoch, logs=None):
        self.sample = take_sample(self.model, task_of(self.model))


@pytest.mark.parametrize("form", FORMS)
def test_a_sample_is_what_the_model_says_of_validation_examples(form):
    x, y = separable()
    valid_x, valid_y = separable(600, seed=5)
    model = compiled()
    validation = in_form(form, valid_x, valid_y)
    keep = Keep()
    model.fit(x, y, validation_data=validation, verbose=0, callbacks=[keep])
    sample = keep.sample
    assert 240 <= len(sample.labels) < 256 + 16
    predicted = model.predict(valid_x, verbose=0)
    for scores, label in zip(sample.scores, sample.labels, strict=True):
        nearest = np.abs(predicted - scores).sum(1).argmin()
        np.testing.assert_allclose(predicted[nearest], scores, rtol=1e-4, atol=1e-5)
        assert valid_y[nearest] == label
    if form == "batches":
        # Spread over the whole, for data are often sorted.
        assert max(validation.asked[-16:]) == validation.num_batches - 1


def test_a_generator_for_validation_is_left_alone():
    x, y = separable()

    def batches():
        while True:
            yield x[:8], y[:8]

    doctor = quiet()
    fit(compiled(1e-6), x, y, doctor, validate=batches(), epochs=2, validation_steps=2)
    assert "cannot be read a second time" in doctor.not_judged["collapsed"]


def test_a_look_that_fails_does_not_end_the_fit():
    class Fails(Batches):
        broken = False

        def __getitem__(self, index):
            if self.broken:
                raise OSError("the file is gone")
            return super().__getitem__(index)

    x, y = separable()
    data = Fails(x, y)

    class Break(keras.callbacks.Callback):
        def on_test_end(self, logs=None):
            data.broken = True

    doctor = quiet()
    fit(compiled(1e-6), x, y, doctor, validate=data, epochs=1, callbacks=[Break()])
    assert doctor.not_judged["collapsed"] == "the validation data gave OSError when read again"


# ---- tasks, weights ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outputs", "loss", "expected"),
    [
        (3, CROSSENTROPY, Task("numbers", 3, math.log(3))),
        (3, "sparse_categorical_crossentropy", Task("numbers", 3, math.log(3))),
        (3, ["categorical_crossentropy"], Task("one_hot", 3, math.log(3))),
        (3, keras.losses.categorical_crossentropy, Task("one_hot", 3, math.log(3))),
        (1, "binary_crossentropy", Task("binary", 2, math.log(2), 0.5)),
        (
            1,
            keras.losses.BinaryCrossentropy(from_logits=True),
            Task("binary", 2, math.log(2), 0.0),
        ),
        (3, "binary_crossentropy", Task("multilabel", 3, math.log(2), 0.5)),
        (1, CROSSENTROPY, Task()),
        (1, "mse", Task()),
        (1, None, Task()),
        (1, lambda true, said: said, Task()),
    ],
)
def test_the_task_of_a_model(outputs, loss, expected):
    assert task_of(compiled(outputs=outputs, loss=loss)) == expected


def test_several_outputs_are_no_task():
    inputs = keras.Input((4,))
    model = keras.Model(inputs, [keras.layers.Dense(2)(inputs), keras.layers.Dense(2)(inputs)])
    model.compile("sgd", [CROSSENTROPY, CROSSENTROPY])
    assert task_of(model) == Task()


def test_how_far_weights_have_moved():
    model = keras.Sequential([keras.Input((200,)), keras.layers.Dense(300), keras.layers.Dense(2)])
    model.layers[1].trainable = False
    watch = WeightsWatch(model)
    assert watch.moved() == 0
    assert watch.changed() == (0, 0)
    kernel, bias = model.layers[0].weights
    before, random = np.array(kernel), np.random.default_rng(0)
    step = random.normal(size=before.shape).astype("float32") * 0.1
    kernel.assign(before + step)
    bias.assign(np.full(300, 0.2))
    expected = np.sqrt((step**2).sum() + 300 * 0.2**2) / np.sqrt((before**2).sum())
    assert watch.moved() == pytest.approx(expected, rel=0.1)  # told from 2,048 of 60,000 values
    assert watch.changed() == (2, 0)
    model.layers[1].bias.assign([0.0, 1e-30])
    assert watch.changed() == (2, 1)
    assert watch.is_of(model)
    model.layers[1].trainable = True
    assert not watch.is_of(model)


def test_weights_that_began_at_zero():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, kernel_initializer="zeros")])
    watch = WeightsWatch(model)
    assert watch.moved() == 0
    model.weights[0].assign(np.ones((2, 2)))
    assert watch.moved() == math.inf


def test_large_weights_that_no_gradient_reaches_do_not_hide_the_others():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3), keras.layers.Dense(2)])
    model.weights[1].assign(np.full(3, -30.0))
    watch = WeightsWatch(model)
    model.weights[2].assign(1.5 * np.array(model.weights[2]))
    assert watch.moved() == pytest.approx(0.5)
    model.weights[0].assign(np.full((2, 3), np.nan))
    assert math.isnan(watch.moved())


def test_spoilt_weights():
    model = compiled(hidden=(3,))
    assert spoilt(model.weights) == []
    model.weights[2].assign(np.full((3, 2), np.inf))
    assert spoilt(model.weights) == [model.weights[2].path]


# ---- how it is shown --------------------------------------------------------------------------


def test_it_shows_and_saves_itself(tmp_path):
    doctor = quiet()
    fit(compiled(0.0), *separable(), doctor, validate=False)
    finding = doctor.findings[0]
    text = " ".join(str(doctor).split())
    for part in ("1 found in 3 epochs", "nothing_trains", "bad", "the learning rate is 0"):
        assert part in text
    page = doctor._repr_html_()
    assert "<table>" in page
    assert "What to do: Give the optimizer a rate" in page
    doctor.save(tmp_path / "doctor.json")
    content = json.loads((tmp_path / "doctor.json").read_text())
    assert content == doctor.to_dict()
    assert content["format"] == "kerasft doctor"
    assert content["epochs"] == 3
    assert content["findings"] == [
        {
            "name": "nothing_trains",
            "level": "bad",
            "message": finding.message,
            "evidence": dict(finding.evidence),
            "remedy": finding.remedy,
        }
    ]
    assert set(content["not_judged"]) == {"overfitting"}


def test_infinity_is_none_in_json(tmp_path):
    x, y = separable()
    y = np.random.default_rng(0).permutation(y)  # nothing that a large step could find
    model = compiled(500.0)
    model.set_weights([np.zeros_like(w) for w in model.get_weights()])  # moved by infinity
    doctor = quiet()
    assert fit(model, x, y, doctor) == ["learning_rate_too_high"]
    doctor.save(tmp_path / "doctor.json")
    found = json.loads((tmp_path / "doctor.json").read_text())["findings"][0]
    assert found["evidence"]["moved"] is None
