"""NaN and infinity: where they came up, and by what."""

import math

from courses import LIMITS, course

from kerasft.callbacks.diagnosis import spoilt_at_start, spoilt_inputs, spoilt_loss, spoilt_weights


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
