import pytest

tfds = pytest.importorskip("tensorflow_datasets")

import kerasft.data.builders  # noqa: E402
from kerasft import sources  # noqa: E402
from kerasft.data import from_tf_dataset  # noqa: E402

FILES = {
    "movie_review_snippets": "movieReviewSnippets_GroundTruth.txt",
    "rated_tweets": "tweets_GroundTruth.txt",
    "product_review_snippets": "amazonReviewSnippets_GroundTruth.txt",
    "editorial_snippets": "nytEditorialSnippets_GroundTruth.txt",
}


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A cache folder of its own, and one line of text after the other in place of each file."""
    monkeypatch.setenv("KERASFT_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)
    asked = []

    def locate(source, **options):
        asked.append(source)
        name = source.partition("#")[0].rpartition("/")[2]
        path = tmp_path / name
        ratings = [-4.0, -0.5, -0.4, 0.0, 0.4, 0.5, 4.0]
        lines = [f"1_{n}\t{rating}\t {name} {n} \n" for n, rating in enumerate(ratings)]
        path.write_text("".join(lines), encoding="utf-8")
        return path

    monkeypatch.setattr(sources, "locate", locate)
    tfds.disable_progress_bar()
    return asked


@pytest.mark.parametrize("name", FILES)
def test_each_set_reads_its_own_file_and_labels_by_the_sign_of_a_clear_mean(home, name):
    dataset, info = tfds.load(name, split="train", as_supervised=True, with_info=True)
    examples = from_tf_dataset(dataset, class_names=info.features["label"].names)
    (source,) = home
    assert source.startswith("pypi://vaderSentiment==3.3.2/")
    assert f"/{FILES[name]}#sha256=5d7c" in source
    assert {
        (text, int(label)) for text, label in zip(examples.texts, examples.labels, strict=True)
    } == {(f"{FILES[name]} {n}", label) for n, label in [(0, 0), (1, 0), (5, 1), (6, 1)]}
    assert examples.class_names == ("negative", "positive")


@pytest.mark.parametrize("name", FILES)
def test_all_of_a_set_leaves_out_only_what_has_no_sign(home, name):
    rows = list(tfds.load(f"{name}/all", split="train").as_numpy_iterator())
    assert sorted(row["rating"] for row in rows) == pytest.approx([-4, -0.5, -0.4, 0.4, 0.5, 4])


def test_every_set_is_described_and_has_a_name_of_its_own(home):
    found = [getattr(kerasft.data.builders, name) for name in kerasft.data.builders.__all__]
    assert {builder.name for builder in found} == {*FILES, "movie_reviews"}
    described = {builder().info.description for builder in found}
    assert len(described) == len(found)
    assert all(described)
