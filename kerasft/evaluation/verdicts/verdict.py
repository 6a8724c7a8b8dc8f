"""One thing that a report says in words."""

import dataclasses
from collections.abc import Mapping

from kerasft._checks import check_choice

# From what is worst to what is best.
LEVELS = ("bad", "warning", "note", "good")


@dataclasses.dataclass(frozen=True)
class Verdict:
    """One thing that a report says in words, with its evidence and what to do about it.

    Args:
        name: What it is about, such as `"accuracy_paradox"`, for code to ask for.
        level: `"bad"`, `"warning"`, `"note"` or `"good"`.
        message: A sentence with the numbers in it.
        evidence: The numbers by name.
        remedy: What to do; empty where nothing is to be done.

    Raises:
        ArgumentError: if the level is none of the four.

    Example:
        >>> from kerasft.evaluation import Verdict
        >>> print(Verdict("near_chance", "bad", "No better than guessing.", remedy="Train longer."))
        [bad] No better than guessing. What to do: Train longer.
    """

    name: str
    level: str
    message: str
    evidence: Mapping[str, float] = dataclasses.field(default_factory=dict)
    remedy: str = ""

    def __post_init__(self):
        check_choice("level", self.level, LEVELS)

    def __str__(self) -> str:
        remedy = f" What to do: {self.remedy}" if self.remedy else ""
        return f"[{self.level}] {self.message}{remedy}"
