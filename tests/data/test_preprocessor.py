import numpy as np
import pytest

from kerasft.data import Preprocessor
from kerasft.errors import DataError


def test_calling_it_checks_encodes_and_pads(letters):
    batch = letters(np.array(["ab", "c"]))
    assert batch.tolist() == [[97, 98], [99, 0]]
    with pytest.raises(DataError, match="must not be blank"):
        letters(["a", ""])


def test_what_is_missing_is_noticed_when_it_is_made():
    class Half(Preprocessor):
        def encode(self, texts):
            return texts

    with pytest.raises(TypeError, match=r"abstract.*identity.*pad"):
        Half()
