"""From labels and probabilities to thresholds."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn

import numpy as np

from kerasft._checks import check_choice, check_int, check_number, fail
from kerasft.errors import DataError
from kerasft.evaluation.bootstrap import interval
from kerasft.evaluation.examples import Examples
from kerasft.evaluation.inputs import read_examples
from kerasft.evaluation.thresholds.cuts import (
    METRICS,
    Cuts,
    Goal,
    WeightedCuts,
    choose,
    figure,
    find_cuts,
)
from kerasft.evaluation.thresholds.threshold_choice import ThresholdChoice
from kerasft.evaluation.thresholds.thresholds import Thresholds

_MOST_POINTS = 1000


def choose_threshold(
    labels: Any,
    probabilities: Any,
    *,
    metric: str | None = None,
    at_least_precision: float | None = None,
    at_least_recall: float | None = None,
    class_names: Sequence[str] | None = None,
    task: str | None = None,
    bootstrap: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Thresholds:
    """Choose the threshold above which a class is predicted, from validation examples.

    Every threshold that divides the examples in another way is tried. Among those that reach the
    stated precision and recall, the one with the largest metric is taken. Choose it on examples
    that neither trained the model nor judge it afterwards: the threshold fits the examples that it
    was chosen on a little too well, and `unseen` in the result says by how much.

    No model is known here; `kerasft.tuning.choose_thresholds` runs one and calls this.

    Args:
        labels: As for `evaluate_arrays`, of two classes or of several labels per example.
        probabilities: Likewise; of two classes, those of class 1 count.
        metric: What is maximized: `"f1"`, `"f2"` (recall counts more), `"f0.5"` (precision does),
            `"balanced_accuracy"`, `"matthews"`, `"accuracy"`, `"precision"` or `"recall"`. By
            default the recall where a precision is stated alone, the precision where a recall is,
            and else F1.
        at_least_precision: The precision that must be reached.
        at_least_recall: The recall that must be reached.
        class_names: A name for each class, in the order of the columns.
        task: `"binary"` or `"multilabel"`, where the arrays speak for both.
        bootstrap: The number of bootstrap draws behind intervals and `unseen`; 0 for none.
        confidence: The share of draws that an interval holds.
        seed: The seed of the draws.

    Returns:
        `Thresholds`: one for two classes, one per label otherwise. A label that no example has, or
        every one, keeps 0.5, and the result says so.

    Raises:
        ArgumentError: for a precision or recall that no threshold reaches, with the best that one
            does; or another argument that breaks its rule.
        DataError: for arrays that cannot be used, examples of one class only, or classes that
            exclude each other, of which the most probable is predicted.

    Example:
        >>> from kerasft.evaluation import choose_threshold
        >>> labels = [0] * 90 + [1] * 10
        >>> said = [0.1] * 80 + [0.3] * 10 + [0.2] * 2 + [0.4] * 8
        >>> chosen = choose_threshold(labels, said, bootstrap=0)
        >>> round(chosen.threshold, 3), round(chosen.choices[0].figures["f1"], 3)
        (0.35, 0.889)
        >>> choose_threshold(labels, said, at_least_recall=0.9, bootstrap=0).threshold < 0.2
        True
    """
    goal = _read_goal(metric, at_least_precision, at_least_recall)
    check_int("bootstrap", bootstrap, minimum=0)
    check_number("confidence", confidence, above=0, below=1)
    check_int("seed", seed, minimum=0)
    examples = read_examples(labels, probabilities, class_names, task)
    check_has_thresholds(examples.task)
    numbers = [1] if examples.task == "binary" else list(range(examples.classes))
    membership, said = examples.membership, examples.class_probabilities
    varied = [number for number in numbers if 0 < membership[:, number].mean() < 1]
    if not varied:
        _refuse_one_class(examples, membership)
    count = len(examples)
    return Thresholds(
        task=examples.task,
        class_names=examples.class_names,
        choices=tuple(
            _choose_for(
                examples.class_names[number],
                membership[:, number],
                said[:, number],
                goal,
                number in varied,
                lambda: _draws(count, bootstrap, seed),
                confidence,
            )
            for number in numbers
        ),
        metric=goal.metric,
        at_least_precision=goal.at_least_precision,
        at_least_recall=goal.at_least_recall,
        examples=count,
        confidence=float(confidence),
        resamples=bootstrap,
        seed=seed,
    )


def check_has_thresholds(task: str | None) -> None:
    """Whether a task is decided by thresholds; None says that it is not known yet."""
    if task not in ("binary", "multilabel", None):
        fail(
            "task",
            task,
            "'binary' or 'multilabel' for thresholds",
            "Of classes that exclude each other the most probable is predicted. For one of them "
            "against the rest, pass labels == number and its column of the probabilities.",
            DataError,
        )


def _read_goal(metric: Any, at_least_precision: Any, at_least_recall: Any) -> Goal:
    stated = {"at_least_precision": at_least_precision, "at_least_recall": at_least_recall}
    stated = {name: value for name, value in stated.items() if value is not None}
    for name, value in stated.items():
        check_number(name, value, above=0, maximum=1)
    if metric is None:
        alone = {"at_least_precision": "recall", "at_least_recall": "precision"}
        metric = alone[next(iter(stated))] if len(stated) == 1 else "f1"
    check_choice("metric", metric, METRICS)
    if metric == "recall" and at_least_precision is None:
        hint = "Recall alone is largest where everything is predicted."
        fail("metric", metric, "another, or go with `at_least_precision`", hint)
    if metric == "precision" and at_least_recall is None:
        hint = "Precision alone is largest where a single example is predicted."
        fail("metric", metric, "another, or go with `at_least_recall`", hint)
    return Goal(metric, **{name: float(value) for name, value in stated.items()})


def _refuse_one_class(examples: Examples, membership: np.ndarray) -> NoReturn:
    if examples.task == "binary":
        only = examples.class_names[int(membership[0, 1])]
        shown, rule = f"only {only!r}, {len(examples)} times", "examples of both classes"
    else:
        shown, rule = "every label in all examples or in none", "examples with and without a label"
    hint = "A threshold can be chosen only on data that hold both."
    fail("labels", shown, rule, hint, DataError)


def _choose_for(
    name: str,
    member: np.ndarray,
    said: np.ndarray,
    goal: Goal,
    varied: bool,
    draw: Callable[[], Iterator[np.ndarray]],
    confidence: float,
) -> ThresholdChoice:
    if not varied:
        half = _at_half(member, said, goal)
        real, predicted = int(member.sum()), int((said > 0.5).sum())
        return ThresholdChoice(name, 0.5, real, predicted, half, half, chosen=False)
    cuts = find_cuts(member, said)
    best = choose(cuts, goal)
    if best is None:
        _refuse_goal(name, cuts, goal)
    weighted = WeightedCuts(member, said, cuts)
    rows: dict[str, list[float]] = {key: [] for key in goal.figures}
    unseen: dict[str, list[float]] = {key: [] for key in goal.figures}
    thresholds, draws = [], 0
    for weights in draw():
        draws += 1
        drawn = weighted.count(weights)
        for key, values in rows.items():
            values.append(figure(key, drawn.at(best))[0])
        again = choose(drawn, goal) if 0 < drawn.real < drawn.total else None
        if again is None:
            continue
        thresholds.append(cuts.thresholds[again])
        left_out = weighted.count((weights == 0).astype(np.float64)).at(again)
        for key, values in unseen.items():
            values.append(figure(key, left_out)[0] if left_out.total else math.nan)
    points = _points(len(cuts.thresholds), best)
    curve = {key: figure(key, cuts)[points] for key in goal.figures}
    return ThresholdChoice(
        class_name=name,
        threshold=float(cuts.thresholds[best]),
        examples=int(cuts.real),
        predicted=int(cuts.said[best]),
        figures={key: float(figure(key, cuts.at(best))[0]) for key in goal.figures},
        at_half=_at_half(member, said, goal),
        unseen={key: _mean(values) for key, values in unseen.items()} if draws else {},
        intervals={key: interval(np.array(v), confidence) for key, v in rows.items()}
        if draws
        else {},
        threshold_interval=interval(np.array(thresholds), confidence) if thresholds else None,
        unreached=1 - len(thresholds) / draws if draws else 0.0,
        curve={"threshold": cuts.thresholds[points], **curve},
    )


def _draws(count: int, bootstrap: int, seed: int) -> Iterator[np.ndarray]:
    """How often each example is in each draw; the same draws for every label."""
    random = np.random.default_rng(seed)
    for _ in range(bootstrap):
        yield np.bincount(random.integers(0, count, count), minlength=count).astype(np.float64)


def _at_half(member: np.ndarray, said: np.ndarray, goal: Goal) -> dict[str, float]:
    above = said > 0.5
    found, predicted = np.array([float((above & member).sum())]), np.array([float(above.sum())])
    cuts = Cuts(np.array([0.5]), found, predicted, float(member.sum()), float(len(member)))
    return {key: float(figure(key, cuts)[0]) for key in goal.figures}


def _refuse_goal(name: str, cuts: Cuts, goal: Goal) -> NoReturn:
    """Say what can be reached, and where."""
    whose = f"{name!r} on these {int(cuts.total)} examples"
    if goal.at_least_precision is not None and goal.at_least_recall is not None:
        at_recall = _told(cuts, Goal("precision", at_least_recall=goal.at_least_recall))
        at_precision = _told(cuts, Goal("recall", at_least_precision=goal.at_least_precision))
        fail(
            "at_least_precision",
            goal.at_least_precision,
            f"reached together with a recall of {goal.at_least_recall:g} by some threshold for "
            f"{whose}",
            f"None reaches both. The best with that recall: {at_recall}. The best with that "
            f"precision: {at_precision}.",
        )
    part, best = (
        ("precision", "at_least_precision")
        if goal.at_least_recall is None
        else ("recall", "at_least_recall")
    )
    top = float(figure(part, cuts)[cuts.said > 0].max()) if (cuts.said > 0).any() else 0.0
    hint = f"The best: {_told(cuts, Goal(part, **{best: top}) if top else None)}."
    if part == "recall":
        hint += " Examples whose probability is exactly 0 are above no threshold."
    else:
        hint += " A better model, or more examples of the class, may reach more."
    fail(
        best, getattr(goal, best), f"at most {top:.4f} for {whose}: no threshold reaches more", hint
    )


def _told(cuts: Cuts, goal: Goal | None) -> str:
    best = None if goal is None else choose(cuts, goal)
    if best is None:
        return "none at all"
    precision, recall = (figure(key, cuts.at(best))[0] for key in ("precision", "recall"))
    return (
        f"precision {precision:.3f} with recall {recall:.3f} above {cuts.thresholds[best]:.4g} "
        f"({int(cuts.said[best])} predicted)"
    )


def _points(count: int, best: int) -> np.ndarray:
    """At most so many cuts that a picture shows them, the best one always among them.

    The first, above which there is nothing, has no precision to show.
    """
    if count <= _MOST_POINTS + 1:
        return np.arange(min(1, best), count)
    evenly = np.linspace(1, count - 1, _MOST_POINTS - 1).round().astype(int)
    return np.union1d(evenly, [best])


def _mean(values: list[float]) -> float:
    defined = [value for value in values if not math.isnan(value)]
    return float(np.mean(defined)) if defined else math.nan
