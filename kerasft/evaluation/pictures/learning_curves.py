"""The picture of how training went."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from kerasft._checks import check_int, check_type, did_you_mean, fail
from kerasft.errors import ArgumentError
from kerasft.evaluation.pictures.style import COLOURS, new_figure, plain, tidy
from kerasft.evaluation.verdicts.overfitting import ACCURACY_KEYS, read_history

_PANELS_PER_ROW = 4


def plot_learning_curves(
    histories: Any,
    metric: str = "accuracy",
    best_epochs: Mapping[str, int] | None = None,
    phases: Mapping[str, Mapping[int, str]] | Mapping[int, str] | None = None,
) -> Any:
    """Draw training and validation by epoch, a panel for each run, on one scale.

    Args:
        histories: By the run's name, a `keras.callbacks.History` or its `.history` dict; or one
            of them alone.
        metric: The key in the histories, without `val_`. `"accuracy"` also finds the names that
            Keras gives its accuracy classes, such as `"binary_accuracy"`.
        best_epochs: By the run's name, the epoch to mark, counted from 0 as Keras's
            `EarlyStopping.best_epoch` is. Left out, it is the epoch of the lowest `val_loss`; an
            empty dict marks none. The axis counts from 1, as Keras's progress bar does.
        phases: By the run's name, the first epoch of each phase, counted from 0, and its name, as
            in the `begun` of `kerasft.callbacks.Phases`; of a single run, that dict alone. Left
            out, the phases that a history tells of are marked by their numbers; an empty dict
            marks none.

    Returns:
        A `matplotlib.figure.Figure`; save it with `.savefig("curves.png")`.

    Raises:
        ArgumentError: if a history has no such metric, an epoch lies outside it, or a name
            stands for no run.

    Example:
        >>> from kerasft.evaluation import plot_learning_curves
        >>> history = {"accuracy": [0.6, 0.8], "val_accuracy": [0.6, 0.7], "val_loss": [0.7, 0.6]}
        >>> figure = plot_learning_curves({"frozen": history})
        >>> figure.axes[0].get_title(), figure.axes[0].get_ylabel()
        ('frozen', 'accuracy (share)')
    """
    check_type("metric", metric, str, "the name of a metric")
    runs = _read_runs(histories)
    best = _best_epochs(runs) if best_epochs is None else dict(best_epochs)
    named = _phases(runs, phases)
    for name, given in (("best_epochs", best), ("phases", named)):
        for run in given:
            if run not in runs:
                fail(name, run, f"about the runs {list(runs)}", did_you_mean(run, runs))
    columns = min(len(runs), _PANELS_PER_ROW)
    rows = math.ceil(len(runs) / columns)
    # More than two names on one level would run into one another.
    tilted = any(len(of_run) > 2 for of_run in named.values())
    height = 3.2 + (0.3 + 0.45 * tilted if named else 0.0)
    figure = new_figure(max(3.3 * columns, 5.0) + 0.4, height * rows + 0.5)
    panels = figure.subplots(rows, columns, sharey=True, squeeze=False).ravel()
    for panel, (name, history) in zip(panels, runs.items(), strict=False):
        trained, validated = _curves(name, history, metric)
        _draw_curve(panel, trained, "training", "--", "o", COLOURS[1], hollow=True)
        _draw_curve(panel, validated, "validation", "-", "s", COLOURS[0])
        tidy(panel, name, "epoch", f"{metric} (share)" if "acc" in metric else metric)
        panel.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
        count = max(len(trained), len(validated))
        panel.set_xlim(0.5, count + 0.5)
        _mark_best(panel, name, best.get(name), validated or trained, count)
        if named:
            panel.set_title(panel.get_title(), fontsize=11, pad=52 if tilted else 20)
            _mark_phases(panel, named.get(name, {}), count, tilted)
    for panel in panels[len(runs) :]:
        panel.remove()
    for number, panel in enumerate(panels[: len(runs)]):
        if number % columns:
            panel.set_ylabel("")
    shown: dict[str, Any] = {}
    for panel in panels[: len(runs)]:
        handles, labels = panel.get_legend_handles_labels()
        shown |= dict(zip(labels, handles, strict=True))
    figure.legend(shown.values(), shown.keys(), loc="outside lower center", ncols=3, frameon=False)
    return figure


def _read_runs(histories: Any) -> dict[str, dict[str, list[float]]]:
    if hasattr(histories, "history"):
        histories = {"training": histories}
    check_type("histories", histories, Mapping, "a dict from names to histories")
    if histories and all(isinstance(value, (list, tuple)) for value in histories.values()):
        histories = {"training": histories}
    if not histories:
        fail("histories", histories, "at least one history")
    return {str(name): read_history(history) for name, history in histories.items()}


def _phases(runs: dict[str, dict[str, list[float]]], given: Any) -> dict[str, dict[int, str]]:
    """The first epoch of each phase, by run: as given, or as the histories tell."""
    if given is not None:
        check_type("phases", given, Mapping, "a dict from names of runs to dicts")
        if given and all(isinstance(epoch, int) for epoch in given):
            given = {next(iter(runs)): given} if len(runs) == 1 else given
        for run, phases in given.items():
            check_type(f"phases[{run!r}]", phases, Mapping, "a dict from epochs to names")
        return {run: dict(phases) for run, phases in given.items()}
    found = {}
    for name, history in runs.items():
        numbers = history.get("phase", [])
        begun = [
            epoch
            for epoch, number in enumerate(numbers)
            if not epoch or number != numbers[epoch - 1]
        ]
        if len(begun) > 1:
            found[name] = {epoch: f"phase {numbers[epoch]:g}" for epoch in begun}
    return found


def _curves(
    name: str, history: dict[str, list[float]], metric: str
) -> tuple[list[float], list[float]]:
    keys = ACCURACY_KEYS if metric == "accuracy" else (metric,)
    key = next((key for key in keys if key in history or f"val_{key}" in history), None)
    if key is None:
        known = sorted({found.removeprefix("val_") for found in history})
        hint = did_you_mean(metric, known) or f"It holds {', '.join(known) or 'nothing'}."
        fail("metric", metric, f"in the history of {name!r}", hint, ArgumentError)
    return history.get(key, []), history.get(f"val_{key}", [])


def _best_epochs(runs: dict[str, dict[str, list[float]]]) -> dict[str, int]:
    losses = {name: history.get("val_loss", []) for name, history in runs.items()}
    return {
        name: int(np.nanargmin(values))
        for name, values in losses.items()
        if not all(math.isnan(value) for value in values)
    }


def _draw_curve(
    panel: Any,
    values: list[float],
    label: str,
    line: str,
    marker: str,
    colour: str,
    hollow: bool = False,
) -> None:
    if not values:
        return
    panel.plot(
        np.arange(1, len(values) + 1),
        values,
        linestyle=line,
        marker=marker,
        markersize=4,
        color=colour,
        markerfacecolor="white" if hollow else colour,
        markevery=max(1, len(values) // 20),
        label=label,
    )


def _mark_best(panel: Any, name: str, epoch: int | None, values: list[float], count: int) -> None:
    if epoch is None:
        return
    check_int(f"best_epochs[{name!r}]", epoch, minimum=0, maximum=count - 1)
    panel.axvline(epoch + 1, color="#555555", linewidth=0.9, linestyle=":")
    panel.plot(
        epoch + 1,
        values[epoch],
        marker="*",
        markersize=13,
        color="white",
        markeredgecolor="black",
        linestyle="none",
        label="best epoch",
        zorder=3,
    )
    on_the_right = epoch + 1 > count / 2
    panel.annotate(
        f"{values[epoch]:.3f}",
        (epoch + 1, values[epoch]),
        xytext=(-7 if on_the_right else 7, -15),
        ha="right" if on_the_right else "left",
        textcoords="offset points",
        fontsize=9,
        bbox={"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none"},
    )


def _mark_phases(panel: Any, phases: Mapping[int, str], count: int, tilted: bool) -> None:
    """A line where each phase begins, and its name above the panel."""
    for epoch, phase in sorted(phases.items()):
        check_int("phases", epoch, minimum=0, maximum=count - 1)
        start = epoch + 0.5
        panel.axvline(start, color="#999999", linewidth=0.9)
        panel.annotate(
            plain(phase, 18),
            (start, 1.0),
            xytext=(0, 3),
            xycoords=panel.get_xaxis_transform(),
            textcoords="offset points",
            rotation=30 if tilted else 0,
            fontsize=8,
            color="#333333",
        )
