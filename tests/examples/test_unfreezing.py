"""The schedules of unfreezing in their small form: they run, and write all they say."""

import pytest
from run_example import run_example, run_small_form


@pytest.mark.network
def test_a_schedule_in_its_small_form(tmp_path):
    done, results = run_small_form("unfreezing", tmp_path, "--verbose", 0)
    (row,) = results.values()
    assert row["epochs"] == 4
    # In the last phase everything trains, the table of word embeddings too.
    assert row["trained_parameters"] > 17_000_000
    assert "Phase 4 of 4, from epoch 4: all" in done.stdout
    assert (tmp_path / "learning_curves.png").stat().st_size > 5000


def test_an_unknown_schedule_is_refused(tmp_path):
    done = run_example("unfreezing", "--quick", "--only", "slowly", "--output", tmp_path)
    assert done.returncode != 0
    assert "No schedule 'slowly'. There are: head only," in done.stderr
