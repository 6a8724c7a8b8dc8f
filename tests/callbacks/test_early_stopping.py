"""Early stopping: where Keras stops, with the weights of its best epoch, whatever was unfrozen."""

import inspect
import math
import warnings

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasft.callbacks import EarlyStopping, GeneralizationGap, GeneralizationLoss, ProgressQuotient
from kerasft.freezing import TrainEverything, TrainSelected

CHANGEABLE = ("norm", "head")


def test_same_arguments_and_defaults_as_keras():
    ours = inspect.signature(EarlyStopping).parameters
    theirs = inspect.signature(keras.callbacks.EarlyStopping).parameters
    assert list(ours) == list(theirs)
    assert [p.default for p in ours.values()] == [p.default for p in theirs.values()]
    assert issubclass(EarlyStopping, keras.callbacks.EarlyStopping)


# Side by side with Keras's own -------------------------------------------------------------------

_models = {}


def _pair(kit):
    """Two equal models, made once."""
    if not _models:
        _models.update(ours=kit.tiny_model(), theirs=kit.tiny_model())
    return _models["ours"], _models["theirs"]


def _wander(model, epoch):
    """A stand-in for training: moves what can change, equally in equal epochs."""
    for name in CHANGEABLE:
        layer = model.get_layer(name)
        random = np.random.default_rng(epoch)
        layer.set_weights([random.normal(size=w.shape) for w in layer.get_weights()])


@settings(max_examples=60, deadline=None)
@given(
    curve=st.lists(
        st.one_of(
            st.integers(0, 8).map(lambda n: n / 8),
            st.floats(-2, 2, width=32),
            st.sampled_from([math.nan, math.inf, None]),
        ),
        min_size=1,
        max_size=10,
    ),
    patience=st.integers(0, 3),
    min_delta=st.sampled_from([0, 0.125, -0.125]),
    mode=st.sampled_from(["auto", "min", "max"]),
    baseline=st.sampled_from([None, 0.25]),
    restore=st.booleans(),
    start=st.integers(0, 3),
)
def test_stops_where_keras_stops_with_the_same_weights(
    kit, curve, patience, min_delta, mode, baseline, restore, start
):
    arguments = {
        "patience": patience,
        "min_delta": min_delta,
        "mode": mode,
        "baseline": baseline,
        "restore_best_weights": restore,
        "start_from_epoch": start,
    }
    ours, theirs = EarlyStopping(**arguments), keras.callbacks.EarlyStopping(**arguments)
    our_model, their_model = _pair(kit)
    curves = {"loss": [0.0] * len(curve), "val_loss": curve}
    with warnings.catch_warnings():  # both warn of epochs without validation
        warnings.simplefilter("ignore", UserWarning)
        our_epochs = kit.drive(ours, curves, our_model, _wander)
        their_epochs = kit.drive(theirs, curves, their_model, _wander)
    assert len(our_epochs) == len(their_epochs)
    for name in ("stopped_epoch", "best_epoch", "wait"):
        assert getattr(ours, name) == getattr(theirs, name), name
    assert repr(ours.best) == repr(theirs.best)  # a NaN is a NaN
    assert (ours.stop_reason is None) == (theirs.stopped_epoch == 0)
    for mine, other in zip(our_model.get_weights(), their_model.get_weights(), strict=True):
        assert np.array_equal(mine, other)


