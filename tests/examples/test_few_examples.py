"""Few examples in their small form: they run, with the draws, sizes and methods that they name."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.network
def test_few_examples_in_their_small_form(tmp_path):
    done = subprocess.run(
        [
            sys.executable,
            str(ROOT / "examples" / "few_examples.py"),
            "--quick",
            "--output",
            str(tmp_path),
        ],
        cwd=ROOT,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        timeout=1500,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    results = json.loads((tmp_path / "results.json").read_text())["accuracies"]
    assert list(results) == [
        "linear probe",
        "last two blocks",
        "contrastive, last two",
        "everything",
    ]
    for found in results.values():
        assert list(found) == ["4", "8", "4, augmented"]
        for values in found.values():
            assert len(values) == 2
            # Of sixty texts each: whole counts, and not one class for all of them or none.
            assert all(0.2 < value < 0.95 for value in values)
            assert all(abs(60 * value - round(60 * value)) < 1e-6 for value in values)
    # Draws, sizes, copies and methods make a difference.
    assert (
        len({value for found in results.values() for each in found.values() for value in each}) > 4
    )
    assert (tmp_path / "accuracy.png").stat().st_size > 5000
    assert "A copy:" in done.stdout
