"""Sentences of editorials, each rated by twenty people."""

from kerasft.data.builders._rated_texts import RatedTexts, source_of


class EditorialSnippets(RatedTexts):
    """Human-rated sentences of editorials: `tfds.load("editorial_snippets")`.

    5,190 sentences of 500 opinion pieces of a newspaper, each with the mean of the ratings, from -4
    to 4, of 20 people. The label is the sign of that mean.

    Configs:
        clear: The default: without those whose mean is nearer to zero than 0.5, for the reasons
            that `MovieReviewSnippets` gives; 2,931 texts, 40% of them positive, are left.
        all: With those too. Only a mean of exactly zero, which has no sign, is left out.

    One split, "train", in a random order that is the same everywhere, so that slices are samples.
    Features: "text"; "label", 0 for "negative" and 1 for "positive"; "rating".

    Args:
        data_dir: See `tfds.load`; by default a folder below `kerasft.sources.home()`.
        **kwargs: Of every builder of tensorflow-datasets, such as `config`.

    Example:
        >>> from kerasft.data.builders import EditorialSnippets
        >>> EditorialSnippets(config="all").info.features["label"].names
        ['negative', 'positive']

    Reference:
        Hutto and Gilbert, "VADER: A Parsimonious Rule-based Model for Sentiment Analysis of Social
        Media Text", ICWSM 2014; the data come with the package vaderSentiment (MIT).
    """

    SOURCE = source_of("nytEditorialSnippets_GroundTruth.txt")
    DESCRIPTION = "Sentences of editorials with the mean of 20 human ratings."