@pytest.mark.parametrize(
    ("validation_freq", "eager"), [(1, False), pytest.param(2, True, marks=pytest.mark.slow)]
)
def test_real_fits_end_alike(kit, validation_freq, eager):
    x, y = kit.data()
    results = []
    for kind in (keras.callbacks.EarlyStopping, EarlyStopping):
        model = kit.tiny_model(rate=3.0, eager=eager)
        stopping = kind(patience=2, restore_best_weights=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            history = model.fit(
                x,
                y,
                epochs=20,
                validation_data=kit.data(seed=1),
                validation_freq=validation_freq,
                callbacks=[stopping],
                verbose=0,
            )
        results.append((stopping, history.history, model.get_weights()))
    (theirs, their_history, their_weights), (ours, our_history, our_weights) = results
    assert 1 < theirs.stopped_epoch < 19
    assert theirs.best_epoch < theirs.stopped_epoch
    assert our_history == their_history
    assert (ours.stopped_epoch, ours.best_epoch) == (theirs.stopped_epoch, theirs.best_epoch)
    for mine, other in zip(our_weights, their_weights, strict=True):
        assert np.array_equal(mine, other)


# What is unfrozen later --------------------------------------------------------------------------


class Unfreeze(keras.callbacks.Callback):
    """Unfreezes the first layers at a chosen moment of the third epoch (epoch 2)."""

    def __init__(self, moment):
        super().__init__()
        self.moment = moment

    def on_epoch_end(self, epoch, logs=None):
        if self.moment == "end" and epoch == 1:
            self.unfreeze()

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch
        if self.moment == "begin" and epoch == 2:
            self.unfreeze()

    def on_train_batch_begin(self, batch, logs=None):
        if self.moment == "batch" and (self.epoch, batch) == (2, 1):
            self.unfreeze()

    def unfreeze(self):
        for name in ("frozen", "frozen_norm"):
            self.model.get_layer(name).trainable = True
        optimizer = keras.optimizers.SGD(0.5)
        optimizer.build(self.model.trainable_variables)
        self.model.optimizer = optimizer
        self.model.make_train_function(force=True)


@pytest.mark.core
# A change within an epoch has to be made before this callback looks, hence by an earlier one.
@pytest.mark.parametrize(
    ("moment", "first"),
    [
        pytest.param("begin", True, marks=pytest.mark.slow),
        ("begin", False),
        ("end", True),
        pytest.param("end", False, marks=pytest.mark.slow),
        ("batch", True),
    ],
)
def test_what_is_unfrozen_after_the_best_epoch_is_restored_too(kit, moment, first):
    if moment == "batch" and keras.backend.backend() == "jax":
        pytest.skip("on JAX, the trained variables cannot change within an epoch")
    model = kit.tiny_model(eager=False)
    start = model.get_weights()
    noted = {}

    def note(epoch, logs):
        noted[epoch] = model.get_weights()

    stopping = EarlyStopping(patience=3, restore_best_weights=True)
    pair = [Unfreeze(moment), stopping] if first else [stopping, Unfreeze(moment)]
    script = kit.Script(val_loss=[3.0, 1.0, 2.0, 2.0, 2.0, 2.0])  # the best epoch is still frozen
    spy = keras.callbacks.LambdaCallback(on_epoch_end=note)
    model.fit(*kit.data(), batch_size=16, epochs=6, callbacks=[script, spy, *pair], verbose=0)
    assert (stopping.best_epoch, stopping.stopped_epoch) == (1, 4)
    paths = [variable.path for variable in model.weights]
    frozen = [path for path, a, b in zip(paths, start, noted[1], strict=True) if (a == b).all()]
    assert len(frozen) == 6
    assert all("/frozen" in path for path in frozen)
    assert not any((a == b).all() for a, b in zip(start, noted[4], strict=True))  # all have moved
    for path, best, now in zip(paths, noted[1], model.get_weights(), strict=True):
        assert np.array_equal(best, now), path


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="no plan changes inside fit on JAX")
def test_a_plan_applied_inside_fit_is_restored_too(kit):
    model = kit.tiny_model(eager=False)
    for layer in model.layers:
        layer.trainable = True
    TrainSelected("head").apply(model)
    stopping = EarlyStopping(patience=2, restore_best_weights=True)
    noted, sizes = {}, {}

    def note(epoch, logs):
        noted[epoch] = model.get_weights()
        sizes[epoch] = stopping.best_weights_bytes

    def unfreeze(epoch, logs):
        if epoch == 2:
            TrainEverything().apply(model)

    script = kit.Script(val_loss=[3.0, 1.0, 2.0, 2.0])
    spy = keras.callbacks.LambdaCallback(on_epoch_begin=unfreeze, on_epoch_end=note)
    model.fit(*kit.data(), epochs=9, callbacks=[script, stopping, spy], verbose=0)
    assert (stopping.best_epoch, stopping.stopped_epoch) == (1, 3)
    everything = sum(value.nbytes for value in model.get_weights())
    assert sizes == {0: 36, 1: 36, 2: everything, 3: everything}
    assert not any((a == b).all() for a, b in zip(noted[1], noted[3], strict=True))
    for best, now in zip(noted[1], model.get_weights(), strict=True):
        assert np.array_equal(best, now)


