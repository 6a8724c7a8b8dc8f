"""Fits that are not traced, and nothing left over from the test before."""

import keras
import pytest
import text_estimators

from kerasft.sklearn import clear_shared


@pytest.fixture(autouse=True)
def _untraced(monkeypatch):
    compile_ = keras.Model.compile
    monkeypatch.setattr(
        keras.Model, "compile", lambda self, *a, **k: compile_(self, *a, run_eagerly=True, **k)
    )


@pytest.fixture(autouse=True)
def _fresh():
    clear_shared()
    text_estimators.RAN.clear()
    yield
    clear_shared()
