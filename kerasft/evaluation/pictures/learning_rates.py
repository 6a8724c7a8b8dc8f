"""The picture of a learning-rate search."""

from typing import Any

import numpy as np

from kerasft._checks import fail
from kerasft.evaluation.pictures.style import COLOURS, MARKERS, new_figure, tidy


def plot_learning_rates(curve: Any) -> Any:
    """Draw the loss against the learning rate, with the rates that the search suggests.

    The points are the raw losses, the line is the smoothed one. Each suggestion has a marker of its
    own, and the legend says which. Losses that exploded beyond the picture stand at its upper
    edge.

    Args:
        curve: A `kerasft.tuning.LearningRateCurve`.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ArgumentError: for anything else.

    Example:
        >>> import numpy as np
        >>> from kerasft.evaluation import plot_learning_rates
        >>> from kerasft.tuning import LearningRateCurve
        >>> rates = np.geomspace(1e-5, 1.0, 51)
        >>> curve = LearningRateCurve(rates, 1.0 / (1.0 + 100.0 * rates) + rates**2)
        >>> figure = plot_learning_rates(curve)
        >>> figure.axes[0].get_xscale(), len(figure.axes[0].get_legend().get_texts())
        ('log', 5)
    """
    if not hasattr(curve, "smoothed") or not hasattr(curve, "suggestions"):
        fail("curve", curve, "a LearningRateCurve", "kerasft.find_learning_rate makes one.")
    rates, losses, smoothed = curve.rates, curve.losses, curve.smoothed
    bottom, top = _limits(losses, smoothed)
    figure = new_figure(6.4, 4.6)
    axes = figure.subplots()
    inside = losses <= top
    raw = {"linestyle": "none", "color": COLOURS[-1], "markersize": 4}
    axes.plot(rates[inside], losses[inside], marker=".", label="loss of each step", **raw)
    if not inside.all():
        # Drawn on the edge, and so not cut off by it.
        label = f"above the picture: up to {losses.max():.3g}"
        edge = np.full(int((~inside).sum()), top)
        axes.plot(rates[~inside], edge, marker="x", clip_on=False, label=label, **raw)
    axes.plot(rates, smoothed, color=COLOURS[0], label="smoothed")
    for place, (name, rate) in enumerate(curve.suggestions.items()):
        height = np.interp(np.log(rate), np.log(rates), smoothed)
        axes.plot(
            rate,
            height,
            linestyle="none",
            marker=MARKERS[place],
            markersize=9,
            markerfacecolor="white",
            markeredgecolor=COLOURS[place + 1],
            markeredgewidth=1.8,
            zorder=3,
            label=f"{name}: {rate:.2g}",
        )
    title = "Learning-rate search" + ("" if curve.suggestions else ": no suggestion")
    tidy(axes, title, "learning rate", "loss")
    axes.set_xscale("log")
    axes.set_ylim(bottom, top)
    axes.legend(loc="best", fontsize=9, framealpha=0.95)
    return figure


def _limits(losses: np.ndarray, smoothed: np.ndarray) -> tuple[float, float]:
    """Enough of the losses to see the fall; what exploded would flatten it."""
    bottom = min(losses.min(), smoothed.min())
    top = min(losses.max(), smoothed.max())
    room = 0.05 * (top - bottom) or 0.05 * max(abs(top), 1.0)
    return float(bottom - room), float(top + room)
