"""What the doctor finds in real fits of tiny models. Its accuracy is another file's matter."""

import keras
import numpy as np
import pytest
from doctor_fits import CROSSENTROPY, compiled, fit, in_tensorflow, quiet, separable

import kerasft
from kerasft.callbacks import Doctor, DoctorLimits, Phase, Phases
from kerasft.errors import DataError


def nothing_but_noise():
    """Examples that can only be learned by heart."""
    x, y = separable(32)
    x[:, :2] = np.random.default_rng(3).normal(size=(32, 2))
    return x, y


# Each sickness.


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


# What trains.


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


# What is no sickness.


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
