"""What a report says in words."""

from kerasft.evaluation.verdicts.judge import judge
from kerasft.evaluation.verdicts.limits import Limits
from kerasft.evaluation.verdicts.verdict import Verdict

__all__ = ["Limits", "Verdict", "judge"]
