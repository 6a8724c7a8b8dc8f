"""What an audit looked at, kept to say what to drop and to give the rest back."""

import dataclasses
import itertools
from typing import Any

import numpy as np

from kerasft.data.auditing._copies import Copies
from kerasft.data.auditing._labels import Labels
from kerasft.data.auditing._splits import Split
from kerasft.data.examples import Examples
from kerasft.errors import DataError


@dataclasses.dataclass(frozen=True)
class Audited:
    """The splits, what their labels mean, and which of their texts are copies of which."""

    splits: list[Split]
    labels: Labels
    copies: Copies

    def matches(self) -> np.ndarray:
        """See `AuditReport.matches`."""
        copies = self.copies
        names = np.array([split.name for split in self.splits])
        kind: list[tuple[str, Any]] = [("split", names.dtype), ("row", "i8")]
        kind += [("other_split", names.dtype), ("other_row", "i8")]
        kind += [("similarity", "f8"), ("exact", "?")]
        _, first = np.unique(copies.near, return_index=True)
        repeats = np.flatnonzero(first[copies.near] != np.arange(len(copies.near)))
        one = np.concatenate([repeats, first[copies.pairs.second]])
        other = np.concatenate([first[copies.near[repeats]], first[copies.pairs.first]])
        found = np.empty(len(one), dtype=kind)
        found["split"], found["row"] = names[copies.split[one]], copies.row[one]
        found["other_split"], found["other_row"] = names[copies.split[other]], copies.row[other]
        found["similarity"] = np.concatenate([np.ones(len(repeats)), copies.pairs.similarity])
        found["exact"] = copies.exact[one] == copies.exact[other]
        return found

    def rows_to_drop(
        self, drop_from: str, near_duplicates: bool, contradictions: bool
    ) -> dict[str, np.ndarray]:
        """See `AuditReport.rows_to_drop`."""
        copies = self.copies
        drop: list[set[int]] = []
        for place, split in enumerate(self.splits):
            drop.append(set(np.flatnonzero(~(split.has_text & self.labels.usable(place))).tolist()))
        if drop_from != "neither":
            for one, other in itertools.combinations(range(len(drop)), 2):
                place, against = (one, other) if drop_from == "earlier" else (other, one)
                for rows in copies.shared(place, against):
                    drop[place].update(rows.tolist())
        if contradictions:
            for rows in copies.contradicted(0):
                drop[0].update(rows.tolist())
        # Last, so that no text goes for the sake of one that goes itself.
        exactly, nearly = copies.repeats(0, left_out=drop[0], near=near_duplicates)
        drop[0].update(exactly, nearly)
        return {
            split.name: np.array(sorted(rows), dtype=int)
            for split, rows in zip(self.splits, drop, strict=True)
        }

    def without(self, drop: dict[str, np.ndarray]) -> dict[str, Examples]:
        """The splits without these rows."""
        return {
            split.name: self._without(place, split, drop[split.name])
            for place, split in enumerate(self.splits)
        }

    def _without(self, place: int, split: Split, drop: np.ndarray) -> Examples:
        keep = np.setdiff1d(np.arange(len(split)), drop)
        if not len(keep):
            raise DataError(
                f"Something must be left of {split.name!r}. Received: {len(split):,} texts, all to "
                "be dropped. Read the findings, or ask for less to be dropped."
            )
        if split.source is not None:
            return split.source if not len(drop) else split.source[keep]  # type: ignore[return-value]
        labels: Any = self.labels.values[place][keep]
        if self.labels.task == "classes":
            labels = self.labels.one_hot(split, keep) or labels.astype(int)
        weights = None if split.weights is None else split.weights[keep]
        texts = [split.texts[row] for row in keep]
        return Examples(texts, labels, weights, self.labels.names)
