"""What the pictures share: figures without pyplot, and marks that need no colour."""

from typing import Any

# Dark to light, so that a grey print keeps them apart; each goes with its own line and marker.
COLOURS = ("#1b1b1b", "#0b62a4", "#b3541e", "#4d8b31", "#7a4fa3", "#7f7f7f")
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 3)))
MARKERS = ("o", "s", "^", "D", "v", "P")


def new_figure(width: float, height: float) -> Any:
    """A figure of that many inches that belongs to no window and to no global state."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def tidy(axes: Any, title: str, x: str, y: str) -> None:
    """Title, names of the axes, a faint grid, and no frame where nothing is measured."""
    axes.set_title(plain(title, 60), fontsize=11)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def plain(text: str, longest: int = 40) -> str:
    """A name as it stands: matplotlib would read what is between two dollar signs as a formula."""
    text = "".join(letter if letter.isprintable() else " " for letter in text)
    text = text if len(text) <= longest else text[: longest - 3] + "..."
    return text.replace("$", r"\$")
