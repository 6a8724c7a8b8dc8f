"""Pictures: what they show, and that they leave no trace of themselves."""

import ast
import io
from pathlib import Path

import numpy as np
import pytest

import kerasft.evaluation
from kerasft.errors import ArgumentError
from kerasft.evaluation import (
    evaluate_arrays,
    fit_temperature,
    plot_confusion_matrix,
    plot_learning_curves,
    plot_precision_recall,
    plot_predictions,
    plot_reliability,
)

HISTORY = {
    "accuracy": [0.6, 0.8, 0.95],
    "val_accuracy": [0.6, 0.72, 0.7],
    "loss": [0.7, 0.5, 0.2],
    "val_loss": [0.65, 0.6, 0.9],
}


def drawn(figure):
    """The figure as pixels: whatever cannot be drawn fails here."""
    page = io.BytesIO()
    figure.savefig(page, format="png", dpi=50)
    assert page.getvalue().startswith(b"\x89PNG")
    return figure


def random_report(classes, count=200):
    random = np.random.default_rng(0)
    labels = random.integers(0, classes, count)
    logits = random.normal(size=(count, classes)) + 2 * np.eye(classes)[labels]
    said = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    names = [f"class {n} $x_" for n in range(classes)]
    return evaluate_arrays(labels, said, class_names=names, bootstrap=0)


def lines(axes, label):
    return [line for line in axes.lines if line.get_label() == label]


def test_learning_curves_show_both_sides_and_the_best_epoch():
    figure = drawn(plot_learning_curves({"cure": HISTORY, "disease": HISTORY}))
    assert [axes.get_title() for axes in figure.axes] == ["cure", "disease"]
    first = figure.axes[0]
    (trained,), (validated,) = lines(first, "training"), lines(first, "validation")
    assert list(trained.get_ydata()) == HISTORY["accuracy"]
    assert list(validated.get_xdata()) == [1, 2, 3]
    # Without colour, line style and marker still tell them apart.
    assert trained.get_linestyle() != validated.get_linestyle()
    assert trained.get_marker() != validated.get_marker()
    (star,) = lines(first, "best epoch")
    assert (list(star.get_xdata()), list(star.get_ydata())) == ([2], [0.72])
    assert first.get_ylabel() == "accuracy (share)"
    assert {text.get_text() for text in figure.legends[0].get_texts()} == {
        "training",
        "validation",
        "best epoch",
    }


def test_learning_curves_of_one_history_of_losses_and_of_keras():
    import keras

    history = keras.callbacks.History()
    history.history = {"binary_accuracy": [0.5, 0.6], "loss": [0.7, 0.6]}
    assert drawn(plot_learning_curves(history)).axes[0].get_title() == "training"
    figure = plot_learning_curves(HISTORY, metric="loss", best_epochs={})
    assert figure.axes[0].get_ylabel() == "loss"
    assert not lines(figure.axes[0], "best epoch")
    figure = plot_learning_curves({"a": HISTORY}, best_epochs={"a": 0})
    assert list(lines(figure.axes[0], "best epoch")[0].get_xdata()) == [1]


def test_learning_curves_mark_phases():
    phases = {"a": {0: "probe", 1: "last block", 2: "everything"}}
    figure = drawn(plot_learning_curves({"a": HISTORY, "b": HISTORY}, phases=phases))
    assert {"probe", "last block", "everything"} <= {
        text.get_text() for text in figure.axes[0].texts
    }
    assert {float(line.get_xdata()[0]) for line in figure.axes[0].lines} >= {0.5, 1.5, 2.5}


