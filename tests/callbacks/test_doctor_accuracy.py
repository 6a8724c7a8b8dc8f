"""How many sick fits the doctor names, and that it says nothing of sound ones."""

import keras
import pytest
from doctor_recipes import NAMES, Case, measure, said_classes, summary
from doctor_runs import Recipe, fit

from kerasft.callbacks import Doctor

in_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="labels are refused by TensorFlow"
)

SOUND = {
    "a linear model": Recipe("wine", 133, hidden=(), rate=0.02, batch=16, epochs=20),
    "dropout, two classes": Recipe(
        "breast_cancer", 420, hidden=(16,), dropout=0.3, rate=5e-3, epochs=8, one_logit=True
    ),
    "weights and warm-up": Recipe(
        "digits", 1000, rate=5e-3, epochs=9, weighted=True, schedule="warmup", per_execution=4
    ),
    "a regression": Recipe("diabetes", 330, hidden=(16,), rate=5e-3, batch=16, epochs=6),
    "early stopping": Recipe("digits", 500, rate=1e-2, batch=16, epochs=30, patience=2),
}
DIGITS = Recipe("digits", 400, batch=16, epochs=6, rate=2e-3)
CANCER = Recipe("breast_cancer", 420, hidden=(), epochs=6, rate=5e-3)
SICK = {
    "rate too high": DIGITS.but(rate=0.5),
    "rate too low": DIGITS.but(rate=1e-5),
    "too few epochs": DIGITS.but(epochs=2),
    "overfitting": Recipe("diabetes", 60, hidden=(200, 50), rate=3e-3, batch=8, epochs=25),
    "labels outside the classes": CANCER.but(damage="minus one", one_logit=True),
    "not a number": DIGITS.but(damage="NaN in a row"),
    "nothing trains": CANCER.but(rate=0.0),
    "the wrong weights train": DIGITS.but(damage="frozen after a fit"),
    "one class": CANCER.but(damage="dead units", hidden=(8,), rate=1e-3, batch=8),
}


@pytest.mark.parametrize("recipe", SOUND.values(), ids=SOUND)
def test_of_a_sound_fit_it_says_nothing(recipe):
    doctor = Doctor(verbose=0)
    fit(recipe, [doctor])
    assert [str(finding) for finding in doctor.findings] == []


@pytest.mark.parametrize(("kind", "recipe"), SICK.items(), ids=SICK)
def test_it_names_a_sick_fit(kind, recipe):
    doctor = Doctor(verbose=0)
    found = fit(recipe, [doctor])
    assert Case(kind, recipe, NAMES[kind], doctor.findings).right, str(doctor)
    if kind == "one class":
        assert said_classes(found, recipe).max() == 1


@in_tensorflow
@pytest.mark.slow
def test_it_names_nearly_all_that_are_sick_and_raises_no_false_alarm():
    """About twenty minutes. `tests/benchmarks/doctor_accuracy.py` prints the table."""
    cases = measure(5150)
    sound = [case for case in cases if not case.expected]
    sick = [case for case in cases if case.expected]
    table = summary(cases)
    assert len(sound) >= 50
    assert len(sick) >= 20
    assert sum(case.right for case in sick) >= 0.95 * len(sick), table
    assert all(case.right for case in sound), table
