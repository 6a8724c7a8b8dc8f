"""What the sets of texts with human ratings share: the labels that ratings become."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from kerasft._checks import fail
from kerasft.data.builders._packaged_texts import PackagedTexts, tfds
from kerasft.errors import DataError

_CLEAR_FROM = 0.5
_FOLDER = (
    "pypi://vaderSentiment==3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz/hutto_ICWSM_2014"
)
_SHA256 = "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9"


def source_of(file: str) -> str:
    """The address of one of the files of Hutto and Gilbert's data."""
    return f"{_FOLDER}/{file}#sha256={_SHA256}"


class RatedTexts(PackagedTexts, skip_registration=True):  # type: ignore[call-arg]
    """Base of builders of texts that people rated from -4 to 4; the label is the mean's sign.

    A subclass names its file and says in `DESCRIPTION` what is in it.

    Args:
        data_dir: See `PackagedTexts`.
        **kwargs: Of every builder of tensorflow-datasets.
    """

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS = [
        tfds.core.BuilderConfig(name="clear", description="Means of at least 0.5 in size."),
        tfds.core.BuilderConfig(name="all", description="All means but those of exactly zero."),
    ]
    DESCRIPTION = ""

    def _info(self) -> Any:
        return tfds.core.DatasetInfo(
            builder=self,
            description=self.DESCRIPTION,
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
