"""The gap between training and validation: when it stops or warns, and which metric it takes."""

import math
import warnings

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasft.callbacks import EarlyStopping, GeneralizationGap
from kerasft.errors import ArgumentError

_model = {}


def _shared_model(kit):
    if not _model:
        model = kit.tiny_model()
        model.evaluate(*kit.data(), verbose=0)  # which builds the metrics, as a fit does
        _model["model"] = model
    return _model["model"]


def curves(training, validation, name="accuracy"):
    return {name: training, f"val_{name}": validation}


# Eighths are exact in floating point, so that the oracle meets no rounding at the margin.
shares = st.integers(0, 8).map(lambda n: n / 8)


@settings(max_examples=80, deadline=None)
@given(
    figures=st.lists(st.tuples(shares, shares), min_size=1, max_size=10),
    max_gap=st.sampled_from([0.125, 0.25]),
    patience=st.integers(1, 3),
    name=st.sampled_from(["accuracy", "loss"]),
    start=st.integers(0, 3),
)
def test_stops_after_so_many_epochs_in_a_row(kit, figures, max_gap, patience, name, start):
    training, validation = map(list, zip(*figures, strict=True))
    watching = GeneralizationGap(
        max_gap=max_gap, monitor=name, patience=patience, start_from_epoch=start, verbose=0
    )
    epochs = kit.drive(watching, curves(training, validation, name), _shared_model(kit))
    sign = 1 if name == "accuracy" else -1
    gaps = [sign * (a - b) for a, b in figures]
    stop = next(
        (
            epoch
            for epoch in range(start + patience - 1, len(gaps))
            if all(gap > max_gap for gap in gaps[epoch - patience + 1 : epoch + 1])
        ),
        None,
    )
    assert len(epochs) == (len(figures) if stop is None else stop + 1)
    assert (watching.stop_reason is None) == (stop is None)
    assert watching.stopped_epoch == (stop or 0)
    assert [logs[f"{name}_gap"] for logs in epochs] == gaps[: len(epochs)]
    within = [
        (-sign * validation[epoch], epoch)
        for epoch in range(start, len(epochs))
        if gaps[epoch] <= max_gap
    ]
    if within:
        assert watching.best_epoch == min(within)[1]
        assert watching.best == validation[watching.best_epoch]
    else:
        assert watching.best is None


def test_a_real_fit_is_stopped_where_its_history_says(kit):
    script = kit.Script(val_accuracy=[0.0, 1.0, 0.0, 0.0, 0.0])
    watching = GeneralizationGap(max_gap=0.01, patience=2, verbose=0)
    history = (
        kit.tiny_model(eager=False)
        .fit(*kit.data(), epochs=5, callbacks=[script, watching], verbose=0)
        .history
    )
    assert len(history["accuracy"]) == 4
    assert min(history["accuracy"]) > 0.01
    gaps = np.array(history["accuracy"]) - np.array(history["val_accuracy"])
    assert history["accuracy_gap"] == pytest.approx(gaps.tolist())
    assert watching.stopped_epoch == 3
    assert watching.gap == history["accuracy_gap"][-1]


def test_restores_the_best_epoch_within_the_margin(kit):
    model = kit.tiny_model()
    model.evaluate(*kit.data(), verbose=0)
    bias = model.get_layer("head").bias
    watching = GeneralizationGap(max_gap=0.1, patience=2, restore_best_weights=True, verbose=0)
    kit.drive(
        watching,
        #                                    best within   better, but too wide
        curves([0.5, 0.7, 0.9, 0.99, 0.99], [0.5, 0.65, 0.7, 0.8, 0.8]),
        model,
        lambda model, epoch: bias.assign([float(epoch)]),
    )
    assert watching.stopped_epoch == 3
    assert (watching.best_epoch, watching.best) == (1, 0.65)
    assert np.asarray(bias) == 1
    assert watching.best_weights_bytes == 4 * (4 * 8 + 8 + 1)


def test_nothing_is_restored_where_no_epoch_was_within_the_margin(kit, capsys):
    model = kit.tiny_model()
    model.evaluate(*kit.data(), verbose=0)
    bias = model.get_layer("head").bias
    watching = GeneralizationGap(max_gap=0.1, patience=2, restore_best_weights=True)
    kit.drive(
        watching,
        curves([0.9, 0.9], [0.5, 0.5]),
        model,
        lambda model, epoch: bias.assign([float(epoch)]),
    )
    assert np.asarray(bias) == 1
    assert (
        "No epoch had its gap within the margin: the last values stay." in capsys.readouterr().out
    )


# What it says ------------------------------------------------------------------------------------


