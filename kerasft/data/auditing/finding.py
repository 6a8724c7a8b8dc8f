"""`Finding`: one thing that an audit says in words."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from kerasft._checks import check_choice

# From what is worst to what is only good to know.
LEVELS = ("bad", "warning", "note")


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that an audit found, with its numbers, examples, and what to do about it.

    Args:
        name: What it is, such as `"leak"`, for code to ask for.
        level: `"bad"` spoils training or its figures, a `"warning"` may, and a `"note"` is good to
            know.
        message: A sentence or two with the numbers in them.
        evidence: The numbers by name.
        examples: One or two cases, as text.
        remedy: What to do.
        splits: The names of the splits that it is about.
        rows: The rows that it is about, counted from 0, by split.

    Raises:
        ArgumentError: if the level is none of the three.

    Example:
        >>> from kerasft.data import Finding
        >>> print(Finding("blank_texts", "bad", "2 of 9 texts are blank.", remedy="Drop them."))
        [bad] 2 of 9 texts are blank. What to do: Drop them.
    """

    name: str
    level: str
    message: str
    evidence: Mapping[str, float] = dataclasses.field(default_factory=dict)
    examples: tuple[str, ...] = ()
    remedy: str = ""
    splits: tuple[str, ...] = ()
    rows: Mapping[str, tuple[int, ...]] = dataclasses.field(default_factory=dict, repr=False)

    def __post_init__(self):
        check_choice("level", self.level, LEVELS)

    def __str__(self) -> str:
        remedy = f" What to do: {self.remedy}" if self.remedy else ""
        return f"[{self.level}] {self.message}{remedy}"

    def to_dict(self) -> dict[str, Any]:
        """Everything, in plain numbers, strings, lists and dicts."""
        plain = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        plain["evidence"] = dict(self.evidence)
        plain["rows"] = {split: list(rows) for split, rows in self.rows.items()}
        plain["examples"], plain["splits"] = list(self.examples), list(self.splits)
        return plain
