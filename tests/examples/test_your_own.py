"""Classes of one's own in the small form: checks tell right from wrong, and each does its work."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.network
def test_classes_of_ones_own_in_their_small_form(tmp_path):
    done = subprocess.run(
        [
            sys.executable,
            str(ROOT / "examples" / "your_own.py"),
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
    check_what_was_said(results["said"])
    assert set(results["heads"]) == {
        f"{name} / {task}"
        for name in ("mean", "mean and maximum")
        for task in ("sentiment", "film")
    }
    assert all(0 < accuracy < 1 for accuracy in results["heads"].values())

    policies = results["policies"]
    # Six normalizations of 384 scales and offsets, and a head for 2 * 384 features and two classes.
    assert policies["TrainNormsOfLastHalf"]["trained"] == 6 * 2 * 384 + 2 * 768 + 2
    assert policies["TrainLastBlocks"]["trained"] > 5_000_000
    assert policies["TrainNormsOfLastHalf"]["loss"] != policies["TrainLastBlocks"]["loss"]

    check_fits(*results["runs"].values())
    assert (tmp_path / "recall.png").stat().st_size > 5000


def check_what_was_said(said):
    for name in ("MeanAndMaxHead", "TrainNormsOfLastHalf", "StopWhenRecallFalls"):
        assert said[name] == "keeps its promises"
    for name, rule in (
        ("ForgetsTheMask", "must be blind to padding"),
        ("SpendsABudget", "must decide the same when it is asked twice"),
        ("RemembersTheLastFit", "must leave nothing of one fit to the next"),
    ):
        assert said[name].startswith(f"{name} {rule}"), said[name]


def check_fits(watched_only, stopped, restored):
    assert any(run["epochs"] < 6 for run in stopped)
    for alone, stop, back in zip(watched_only, stopped, restored, strict=True):
        assert alone["epochs"] == 6
        lowest = stop["history"]["lowest_recall"]
        assert len(lowest) == stop["epochs"]
        # It watches and changes nothing: as far as it goes, the fit is the one without it.
        assert lowest == pytest.approx(alone["history"]["lowest_recall"][: len(lowest)], abs=0.05)
        assert max(lowest) == stop["best"] == lowest[stop["best_epoch"] - 1]
        if stop["epochs"] < 6:
            assert stop["best_epoch"] == stop["epochs"] - 3
            assert max(lowest[-3:]) < stop["best"]
        # What stands behind it in the list reads what it wrote, and goes back to the best epoch.
        assert back["watched"] == pytest.approx(back["best"], abs=1e-6)
