"""The knobs of the main job in their small form: they run, and write all they say."""

import pytest
from run_example import run_small_form


@pytest.mark.network
def test_the_knobs_in_their_small_form(tmp_path):
    _, results = run_small_form("movie_reviews_knobs", tmp_path)
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
