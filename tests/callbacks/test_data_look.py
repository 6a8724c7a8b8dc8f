"""A look at the training data: wrong labels and spoilt inputs, before the first batch."""

import keras
import numpy as np
import pytest
from doctor_fits import CROSSENTROPY, FORMS, compiled, fit, in_form, quiet, separable

from kerasft.callbacks import Doctor
from kerasft.errors import DataError


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
