"""The main job in its small form: it runs, writes all it says, and the saved model classifies."""

import pytest
from run_example import run_example, run_small_form

RUNS = ["disease", "cure", "cure, tuned", "bonus", "bonus, tuned", "best"]


@pytest.mark.network
def test_the_story_in_its_small_form(tmp_path):
    done, results = run_small_form("movie_reviews", tmp_path, "--verbose", 0)
    assert list(results) == RUNS
    for row in results.values():
        assert 0 < row["valid_accuracy"] <= 1
        assert row["trained_parameters"] > 0
    # What is frozen is not counted: the cure trains the head alone, the bonus three layers more.
    assert results["cure"]["trained_parameters"] == 384 * 64 + 64 + 64 + 1
    assert results["bonus"]["trained_parameters"] > results["cure"]["trained_parameters"]
    assert results["disease"]["trained_parameters"] > results["best"]["trained_parameters"]
    assert "The disease:" in done.stdout
    assert "The best recipe:" in done.stdout
    for name in (
        "best.keras",
        "report.html",
        "confusion_matrix.png",
        "learning_curves_accuracy.png",
        "learning_curves_loss.png",
    ):
        assert (tmp_path / name).stat().st_size > 5000, name

    texts = "A joy from start to finish.", "So dull."
    tried = run_example("movie_reviews", "--try", *texts, "--output", tmp_path)
    assert tried.returncode == 0, tried.stderr[-3000:]
    lines = tried.stdout.strip().splitlines()[-2:]
    assert [line.split(" ")[0] in ("negative", "positive") for line in lines] == [True, True]
    assert lines[1].endswith("So dull.")


def test_trying_without_a_model_says_what_to_do(tmp_path):
    tried = run_example("movie_reviews", "--try", "A joy.", "--output", tmp_path)
    assert tried.returncode != 0
    assert "Run this script without --try first" in tried.stderr
