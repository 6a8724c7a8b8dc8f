"""The picture of what is taken for what."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasft._checks import fail
from kerasft.evaluation.pictures.style import new_figure, plain, tidy

_MOST_WRITTEN = 15


def plot_confusion_matrix(matrix: Any, class_names: Sequence[str] | None = None) -> Any:
    """Draw a confusion matrix: counts, shaded by the share of each true class.

    Args:
        matrix: A `Report`, or counts `(classes, classes)` with the true class in rows.
        class_names: A name for each class; the report's own, or numbers, if left out.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ArgumentError: if there is no square matrix of counts, as for a regression or several
            labels, or the names are not as many as the classes.

    Example:
        >>> from kerasft.evaluation import plot_confusion_matrix
        >>> figure = plot_confusion_matrix([[85, 15], [10, 90]], ["negative", "positive"])
        >>> figure.axes[0].get_xlabel()
        'predicted class'
    """
    if hasattr(matrix, "confusion"):
        class_names = matrix.class_names if class_names is None else class_names
        matrix = matrix.confusion
    counts = np.asarray(matrix)
    square = counts.ndim == 2 and counts.shape[0] == counts.shape[1] > 0
    if not square or counts.dtype.kind not in "fiu" or (counts < 0).any():
        rule = "a square matrix of counts, or the report of a task with one class per example"
        fail("matrix", matrix, rule)
    names = [str(n) for n in range(len(counts))] if class_names is None else list(class_names)
    if len(names) != len(counts):
        fail("class_names", names, f"{len(counts)} strings, one per class")
    totals = counts.sum(axis=1, keepdims=True)
    shares = counts / np.maximum(totals, 1)
    side = min(max(3.6, 0.55 * len(names) + 2.2), 14.0)
    figure = new_figure(side + 0.9, side)
    axes = figure.subplots()
    image = axes.imshow(shares, cmap="Greys", vmin=0.0, vmax=1.0)
    tidy(axes, "Confusion matrix", "predicted class", "true class")
    axes.grid(visible=False)
    shown = [plain(name, 20) for name in names]
    slanted = {"rotation": 45, "ha": "right"} if max(map(len, shown)) > 8 else {}
    axes.set_xticks(range(len(names)), shown, **slanted)
    axes.set_yticks(range(len(names)), shown)
    figure.colorbar(image, ax=axes, label="share of the true class", shrink=0.8)
    if len(names) <= _MOST_WRITTEN:
        for (true, said), count in np.ndenumerate(counts):
            share = shares[true, said]
            axes.text(
                said,
                true,
                f"{count:g}\n{share:.0%}" if len(names) <= 6 else f"{count:g}",
                ha="center",
                va="center",
                color="white" if share > 0.5 else "black",
                fontsize=10 if len(names) <= 6 else 8,
            )
    return figure
