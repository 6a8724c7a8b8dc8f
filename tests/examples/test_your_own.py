"""Classes of one's own in the small form: checks tell right from wrong, and each does its work."""

import pytest
from run_example import run_small_form


@pytest.mark.network
def test_classes_of_ones_own_in_their_small_form(tmp_path):
    _, results = run_small_form("your_own", tmp_path)
    check_what_was_said(results["said"])
    assert set(results["heads"]) == {
        f"{name} / {task}"
        for name in ("mean", "mean and maximum")
        for task in ("sentiment", "film")
    }
    assert all(0 < accuracy < 1 for accuracy in results["heads"].values())

    policies = results["policies"]
    # Two of four blocks: four normalizations of 384 scales and offsets, and a head for 2 * 384
    # features and two classes.
    assert policies["TrainNormsOfLastHalf"]["trained"] == 4 * 2 * 384 + 2 * 768 + 2
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