def test_says_why_it_stopped(kit, capsys):
    watching = GeneralizationGap(max_gap=0.05, patience=2)
    kit.drive(watching, curves([0.8, 0.92, 0.98], [0.8, 0.75, 0.7]), _shared_model(kit))
    assert watching.stop_reason == watching.finding
    assert watching.finding == (
        "Training is ahead of validation by 0.28 in accuracy (0.98 against 0.7), "
        "more than max_gap=0.05, for 2 epochs in a row."
    )
    assert capsys.readouterr().out == f"Epoch 3: early stopping. {watching.finding}\n"


def test_warns_once_and_goes_on(kit, capsys):
    watching = GeneralizationGap(max_gap=0.05, action="warn")
    said = []
    epochs = kit.drive(
        watching,
        curves([0.8, 0.9, 0.95, 0.98], [0.8, 0.75, 0.7, 0.7]),
        _shared_model(kit),
        lambda model, epoch: said.append(capsys.readouterr().out),
    )
    assert len(epochs) == 4
    assert watching.stop_reason is None
    assert watching.finding.startswith("Training is ahead of validation by 0.15 in accuracy")
    assert said[:2] == ["", ""]
    assert said[2].startswith(f"Epoch 2: {watching.finding} The model learns its training data")
    assert said[2].count("\n") == 1
    assert said[3] == ""
    assert capsys.readouterr().out == ""


def test_a_warning_from_the_last_epoch_is_said_too(kit, capsys):
    watching = GeneralizationGap(max_gap=0.05, action="warn")
    kit.drive(watching, curves([0.8, 0.9], [0.8, 0.7]), _shared_model(kit))
    assert capsys.readouterr().out.startswith("Epoch 2: Training is ahead")


def test_silent_when_asked(kit, capsys):
    for action in ("warn", "stop"):
        watching = GeneralizationGap(max_gap=0.05, action=action, verbose=0)
        kit.drive(watching, curves([0.9], [0.5]), _shared_model(kit))
        assert watching.finding is not None
    assert capsys.readouterr().out == ""


def test_callbacks_behind_it_can_watch_the_gap(kit):
    stopping = EarlyStopping(monitor="accuracy_gap", mode="min", patience=1)
    script = kit.Script(accuracy=[0.5, 0.6, 0.7], val_accuracy=[0.5, 0.6, 0.4])
    history = kit.tiny_model().fit(
        *kit.data(),
        epochs=3,
        callbacks=[script, GeneralizationGap(action="warn", verbose=0), stopping],
        verbose=0,
    )
    assert stopping.stopped_epoch == 1
    assert history.history["accuracy_gap"] == [0.0, 0.0]


# Which metric ------------------------------------------------------------------------------------


def _fit_once(kit, watching, metrics):
    model = kit.tiny_model(metrics=metrics)
    return model.fit(
        *kit.data(), validation_data=kit.data(seed=1), callbacks=[watching], verbose=0
    ).history


def test_takes_accuracy_where_there_is_one(kit):
    history = _fit_once(kit, GeneralizationGap(verbose=0), ["mae", "accuracy"])
    expected = history["accuracy"][0] - history["val_accuracy"][0]
    assert history["accuracy_gap"] == [pytest.approx(expected)]


def test_takes_the_first_metric_with_a_direction_otherwise(kit):
    def score(y, p):
        return keras.ops.mean(p)

    history = _fit_once(kit, GeneralizationGap(verbose=0), [score, "mae"])
    expected = history["val_mae"][0] - history["mae"][0]
    assert history["mae_gap"] == [pytest.approx(expected)]


def test_takes_the_loss_where_there_is_nothing_else(kit):
    history = _fit_once(kit, GeneralizationGap(verbose=0), [])
    assert history["loss_gap"] == [pytest.approx(history["val_loss"][0] - history["loss"][0])]


def test_several_outputs(kit):
    inputs = keras.Input((4,))
    model = keras.Model(
        inputs,
        {
            name: keras.layers.Dense(1, activation="sigmoid", name=name)(inputs)
            for name in ("mood", "topic")
        },
    )
    model.compile(
        "sgd",
        {"mood": "binary_crossentropy", "topic": "binary_crossentropy"},
        metrics={"mood": ["accuracy"], "topic": ["accuracy"]},
        run_eagerly=True,
    )
    (x, y), (v, w) = kit.data(), kit.data(seed=1)
    history = model.fit(
        x,
        {"mood": y, "topic": y},
        validation_data=(v, {"mood": w, "topic": w}),
        callbacks=[
            GeneralizationGap(verbose=0),
            GeneralizationGap(monitor="topic_loss", verbose=0),
        ],
        verbose=0,
    ).history
    expected = history["mood_accuracy"][0] - history["val_mood_accuracy"][0]
    assert history["mood_accuracy_gap"] == [pytest.approx(expected)]
    expected = history["val_topic_loss"][0] - history["topic_loss"][0]
    assert history["topic_loss_gap"] == [pytest.approx(expected)]


