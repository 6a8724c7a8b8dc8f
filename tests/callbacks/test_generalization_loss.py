import math

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasft.callbacks import GeneralizationLoss
from kerasft.errors import ArgumentError

pytestmark = pytest.mark.core

_model = {}


def _shared_model(kit):
    if not _model:
        _model["model"] = kit.tiny_model()
    return _model["model"]


def expected(curve, alpha, start=0):
    """The epoch to stop after, or None, and the best epoch: numpy on the whole curve at once."""
    errors = np.array(curve, "float64")[start:]
    if not len(errors):
        return None, None
    lowest = np.minimum.accumulate(errors)
    loss = 100 * (errors / lowest - 1)
    stop = next((int(t) for t in np.flatnonzero(loss > alpha)), None)
    best = int(np.argmin(errors if stop is None else errors[: stop + 1]))
    return (None if stop is None else stop + start), best + start


@settings(max_examples=60, deadline=None)
@given(
    curve=st.lists(st.floats(0.0625, 4, width=16), min_size=1, max_size=12),
    alpha=st.sampled_from([1.0, 3.3, 10.7, 50.3]),
    start=st.integers(0, 3),
)
def test_stops_after_the_first_epoch_above_alpha(kit, curve, alpha, start):
    stopping = GeneralizationLoss(alpha=alpha, start_from_epoch=start)
    epochs = kit.drive(stopping, {"val_loss": curve}, _shared_model(kit))
    stop, best = expected(curve, alpha, start)
    assert len(epochs) == (len(curve) if stop is None else stop + 1)
    assert (stopping.stop_reason is None) == (stop is None)
    assert stopping.stopped_epoch == (stop or 0)
    assert stopping.best_epoch == (best or 0)
    assert stopping.best == (None if best is None else curve[best])


@given(scale=st.floats(0.125, 8, width=16))
@settings(max_examples=20, deadline=None)
def test_the_unit_of_the_loss_does_not_matter(kit, scale):
    curve = [1.0, 0.5, 0.75, 0.5]
    stopping = GeneralizationLoss(alpha=49)
    kit.drive(stopping, {"val_loss": [scale * value for value in curve]}, _shared_model(kit))
    assert stopping.stopped_epoch == 2


def test_on_a_real_fit_the_history_bears_it_out(kit):
    model = kit.tiny_model(rate=30.0)  # far too high
    stopping = GeneralizationLoss(alpha=5, restore_best_weights=True)
    history = model.fit(
        *kit.data(),
        epochs=20,
        validation_data=kit.data(seed=1),
        callbacks=[stopping],
        verbose=0,
    ).history
    stop, best = expected(history["val_loss"], 5)
    assert stop == stopping.stopped_epoch == len(history["val_loss"]) - 1
    assert 0 < stop < 19
    assert best == stopping.best_epoch < stop
    errors = np.array(history["val_loss"])
    losses = 100 * (errors / np.minimum.accumulate(errors) - 1)
    assert history["generalization_loss"] == pytest.approx(losses.tolist(), abs=1e-9)
    restored = model.evaluate(*kit.data(seed=1), verbose=0, return_dict=True)["loss"]
    assert restored == pytest.approx(stopping.best, rel=1e-6)
    assert stopping.best_weights_bytes == 4 * (4 * 8 + 8 + 1)


def test_says_why(kit, capsys):
    stopping = GeneralizationLoss(alpha=5, verbose=1)
    kit.drive(stopping, {"val_loss": [0.8, 0.5, 0.53]}, _shared_model(kit))
    assert stopping.stop_reason == (
        "The generalization loss is 6% (lowest val_loss: 0.5, epoch 2), more than alpha=5%."
    )
    assert capsys.readouterr().out == f"Epoch 3: early stopping. {stopping.stop_reason}\n"


def test_a_lowest_error_of_zero(kit):
    stopping = GeneralizationLoss(alpha=1e9)
    epochs = kit.drive(stopping, {"val_loss": [0.5, 0.0, 0.0, 1e-6, 1.0]}, _shared_model(kit))
    assert [logs["generalization_loss"] for logs in epochs] == [0.0, 0.0, 0.0, math.inf]


def test_epochs_without_a_number_are_passed_over(kit):
    stopping = GeneralizationLoss(alpha=10)
    curve = [math.nan, 1.0, math.nan, 0.5, None, 0.54, math.inf]
    epochs = kit.drive(stopping, {"val_loss": curve}, _shared_model(kit))
    assert stopping.best == 0.5
    assert stopping.stopped_epoch == 6
    assert ["generalization_loss" in logs for logs in epochs] == [
        False, True, False, True, False, True, True,
    ]  # fmt: skip


def test_without_validation_in_the_first_epochs_it_warns_once(kit):
    stopping = GeneralizationLoss(alpha=10)
    curves = {"loss": [1.0] * 5, "val_loss": [None, None, 1.0, None, 2.0]}
    with pytest.warns(UserWarning, match="GeneralizationLoss looks at `val_loss`") as seen:
        kit.drive(stopping, curves, _shared_model(kit))
    assert len(seen) == 1
    assert stopping.stopped_epoch == 4


def test_negative_losses_are_refused(kit):
    stopping = GeneralizationLoss()
    message = r"Epoch 2 had val_loss=-0.25, and the criterion is a ratio. Use EarlyStopping"
    with pytest.raises(ArgumentError, match=message):
        kit.drive(stopping, {"val_loss": [0.5, -0.25]}, _shared_model(kit))


def test_metrics_that_are_better_when_higher_are_refused(kit):
    model = kit.tiny_model()
    stopping = GeneralizationLoss(monitor="val_accuracy")
    with pytest.raises(ArgumentError, match="'val_accuracy' is better when it is higher"):
        model.fit(*kit.data(), validation_data=kit.data(seed=1), callbacks=[stopping], verbose=0)


def test_a_wrong_name_is_told_even_before_the_first_epoch_it_looks_at(kit):
    stopping = GeneralizationLoss(monitor="val_los", start_from_epoch=5)
    with pytest.raises(ArgumentError, match="Did you mean 'val_loss'"):
        kit.drive(stopping, {"loss": [1.0], "val_loss": [1.0]}, _shared_model(kit))


def test_one_instance_serves_many_fits(kit):
    stopping = GeneralizationLoss(alpha=10)
    for _ in range(2):
        epochs = kit.drive(stopping, {"val_loss": [0.5, 0.25, 1.0]}, _shared_model(kit))
        assert len(epochs) == 3
    kit.drive(stopping, {"val_loss": [2.0, 1.0]}, _shared_model(kit))
    assert (stopping.best, stopping.stop_reason, stopping.stopped_epoch) == (1.0, None, 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"alpha": 0}, "`alpha` must be a number, above 0"),
        ({"alpha": "5%"}, "`alpha` must be a number, above 0"),
        ({"monitor": 3}, "`monitor` must be the name of an error"),
        ({"restore_best_weights": 1}, "`restore_best_weights` must be True or False"),
        ({"start_from_epoch": -1}, "`start_from_epoch` must be a whole number"),
        ({"verbose": "auto"}, "`verbose` must be 0"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        GeneralizationLoss(**arguments)


def test_is_a_keras_callback():
    assert isinstance(GeneralizationLoss(), keras.callbacks.Callback)
