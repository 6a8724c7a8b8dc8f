"""Sentences of movie reviews, each rated by about nineteen people."""

from kerasft.data.builders._rated_texts import RatedTexts, source_of


class MovieReviewSnippets(RatedTexts):
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

    SOURCE = source_of("movieReviewSnippets_GroundTruth.txt")
    DESCRIPTION = "Sentences of movie reviews with the mean of about 19 human ratings."
