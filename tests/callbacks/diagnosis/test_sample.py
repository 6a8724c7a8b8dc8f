"""Samples: the classes that outputs call, and how well they rank them."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from kerasft.callbacks.diagnosis import Sample


@given(
    st.lists(st.tuples(st.integers(0, 1), st.integers(-3, 3)), min_size=2, max_size=50),
    st.integers(0, 1),
    st.booleans(),
)
def test_the_ranking_is_the_area_that_scikit_learn_computes(rows, label, two_columns):
    labels = np.array([row[0] for row in rows])
    assume(len(set(labels)) == 2)
    scores = np.array([row[1] for row in rows], float)
    columns = np.stack([-scores, scores], 1) if two_columns else scores[:, None]
    got = Sample(columns, labels).ranking(label)
    # The margin between two columns is twice the score: the same order.
    sign = 1 if label else -1
    assert got == pytest.approx(roc_auc_score(labels == label, sign * scores))


def test_outputs_of_one_column():
    scores = np.array([[0.3], [-0.2], [0.1], [2.0]])
    labels = np.array([1, 0, 0, 1])
    assert Sample(scores, labels, threshold=0.0).called.tolist() == [1, 0, 1, 1]
    assert Sample(scores, labels, threshold=0.5).called.tolist() == [0, 0, 0, 1]
    assert Sample(np.array([[np.nan], [1.0]]), np.array([0, 1])).ranking(1) == 0.5
