"""Few examples in their small form: they run, with the draws, sizes and methods that they name."""

import pytest
from run_example import run_small_form


@pytest.mark.network
def test_few_examples_in_their_small_form(tmp_path):
    done, results = run_small_form("few_examples", tmp_path)
    accuracies = results["accuracies"]
    assert list(accuracies) == [
        "linear probe",
        "last two blocks",
        "contrastive, last two",
        "everything",
    ]
    for found in accuracies.values():
        assert list(found) == ["4", "8", "4, augmented"]
        for values in found.values():
            assert len(values) == 2
            # Of sixty texts each: whole counts, and not one class for all of them or none.
            assert all(0.2 < value < 0.95 for value in values)
            assert all(abs(60 * value - round(60 * value)) < 1e-6 for value in values)
    # Draws, sizes, copies and methods make a difference.
    different = {
        value for found in accuracies.values() for each in found.values() for value in each
    }
    assert len(different) > 4
    assert (tmp_path / "accuracy.png").stat().st_size > 5000
    assert "A copy:" in done.stdout