def test_an_unknown_direction_has_to_be_said(kit):
    def score(y, p):
        return keras.ops.mean(p)

    with pytest.raises(ArgumentError, match="`mode` must be 'min' or 'max' for this metric"):
        _fit_once(kit, GeneralizationGap(monitor="score", verbose=0), [score])
    for mode, sign in (("max", 1), ("min", -1)):
        watching = GeneralizationGap(max_gap=9, monitor="score", mode=mode, verbose=0)
        kit.drive(watching, curves([0.75], [0.5], "score"), _shared_model(kit))
        assert watching.gap == sign * 0.25


def test_a_misspelled_metric(kit):
    with pytest.raises(ArgumentError, match="Did you mean 'val_accuracy'"):
        _fit_once(kit, GeneralizationGap(monitor="acuracy"), ["accuracy"])


# Epochs that lack a figure -----------------------------------------------------------------------


def test_epochs_without_validation_neither_count_nor_break_the_row(kit):
    watching = GeneralizationGap(max_gap=0.1, patience=2, verbose=0)
    with pytest.warns(UserWarning, match="`val_accuracy`, which was not measured in epoch 1"):
        epochs = kit.drive(
            watching,
            curves([0.9] * 6, [None, 0.5, None, 0.5, None, 0.5]),
            _shared_model(kit),
        )
    assert len(epochs) == 4
    assert ["accuracy_gap" in logs for logs in epochs] == [False, True, False, True]


def test_a_nan_neither_counts_nor_breaks_the_row(kit):
    watching = GeneralizationGap(max_gap=0.1, patience=2, verbose=0)
    epochs = kit.drive(watching, curves([0.9] * 4, [0.5, math.nan, 0.5, 0.5]), _shared_model(kit))
    assert len(epochs) == 3


def test_without_validation_it_never_acts(kit):
    watching = GeneralizationGap()
    with pytest.warns(UserWarning, match="without `validation_data` it never acts") as seen:
        kit.tiny_model().fit(*kit.data(), epochs=3, callbacks=[watching], verbose=0)
    assert len(seen) == 1
    assert watching.gap is None


# Bad input ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"max_gap": 5}, r"Received: max_gap=5 \(of type int\). .*a gap of 5 points is 0.05"),
        ({"max_gap": 5, "monitor": "accuracy"}, "a gap of 5 points is 0.05"),
        ({"max_gap": 0}, "`max_gap` must be a number, above 0"),
        ({"max_gap": "5%"}, "`max_gap` must be a number"),
        ({"max_gap": math.nan}, "`max_gap` must be a number"),
        ({"monitor": "val_accuracy"}, "without 'val_'.*say monitor='accuracy'"),
        ({"monitor": 1}, "`monitor` must be the name of a metric, or None"),
        ({"patience": 0}, "`patience` must be a whole number, at least 1"),
        ({"action": "warning"}, "`action` must be one of 'stop', 'warn'.*Did you mean 'warn'"),
        ({"mode": "up"}, "`mode` must be one of 'auto', 'min', 'max'"),
        ({"train_data": (n for n in ())}, "A generator is used up after the first"),
        ({"restore_best_weights": None}, "`restore_best_weights` must be True or False"),
        ({"start_from_epoch": 1.0}, "`start_from_epoch` must be a whole number"),
        ({"verbose": 2}, "`verbose` must be 0"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        GeneralizationGap(**arguments)


def test_points_of_a_share_are_refused_when_the_fit_shows_what_the_metric_is(kit):
    watching = GeneralizationGap(max_gap=5, monitor="hits")
    with pytest.raises(ArgumentError, match="`max_gap` must be below 1 for 'hits'"):
        _fit_once(kit, watching, [keras.metrics.Precision(name="hits")])


def test_a_wide_gap_in_a_loss_is_fine(kit):
    watching = GeneralizationGap(max_gap=5, monitor="loss", verbose=0)
    assert "loss_gap" in _fit_once(kit, watching, [])


def test_one_instance_serves_many_fits(kit):
    watching = GeneralizationGap(max_gap=0.1, patience=2, verbose=0)
    for _ in range(2):
        epochs = kit.drive(watching, curves([0.9] * 3, [0.9, 0.5, 0.5]), _shared_model(kit))
        assert len(epochs) == 3
        assert watching.finding is not None
    kit.drive(watching, curves([0.9, 0.9], [0.5, 0.9], "loss"), _shared_model(kit))
    assert watching.finding is None
    assert (watching.gap, watching.best_epoch) == (0.0, 0)


def test_no_python_warnings(kit):
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        kit.drive(
            GeneralizationGap(action="warn"), curves([0.9] * 3, [0.5] * 3), _shared_model(kit)
        )
    assert not seen
