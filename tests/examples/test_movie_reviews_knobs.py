"""The knobs of the main job in their small form: they run, and write all they say."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.network
def test_the_knobs_in_their_small_form(tmp_path):
    done = subprocess.run(
        [
            sys.executable,
            str(ROOT / "examples" / "movie_reviews_knobs.py"),
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
    results = json.loads((tmp_path / "results.json").read_text())
    judged = results["judged"]
    assert list(judged) == ["disease", "head", "last blocks", "all blocks, with care"]
    trained = [row["trained"] for row in judged.values()]
    assert trained[1] < trained[2] < trained[3] < trained[0]
    for row in judged.values():
        assert 0 < row["test"] <= 1
    # Runs of one setting differ by their seeds, and settings differ from one another.
    losses = [run["valid_loss"] for runs in results["heads"].values() for run in runs]
    losses += [run["valid_loss"] for run in results["blocks"].values()]
    assert len(losses) == 4 + 2 + 2
    assert len(set(losses)) == len(losses)
    for name in ("curves_accuracy.png", "curves_loss.png", "knobs.png"):
        assert (tmp_path / name).stat().st_size > 5000, name
