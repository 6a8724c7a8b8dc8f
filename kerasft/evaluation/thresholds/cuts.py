"""What each threshold between two probabilities would decide, and which of them is best."""

import dataclasses
import math
from typing import NamedTuple

import numpy as np

METRICS = (
    "accuracy",
    "balanced_accuracy",
    "f0.5",
    "f1",
    "f2",
    "matthews",
    "precision",
    "recall",
)
# Figures closer than this are the same but for rounding.
_SAME = 1e-12


class Cuts(NamedTuple):
    """Every way in which a threshold can divide the examples, from the highest threshold down.

    A threshold lies in the middle between two probabilities that occur, so that no example lies on
    it, and a last digit that another machine rounds otherwise changes no decision.

    | field | what | shape |
    |---|---|---|
    | `thresholds` | the class is predicted above it | `(cuts,)` |
    | `found` | how many of the class are above it | `(cuts,)` |
    | `said` | how many examples are above it | `(cuts,)` |
    | `real` | how many examples are of the class | number |
    | `total` | how many examples there are | number |
    """

    thresholds: np.ndarray
    found: np.ndarray
    said: np.ndarray
    real: float
    total: float

    def at(self, cut: int) -> "Cuts":
        """One of them alone."""
        only = slice(cut, cut + 1)
        return Cuts(self.thresholds[only], self.found[only], self.said[only], self.real, self.total)


@dataclasses.dataclass(frozen=True)
class Goal:
    """What a threshold is chosen for: the largest `metric` among those that reach the rest."""

    metric: str
    at_least_precision: float | None = None
    at_least_recall: float | None = None

    @property
    def figures(self) -> tuple[str, ...]:
        """The figures that are told of a threshold."""
        return tuple(dict.fromkeys(("precision", "recall", "f1", self.metric)))


def find_cuts(member: np.ndarray, said: np.ndarray) -> Cuts:
    """The cuts of one class, counted by scikit-learn's `roc_curve`.

    Args:
        member: bool `(examples,)`, whether an example is of the class; some are and some are not.
        said: `(examples,)`, the probability of the class, from 0 to 1.
    """
    from sklearn.metrics import roc_curve

    false_rate, true_rate, scores = roc_curve(member, said, drop_intermediate=False)
    real = int(member.sum())
    found = np.round(true_rate * real)
    wrong = np.round(false_rate * (len(member) - real))
    # The first score is infinite: nothing is above it. Nothing is above 1 either.
    scores = scores[1:]
    below = np.append(scores[1:], 0.0)
    middle = (scores + below) / 2
    thresholds = np.append(1.0, np.where(middle < scores, middle, below))
    # What has a probability of exactly 0 is above no threshold.
    cuts = len(thresholds) - (scores[-1] == 0)
    return Cuts(thresholds[:cuts], found[:cuts], (found + wrong)[:cuts], real, len(member))


class WeightedCuts:
    """The same cuts for examples that count more than once, or not at all."""

    def __init__(self, member: np.ndarray, said: np.ndarray, cuts: Cuts) -> None:
        self._member = member.astype(np.float64)
        self._cuts = cuts
        # Cut 0 is above everything; each later one takes in the next lower probability.
        self._first_cut = np.unique(-said, return_inverse=True)[1] + 1

    def count(self, weights: np.ndarray) -> Cuts:
        """The counts at every cut, with weights `(examples,)`."""
        size = len(self._cuts.thresholds)
        found, said = (
            np.cumsum(np.bincount(self._first_cut, each, size)[:size])
            for each in (weights * self._member, weights)
        )
        real = float(np.einsum("i,i", weights, self._member))
        return Cuts(self._cuts.thresholds, found, said, real, float(weights.sum()))


def figure(name: str, cuts: Cuts) -> np.ndarray:
    """A figure at every cut, `(cuts,)`; NaN where it is not defined.

    Where nothing is predicted, precision is 0, as it is in reports.
    """
    found, said, real, total = cuts.found, cuts.said, cuts.real, cuts.total
    if not real:
        return np.full(len(found), math.nan)
    if name == "precision":
        return _divide(found, said)
    if name == "recall":
        return found / real
    right_without = total - real - (said - found)
    if name == "accuracy":
        return (found + right_without) / total
    if name.startswith("f"):
        squared = float(name[1:]) ** 2
        return (1 + squared) * found / (squared * real + said)
    if total == real:
        return np.full(len(found), math.nan)
    if name == "balanced_accuracy":
        return (found / real + right_without / (total - real)) / 2
    spread = said * (total - said) * real * (total - real)
    return _divide(found * total - said * real, np.sqrt(spread))


def choose(cuts: Cuts, goal: Goal) -> int | None:
    """The number of the best cut, or None where no cut reaches what the goal asks for.

    Among equals, the one with more of the other of precision and recall, where one of these is what
    is maximized; then the threshold nearest to 0.5, which changes least.
    """
    precision, recall = figure("precision", cuts), figure("recall", cuts)
    reached = np.ones(len(cuts.thresholds), dtype=bool)
    if goal.at_least_precision is not None:
        reached &= (precision >= goal.at_least_precision) & (cuts.said > 0)
    if goal.at_least_recall is not None:
        reached &= recall >= goal.at_least_recall
    values = figure(goal.metric, cuts)
    left = np.flatnonzero(reached & ~np.isnan(values))
    if not len(left):
        return None
    left = left[values[left] >= values[left].max() - _SAME]
    other = {"precision": recall, "recall": precision}.get(goal.metric)
    if other is not None:
        left = left[other[left] >= other[left].max() - _SAME]
    return int(left[np.argmin(np.abs(cuts.thresholds[left] - 0.5))])


def _divide(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.divide(above, below, out=np.zeros(len(above)), where=below > 0)