def test_learning_curves_of_a_fit_in_phases_need_not_be_told():
    history = HISTORY | {"phase": [1, 1, 2]}
    figure = drawn(plot_learning_curves(history))
    assert {"phase 1", "phase 2"} <= {text.get_text() for text in figure.axes[0].texts}
    assert {float(line.get_xdata()[0]) for line in figure.axes[0].lines} >= {0.5, 2.5}
    figure = drawn(plot_learning_curves(history, phases={0: "probe", 2: "everything"}))
    assert {"probe", "everything"} <= {text.get_text() for text in figure.axes[0].texts}
    for options in ({"phases": {}}, {}):
        data = history if options else HISTORY | {"phase": [1, 1, 1]}
        figure = drawn(plot_learning_curves(data, **options))
        assert not [text for text in figure.axes[0].texts if "phase" in text.get_text()]
    for phases, message in (
        (3, "`phases` must be a dict"),
        ({"a": "probe"}, r"`phases\['a'\]` must be a dict from epochs to names"),
    ):
        with pytest.raises(ArgumentError, match=message):
            plot_learning_curves({"a": HISTORY}, phases=phases)


def test_many_runs_fill_rows():
    figure = drawn(plot_learning_curves({str(n): HISTORY for n in range(6)}))
    assert len(figure.axes) == 6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (({"a": HISTORY}, "precision"), "`metric` must be in the history of 'a'.*accuracy, loss"),
        (({"a": HISTORY}, "los"), "Did you mean 'loss'"),
        (({"a": HISTORY}, "loss", {"b": 1}), "`best_epochs` must be about the runs"),
        (({"a": HISTORY}, "loss", {"a": 3}), "at least 0 and at most 2"),
        (({"a": HISTORY}, "loss", None, {"a": {5: "x"}}), "`phases` must be a whole number"),
        (({},), "`histories` must be at least one history"),
        (("history",), "`histories` must be a dict"),
        (({"a": 3},), "`history` must be a keras History"),
    ],
)
def test_learning_curves_of_what_is_not_there(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        plot_learning_curves(*arguments)


def test_confusion_matrix_writes_counts_and_shares():
    figure = drawn(plot_confusion_matrix([[85, 15], [10, 90]], ["negative", "positive"]))
    axes = figure.axes[0]
    texts = {tuple(map(float, text.get_position())): text.get_text() for text in axes.texts}
    assert texts[(1.0, 0.0)] == "15\n15%"  # predicted positive, truly negative
    assert texts[(0.0, 1.0)] == "10\n10%"
    assert [label.get_text() for label in axes.get_yticklabels()] == ["negative", "positive"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted class", "true class")


def test_confusion_matrix_of_a_report_and_of_many_classes():
    figure = drawn(plot_confusion_matrix(random_report(3)))
    assert figure.axes[0].get_xticklabels()[1].get_text() == r"class 1 \$x_"
    assert not drawn(plot_confusion_matrix(np.eye(20, dtype=int))).axes[0].texts
    drawn(plot_confusion_matrix([[0, 0], [3, 4]]))


@pytest.mark.parametrize("matrix", [[[1, 2, 3], [4, 5, 6]], [1, 2], [[-1, 0], [0, 1]], [["a"]]])
def test_what_is_no_confusion_matrix(matrix):
    with pytest.raises(ArgumentError, match="`matrix` must be a square matrix of counts"):
        plot_confusion_matrix(matrix)


def test_confusion_matrix_of_other_reports_and_names():
    sets = evaluate_arrays([[1, 1], [0, 0]], [[0.9, 0.1], [0.2, 0.3]], bootstrap=0)
    with pytest.raises(ArgumentError, match="one class per example"):
        plot_confusion_matrix(sets)
    with pytest.raises(ArgumentError, match="2 strings, one per class"):
        plot_confusion_matrix([[1, 0], [0, 1]], ["a"])


def test_reliability_draws_each_filled_bin():
    report = evaluate_arrays([1, 1, 1, 0], [0.9, 0.9, 0.9, 0.9], bootstrap=0)
    figure = drawn(plot_reliability(report))
    (line,) = lines(figure.axes[0], "right, at mean confidence")
    assert list(line.get_xdata()) == pytest.approx([0.9])
    assert list(line.get_ydata()) == [0.75]
    assert "calibration error 0.150" in figure.axes[0].get_title()
    assert sum(bar.get_height() for bar in figure.axes[1].patches) == 4
    drawn(plot_reliability(random_report(4)))


def test_reliability_before_and_after_in_different_styles():
    sure = evaluate_arrays([1, 1, 1, 0], [0.97, 0.97, 0.97, 0.97], bootstrap=0)
    calm = evaluate_arrays([1, 1, 1, 0], [0.75, 0.75, 0.75, 0.75], bootstrap=0)
    figure = drawn(plot_reliability(calm, before=sure))
    (after,) = lines(figure.axes[0], "after, at mean confidence")
    (before,) = lines(figure.axes[0], "before, at mean confidence")
    assert list(before.get_xdata()) == pytest.approx([0.97])
    assert list(after.get_xdata()) == pytest.approx([0.75])
    assert before.get_marker() != after.get_marker()
    assert before.get_linestyle() != after.get_linestyle()
    assert "calibration error 0.220, then 0.000" in figure.axes[0].get_title()
    # A fitted temperature brings both of them along.
    fitted = fit_temperature([1, 1, 1, 0], [0.97] * 4, bootstrap=0)
    again = drawn(plot_reliability(fitted))
    assert again.axes[0].get_title() == figure.axes[0].get_title()


def test_precision_recall_marks_the_threshold():
    report = evaluate_arrays([0, 0, 1, 1], [0.1, 0.6, 0.55, 0.9], threshold=0.5, bootstrap=0)
    figure = drawn(plot_precision_recall(report))
    points = [
        (line.get_xdata()[0], line.get_ydata()[0])
        for line in figure.axes[0].lines
        if line.get_linestyle() == "None" and len(line.get_xdata())
    ]
    assert points == [(1.0, pytest.approx(2 / 3))]
    texts = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert "at threshold 0.5" in texts
    assert "guessing (0.500)" in texts


def test_precision_recall_of_many_classes_shows_the_worst_in_different_styles():
    report = random_report(9)
    figure = drawn(plot_precision_recall(report))
    assert "the lowest 6 of 9" in figure.axes[0].get_title()
    curves = [line for line in figure.axes[0].lines if line.get_drawstyle() == "steps-post"]
    assert len({str(line.get_linestyle()) + str(line._dash_pattern) for line in curves}) == 6
    texts = " ".join(text.get_text() for text in figure.axes[0].get_legend().get_texts())
    worst = sorted(report.classes, key=lambda name: report.classes[name]["pr_auc"])[:6]
    assert all(name.replace("$", r"\$") in texts for name in worst)


def test_pictures_of_the_wrong_task():
    regression = evaluate_arrays([1.5, 2.5], [1.0, 2.0], bootstrap=0)
    drawn(plot_predictions(regression))
    for plot in (plot_reliability, plot_precision_recall):
        with pytest.raises(ArgumentError, match="`report` must be a Report of a classification"):
            plot(regression)
    with pytest.raises(ArgumentError, match="`before` must be a Report of a classification"):
        plot_reliability(random_report(3), before=regression)
    with pytest.raises(ArgumentError, match="`report` must be a Report of a regression"):
        plot_predictions(random_report(3))
    only_negative = evaluate_arrays([0, 0], [0.1, 0.2], bootstrap=0)
    with pytest.raises(ArgumentError, match="that hold the class in question"):
        plot_precision_recall(only_negative)


def test_pictures_leave_pyplot_alone():
    from matplotlib import pyplot, rcParams

    before = dict(rcParams)
    drawn(plot_confusion_matrix([[1, 0], [0, 1]]))
    drawn(plot_learning_curves({"a": HISTORY}))
    assert pyplot.get_fignums() == []
    assert dict(rcParams) == before


def test_heavy_packages_are_imported_only_inside_functions():
    """Keras itself brings some of them along, so `sys.modules` would prove nothing."""
    heavy = {"matplotlib", "pandas", "rich", "scipy", "sklearn", "tensorflow"}
    files = list(Path(kerasft.evaluation.__file__).parent.rglob("*.py"))
    assert len(files) > 20
    for file in files:
        for statement in ast.parse(file.read_text(encoding="utf-8")).body:
            names = [alias.name for alias in getattr(statement, "names", [])]
            names = names if isinstance(statement, ast.Import) else []
            if isinstance(statement, ast.ImportFrom):
                names = [statement.module]
            assert not heavy & {name.split(".")[0] for name in names}, file
