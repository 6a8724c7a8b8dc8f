"""The doctor's rules: numbers in, findings out."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from kerasft.callbacks import DoctorLimits
from kerasft.callbacks._loss_tape import LossTape
from kerasft.callbacks.diagnosis import (
    Course,
    EpochNotes,
    Sample,
    collapsed,
    flags_in_error,
    labels_in_error,
    learning_rate_too_high,
    learning_rate_too_low,
    negative_loss,
    outside_the_classes,
    overfitting,
    spoilt_at_start,
    spoilt_inputs,
    spoilt_loss,
    spoilt_weights,
    suspects_collapse,
    too_few_epochs,
    what_trains,
)
from kerasft.callbacks.diagnosis.course import means_of
from kerasft.errors import ArgumentError

LIMITS = DoctorLimits()
LOG2 = math.log(2)


def course(
    losses, val=None, *, chance=LOG2, planned=None, moved=0.5, rates=None, stage=None, looks=10
):
    """A fit whose epochs have these training and validation losses; each look has its mean."""
    made = Course(chance=chance, planned=len(losses) if planned is None else planned)
    for number, loss in enumerate(losses, 1):
        figures = {"loss": float(np.mean(loss))}
        if val is not None:
            figures["val_loss"] = val[number - 1]
        made.epochs.append(
            EpochNotes(
                number=number,
                losses=np.full(looks, loss) if np.isscalar(loss) else np.array(loss, float),
                figures=figures,
                learning_rate=rates[number - 1] if rates else 0.01,
                moved=moved if np.isscalar(moved) else moved[number - 1],
                stage=stage[number - 1] if stage else 0,
            )
        )
    return made


# ---- the tape ---------------------------------------------------------------------------------

LOSSES = st.lists(st.floats(0, 1e3, width=32), min_size=1, max_size=60)


@given(LOSSES, st.integers(1, 7), st.randoms(use_true_random=False))
def test_the_tape_gives_the_losses_behind_running_means(losses, per_look, random):
    tape = LossTape()
    noted = []
    for end in range(per_look, len(losses) + 1, per_look):
        noted.append((end - 1, float(np.mean(losses[:end]))))
    random.shuffle(noted)  # threads may come in any order
    for batch, mean in noted:
        tape.note(batch, mean)
    whole = len(losses) // per_look * per_look
    expected = np.reshape(losses[:whole], (-1, per_look)).mean(axis=1)
    assert len(tape) == len(expected)
    np.testing.assert_allclose(tape.losses(), expected, atol=1e-6 * (1 + max(losses) * 60))


def test_the_tape_takes_losses_as_they_are_where_they_are_no_means():
    tape = LossTape(running_means=False)
    for batch, loss in enumerate([3.0, 1.0, 2.0]):
        tape.note(batch, loss)
    assert tape.losses().tolist() == [3.0, 1.0, 2.0]


@pytest.mark.parametrize("last", [9.0, math.inf, math.nan])
def test_the_tape_knows_a_suspicious_loss(last):
    tape = LossTape(alarm_above=1.0)
    total = 0.0
    for batch, loss in enumerate([0.5, 0.9, 0.1]):
        total += loss
        tape.note(batch, total / (batch + 1))
    assert not tape.suspicious
    tape.note(3, (total + last) / 4)
    assert tape.suspicious


def test_rounding_in_a_running_mean_is_no_negative_loss():
    tape = LossTape()
    steps, mean = 100_000, 0.1
    tape.note(steps - 1, mean)
    tape.note(steps, mean * (steps / (steps + 1) - 1e-7))  # a loss of 0, but for rounding
    assert tape.losses()[-1] == 0.0
    tape.note(steps + 1, mean * 0.999)  # a real one
    assert tape.losses()[-1] < -1


# ---- a course ---------------------------------------------------------------------------------


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=30), st.integers(1, 40))
def test_means_of_neighbours(values, size):
    values = np.array(values)
    got = means_of(values, size)
    size = min(size, len(values))
    windows = [sorted(values[i : i + size]) for i in range(len(values) - size + 1)]
    expected = [min(np.mean(w), 1.2 * w[-2]) if size >= 4 else np.mean(w) for w in windows]
    np.testing.assert_allclose(got, expected, atol=1e-9)


def test_guessing_is_that_of_the_classes_unless_the_scale_is_another():
    assert course([0.8, 0.5]).guessing == LOG2
    assert course([7.0, 5.0]).guessing == 7.0  # weighted
    assert course([7.0, 5.0], chance=None).guessing == 7.0
    assert math.isnan(Course(chance=LOG2).start)


def test_the_first_of_several_batches_in_one_go_may_hold_a_jump_already():
    made = course([[70.0, 0.9, 0.8, 0.8, 0.7]])
    assert made.start == 70.0
    made.batches_per_look = 4
    assert made.start == 0.8


def test_the_curve_is_that_of_validation_where_each_epoch_has_one():
    assert course([1.0, 0.5], [0.9, 0.8]).curve[0] == "val_loss"
    assert course([1.0, 0.5], [0.9, math.nan]).curve[0] == "loss"
    staged = course([1.0, 0.5, 0.4], [0.9, 0.8, 0.7], stage=[0, 1, 1])
    assert staged.curve[1].tolist() == [0.8, 0.7]
    assert staged.steps == 20


# ---- learning rate too high -------------------------------------------------------------------


def jumping(level, moved, **kwargs):
    losses = [LOG2] * 20 + [level] * 6 + [LOG2] * 20
    return course([losses], moved=moved, **kwargs)


def test_a_jump_of_the_loss_with_weights_that_moved_far():
    found = learning_rate_too_high(jumping(3.0, 5.0), LIMITS)
    assert (found.name, found.level) == ("learning_rate_too_high", "bad")
    assert found.message == (
        "Learning rate too high: in batches 21 to 24 of epoch 1 the training loss was 3, where "
        "guessing gives 0.693, and the weights have moved 5 times their own size, at a rate of "
        "0.01."
    )
    assert "to 0.001 or less" in found.remedy
    assert found.evidence["batch"] == 21
    assert found.evidence["learning_rate"] == 0.01


@pytest.mark.parametrize(
    ("level", "moved", "known"),
    [
        (1.3 * LOG2 + 0.01, 2.1, True),
        (1.3 * LOG2 - 0.01, 9.0, False),  # not high enough
        (1.3 * LOG2 + 0.01, 1.9, False),  # a loss that is noisy, weights that stay
        (3 * LOG2 + 0.1, 0.11, True),
        (3 * LOG2 + 0.1, 0.09, False),
        (3 * LOG2 + 0.1, math.nan, False),
    ],
)
def test_both_the_jump_and_the_movement_count(level, moved, known):
    assert (learning_rate_too_high(jumping(level, moved), LIMITS) is not None) is known


def test_one_hard_batch_is_no_jump():
    made = course([[LOG2] * 20 + [50.0] + [0.6] * 20], moved=9.0)
    assert learning_rate_too_high(made, LIMITS) is None


def test_a_jump_of_a_few_examples_is_none():
    made = jumping(1.4, 5.0)
    made.batch_size = 2
    assert learning_rate_too_high(made, LIMITS) is None
    made.batch_size = 16
    assert learning_rate_too_high(made, LIMITS) is not None


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.floats(0.1, 0.8))
def test_a_noisy_loss_below_guessing_is_no_jump(seed, level):
    random = np.random.default_rng(seed)
    losses = random.gamma(12, level * LOG2 / 12, size=300)  # a deviation of 30%
    made = course([losses], moved=50.0)
    made.batch_size = 16
    made.epochs[0].losses[0] = LOG2
    assert learning_rate_too_high(made, LIMITS) is None


def test_a_first_loss_that_is_high_by_itself_is_no_jump():
    falling = np.concatenate([np.linspace(1.6, 0.4, 40)])
    assert learning_rate_too_high(course([falling], moved=5.0), LIMITS) is None


@pytest.mark.parametrize(
    ("val", "moved", "known"),
    [
        ([1.0, 1.2], 3.0, True),
        ([1.2, 0.8], 3.0, False),  # it comes down
        ([0.6, 1.2], 3.0, False),  # it was below guessing: that is overfitting, or will be
        ([1.0, 1.2], 1.0, False),
        ([1.2], 3.0, False),
    ],
)
def test_a_validation_loss_that_stays_above_guessing(val, moved, known):
    found = learning_rate_too_high(course([0.5, 0.3][: len(val)], val, moved=moved), LIMITS)
    assert (found is not None) == known
    if known:
        assert found.message == (
            "Learning rate too high: after epoch 2 the validation loss still is 1.2, where "
            "guessing gives 0.693, and the weights have moved 3 times their own size, at a rate "
            "of 0.01."
        )
        assert found.evidence["val_loss"] == 1.2


def test_without_a_known_chance_more_is_asked():
    assert learning_rate_too_high(jumping(1.6 * LOG2, 5.0), LIMITS) is not None
    assert learning_rate_too_high(jumping(1.6 * LOG2, 5.0, chance=None), LIMITS) is None
    assert learning_rate_too_high(jumping(3.0, 5.0, chance=None), LIMITS) is not None


# ---- learning rate too low --------------------------------------------------------------------

SLOW = [0.70, 0.698, 0.696, 0.694, 0.692, 0.690]


def test_a_loss_near_guessing_with_weights_that_stay():
    found = learning_rate_too_low(course(SLOW, SLOW, moved=0.03, looks=40), LIMITS)
    assert (found.name, found.level) == ("learning_rate_too_low", "warning")
    assert found.message == (
        "Learning rate too low: after 240 batches in 6 epochs the validation loss is 0.69, where "
        "guessing gives 0.693, and the weights have moved 0.03 times their own size, at a rate of "
        "0.01."
    )
    assert found.remedy == ("Raise it by 10 to 100 times, to 0.1 or more, or train much longer.")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"moved": 0.2}, "the weights did move: there may be nothing to learn"),
        ({"planned": 20}, "it is early"),
        ({"looks": 5}, "too few batches"),
        ({"rates": [1e-4, 2e-4, 3e-4, 4e-4, 5e-4, 6e-4]}, "warm-up"),
        ({"stage": [0, 0, 0, 0, 1, 1]}, "what trains has just changed"),
    ],
)
def test_what_is_not_too_low(changes, why):
    arguments = {"moved": 0.03, "looks": 40} | changes
    assert learning_rate_too_low(course(SLOW, SLOW, **arguments), LIMITS) is None, why


def test_a_validation_loss_that_rose_again_is_not_too_low():
    made = course([0.6, 0.3, 0.1, 0.03], [0.5, 0.6, 0.7, 1.4], moved=0.04, looks=50)
    assert learning_rate_too_low(made, LIMITS) is None


def test_a_loss_well_below_guessing_is_not_too_low():
    fast = [0.6, 0.5, 0.45, 0.4]
    assert learning_rate_too_low(course(fast, fast, moved=0.03, looks=50), LIMITS) is None


def test_a_stopped_fit_is_judged_before_its_middle():
    made = course(SLOW[:3], SLOW[:3], moved=0.03, looks=40, planned=20)
    assert learning_rate_too_low(made, LIMITS) is None
    made.stopped = True
    assert learning_rate_too_low(made, LIMITS) is not None


def test_a_hard_task_is_not_too_low():
    # Fine-tuning moves pretrained weights little, and some tasks stay near guessing.
    flattening = [0.66, 0.61, 0.59, 0.585, 0.585]
    made = course(flattening, flattening, moved=0.01, looks=50)
    assert learning_rate_too_low(made, LIMITS) is None
    straight = [0.68, 0.66, 0.64, 0.62, 0.60]
    made = course(straight, straight, moved=0.01, looks=50)
    assert learning_rate_too_low(made, LIMITS) is not None


def test_in_the_middle_of_a_fit_the_pace_counts():
    falling = [0.69, 0.67, 0.64]
    made = course(falling, falling, moved=0.03, looks=50, planned=6)
    assert learning_rate_too_low(made, LIMITS) is None  # at this pace it gets there
    made.planned = 5
    assert learning_rate_too_low(made, LIMITS) is not None


def test_one_long_epoch_is_enough():
    assert learning_rate_too_low(course([0.7], [0.7], moved=0.01, looks=199), LIMITS) is None
    assert learning_rate_too_low(course([0.7], [0.7], moved=0.01, looks=200), LIMITS) is not None
    still = course([0.7], [0.7], moved=1e-4, looks=60)
    assert learning_rate_too_low(still, LIMITS) is not None


def test_a_standstill_above_half_of_guessing():
    # Luck at the start: below near_guessing, and no step from there.
    stands = [0.54, 0.539, 0.538]
    made = course([0.68, 0.6, 0.6], stands, moved=0.001, looks=30)
    assert learning_rate_too_low(made, LIMITS) is not None
    resumed = course([0.5, 0.5, 0.5], stands, moved=0.001, looks=30)
    assert learning_rate_too_low(resumed, LIMITS) is None  # it began trained


def test_a_regression_must_fall_steadily():
    steady = [2.0, 1.96, 1.92, 1.88]
    made = course(steady, steady, chance=None, moved=0.01, looks=40)
    assert learning_rate_too_low(made, LIMITS) is not None
    converged = [0.5, 0.499, 0.5, 0.4995]
    made = course(converged, converged, chance=None, moved=0.01, looks=40)
    assert learning_rate_too_low(made, LIMITS) is None
    slowing = [2.0, 1.8, 1.7, 1.69, 1.69]
    made = course(slowing, slowing, chance=None, moved=0.01, looks=40)
    assert learning_rate_too_low(made, LIMITS) is None


# ---- too few epochs, too many -----------------------------------------------------------------


def test_a_steep_end():
    falling = [0.65, 0.55, 0.46, 0.38]
    found = too_few_epochs(course(falling, falling), LIMITS)
    assert (found.name, found.level) == ("too_few_epochs", "note")
    assert found.message == (
        "Too few epochs: the validation loss was still falling steeply at the end, by 0.16 to 0.38 "
        "over the second half of the 4 epochs."
    )
    assert found.evidence == {
        "epoch": 4,
        "val_loss": 0.38,
        "gain": pytest.approx(0.16),
        "epochs": 4,
    }


@pytest.mark.parametrize(
    ("val", "changes"),
    [
        ([0.65, 0.5, 0.45, 0.44, 0.438], {}),  # flat at the end
        ([0.65, 0.5, 0.4, 0.41, 0.3], {}),  # up and down
        ([0.05, 0.04, 0.03, 0.02], {}),  # next to nothing is left
        ([0.65, 0.55, 0.46, 0.38], {"planned": 9}),  # it goes on
    ],
)
def test_no_steep_end(val, changes):
    assert too_few_epochs(course(val, val, **changes), LIMITS) is None


def test_a_fit_that_was_stopped_had_enough_epochs():
    made = course([0.65, 0.55, 0.46, 0.38], [0.65, 0.55, 0.46, 0.38])
    made.stopped = True
    assert too_few_epochs(made, LIMITS) is None


def test_one_epoch_is_judged_by_its_batches():
    steep = np.linspace(0.9, 0.3, 60)
    flat = np.concatenate([np.linspace(0.9, 0.5, 10), np.full(50, 0.5)])
    assert "the one epoch" in too_few_epochs(course([steep]), LIMITS).message
    assert too_few_epochs(course([flat]), LIMITS) is None
    assert too_few_epochs(course([steep[:7]]), LIMITS) is None  # too little to tell


def test_without_validation_a_low_training_loss_may_stay():
    high, low = [0.69, 0.6, 0.5, 0.4], [0.5, 0.35, 0.25, 0.15]
    assert too_few_epochs(course(high), LIMITS) is not None
    assert too_few_epochs(course(low), LIMITS) is None


def test_a_validation_loss_that_rises():
    trained = [0.6, 0.5, 0.4, 0.3, 0.2, 0.1]
    found = overfitting(course(trained, [0.6, 0.5, 0.5, 0.55, 0.6, 0.65]), LIMITS)
    assert (found.name, found.level) == ("overfitting", "warning")
    assert found.message == (
        "Overfitting: since epoch 2 the validation loss has risen from 0.5 to 0.65, while the "
        "training loss went on falling, from 0.5 to 0.1."
    )
    assert "Keep the weights of epoch 2" in found.remedy
    assert found.evidence["gap"] == pytest.approx(0.55)
    assert found.evidence["gap_at_best"] == 0


@pytest.mark.parametrize(
    ("trained", "val"),
    [
        ([0.6, 0.5, 0.4, 0.3], [0.5, 0.55, 0.9, 0.5]),  # one bad epoch
        ([0.6, 0.5, 0.4], [0.5, 0.7, 0.9]),  # not yet three epochs
        ([0.6, 0.5, 0.4, 0.3, 0.2], [0.5, 0.51, 0.52, 0.53, 0.54]),  # a little
        ([0.1, 0.05, 0.03, 0.02, 0.01], [0.01, 0.02, 0.03, 0.03, 0.03]),  # of next to nothing
        ([0.5, 0.6, 0.7, 0.8, 0.9], [0.5, 0.6, 0.7, 0.8, 0.9]),  # both rise: another sickness
        ([0.5, 0.4, 0.3, 0.2, 0.1], None),
    ],
)
def test_no_overfitting(trained, val):
    assert overfitting(course(trained, val), LIMITS) is None


def test_overfitting_is_of_one_stage():
    # In a new stage the training loss begins elsewhere.
    trained, val = [0.3, 0.2, 0.5, 0.4, 0.3], [0.3, 0.4, 0.5, 0.5, 0.5]
    assert overfitting(course(trained, val, stage=[0, 0, 1, 1, 1]), LIMITS) is None


# ---- one class --------------------------------------------------------------------------------


@given(
    st.lists(st.tuples(st.integers(0, 1), st.integers(-3, 3)), min_size=2, max_size=50),
    st.integers(0, 1),
    st.booleans(),
)
def test_the_ranking_is_the_area_that_scikit_learn_computes(rows, label, two_columns):
    labels = np.array([row[0] for row in rows])
    assume(len(set(labels)) == 2)
    scores = np.array([row[1] for row in rows], float)
    columns = np.stack([-scores, scores], 1) if two_columns else scores[:, None]
    got = Sample(columns, labels).ranking(label)
    # The margin between two columns is twice the score: the same order.
    sign = 1 if label else -1
    assert got == pytest.approx(roc_auc_score(labels == label, sign * scores))


def sample(ranking, called=1, share_of_others=0.4, count=200):
    """Everything is called one class; the outputs rank the others apart as asked for."""
    others = int(share_of_others * count)
    labels = np.array([called] * (count - others) + [1 - called] * others)
    right = np.arange(count) < ranking * count
    scores = np.where(labels == called, 2.0, np.where(right, 1.0, 3.0)) if ranking != 0.5 else 2.0
    columns = np.zeros((count, 2))
    columns[:, called] = 4 + scores
    return Sample(columns, labels)


FLAT = [0.69, 0.69, 0.69, 0.69]


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


def test_outputs_of_one_column():
    scores = np.array([[0.3], [-0.2], [0.1], [2.0]])
    labels = np.array([1, 0, 0, 1])
    assert Sample(scores, labels, threshold=0.0).called.tolist() == [1, 0, 1, 1]
    assert Sample(scores, labels, threshold=0.5).called.tolist() == [0, 0, 0, 1]
    assert Sample(np.array([[np.nan], [1.0]]), np.array([0, 1])).ranking(1) == 0.5


def test_when_to_ask_about_classes():
    assert suspects_collapse(course([0.69], [0.69], planned=9))
    assert not suspects_collapse(course([0.5], [0.5], planned=9))
    assert suspects_collapse(course([0.5, 0.495], [0.5, 0.495], planned=9))
    assert not suspects_collapse(course([0.5, 0.4], [0.5, 0.4], planned=9))
    assert suspects_collapse(course([0.5, 0.4], [0.5, 0.4], planned=2))  # the one that stays


# ---- NaN, labels, what trains -----------------------------------------------------------------


def test_a_loss_that_grew_until_it_was_none():
    made = course([[0.7, 5.0, 800.0, math.nan, math.nan]])
    found = spoilt_loss(made, (4, 4), LIMITS)
    assert found.name == "learning_rate_too_high"
    assert found.message == (
        "Learning rate too high: the training loss grew to 800 at a rate of 0.01, where guessing "
        "gives 0.693, and was NaN in batch 4 of epoch 1; 4 of the 4 weights that train hold NaN or "
        "infinity by now."
    )


def test_a_loss_that_was_none_at_once():
    found = spoilt_loss(course([[0.7, 0.68, 0.66, math.inf]]), (0, 4), LIMITS)
    assert found.name == "not_a_number"
    assert "was infinite in batch 4 of epoch 1, after an ordinary 0.66" in found.message
    first = spoilt_loss(course([[math.nan] * 4]), (4, 4), LIMITS)
    assert "was NaN in batch 1 of epoch 1 already" in first.message
    made = course([[math.nan] * 4])
    made.batches_per_look = 5
    assert "in batches 1 to 5 of epoch 1" in spoilt_loss(made, (4, 4), LIMITS).message
    assert "steps_per_execution=1" in spoilt_loss(made, (4, 4), LIMITS).remedy
    assert spoilt_loss(course([0.7]), (0, 4), LIMITS) is None


def test_a_jump_inside_of_the_first_look():
    made = course([[9e6, math.nan, math.nan]])
    made.batches_per_look = 4
    assert spoilt_loss(made, (4, 4), LIMITS).name == "learning_rate_too_high"


def test_what_was_spoilt_before_the_first_batch():
    assert spoilt_at_start([]) is None
    assert spoilt_at_start(["a/kernel"]).message == (
        "Not a number: 1 weight held NaN or infinity before the first batch: 'a/kernel'."
    )
    found = spoilt_inputs("labels", 3, 2000)
    assert found.message.startswith("Not a number: 3 of the 2,000 examples that were looked at ")


def test_weights_that_are_spoilt_under_an_ordinary_loss():
    assert spoilt_weights(course([0.6, 0.5]), (0, 4)) is None
    found = spoilt_weights(course([0.6, 0.5]), (3, 4))
    assert found.name == "not_a_number"
    assert found.message.startswith(
        "Not a number: 3 of the 4 weights that train hold NaN or infinity after epoch 2"
    )
    assert found.evidence == {"epoch": 2, "spoilt_weights": 3, "weights": 4, "loss": 0.5}


def test_a_crossentropy_below_zero():
    found = negative_loss(course([[0.7, 0.2, -1.5]]))
    assert found.name == "labels_outside_classes"
    assert "the mean crossentropy was -0.2 after batch 3 of epoch 1" in found.message
    assert found.evidence["batch"] == 3
    assert negative_loss(course([[0.7, 0.2, -1.5]], chance=None)) is None  # a loss of one's own
    assert negative_loss(course([[math.nan]])) is None


def test_batches_of_unequal_size_make_no_negative_loss():
    """A batch of 8 before those of 32: the tape takes all for equal."""
    sizes, losses = np.array([8, 32, 32, 32]), np.array([0.1, 0.0, 0.0, 0.0])
    tape = LossTape()
    for batch, mean in enumerate(np.cumsum(sizes * losses) / np.cumsum(sizes)):
        tape.note(batch, mean)
    assert tape.losses().min() < -0.01
    assert negative_loss(course([tape.losses()])) is None


def test_errors_of_backends_about_labels():
    text = "Received a label value of 3 which is outside the valid range of [0, 3).  Label values"
    found = labels_in_error("a long trace\n" + text)
    assert found.message == (
        "Labels outside the classes: there is 3, where the model knows 0 to 2."
    )
    assert "subtract 1" in found.remedy
    assert labels_in_error("Target 7 is out of bounds.").evidence["highest"] == 7
    assert labels_in_error("Dimensions must be equal") is None
    assert "(labels + 1) / 2" in outside_the_classes(-1, 1, 2).remedy
    assert "Number the classes from 0" in outside_the_classes(-1, 2, 3).remedy


def test_the_error_of_jax_about_flags():
    text = "Received len(trainable_variables) == 2 whereas the optimizer was built with 4 variables"
    found = flags_in_error(text)
    assert found.name == "wrong_weights_train"
    assert found.evidence == {"weights_flagged_to_train": 2, "built_for": 4}
    assert "TrainHead" in found.remedy
    assert flags_in_error("Dimensions must be equal") is None


ASKED = {"epoch": 1, "batches": 30, "flagged": 4, "learning_rate": 0.01}


def test_what_trains():
    assert what_trains(changed=3, changed_frozen=0, **ASKED) is None
    nothing = what_trains(changed=0, changed_frozen=0, **ASKED)
    assert nothing.name == "nothing_trains"
    assert nothing.message == (
        "Nothing trains: after 30 batches none of the 4 weights that are flagged to train has "
        "changed, at a rate of 0.01."
    )
    still = what_trains(changed=0, changed_frozen=0, **{**ASKED, "learning_rate": 0.0})
    assert still.message.endswith("has changed: the learning rate is 0.")
    frozen = what_trains(changed=0, changed_frozen=0, **{**ASKED, "flagged": 0})
    assert frozen.message == "Nothing trains: every weight is frozen."
    scaled = what_trains(changed=0, changed_frozen=0, loss_is_scaled=True, **ASKED)
    assert "float16" in scaled.remedy
    wrong = what_trains(changed=1, changed_frozen=2, **ASKED)
    assert wrong.name == "wrong_weights_train"
    assert wrong.message.startswith(
        "The wrong weights train: after 30 batches 2 weights that are flagged as frozen have "
        "changed, and 1 of the 4 that are flagged to train."
    )


# ---- limits -----------------------------------------------------------------------------------


def test_limits_are_checked():
    with pytest.raises(ArgumentError, match="`rise` must be a number, above 0"):
        DoctorLimits(rise=0)
    with pytest.raises(ArgumentError, match=r"`near_guessing` must be a number, .* at most 1"):
        DoctorLimits(near_guessing=1.5)
    with pytest.raises(ArgumentError, match="`fewest_epochs` must be a whole number"):
        DoctorLimits(fewest_epochs=2.5)
    with pytest.raises(ArgumentError, match=r"`blow_up` must be at least jump, which is 1\.3"):
        DoctorLimits(blow_up=1.1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        LIMITS.jump = 2.0


def test_limits_are_where_the_lines_are_drawn():
    trained, val = [0.6, 0.5, 0.4, 0.3, 0.2, 0.1], [0.6, 0.5, 0.5, 0.55, 0.6, 0.65]
    assert overfitting(course(trained, val), DoctorLimits(rise=0.5)) is None
    assert learning_rate_too_high(jumping(3.0, 5.0), DoctorLimits(jump=5, blow_up=6)) is None
    slow = course(SLOW, SLOW, moved=0.03, looks=40)
    assert learning_rate_too_low(slow, DoctorLimits(moved=0.01)) is None
