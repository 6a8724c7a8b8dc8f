"""The move to other domains in its small form: it runs, and writes the files that it reads."""

import csv

import pytest
from run_example import run_example, run_small_form

RECIPES = [
    "no fine-tuning",
    "lesson",
    "all blocks",
    "all blocks, L2-SP",
    "all blocks, steeper decay",
    "last two blocks",
    "all blocks, movies mixed in",
]


def read_texts(path):
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["label"] for row in rows} == {"negative", "positive"}
    return {row["text"].casefold() for row in rows}


@pytest.mark.network
def test_two_of_the_domains_in_their_small_form(tmp_path):
    done, results = run_small_form("domains", tmp_path)
    assert "Warning" not in done.stderr
    domains = ["tweets", "products"]
    table = [f"{domain} / {name}" for domain in domains for name in ("none", "lesson", "kerasft")]
    assert list(results) == table + RECIPES
    for row in results.values():
        assert 0 < row["domain_accuracy"] <= 1
        assert 0 < row["movies_loss"] < 5
    # Before any fine-tuning, the movies are as they are whatever the domain; after, they are not.
    before = {results[f"{domain} / none"]["movies_loss"] for domain in domains}
    assert len(before) == 1
    assert results["tweets / lesson"]["movies_loss"] not in before
    for domain in domains:
        train, valid = (read_texts(tmp_path / domain / f"domain_{n}.csv") for n in ("train", "val"))
        assert len(train) == 48
        assert not train & valid
        assert f"{domain}: 4" in done.stdout or f"{domain}: 5" in done.stdout
    for name in ("learning_curves.png", "forgetting.png"):
        assert (tmp_path / name).stat().st_size > 5000


@pytest.mark.network
@pytest.mark.slow
def test_two_files_of_the_users(tmp_path):
    for name, count in (("train", 40), ("val", 40)):
        with open(tmp_path / f"{name}.csv", "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["text", "label"])
            writer.writerows(
                [f"{name} text {n}", ("negative", "positive")[n % 2]] for n in range(count)
            )
    files = ["--train-file", tmp_path / "train.csv", "--valid-file", tmp_path / "val.csv"]
    done, results = run_small_form("domains", tmp_path / "out", *files)
    assert "yours: 40 to train, 20 to valid, 20 to test" in done.stdout
    assert list(results)[:3] == ["yours / none", "yours / lesson", "yours / kerasft"]
    assert not (tmp_path / "out" / "tweets").exists()


def test_one_file_alone_is_refused(tmp_path):
    done = run_example("domains", "--train-file", "mine.csv", "--output", tmp_path)
    assert done.returncode == 2
    assert "--train-file and --valid-file go together." in done.stderr
