"""JAX with each batch shared out over two devices ends where one device ends."""

import importlib.util

import pytest
from processes import compare, finish, load, start

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed"),
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


@pytest.fixture(scope="module", name="ended")
def _ended(tmp_path_factory):
    file = tmp_path_factory.mktemp("sharded") / "sharded.npz"
    finish(start("sharded", file, ALL), seconds=900)
    return load(file, "one"), load(file, "several")


@pytest.mark.parametrize("name", ALL)
def test_it_ends_as_on_one_device(ended, name):
    compare(*ended, name)