def test_memory_grows_only_when_something_is_unfrozen(kit):
    model = kit.tiny_model()
    stopping = EarlyStopping(restore_best_weights=True, patience=9)
    sizes = []

    def step(model, epoch):
        sizes.append(stopping.best_weights_bytes)
        if epoch == 1:
            model.get_layer("frozen").trainable = True

    kit.drive(stopping, {"loss": [1.0] * 4, "val_loss": [1.0, 2.0, 2.0, 2.0]}, model, step)
    small = 4 * (4 * 8 + 8 + 1)
    assert sizes == [0, small, small + 4 * 40, small + 4 * 40]


def test_no_frozen_variable_in_memory_after_a_fit(kit):
    model = kit.tiny_model()
    stopping = EarlyStopping(restore_best_weights=True)
    model.fit(*kit.data(), validation_data=kit.data(seed=1), callbacks=[stopping], verbose=0)
    frozen = {id(v) for name in ("frozen", "frozen_norm") for v in model.get_layer(name).weights}
    kept = stopping.best_weights.variables
    assert frozen.isdisjoint(id(variable) for variable in kept)
    assert stopping.best_weights_bytes == 4 * sum(math.prod(v.shape) for v in kept) == 164
    assert stopping.best_weights_bytes < sum(value.nbytes for value in model.get_weights())


def test_keeps_nothing_unless_asked(kit):
    stopping = EarlyStopping()
    kit.drive(stopping, {"loss": [1.0, 2.0], "val_loss": [1.0, 2.0]}, kit.tiny_model())
    assert stopping.best_weights is None
    assert stopping.best_weights_bytes == 0


def test_an_interrupted_fit_can_be_restored_by_hand(kit):
    class Interrupt(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    def note(epoch, logs):
        if epoch == 0:
            best.extend(model.get_weights())

    best = []
    model = kit.tiny_model()
    stopping = EarlyStopping(restore_best_weights=True, patience=9)
    spy = keras.callbacks.LambdaCallback(on_epoch_end=note)
    script = kit.Script(val_loss=[1.0, 2.0, 3.0])
    with pytest.raises(KeyboardInterrupt):
        model.fit(*kit.data(), epochs=5, callbacks=[script, spy, stopping, Interrupt()], verbose=0)
    assert not all(np.array_equal(a, b) for a, b in zip(model.get_weights(), best, strict=True))
    stopping.best_weights.restore()
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), best, strict=True))


# What it says ------------------------------------------------------------------------------------


def test_says_why_it_stopped(kit, capsys):
    stopping = EarlyStopping(patience=2, verbose=1, restore_best_weights=True)
    curves = {"loss": [1.0] * 4, "val_loss": [2.0, 1.5, 1.75, 1.625]}
    kit.drive(stopping, curves, kit.tiny_model())
    assert stopping.stop_reason == "val_loss did not improve on 1.5 (epoch 2) for 2 epochs."
    assert capsys.readouterr().out == (
        "Epoch 4: early stopping. val_loss did not improve on 1.5 (epoch 2) for 2 epochs.\n"
        "Restoring the values from the end of epoch 2.\n"
    )


def test_says_when_the_baseline_was_not_reached(kit):
    stopping = EarlyStopping(patience=1, baseline=0.5)
    kit.drive(stopping, {"loss": [1.0] * 3, "val_loss": [2.0, 2.0, 2.0]}, kit.tiny_model())
    assert stopping.stop_reason == "val_loss did not improve on the baseline 0.5 for 2 epochs."


def test_says_nothing_where_it_did_not_stop(kit, capsys):
    stopping = EarlyStopping(verbose=1)
    kit.drive(stopping, {"loss": [2.0, 1.0], "val_loss": [2.0, 1.0]}, kit.tiny_model())
    assert stopping.stop_reason is None
    assert stopping.stopped_epoch == 0
    assert capsys.readouterr().out == ""


