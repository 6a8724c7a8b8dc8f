"""Two processes on the loopback device under MultiWorkerMirroredStrategy end where one ends."""

import keras
import numpy as np
import pytest
from processes import compare, finish, free_ports, load, of_training, start

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        keras.backend.backend() != "tensorflow", reason="tf.distribute belongs to TensorFlow"
    ),
]
ALL = [
    "frozen_before_compile",
    "frozen_after_a_fit",
    "phases_in_one_fit",
    "layerwise_rates_in_phases",
    "averages_in_phases",
    "scaled_loss_in_phases",
    "a_change_in_mid_epoch",
    "loaded_with_its_plan",
    "batches_of_texts",
]


def run(folder, names, seconds):
    """Two workers, then one device."""
    addresses = [f"127.0.0.1:{port}" for port in free_ports(2)]
    files = [folder / f"worker{index}.npz" for index in (0, 1)]
    started = []
    for index, file in enumerate(files):
        task = {"type": "worker", "index": index}
        cluster = {"cluster": {"worker": addresses}, "task": task}
        started.append(start("worker", file, names, cluster))
    finish(*started, seconds=seconds)
    finish(start("one", folder / "one.npz", names), seconds=seconds)
    return load(folder / "one.npz", "one"), *(load(file, "several") for file in files)


@pytest.fixture(scope="module", name="ended")
def _ended(tmp_path_factory):
    return run(tmp_path_factory.mktemp("workers"), ALL, seconds=900)


@pytest.mark.parametrize("name", ALL)
def test_two_workers_end_as_one_device(ended, name):
    one, first, second = ended
    ours = compare(one, first, name)
    for key, value in of_training(second, name).items():
        np.testing.assert_array_equal(value, ours[key], err_msg=key)
