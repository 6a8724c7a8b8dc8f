"""Short messages, each rated by twenty people."""

from kerasft.data.builders._rated_texts import RatedTexts, source_of


class RatedTweets(RatedTexts):
    """Human-rated tweets: `tfds.load("rated_tweets")`.

    4,200 short messages from Twitter or in their manner, each with the mean of the ratings, from -4
    to 4, of 20 people. The label is the sign of that mean.

    Configs:
        clear: The default: without those whose mean is nearer to zero than 0.5, for the reasons
            that `MovieReviewSnippets` gives; 3,372 texts, 69% of them positive, are left.
        all: With those too. Only a mean of exactly zero, which has no sign, is left out.

    One split, "train", in a random order that is the same everywhere, so that slices are samples.
    Features: "text"; "label", 0 for "negative" and 1 for "positive"; "rating".

    Args:
        data_dir: See `tfds.load`; by default a folder below `kerasft.sources.home()`.
        **kwargs: Of every builder of tensorflow-datasets, such as `config`.

    Example:
        >>> from kerasft.data.builders import RatedTweets
        >>> RatedTweets(config="all").info.features["label"].names
        ['negative', 'positive']

    Reference:
        Hutto and Gilbert, "VADER: A Parsimonious Rule-based Model for Sentiment Analysis of Social
        Media Text", ICWSM 2014; the data come with the package vaderSentiment (MIT).
    """

    SOURCE = source_of("tweets_GroundTruth.txt")
    DESCRIPTION = "Tweets with the mean of 20 human ratings."
