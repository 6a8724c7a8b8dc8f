"""One phase: what it takes, how it ends."""

import keras
import pytest

from kerasft import TrainHead, TrainLastBlocks
from kerasft.callbacks import Phase
from kerasft.errors import ArgumentError

pytestmark = pytest.mark.core


@keras.saving.register_keras_serializable(package="kerasft_tests")
def long_enough(epochs, logs):
    return epochs > 3


PHASES = {
    "with the fit": Phase(TrainHead()),
    "after 1 epoch": Phase(TrainHead(), 1),
    "after 4 without a better val_loss": Phase(TrainHead(), patience=4),
    "after 5 epochs, or 2 without a better accuracy": Phase(
        TrainLastBlocks(2), 5, patience=2, monitor="accuracy", learning_rate=0.1
    ),
    "after 5 epochs, or when long_enough says so": Phase(TrainHead(), 5, until=long_enough),
}


@pytest.mark.parametrize("ending", PHASES)
def test_its_end_in_words(ending):
    assert PHASES[ending].ending == ending


@pytest.mark.parametrize("phase", PHASES.values(), ids=PHASES)
def test_config_goes_round(phase):
    assert Phase.from_config(phase.get_config()) == phase
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(phase))
    assert again == phase


def test_it_prints_as_it_is_written():
    phase = Phase(TrainLastBlocks(2), 5, patience=2, learning_rate=0.1)
    assert eval(repr(phase)) == phase
    assert repr(Phase(TrainHead())) == "Phase(TrainHead())"


@pytest.mark.parametrize(
    ("phase", "fewest"),
    [
        (Phase(TrainHead()), 1),
        (Phase(TrainHead(), 4), 4),
        (Phase(TrainHead(), patience=0), 2),
        (Phase(TrainHead(), patience=3), 4),
        (Phase(TrainHead(), 2, patience=3), 2),
        (Phase(TrainHead(), 2, until=long_enough), 1),
    ],
)
def test_the_fewest_epochs_it_can_last(phase, fewest):
    assert phase.least_epochs == fewest


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"policy": "head"}, r"`policy` must be a FreezePolicy or a Plan. Received: policy='head'"),
        ({"policy": TrainHead}, r"Give an instance: TrainHead\(\)"),
        ({"epochs": 0}, "`epochs` must be"),
        ({"epochs": 1.5}, "`epochs` must be"),
        ({"learning_rate": 0.0}, "`learning_rate` must be"),
        ({"learning_rate": [0.1, -1]}, "`learning_rate` must be"),
        ({"learning_rate": "fast"}, "`learning_rate` must be"),
        ({"patience": -1}, "`patience` must be"),
        ({"monitor": ""}, "`monitor` must be"),
        ({"mode": "maximum"}, "Did you mean 'max'"),
        ({"min_delta": "small"}, "`min_delta` must be"),
        ({"restore_best_weights": 1}, "`restore_best_weights` must be"),
        ({"until": 3}, "`until` must be a function"),
        ({"name": 3}, "`name` must be"),
    ],
    ids=str,
)
def test_bad_arguments(arguments, match):
    with pytest.raises(ArgumentError, match=match):
        Phase(**{"policy": TrainHead()} | arguments)
