"""`AuditReport`: what an audit found, and the splits without what it says to drop."""

import dataclasses
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kerasft._checks import check_bool, check_choice, fail
from kerasft.data.auditing import _rendering
from kerasft.data.auditing._audited import Audited
from kerasft.data.auditing.finding import Finding
from kerasft.data.examples import Examples
from kerasft.errors import SourceError

_DROP_FROM = ("earlier", "later", "neither")


@dataclasses.dataclass(frozen=True, eq=False)
class AuditReport:
    """What an audit of a data set found; made by `kerasft.data.audit`.

    `print(report)` tells it in words and tables, and a notebook shows it as HTML.

    Args:
        findings: What was found, the worst first.
        sizes: By split, how many `"texts"` it has, how many of them are `"usable"`, and the
            `"median_words"` and `"longest_words"` of these; with a preprocessor the same in tokens.
        class_counts: By split and class, how many usable examples there are.
        class_weights: Balanced weights of the classes in the first split, as
            `kerasft.data.class_weights` gives them; None where a class has no example, or where
            there are no classes.
        similarity: From which Jaccard similarity on two texts were taken as nearly the same; None
            for exact copies only.
        task: `"classes"` for one class per text, `"sets"` for several labels, or `"numbers"`.
        audited: What was looked at; the methods below read it.

    Example:
        >>> from kerasft.data import audit
        >>> report = audit((["A joy.", "So dull.", "a  joy."], [1, 0, 1]), test=(["A JOY."], [1]))
        >>> [(finding.level, finding.name) for finding in report.findings]
        [('bad', 'leak'), ('warning', 'absent_class'), ('warning', 'repeats')]
        >>> report.rows_to_drop()
        {'train': array([0, 2]), 'test': array([], dtype=int64)}
        >>> report.cleaned()["train"].texts
        ['So dull.']
    """

    findings: tuple[Finding, ...]
    sizes: Mapping[str, Mapping[str, float]]
    class_counts: Mapping[str, Mapping[str, int]]
    class_weights: dict[int, float] | np.ndarray | None
    similarity: float | None
    task: str
    audited: Audited

    def finding(self, name: str) -> Finding | None:
        """The worst finding of that name, such as `"leak"`, or None if there is no such one."""
        return next((finding for finding in self.findings if finding.name == name), None)

    @property
    def matches(self) -> np.ndarray:
        """Each copy and what it is a copy of, as a structured array; pandas makes a table of it.

        Its fields are `split`, `row`, `other_split`, `other_row`, `similarity` (1 where all words
        are the same) and `exact`. Of a group of texts with the same words, each is matched with the
        first, and only the first ones are matched with other groups.
        """
        return self.audited.matches()

    def rows_to_drop(
        self,
        drop_from: str = "earlier",
        near_duplicates: bool = False,
        contradictions: bool = False,
    ) -> dict[str, np.ndarray]:
        """The rows that should go, by split.

        - From every split, rows whose text or label cannot be used.
        - Of a text in two splits, word for word or nearly so, the copy in the earlier split: from
          training what validation or the test has, and from validation what the test has. So the
          test set stays as it is, and its figures compare with those of others.
        - From the first split, texts that repeat an earlier one word for word with the same label.
          What repeats within the other splits stays.

        Args:
            drop_from: From which of two splits a leaked text goes: "earlier"; "later", to judge a
                model that was trained already; or "neither".
            near_duplicates: Whether texts go from the first split too that nearly repeat an earlier
                one with the same label.
            contradictions: Whether texts go from the first split that have another label elsewhere,
                word for word or nearly so: all of them, as nobody knows which label is right.

        Returns:
            For each split its rows to drop, sorted.

        Raises:
            ArgumentError: an argument breaks its rule.
        """
        check_choice("drop_from", drop_from, _DROP_FROM)
        check_bool("near_duplicates", near_duplicates)
        check_bool("contradictions", contradictions)
        return self.audited.rows_to_drop(drop_from, near_duplicates, contradictions)

    def cleaned(
        self,
        drop_from: str = "earlier",
        near_duplicates: bool = False,
        contradictions: bool = False,
    ) -> dict[str, Examples]:
        """The splits without the rows that `rows_to_drop` names, each in its own order.

        Args:
            drop_from: See `rows_to_drop`.
            near_duplicates: See `rows_to_drop`.
            contradictions: See `rows_to_drop`.

        Returns:
            `Examples` by split. Where nothing is dropped from `Examples`, they are the same object.

        Raises:
            ArgumentError: an argument breaks its rule.
            DataError: nothing would be left of a split.
        """
        drop = self.rows_to_drop(drop_from, near_duplicates, contradictions)
        return self.audited.without(drop)

    def to_dict(self) -> dict[str, Any]:
        """Everything but the texts, in plain numbers, strings, lists and dicts."""
        weights: Any = self.class_weights
        if isinstance(weights, dict):
            weights = {str(number): weight for number, weight in weights.items()}
        elif weights is not None:
            weights = weights.tolist()
        return {
            "kind": "kerasft.data.AuditReport",
            "task": self.task,
            "similarity": self.similarity,
            "sizes": {split: dict(sizes) for split, sizes in self.sizes.items()},
            "class_counts": {split: dict(counts) for split, counts in self.class_counts.items()},
            "class_weights": weights,
            "findings": [finding.to_dict() for finding in self.findings],
            "rows_to_drop": {split: rows.tolist() for split, rows in self.rows_to_drop().items()},
        }

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything but the texts to a JSON file, whole or not at all.

        Args:
            path: Where to; it ends in `.json`.

        Raises:
            ArgumentError: another ending.
            SourceError: the file cannot be written.
        """
        path = Path(path)
        if path.suffix.lower() != ".json":
            fail("path", str(path), "a file name that ends in .json")
        text = json.dumps(self.to_dict(), ensure_ascii=False, indent=1) + "\n"
        try:
            with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
                part = Path(folder, path.name)
                part.write_text(text, encoding="utf-8")
                os.replace(part, path)
        except OSError as error:
            raise SourceError(f"The audit could not be written to {path}: {error}") from error

    def __repr__(self) -> str:
        return f"<AuditReport: {_rendering.headline(self)}>"

    def __str__(self) -> str:
        return _rendering.as_text(self)

    def _repr_html_(self) -> str:
        return _rendering.as_html(self)
