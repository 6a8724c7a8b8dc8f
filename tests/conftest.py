"""What every test shares: a quiet TensorFlow, one seed, and the `slow` marker."""

import gc
import importlib.util
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import pytest

if not importlib.util.find_spec("tensorflow"):
    # They import it at their tops. The core tests, on JAX and PyTorch, do without.
    collect_ignore = [
        "data/test_batches.py",
        "data/test_tf_datasets.py",
        "test_public_api.py",
        "tuning/test_evaluate.py",
    ]


def pytest_addoption(parser):
    parser.addoption("--slow", action="store_true", help="run the slow tests too")


def pytest_collection_finish():
    # What was imported stays: collections of garbage need not look through it again and again.
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(config, items):
    if config.getoption("--slow"):
        return
    left_out = pytest.mark.skip(reason="slow: give --slow to run it")
    for item in items:
        if "slow" in item.keywords:
            item.add_marker(left_out)


@pytest.fixture(autouse=True)
def seeded():
    """Every test starts from the same random state, whatever ran before it."""
    import keras

    keras.utils.set_random_seed(0)
