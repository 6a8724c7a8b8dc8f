"""Sentences of movie reviews, each rated by about nineteen people."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from kerasft._checks import fail
from kerasft.data.builders._packaged_texts import PackagedTexts, tfds
from kerasft.errors import DataError

_CLEAR_FROM = 0.5


class MovieReviewSnippets(PackagedTexts):
    """Human-rated sentences of movie reviews: `tfds.load("movie_review_snippets")`.

    10,605 sentences of reviews from rotten.tomatoes.com, each with the mean of the ratings, from
    -4 to 4, of 15 to 28 people, 19 on average. The label is the sign of that mean.

    Configs:
        clear: The default: without those whose mean is nearer to zero than 0.5. Raters disagree by
            a standard deviation of 0.9 within a text, so that the standard error of a mean is 0.22
            on average: nearer to zero than 0.5, the sign may depend on who was asked, and a wrong
            answer says little about a model. (SST-2 leaves its neutral sentences out too.)
        all: With those too. Only a mean of exactly zero, which has no sign, is left out.

    One split, "train", in a random order that is the same everywhere, so that slices are samples:
    `split=["train[:80%]", "train[80%:90%]", "train[90%:]"]`. Features: "text"; "label", 0 for
    "negative" and 1 for "positive"; "rating".

    Args:
        data_dir: See `tfds.load`; by default a folder below `kerasft.sources.home()`.
        **kwargs: Of every builder of tensorflow-datasets, such as `config`.

    Example:
        >>> from kerasft.data.builders import MovieReviewSnippets
        >>> MovieReviewSnippets(config="all").info.features["label"].names
        ['negative', 'positive']

    Reference:
        Hutto and Gilbert, "VADER: A Parsimonious Rule-based Model for Sentiment Analysis of Social
        Media Text", ICWSM 2014; the data come with the package vaderSentiment (MIT).
    """

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS = [
        tfds.core.BuilderConfig(name="clear", description="Means of at least 0.5 in size."),
        tfds.core.BuilderConfig(name="all", description="All means but those of exactly zero."),
    ]
    SOURCE = (
        "pypi://vaderSentiment==3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz/"
        "hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt"
        "#sha256=5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9"
    )

    def _info(self) -> Any:
        return tfds.core.DatasetInfo(
            builder=self,
            description="Sentences of movie reviews with the mean of about 19 human ratings.",
            features=tfds.features.FeaturesDict(
                {
                    "text": tfds.features.Text(),
                    "label": tfds.features.ClassLabel(names=["negative", "positive"]),
                    "rating": tfds.features.Scalar(np.float32),
                }
            ),
            supervised_keys=("text", "label"),
            license="MIT",
        )

    def read_rows(self, path: Path) -> Iterator[dict[str, Any]]:
        """Read lines of an id, the mean rating and the text, separated by tabs."""
        least = _CLEAR_FROM if self.builder_config.name == "clear" else 0.0
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                try:
                    _, mean, text = line.rstrip("\r\n").split("\t")
                    rating = float(mean)
                except ValueError:
                    fail(
                        f"line {number} of {path.name}",
                        line,
                        "an id, a rating and a text between tabs",
                        error=DataError,
                    )
                if rating != 0 and abs(rating) >= least:
                    yield {"text": text.strip(), "label": int(rating > 0), "rating": rating}
