"""The picture of what each threshold would do."""

from typing import TYPE_CHECKING, Any

from kerasft._checks import fail
from kerasft.evaluation.pictures.style import COLOURS, LINES, new_figure, tidy

if TYPE_CHECKING:
    from kerasft.evaluation.thresholds import Thresholds

_MOST_PANELS = 6
_PANELS_PER_ROW = 3
_NAMES = {"f0.5": "F0.5", "f1": "F1", "f2": "F2", "balanced_accuracy": "balanced accuracy"}


def plot_thresholds(thresholds: "Thresholds") -> Any:
    """Draw precision, recall and the metric against the threshold, with the chosen one marked.

    Args:
        thresholds: What `choose_threshold` gave back. Of several labels the first six that a
            threshold was chosen for are drawn, a panel for each.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ArgumentError: for anything else.

    Example:
        >>> from kerasft.evaluation import choose_threshold, plot_thresholds
        >>> chosen = choose_threshold([0, 0, 1, 1], [0.1, 0.3, 0.4, 0.6], bootstrap=0)
        >>> plot_thresholds(chosen).axes[0].get_xlabel()
        'threshold'
    """
    choices = [choice for choice in getattr(thresholds, "choices", ()) if choice.curve]
    if not choices:
        fail("thresholds", thresholds, "what choose_threshold gives back")
    shown = choices[:_MOST_PANELS]
    columns = min(len(shown), _PANELS_PER_ROW)
    rows = -(-len(shown) // columns)
    figure = new_figure(max(3.4 * columns, 5.2), 3.3 * rows + 0.7)
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for panel, choice in zip(panels, shown, strict=False):
        names = dict.fromkeys(("precision", "recall", thresholds.metric))
        for place, name in enumerate(names):
            panel.plot(
                choice.curve["threshold"],
                choice.curve[name],
                color=COLOURS[place],
                linestyle=LINES[place],
                linewidth=2.2 if name == thresholds.metric else 1.4,
                label=_NAMES.get(name, name),
            )
        panel.axvline(choice.threshold, color="#555555", linewidth=1, linestyle=":")
        panel.plot(
            choice.threshold,
            choice.figures[thresholds.metric],
            linestyle="none",
            marker="*",
            markersize=13,
            color="white",
            markeredgecolor="black",
            zorder=3,
            label="chosen",
        )
        tidy(panel, f"{choice.class_name[:24]}: above {choice.threshold:.3g}", "threshold", "")
    for panel in panels[len(shown) :]:
        panel.remove()
    low = min(0.0, *(choice.curve[thresholds.metric].min() for choice in shown))
    panels[0].set_ylim(low - 0.02, 1.04)
    panels[0].set_xlim(0, 1)
    handles, labels = panels[0].get_legend_handles_labels()
    title = None
    if len(choices) > len(shown):
        title = f"the first {len(shown)} of {len(choices)} labels"
    figure.legend(
        handles, labels, loc="outside lower center", ncols=4, fontsize=9, frameon=False, title=title
    )
    return figure
