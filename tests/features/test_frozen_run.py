"""When the frozen part becomes a graph."""

import keras
import numpy as np
import pytest

from kerasft.features import _frozen_run
from kerasft.features._frozen_run import FrozenRun

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="elsewhere it is called as it is"
)


def test_small_data_sets_come_to_a_graph_as_a_large_one_does():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    x = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")
    few = _frozen_run._TRACE_FROM // 2
    run = FrozenRun(model)
    assert run.for_batches(x, few) is run
    graph = run.for_batches(x[:1], few)  # another size, the same graph
    assert graph is not run
    assert run.for_batches(x, 1) is graph
    [found], [expected] = graph(x), run(x)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert FrozenRun(model).for_batches(x, _frozen_run._TRACE_FROM) is not run