def test_logs_instead_of_printing_where_keras_does(kit, capsys):
    stopping = EarlyStopping(verbose=1)
    keras.config.disable_interactive_logging()
    try:
        kit.drive(stopping, {"loss": [1.0, 2.0], "val_loss": [1.0, 2.0]}, kit.tiny_model())
    finally:
        keras.config.enable_interactive_logging()
    assert stopping.stop_reason is not None
    assert capsys.readouterr().out == ""


def test_one_instance_serves_many_fits(kit):
    model = kit.tiny_model()
    model.evaluate(*kit.data(), verbose=0)  # which builds the metrics, as a fit does
    stopping = EarlyStopping(monitor="val_loss", min_delta=0.5, restore_best_weights=True)
    kit.drive(stopping, {"loss": [1.0] * 3, "val_loss": [1.0, 2.0, 0.0]}, model)
    assert (stopping.stopped_epoch, stopping.best) == (1, 1.0)
    first = stopping.best_weights
    stopping.monitor = "val_accuracy"  # the other way up
    kit.drive(stopping, {"accuracy": [0.0] * 3, "val_accuracy": [1.0, 2.0, 2.25]}, model)
    assert (stopping.stopped_epoch, stopping.best, stopping.best_epoch) == (2, 2.0, 1)
    assert stopping.best_weights is not first
    kit.drive(stopping, {"accuracy": [0.0] * 2, "val_accuracy": [1.0, 2.0]}, model)
    assert stopping.stop_reason is None


# Together with others ----------------------------------------------------------------------------


def test_all_callbacks_work_in_one_list(kit, tmp_path):
    model = kit.tiny_model()
    ours = [
        GeneralizationGap(max_gap=0.9, restore_best_weights=True, verbose=0),
        GeneralizationLoss(alpha=1e6, restore_best_weights=True),
        ProgressQuotient(alpha=1e6, strip_length=2, restore_best_weights=True),
        EarlyStopping(patience=50, restore_best_weights=True),
    ]
    plateau = keras.callbacks.ReduceLROnPlateau(monitor="accuracy_gap", mode="min", patience=1)
    checkpoint = keras.callbacks.ModelCheckpoint(
        str(tmp_path / "best.weights.h5"), save_best_only=True, save_weights_only=True
    )
    theirs = [
        plateau,
        checkpoint,
        keras.callbacks.CSVLogger(str(tmp_path / "log.csv")),
        keras.callbacks.BackupAndRestore(str(tmp_path / "backup")),
    ]
    history = model.fit(
        *kit.data(),
        epochs=5,
        validation_data=kit.data(seed=1),
        callbacks=[*ours, *theirs],
        verbose=0,
    )
    header = (tmp_path / "log.csv").read_text().splitlines()[0].split(",")
    assert {"accuracy_gap", "generalization_loss", "val_loss"} <= set(header)
    assert len(history.history["accuracy_gap"]) == 5
    # The last that restores has its way, and it keeps what the checkpoint of everything kept.
    assert ours[-1].best == min(history.history["val_loss"])
    other = kit.tiny_model(seed=9)
    other.load_weights(tmp_path / "best.weights.h5")
    for mine, saved in zip(model.get_weights(), other.get_weights(), strict=True):
        assert np.array_equal(mine, saved)


def test_goes_on_after_a_restart_with_backup_and_restore(kit, tmp_path):
    class Fail(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise RuntimeError("the power went")

    model = kit.tiny_model()
    arguments = {"epochs": 4, "validation_data": kit.data(seed=1), "verbose": 0}
    stopping = EarlyStopping(patience=9, restore_best_weights=True)
    backup = keras.callbacks.BackupAndRestore(str(tmp_path / "backup"))
    with pytest.raises(RuntimeError, match="the power went"):
        model.fit(*kit.data(), callbacks=[stopping, backup, Fail()], **arguments)
    history = model.fit(*kit.data(), callbacks=[stopping, backup], **arguments)
    assert history.epoch == [2, 3]
    assert stopping.best == min(history.history["val_loss"])
    assert stopping.best_epoch in (2, 3)
