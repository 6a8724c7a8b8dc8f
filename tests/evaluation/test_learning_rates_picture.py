"""The picture of a learning-rate search."""

import io

import numpy as np
import pytest

from kerasft.errors import ArgumentError
from kerasft.evaluation import plot_learning_rates
from kerasft.tuning import LearningRateCurve

RATES = np.geomspace(1e-6, 1.0, 61)


def curve():
    losses = 1.0 / (1.0 + 1e3 * RATES) + 0.02 * np.sin(np.arange(61)) + (RATES > 0.3) * 50.0 * RATES
    return LearningRateCurve(RATES, losses, smoothing=0.6, ended="diverged")


def drawn(figure):
    page = io.BytesIO()
    figure.savefig(page, format="png", dpi=50)
    assert page.getvalue().startswith(b"\x89PNG")
    return figure.axes[0]


def by_label(axes):
    return {line.get_label(): line for line in axes.lines}


def test_losses_and_suggestions_are_where_they_belong():
    found = curve()
    axes = drawn(plot_learning_rates(found))
    lines = by_label(axes)
    assert axes.get_xscale() == "log"
    assert list(lines["smoothed"].get_xdata()) == list(RATES)
    assert list(lines["smoothed"].get_ydata()) == list(found.smoothed)
    for name, rate in found.suggestions.items():
        marker = lines[f"{name}: {rate:.2g}"]
        assert marker.get_xdata() == [rate]
        place = np.abs(np.log(RATES / rate)).argmin()
        assert marker.get_ydata()[0] == pytest.approx(found.smoothed[place], abs=0.05)


def test_without_colour_the_markers_tell_them_apart():
    axes = drawn(plot_learning_rates(curve()))
    shown = [line.get_marker() for line in axes.lines if line.get_linestyle() == "None"]
    assert len(shown) == 5 == len(set(shown))
    texts = [text.get_text() for text in axes.get_legend().get_texts()]
    assert len(texts) == 6
    assert texts[0] == "loss of each step"


def test_an_explosion_does_not_flatten_the_fall():
    found = curve()
    axes = drawn(plot_learning_rates(found))
    bottom, top = axes.get_ylim()
    assert bottom < found.losses.min()
    assert top < 3.0 < found.losses.max()
    above = by_label(axes)[f"above the picture: up to {found.losses.max():.3g}"]
    inside = by_label(axes)["loss of each step"]
    assert len(above.get_xdata()) + len(inside.get_xdata()) == 61
    assert set(above.get_ydata()) == {top}


def test_a_curve_without_suggestions_says_so():
    axes = drawn(plot_learning_rates(LearningRateCurve(RATES, np.full(61, 0.7))))
    assert axes.get_title() == "Learning-rate search: no suggestion"
    assert len(axes.get_legend().get_texts()) == 2


def test_anything_else_is_refused():
    with pytest.raises(ArgumentError, match=r"`curve` must be a LearningRateCurve. .*find_"):
        plot_learning_rates([1.0, 2.0])
