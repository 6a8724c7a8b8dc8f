"""Early stopping: monitors that are not there, epochs without them, and bad arguments."""

import math

import keras
import numpy as np
import pytest

from kerasft.callbacks import EarlyStopping
from kerasft.errors import ArgumentError


def test_a_misspelled_monitor_is_an_error_at_the_first_epoch_end(kit):
    model = kit.tiny_model()
    ended = []
    spy = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: ended.append(epoch))
    with pytest.raises(ArgumentError, match=r"Received: monitor='val_los' \(of type str\)") as info:
        model.fit(
            *kit.data(),
            epochs=3,
            validation_data=kit.data(seed=1),
            callbacks=[spy, EarlyStopping(monitor="val_los")],
            verbose=0,
        )
    assert ended == [0]
    message = str(info.value)
    assert message.startswith("`monitor` must be the name of a metric of this fit.")
    assert "Did you mean 'val_loss'" in message
    assert "Epoch 1 had: accuracy, loss, val_accuracy, val_loss." in message


@pytest.mark.parametrize("mode", ["auto", "min"])
def test_a_wrong_name_is_told_where_validation_has_not_run_yet(kit, mode):
    logs = {"loss": [1.0], "accuracy": [1.0]}
    with pytest.raises(ArgumentError, match="Did you mean 'val_accuracy'"):
        kit.drive(EarlyStopping(monitor="val_acuracy", mode=mode), logs, kit.tiny_model())


def test_a_name_that_validation_does_not_bring_is_told_once_it_has_run(kit):
    stopping = EarlyStopping(monitor="val_accuracy")
    curves = {"loss": [1.0] * 2, "accuracy": [1.0] * 2, "val_loss": [None, 1.0]}
    with (
        pytest.warns(UserWarning, match="in epoch 1"),
        pytest.raises(ArgumentError, match="Epoch 2 had"),
    ):
        kit.drive(stopping, curves, kit.tiny_model())


def test_validation_in_every_other_epoch_warns_once_and_stops(kit):
    stopping = EarlyStopping(patience=1)
    model = kit.tiny_model()
    curves = {"loss": [1.0] * 8, "val_loss": [None, 2.0, None, 1.0, None, 3.0, None, 3.0]}
    with pytest.warns(UserWarning, match="`val_loss`, which was not measured in epoch 1") as seen:
        epochs = kit.drive(stopping, curves, model)
    assert len(seen) == 1
    assert len(epochs) == 6
    assert stopping.best_epoch == 3


def test_without_validation_it_warns_once_and_never_stops(kit):
    model = kit.tiny_model()
    stopping = EarlyStopping(restore_best_weights=True)
    with pytest.warns(UserWarning, match="without `validation_data` it never acts") as seen:
        history = model.fit(*kit.data(), epochs=3, callbacks=[stopping], verbose=0)
    assert len(seen) == 1
    assert len(history.epoch) == 3
    assert stopping.best is None


def test_a_direction_that_nobody_knows(kit):
    def score(y, p):
        return keras.ops.mean(p)

    model = kit.tiny_model(metrics=[score])
    with pytest.raises(ArgumentError, match="`mode` must be 'min' or 'max' for this monitor"):
        model.fit(*kit.data(), callbacks=[EarlyStopping(monitor="score")], verbose=0)
    model.fit(*kit.data(), callbacks=[EarlyStopping(monitor="score", mode="max")], verbose=0)


def test_a_metric_per_class_is_refused(kit):
    curves = {"f1": [np.array([0.5, 0.25])]}
    with pytest.raises(ArgumentError, match="must be the name of a metric that is a single number"):
        kit.drive(EarlyStopping(monitor="f1", mode="max"), curves, kit.tiny_model())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"monitor": None}, "`monitor` must be the name of a metric"),
        ({"monitor": ""}, "`monitor` must be the name of a metric"),
        ({"patience": -1}, "`patience` must be a whole number, at least 0"),
        ({"patience": 2.5}, "`patience` must be a whole number"),
        ({"min_delta": "0.1"}, "`min_delta` must be a number"),
        ({"min_delta": math.nan}, "`min_delta` must be a number"),
        ({"mode": "maximum"}, "`mode` must be one of 'auto', 'min', 'max'.*Did you mean 'max'"),
        ({"baseline": "best"}, "`baseline` must be a number"),
        ({"restore_best_weights": "yes"}, "`restore_best_weights` must be True or False"),
        ({"start_from_epoch": -2}, "`start_from_epoch` must be a whole number, at least 0"),
        ({"verbose": 3}, "`verbose` must be 0"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        EarlyStopping(**arguments)
