"""The contract of callbacks: ours keep it, and each way of breaking it is named."""

import threading

import keras
import numpy as np
import pytest

import kerasft
from kerasft.errors import ArgumentError, ContractError
from kerasft.testing import check_callback

Callback = keras.callbacks.Callback


class ApplyAt(Callback):
    """Unfreezes in mid-fit, which is allowed: a plan says what trains."""

    def on_epoch_begin(self, epoch, logs=None):
        policy = kerasft.TrainEverything() if epoch else kerasft.TrainHead()
        policy.apply(self.model)


class NeedsValidation(Callback):
    def on_epoch_end(self, epoch, logs=None):
        if "val_loss" not in logs:
            raise ArgumentError("`fit` must be given `validation_data`.")


@pytest.mark.parametrize(
    "make",
    [
        lambda: kerasft.callbacks.EarlyStopping(patience=1, restore_best_weights=True),
        lambda: kerasft.callbacks.GeneralizationGap(0.5),
        lambda: keras.callbacks.TerminateOnNaN(),
        lambda: keras.callbacks.LearningRateScheduler(lambda epoch: 0.1 / (1 + epoch)),
        ApplyAt,
        NeedsValidation,
    ],
    ids=["early stopping", "gap", "nan", "rate", "unfreezes", "needs validation"],
)
@pytest.mark.filterwarnings("ignore:.*was not measured in epoch:UserWarning")
def test_callbacks_that_keep_the_contract_pass(make):
    check_callback(make())


class TouchesFrozen(Callback):
    def on_epoch_end(self, epoch, logs=None):
        kernel = self.model.get_layer("block_0").kernel
        kernel.assign(kernel * 0.5)


class LogsAList(Callback):
    def on_epoch_end(self, epoch, logs=None):
        logs["recalls"] = [0.5, 1.0]


class CountsOn(Callback):
    """Stops after three epochs, but counts over all fits."""

    count = 0

    def on_epoch_end(self, epoch, logs=None):
        self.count += 1
        if self.count == 3:
            self.model.stop_training = True


class LowersForGood(Callback):
    """Starts each fit at half the rate of the last one."""

    def __init__(self):
        super().__init__()
        self.rate = 0.1

    def on_train_begin(self, logs=None):
        self.model.optimizer.learning_rate = self.rate
        self.rate /= 2


class LogsOnce(Callback):
    done = False

    def on_epoch_end(self, epoch, logs=None):
        if not self.done:
            logs["first"] = 1.0

    def on_train_end(self, logs=None):
        self.done = True


class CannotBeCopied(Callback):
    def __init__(self):
        super().__init__()
        self.lock = threading.Lock()


class NeedsValidationInSilence(Callback):
    def on_epoch_end(self, epoch, logs=None):
        logs["best"] = min(logs["val_loss"], 1.0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (TouchesFrozen, "TouchesFrozen must leave frozen weights alone. It changed block_0/kernel"),
        (LogsAList, r"must put single numbers into the logs. logs\['recalls'\] was \[0.5, 1.0\]"),
        (CountsOn, "leave nothing of one fit to the next. .* one fit had 3 epochs and another 4"),
        (LowersForGood, "leave nothing of one fit .* head/kernel ended apart"),
        (LogsOnce, "leave nothing of one fit .* Only one fit logged first"),
        (CannotBeCopied, "be copied by `copy.deepcopy`.* TypeError"),
        (NeedsValidationInSilence, "without validation data, or raise .* KeyError: 'val_loss'"),
        (object, r"must derive from `keras.callbacks.Callback`"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_breaks_it_is_named(make, message):
    with pytest.raises(ContractError, match=message):
        check_callback(make())


def test_on_a_model_of_ones_own():
    data = np.ones((6, 2), "float32"), np.ones((6, 1), "float32")
    made = []

    def make_model():
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, "linear", True, "ones")])
        model.compile("sgd", "mse", run_eagerly=True)
        made.append(model)
        return model

    class Keeps(Callback):
        seen = 0

        def on_epoch_end(self, epoch, logs=None):
            Keeps.seen += 1

    check_callback(Keeps(), make_model, data, epochs=2)
    assert len(made) == 4
    assert Keeps.seen == 8
