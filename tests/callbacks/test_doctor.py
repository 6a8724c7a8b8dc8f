"""The doctor beside real fits: it disturbs nothing, acts as asked, and shows what it found."""

import json
import math

import keras
import numpy as np
import pytest
from doctor_fits import compiled, fit, quiet, separable

from kerasft.callbacks import Doctor, DoctorLimits
from kerasft.errors import ArgumentError, KerasftError

# Arguments.


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


# A sound fit.


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


# What a finding does.


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


# How it is shown.


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
