"""Two logical CPUs under MirroredStrategy end where one device ends."""

import keras
import numpy as np
import pytest
from processes import compare, finish, load, of_training, start

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="tf.distribute belongs to TensorFlow"
)
ALL = [
    "frozen_before_compile",
    "frozen_after_a_fit",
    "phases_in_one_fit",
    "averages_in_phases",
    "scaled_loss_in_phases",
    "a_change_in_mid_epoch",
    "loaded_with_its_plan",
    "batches_of_texts",
]


# How many weights have a slot at the end: those that trained last.
WITH_SLOTS = {
    "frozen_before_compile": 2,
    "frozen_after_a_fit": 4,
    "loaded_with_its_plan": 6,
    "batches_of_texts": 2,
}


def mirrored(folder, names):
    file = folder / "mirrored.npz"
    finish(start("mirrored", file, names), seconds=900)
    return [load(file, where) for where in ("start", "one", "several")]


def slots(ended):
    return sum("momentum" in key for key in ended)


def test_phases_with_layerwise_rates(tmp_path):
    """All at once: frozen, unfrozen twice inside one fit, a rate and a decay per layer."""
    before, *ended = mirrored(tmp_path, ["layerwise_rates_in_phases"])
    ended = compare(*ended, "layerwise_rates_in_phases")
    for key, value in of_training(before, "for_vectors").items():
        assert not np.array_equal(ended[key], value), key
    assert slots(ended) == 10


@pytest.fixture(scope="module", name="ended")
def _ended(tmp_path_factory):
    return mirrored(tmp_path_factory.mktemp("mirrored"), ALL)


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_it_ends_as_on_one_device(ended, name):
    assert slots(compare(*ended[1:], name)) == WITH_SLOTS.get(name, 10)


@pytest.mark.slow
def test_what_is_frozen_stays_bit_by_bit(ended):
    before, after = (
        of_training(ended[0], "for_vectors"),
        of_training(ended[2], "frozen_before_compile"),
    )
    same = {key for key in before if np.array_equal(before[key], after[key])}
    assert same == before.keys() - {"top/kernel", "top/bias"}
