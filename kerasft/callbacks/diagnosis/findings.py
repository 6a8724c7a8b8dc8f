"""What was found in a fit: each sickness once, and none that follows from another."""

from kerasft.evaluation import Verdict

# What follows from what: a finding is left out if one that explains it is there already.
_SPOILT = {"nothing_trains", "wrong_weights_train", "not_a_number", "labels_outside_classes"}
_EXPLAINED_BY = {
    "learning_rate_too_high": _SPOILT,
    "learning_rate_too_low": _SPOILT | {"learning_rate_too_high", "collapsed"},
    "overfitting": _SPOILT | {"learning_rate_too_high"},
    "collapsed": _SPOILT | {"learning_rate_too_low"},
    "too_few_epochs": _SPOILT
    | {"learning_rate_too_high", "learning_rate_too_low", "collapsed", "overfitting"},
    "not_a_number": {"labels_outside_classes", "learning_rate_too_high"},
}


class Findings:
    """What was found in a fit, in order, and what of it is still to be said.

    Attributes:
        verdicts: The findings.
    """

    def __init__(self) -> None:
        self.verdicts: tuple[Verdict, ...] = ()
        self._unsaid: list[Verdict] = []

    def is_open(self, name: str) -> bool:
        """Whether a finding is still to be made: neither there, nor explained by one that is."""
        settled = {name} | _EXPLAINED_BY.get(name, set())
        return not any(verdict.name in settled for verdict in self.verdicts)

    def add(self, verdict: Verdict) -> bool:
        """Keep a finding, if it is open; gives whether it was."""
        if not self.is_open(verdict.name):
            return False
        self.verdicts = (*self.verdicts, verdict)
        self._unsaid.append(verdict)
        return True

    def take_unsaid(self) -> list[Verdict]:
        """What was found since this was last asked."""
        unsaid, self._unsaid = self._unsaid, []
        return unsaid
