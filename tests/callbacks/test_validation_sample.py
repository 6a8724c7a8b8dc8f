"""A sample of the validation data, out of every form of them, or a reason why not."""

import keras
import numpy as np
import pytest
from doctor_fits import FORMS, Batches, compiled, fit, in_form, quiet, separable

from kerasft.callbacks._task import task_of
from kerasft.callbacks._validation_sample import take_sample


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
