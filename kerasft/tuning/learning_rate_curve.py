"""What a learning-rate search found: a curve, and what it suggests."""

import dataclasses
import json
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasft._checks import check_choice, check_number, fail, received
from kerasft._tables import html_table, text_table
from kerasft.errors import DataError, SourceError, UnsupportedError
from kerasft.evaluation import plot_learning_rates
from kerasft.evaluation.rendering import write_whole
from kerasft.tuning._suggestions import FEWEST, Fall, find_fall, smooth, steepest, valley

if TYPE_CHECKING:
    import os

_FORMAT = "kerasft learning-rate curve"
_VERSION = 1
_ENDINGS = ("complete", "diverged", "not finite")
_COLUMNS = ("suggestion", ">rate", "how far to trust it")
_TRUST = {
    "valley": "cautious: the middle of the longest fall; if in doubt, this one",
    "steepest": "noisy: where the loss falls fastest; look at the picture",
    "minimum over ten": "bold: a tenth of the rate with the lowest loss",
}


@dataclasses.dataclass(frozen=True, eq=False)
class LearningRateCurve:
    """What a learning-rate search found; made by `kerasft.find_learning_rate`.

    It prints as a table, and shows itself in a notebook. There are three suggestions, for a fixed
    rate or for the peak of a schedule:

    - `valley`: the middle of the longest fall of the smoothed loss. It hardly depends on a
      single batch or on where the search ended, and tends to be low. If in doubt, take this one.
    - `steepest`: where the smoothed loss falls fastest by the logarithm of the rate. A slope is
      the noisiest thing about a curve: two searches with other seeds can be a factor of ten apart.
    - `minimum_over_ten`: a tenth of the rate at the lowest smoothed loss. It is as good as that
      minimum: where the curve turns up behind it, the highest of the rates that are safe; where it
      does not, only a lower bound.

    Where the loss did not fall by more than its noise, there are none: `suggestions` is empty,
    `problem` says why, and the three attributes raise. What else is to be doubted, `caveats` tell.

    Args:
        rates: The learning rate of each step, rising, shape `(steps,)`.
        losses: The raw loss of each step's batches, before the step is taken, shape `(steps,)`.
        smoothing: A loss k steps away counts `smoothing ** k` times in the smoothed curve.
        ended: `"complete"`, `"diverged"` (the loss exploded) or `"not finite"` (the next loss was
            infinite or no number).

    Raises:
        ArgumentError: for arrays that are no curve.

    Example:
        >>> import numpy as np
        >>> from kerasft.tuning import LearningRateCurve
        >>> rates = np.geomspace(1e-5, 1.0, 51)
        >>> losses = 1.0 / (1.0 + 100.0 * rates) + rates**2
        >>> curve = LearningRateCurve(rates, losses, smoothing=0.5)
        >>> print(curve)
        Learning-rate search: 51 steps from 1e-05 to 1, where it was complete
        suggestion           rate   how far to trust it
        ───────────────────────────────────────────────────────────────────────────────────────────
        valley             0.0013   cautious: the middle of the longest fall; if in doubt, this one
        steepest             0.01   noisy: where the loss falls fastest; look at the picture
        minimum over ten    0.016   bold: a tenth of the rate with the lowest loss
        The smoothed loss fell from 0.9983 to 0.104, at 0.16.
        Caveat: the loss rose again without exploding; with a higher `highest` one would see more.

    References:
        Smith 2017, "Cyclical Learning Rates for Training Neural Networks" (arXiv:1506.01186), and
        the suggestion functions of fastai's `lr_find`, `valley`, `steep` and `minimum`.
    """

    rates: np.ndarray
    losses: np.ndarray
    smoothing: float = 0.8
    ended: str = "complete"

    def __post_init__(self) -> None:
        rising = "one-dimensional, positive, finite and rising"
        rates = np.asarray(self.rates, dtype=float)
        if rates.ndim != 1 or not len(rates) or not np.isfinite(rates).all() or rates[0] <= 0:
            fail("rates", self.rates, rising)
        if (np.diff(rates) <= 0).any():
            fail("rates", self.rates, rising)
        losses = np.asarray(self.losses, dtype=float)
        if losses.shape != rates.shape or not np.isfinite(losses).all():
            fail("losses", self.losses, f"{len(rates)} finite numbers, one for each rate")
        check_number("smoothing", self.smoothing, minimum=0.0, below=1.0)
        check_choice("ended", self.ended, _ENDINGS)
        object.__setattr__(self, "rates", rates)
        object.__setattr__(self, "losses", losses)

    @cached_property
    def smoothed(self) -> np.ndarray:
        """The smoothed loss of each step; one that exploded counts as little above the start."""
        return smooth(self.losses, self.smoothing)

    @property
    def diverged(self) -> bool:
        """Whether the search ended because the loss exploded."""
        return self.ended != "complete"

    @cached_property
    def problem(self) -> str | None:
        """Why there are no suggestions; None where there are."""
        if len(self.losses) < FEWEST:
            return (
                f"the loss exploded after {len(self.losses)} steps, which make no curve. Begin at "
                f"a rate far below {self.rates[0]:.2g}."
            )
        if self._fall.is_real:
            return None
        if self.diverged or self.smoothed[-1] > self._fall.start:
            return (
                "the loss only grew, and fell at no rate by more than its noise from step to step. "
                "Begin at a lower rate, or take more steps between the same rates; a model that is "
                "trained already may have nothing left to learn."
            )
        return (
            "the loss stayed where it was at all rates, up to its noise from step to step. End at "
            "a higher rate, take larger batches or more steps, and look for frozen layers that "
            "should train and for labels that do not belong to their inputs."
        )

    @cached_property
    def caveats(self) -> tuple[str, ...]:
        """What makes the suggestions doubtful, in words; empty where nothing does."""
        if self.problem is not None:
            return ()
        found = []
        place, last = self._fall.place, len(self.losses) - 1
        if not self.diverged and last - place <= last // 20:
            found.append(
                "the loss was still falling at the highest rate, so all suggestions are lower "
                "bounds; search again with a higher `highest`."
            )
        elif not self.diverged:
            found.append(
                "the loss rose again without exploding; with a higher `highest` one would see more."
            )
        if self._fall.is_faint:
            found.append(
                "the fall is little more than noise; larger batches or more steps would make it "
                "plain."
            )
        if self.rates[place] < 10.0 * self.rates[0]:
            found.append(
                "the lowest loss lies near the lowest rate; search again with a lower `lowest`."
            )
        return tuple(found)

    @cached_property
    def suggestions(self) -> dict[str, float]:
        """The suggested rates by name, `"valley"`, `"steepest"` and `"minimum over ten"`."""
        if self.problem is not None:
            return {}
        return {
            "valley": float(self.rates[valley(self.smoothed)]),
            "steepest": float(self.rates[steepest(self.rates, self.smoothed)]),
            "minimum over ten": float(self.rates[self._fall.place]) / 10.0,
        }

    @property
    def valley(self) -> float:
        """The rate in the middle of the longest fall. Raises where there is a `problem`."""
        return self._suggestion("valley")

    @property
    def steepest(self) -> float:
        """The rate at which the loss falls fastest. Raises where there is a `problem`."""
        return self._suggestion("steepest")

    @property
    def minimum_over_ten(self) -> float:
        """A tenth of the rate with the lowest loss. Raises where there is a `problem`."""
        return self._suggestion("minimum over ten")

    def plot(self) -> Any:
        """Draw the curve with its suggestions; see `kerasft.evaluation.plot_learning_rates`.

        Returns:
            A `matplotlib.figure.Figure`.
        """
        return plot_learning_rates(self)

    def to_dict(self) -> dict[str, Any]:
        """Everything, in plain numbers, strings, lists and dicts."""
        return {
            "format": _FORMAT,
            "version": _VERSION,
            "ended": self.ended,
            "smoothing": self.smoothing,
            "suggestions": self.suggestions,
            "problem": self.problem,
            "caveats": list(self.caveats),
            "rates": self.rates.tolist(),
            "losses": self.losses.tolist(),
            "smoothed": self.smoothed.tolist(),
        }

    def save(self, path: "str | os.PathLike[str]") -> None:
        """Write the curve to a `.json` file, whole or not at all.

        Raises:
            ArgumentError: for another ending.
            SourceError: if the file cannot be written.
        """
        path = Path(path)
        if path.suffix.lower() != ".json":
            hint = "For a picture: curve.plot().savefig(path)."
            fail("path", str(path), "a file name that ends in .json", hint)
        try:
            write_whole(path, json.dumps(self.to_dict(), indent=1) + "\n")
        except OSError as error:
            raise SourceError(f"The curve could not be written to {path}: {error}") from error

    @classmethod
    def load(cls, path: "str | os.PathLike[str]") -> "LearningRateCurve":
        """Read what `save` wrote.

        Raises:
            SourceError: if the file cannot be read.
            DataError: if it holds something else.
        """
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise SourceError(f"No curve could be read from {path}: {error}") from error
        except ValueError as error:
            raise DataError(f"{path} holds no curve: it is no JSON ({error}).") from error
        if not isinstance(content, dict) or content.get("format") != _FORMAT:
            raise DataError(f"{path} holds no learning-rate curve. {received('content', content)}")
        if content.get("version") != _VERSION:
            raise DataError(
                f"{path} holds a curve of version {content.get('version')!r}, and this kerasft "
                f"reads version {_VERSION}."
            )
        try:
            return cls(*(content[name] for name in ("rates", "losses", "smoothing", "ended")))
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"{path} holds a curve with missing or damaged parts: {error}") from (
                error
            )

    def __repr__(self) -> str:
        found = ", ".join(f"{name} {rate:.2g}" for name, rate in self.suggestions.items())
        return f"<LearningRateCurve of {len(self.rates)} steps: {found or 'no suggestion'}>"

    def __str__(self) -> str:
        return text_table(_COLUMNS, self._rows, title=self._title, caption=self._caption)

    def _repr_html_(self) -> str:
        return html_table(_COLUMNS, self._rows, title=self._title, caption=self._caption)

    @cached_property
    def _fall(self) -> Fall:
        return find_fall(self.losses, self.smoothing)

    def _suggestion(self, name: str) -> float:
        if self.problem is not None:
            raise UnsupportedError(f"There is no learning rate to suggest: {self.problem}")
        return self.suggestions[name]

    @property
    def _rows(self) -> list[tuple[str, str, str]]:
        return [(name, f"{rate:.2g}", _TRUST[name]) for name, rate in self.suggestions.items()]

    @property
    def _title(self) -> str:
        why = {
            "complete": "where it was complete",
            "diverged": "where the loss had exploded",
            "not finite": "after which the loss was not finite",
        }[self.ended]
        low, high = self.rates[0], self.rates[-1]
        return f"Learning-rate search: {len(self.rates)} steps from {low:.2g} to {high:.2g}, {why}"

    @property
    def _caption(self) -> str:
        if self.problem is not None:
            return f"No suggestion: {self.problem}"
        fall, rate = self._fall, self.rates[self._fall.place]
        fell = f"The smoothed loss fell from {fall.start:.4g} to {fall.lowest:.4g}, at {rate:.2g}."
        return "\n".join([fell, *(f"Caveat: {caveat}" for caveat in self.caveats)])
