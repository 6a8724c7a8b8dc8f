import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasft.callbacks import ProgressQuotient
from kerasft.errors import ArgumentError

pytestmark = pytest.mark.core

_model = {}


def _shared_model(kit):
    if not _model:
        _model["model"] = kit.tiny_model()
    return _model["model"]


def quotients(training, validation, length):
    """GL / P_k at each strip's end, in numpy, on whole curves."""
    training, validation = np.array(training, "float64"), np.array(validation, "float64")
    loss = 100 * (validation / np.minimum.accumulate(validation) - 1)
    strips = training[: len(training) // length * length].reshape(-1, length)
    progress = 1000 * (strips.sum(1) / (length * strips.min(1)) - 1)
    return loss[length - 1 :: length] / progress


@settings(max_examples=60, deadline=None)
@given(
    curves=st.lists(
        # apart from each other, so that no strip stands still and the oracle divides by no zero
        st.tuples(st.integers(1, 500), st.floats(0.0625, 4, width=16)),
        min_size=1,
        max_size=14,
        unique_by=lambda pair: pair[0],
    ),
    length=st.integers(2, 5),
    alpha=st.sampled_from([0.013, 0.31, 0.77]),
    start=st.integers(0, 3),
)
def test_stops_at_the_first_strip_above_alpha(kit, curves, length, alpha, start):
    training, validation = [pair[0] / 100 for pair in curves], [pair[1] for pair in curves]
    stopping = ProgressQuotient(alpha=alpha, strip_length=length, start_from_epoch=start)
    epochs = kit.drive(stopping, {"loss": training, "val_loss": validation}, _shared_model(kit))
    values = quotients(training[start:], validation[start:], length)
    above = np.flatnonzero(values > alpha)
    stop = start + (int(above[0]) + 1) * length - 1 if len(above) else None
    assert len(epochs) == (len(curves) if stop is None else stop + 1)
    assert (stopping.stop_reason is None) == (stop is None)
    assert stopping.stopped_epoch == (stop or 0)
    seen = [logs["progress_quotient"] for logs in epochs if "progress_quotient" in logs]
    assert seen == pytest.approx(values[: len(seen)].tolist(), rel=1e-9)
    assert len(seen) == max(len(epochs) - start, 0) // length


def test_by_hand(kit, capsys):
    # strip 1: mean 0.5 over lowest 0.4, so 250 per mille; loss 0
    # strip 2: mean 0.22 over lowest 0.2, so 100 per mille; loss 100 * (0.9 / 0.6 - 1) = 50%
    curves = {
        "loss": [0.6, 0.5, 0.4, 0.24, 0.22, 0.2, 0.1],
        "val_loss": [0.8, 0.7, 0.6, 0.7, 0.8, 0.9, 0.9],
    }
    stopping = ProgressQuotient(alpha=0.4, strip_length=3, verbose=1)
    epochs = kit.drive(stopping, curves, _shared_model(kit))
    assert len(epochs) == 6
    assert epochs[2]["progress_quotient"] == 0
    assert epochs[5]["progress_quotient"] == pytest.approx(0.5)
    assert stopping.progress == pytest.approx(100)
    assert stopping.generalization_loss == pytest.approx(50)
    assert stopping.stop_reason == (
        "Training progressed by 100 per mille in 3 epochs while the generalization loss is 50% "
        "(lowest val_loss: 0.6, epoch 3): a quotient of 0.5, more than alpha=0.4."
    )
    assert capsys.readouterr().out == f"Epoch 6: early stopping. {stopping.stop_reason}\n"


def test_the_history_of_a_real_fit_bears_it_out(kit):
    model = kit.tiny_model(rate=10.0)  # far too high
    stopping = ProgressQuotient(alpha=0.001, strip_length=2, restore_best_weights=True)
    history = model.fit(
        *kit.data(),
        epochs=20,
        validation_data=kit.data(seed=1),
        callbacks=[stopping],
        verbose=0,
    ).history
    values = quotients(history["loss"], history["val_loss"], 2)
    assert history["progress_quotient"] == pytest.approx(values.tolist(), rel=1e-9)
    assert stopping.stopped_epoch == len(history["loss"]) - 1 == 2 * len(values) - 1 < 19
    assert values[-1] > 0.001
    assert (values[:-1] <= 0.001).all()
    restored = model.evaluate(*kit.data(seed=1), verbose=0, return_dict=True)["loss"]
    assert restored == pytest.approx(min(history["val_loss"]), rel=1e-6)


def test_no_progress_and_any_loss_ends_training(kit):
    stopping = ProgressQuotient(alpha=1e9, strip_length=2)
    curves = {"loss": [0.1, 0.1, 0.1, 0.1], "val_loss": [0.5, 0.5, 0.4, 0.4001]}
    epochs = kit.drive(stopping, curves, _shared_model(kit))
    assert [logs.get("progress_quotient") for logs in epochs] == [None, 0.0, None, math.inf]
    assert stopping.stopped_epoch == 3


def test_a_training_error_of_zero_is_infinite_progress(kit):
    stopping = ProgressQuotient(alpha=1e-9, strip_length=2)
    kit.drive(stopping, {"loss": [0.1, 0.0], "val_loss": [0.5, 5.0]}, _shared_model(kit))
    assert stopping.progress == math.inf
    assert stopping.stop_reason is None


def test_strips_with_a_nan_or_without_validation_at_their_end_are_not_judged(kit):
    stopping = ProgressQuotient(alpha=0.001, strip_length=2)
    curves = {
        "loss": [2.0, 1.0, math.nan, 1.0, 2.0, 1.0, 2.0, 1.0],
        "val_loss": [1.0, 1.0, 1.0, 9.0, 9.0, None, 9.0, 9.0],
    }
    epochs = kit.drive(stopping, curves, _shared_model(kit))
    judged = [epoch for epoch, logs in enumerate(epochs) if "progress_quotient" in logs]
    assert judged == [1, 7]
    assert stopping.stopped_epoch == 7


def test_validation_in_every_other_epoch(kit):
    x, y = kit.data()
    stopping = ProgressQuotient(alpha=1e9, strip_length=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        history = kit.tiny_model().fit(
            x,
            y,
            epochs=4,
            validation_data=kit.data(seed=1),
            validation_freq=2,
            callbacks=[stopping],
            verbose=0,
        )
    assert len(history.history["progress_quotient"]) == 2


def test_negative_training_losses_are_refused(kit):
    curves = {"loss": [-1.0], "val_loss": [1.0]}
    with pytest.raises(ArgumentError, match="Epoch 1 had loss=-1"):
        kit.drive(ProgressQuotient(), curves, _shared_model(kit))


def test_strips_start_anew_with_each_fit(kit):
    stopping = ProgressQuotient(alpha=1e9, strip_length=3)
    curves = {"loss": [2.0, 1.0], "val_loss": [1.0, 2.0]}
    for _ in range(2):
        epochs = kit.drive(stopping, curves, _shared_model(kit))
        assert all("progress_quotient" not in logs for logs in epochs)
        assert stopping.progress is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"alpha": -1}, "`alpha` must be a number, above 0"),
        ({"strip_length": 1}, "`strip_length` must be a whole number, at least 2.*Generalization"),
        ({"strip_length": 2.0}, "`strip_length` must be a whole number"),
        ({"monitor": "loss"}, "`monitor` must be the name of a validation error"),
        ({"monitor": None}, "`monitor` must be the name of an error"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        ProgressQuotient(**arguments)
