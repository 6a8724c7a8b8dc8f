"""Labels outside the classes: in losses below zero, and in the words of backends."""

import math

import numpy as np
from courses import course

from kerasft.callbacks._loss_tape import LossTape
from kerasft.callbacks.diagnosis import labels_in_error, negative_loss, outside_the_classes


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
