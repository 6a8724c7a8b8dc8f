"""A head that calls everything one class, and rare classes that are no collapse."""

import numpy as np
from courses import LIMITS, course

from kerasft.callbacks.diagnosis import Sample, collapsed, suspects_collapse

FLAT = [0.69, 0.69, 0.69, 0.69]


def sample(ranking, called=1, share_of_others=0.4, count=200):
    """Everything is called one class; the outputs rank the others apart as asked for."""
    others = int(share_of_others * count)
    labels = np.array([called] * (count - others) + [1 - called] * others)
    right = np.arange(count) < ranking * count
    scores = np.where(labels == called, 2.0, np.where(right, 1.0, 3.0)) if ranking != 0.5 else 2.0
    columns = np.zeros((count, 2))
    columns[:, called] = 4 + scores
    return Sample(columns, labels)


def test_one_class_for_three_flat_epochs():
    samples = {number: sample(0.5) for number in (1, 2, 3)}
    made = course(FLAT[:3], FLAT[:3], planned=20)
    found = collapsed(made, samples, LIMITS)
    assert (found.name, found.level) == ("collapsed", "bad")
    assert found.message == (
        "Collapsed to one class: of 200 validation examples 100% are called class 1, and 40% are "
        "of another class, and the outputs tell nothing of it (area under the ROC curve 0.50, "
        "chance is 0.50)."
    )
    assert collapsed(course(FLAT[:2], FLAT[:2], planned=20), samples, LIMITS) is None
    falling = [0.69, 0.66, 0.63]
    assert collapsed(course(falling, falling, planned=20), samples, LIMITS) is None
    assert collapsed(made, {1: sample(0.5), 3: sample(0.5)}, LIMITS) is None  # 2 was not seen


def test_a_rare_class_that_is_ranked_apart_is_no_collapse_before_the_end():
    samples = {number: sample(1.0, share_of_others=0.1) for number in (1, 2, 3)}
    assert collapsed(course(FLAT[:3], FLAT[:3], planned=20), samples, LIMITS) is None
    found = collapsed(course(FLAT[:3], FLAT[:3], planned=3), samples, LIMITS)
    assert found.level == "warning"
    assert found.message.startswith("One class only: ")
    assert "area under the ROC curve 1.00" in found.message


def test_one_class_that_is_nearly_all_there_is_is_no_collapse():
    samples = {number: sample(0.5, share_of_others=0.02) for number in (1, 2, 3)}
    assert collapsed(course(FLAT[:3], FLAT[:3]), samples, LIMITS) is None


def test_when_to_ask_about_classes():
    assert suspects_collapse(course([0.69], [0.69], planned=9))
    assert not suspects_collapse(course([0.5], [0.5], planned=9))
    assert suspects_collapse(course([0.5, 0.495], [0.5, 0.495], planned=9))
    assert not suspects_collapse(course([0.5, 0.4], [0.5, 0.4], planned=9))
    assert suspects_collapse(course([0.5, 0.4], [0.5, 0.4], planned=2))  # the one that stays
