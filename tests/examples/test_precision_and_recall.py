"""The rare classes in their small form: they run, and what is judged moves as it should."""

import pytest
from run_example import run_small_form


@pytest.mark.network
def test_the_rare_classes_in_their_small_form(tmp_path):
    _, results = run_small_form("precision_and_recall", tmp_path)
    assert list(results) == [
        f"{task} / {training}"
        for task in ("products", "praise")
        for training in ("as it comes", "class weights")
    ]
    for name, runs in results.items():
        assert len(runs) == 2
        assert runs[0] != runs[1]  # the draws differ
        for run in runs:
            assert run["temperature"] > 0
            # Neither a temperature nor a threshold changes the order of the texts.
            areas = [run[rule]["roc_auc"] for rule in ("0.5", "largest F1", "recall 80%")]
            assert max(areas) - min(areas) < 1e-3
            # Both are there: the decisions differ, and so do the probabilities.
            if name.endswith("as it comes"):
                assert run["recall 80%"]["recall"] > run["0.5"]["recall"]
            assert run["0.5"]["log_loss"] != run["largest F1"]["log_loss"]
    for name in (
        "confusion_before.png",
        "confusion_after.png",
        "precision_recall_products.png",
        "precision_recall_praise.png",
        "reliability_products.png",
        "reliability_praise.png",
    ):
        assert (tmp_path / name).stat().st_size > 5000, name
