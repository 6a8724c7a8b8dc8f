"""Whether anything trains, and whether it is what should."""

from kerasft.callbacks.diagnosis import flags_in_error, what_trains

ASKED = {"epoch": 1, "batches": 30, "flagged": 4, "learning_rate": 0.01}


def test_the_error_of_jax_about_flags():
    text = "Received len(trainable_variables) == 2 whereas the optimizer was built with 4 variables"
    found = flags_in_error(text)
    assert found.name == "wrong_weights_train"
    assert found.evidence == {"weights_flagged_to_train": 2, "built_for": 4}
    assert "TrainHead" in found.remedy
    assert flags_in_error("Dimensions must be equal") is None


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
