"""Whether anything trains, and whether it is what should."""

import re

from kerasft.evaluation import Verdict

_OF_JAX = re.compile(
    r"len\(trainable_variables\) == (\d+) whereas the optimizer was built with (\d+)"
)
_REMEDY = (
    "Compile again after setting `trainable`, or freeze with a policy, which sees to it: "
    "kerasft.TrainHead().apply(model)."
)


def flags_in_error(text: str) -> Verdict | None:
    """What Keras says on JAX when flags were set late: there no step can go by those of before."""
    found = _OF_JAX.search(text)
    if not found:
        return None
    flagged, built = int(found[1]), int(found[2])
    message = (
        f"The wrong weights would train: {flagged} are flagged to train, and the optimizer was "
        f"built for {built}. The flags were set after the model was compiled or fitted, and this "
        "backend ends the fit for it."
    )
    evidence = {"weights_flagged_to_train": flagged, "built_for": built}
    return Verdict("wrong_weights_train", "bad", message, evidence, _REMEDY)


def what_trains(
    epoch: int,
    batches: int,
    flagged: int,
    changed: int,
    changed_frozen: int,
    learning_rate: float | None,
    loss_is_scaled: bool = False,
) -> Verdict | None:
    """Weights that should train and have not changed, or that should not and have.

    Args:
        epoch: The epoch, counted from 1.
        batches: How many batches it has seen.
        flagged: How many weights are flagged to train.
        changed: How many of them have changed.
        changed_frozen: How many weights that are flagged as frozen have changed.
        learning_rate: The optimizer's rate, or None.
        loss_is_scaled: Whether the optimizer scales the loss, as for float16.
    """
    if changed and not changed_frozen:
        return None
    evidence: dict[str, float] = {
        "epoch": epoch,
        "batches": batches,
        "weights_flagged_to_train": flagged,
        "changed": changed,
        "frozen_weights_changed": changed_frozen,
    }
    if learning_rate is not None:
        evidence["learning_rate"] = learning_rate
    if changed_frozen:
        what = (
            f"{changed} of the {flagged} that are flagged to train" if flagged else "nothing else"
        )
        message = (
            f"The wrong weights train: after {batches:,} batches {changed_frozen} weights that are "
            f"flagged as frozen have changed, and {what}. The flags were set after Keras had made "
            "its train function, which goes by those of then."
        )
        return Verdict("wrong_weights_train", "bad", message, evidence, _REMEDY)
    if not flagged:
        message = "Nothing trains: every weight is frozen."
        remedy = "Train some: kerasft.TrainHead().apply(model), or set `trainable` and compile."
        return Verdict("nothing_trains", "bad", message, evidence, remedy)
    message = (
        f"Nothing trains: after {batches:,} batches none of the {flagged} weights that are flagged "
        "to train has changed"
    )
    if learning_rate == 0:
        message += ": the learning rate is 0."
        remedy = "Give the optimizer a rate, or look at the schedule or callback that sets it."
        return Verdict("nothing_trains", "bad", message, evidence, remedy)
    message += "." if learning_rate is None else f", at a rate of {learning_rate:.3g}."
    if loss_is_scaled:
        remedy = (
            "With float16 the optimizer leaves out steps whose gradients overflow: lower the rate, "
            "or use mixed_bfloat16."
        )
    else:
        remedy = (
            "No gradient reaches them, or a step is too small for their precision. Look for an "
            "activation that is constant (softmax on one output), for a stop_gradient, and for "
            "flags that were set after the first `fit`; compile again after setting `trainable`."
        )
    return Verdict("nothing_trains", "bad", message, evidence, remedy)
