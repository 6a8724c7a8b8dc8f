"""The schedules of unfreezing in their small form: they run, and write all they say."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(*arguments):
    return subprocess.run(
        [sys.executable, str(ROOT / "examples" / "unfreezing.py"), *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "COLUMNS": "120"},
        capture_output=True,
        text=True,
        timeout=1500,
    )


@pytest.mark.network
def test_a_schedule_in_its_small_form(tmp_path):
    done = run("--quick", "--verbose", 0, "--output", tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    (row,) = json.loads((tmp_path / "results.json").read_text()).values()
    assert row["epochs"] == 4
    assert row["trained_parameters"] > 22_000_000  # in the last phase everything trains
    assert "Phase 4 of 4, from epoch 4: all" in done.stdout
    assert (tmp_path / "learning_curves.png").stat().st_size > 5000


def test_an_unknown_schedule_is_refused(tmp_path):
    done = run("--quick", "--only", "slowly", "--output", tmp_path)
    assert done.returncode != 0
    assert "No schedule 'slowly'. There are: head only," in done.stderr
