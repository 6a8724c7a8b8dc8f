"""What generated texts are worth."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasft._checks import check_int, check_number, fail
from kerasft.errors import DataError
from kerasft.evaluation.bootstrap import interval
from kerasft.evaluation.comparison import Comparison, Difference
from kerasft.evaluation.plain_values import pair, plain
from kerasft.evaluation.rendering import (
    as_fragment,
    as_rich,
    as_text,
    read_json,
    save_in_form,
    text_document,
)
from kerasft.evaluation.texts.bleu import figures
from kerasft.evaluation.texts.judged_text import JudgedText
from kerasft.evaluation.verdicts import Limits, Verdict

if TYPE_CHECKING:
    import os

FORMAT = "kerasft text report"
VERSION = 1


@dataclasses.dataclass(frozen=True, eq=False)
class TextReport:
    """What generated texts are worth; made by `evaluate_texts`.

    `print(report)` gives plain text, a notebook shows it as HTML, `save` writes it to a file and
    `compare` sets it beside another.

    Args:
        references: For each text, what it should have been.
        hypotheses: What the model wrote.
        inputs: What the model was given, or None.
        metrics: `"bleu"` and `"precision_1"` to `"precision_4"` from 0 to 100;
            `"brevity_penalty"`, `"length_ratio"` (all texts' length by that of the references) and
            `"identical"`, the share of texts that equal a reference.
        worst: The texts with the lowest BLEU of their own, worst first.
        signature: How BLEU was counted, in sacrebleu's words: state it with the figure.
        statistics: What BLEU is counted from, int64 `(texts, 11)`: length, reference length,
            matches and n-grams of four orders, and whether the text equals a reference.
        limits: Where the verdicts draw their lines.
        verdicts: What this means in words, worst first.
        intervals: For each of the metrics, the bootstrap interval `(low, high)`.
        confidence: The share of draws that each interval holds.
        resamples: The number of bootstrap draws, 0 for none.
        seed: The seed of all draws.

    Example:
        >>> from kerasft.evaluation import evaluate_texts
        >>> report = evaluate_texts(["It rained a lot today."], ["It rained."], bootstrap=0)
        >>> report.verdicts[0].name, round(report.metrics["length_ratio"], 2)
        ('too_short', 0.5)
    """

    references: tuple[tuple[str, ...], ...]
    hypotheses: tuple[str, ...]
    inputs: tuple[str, ...] | None
    metrics: dict[str, float]
    worst: tuple[JudgedText, ...]
    signature: str
    statistics: np.ndarray
    limits: Limits
    verdicts: tuple[Verdict, ...] = ()
    intervals: dict[str, tuple[float, float]] = dataclasses.field(default_factory=dict)
    confidence: float = 0.95
    resamples: int = 0
    seed: int = 0

    def compare(
        self,
        other: "TextReport",
        *,
        names: tuple[str, str] = ("this", "other"),
        bootstrap: int = 1000,
        confidence: float = 0.95,
        seed: int = 0,
    ) -> Comparison:
        """How this report differs from another, with intervals.

        Where the references are the same, row for row, each bootstrap draw takes the same rows for
        both (Koehn, "Statistical Significance Tests for Machine Translation Evaluation", EMNLP
        2004); otherwise each is drawn by itself.

        Args:
            other: Another report, counted in the same way.
            names: What to call this one and the other.
            bootstrap: The number of draws.
            confidence: The share of draws that each interval holds.
            seed: The seed of the draws.

        Returns:
            A `Comparison`; differences are this report minus the other.

        Raises:
            ArgumentError: if the other is no report on texts, or BLEU was counted in another way.
        """
        if not isinstance(other, TextReport):
            fail("other", other, "a TextReport")
        if _way(other) != _way(self):
            fail("other", other.signature, f"counted in the same way, {self.signature!r}")
        check_int("bootstrap", bootstrap, minimum=2)
        check_number("confidence", confidence, above=0, below=1)
        check_int("seed", seed, minimum=0)
        if len(names) != 2 or not all(isinstance(name, str) for name in names):
            fail("names", names, "two strings")
        paired = self.references == other.references and (
            None in (self.inputs, other.inputs) or self.inputs == other.inputs
        )
        if paired:
            ours, theirs = draw_figures([self, other], bootstrap, seed)
        else:  # draws of two sets of texts must not share their random numbers
            ours = draw_figures([self], bootstrap, seed)[0]
            theirs = draw_figures([other], bootstrap, seed + 1)[0]
        differences = {}
        for name, value in self.metrics.items():
            bounds = interval(ours[name] - theirs[name], confidence)
            values = value, other.metrics[name]
            differences[name] = Difference(*values, values[0] - values[1], *bounds)
        names = names[0], names[1]
        return Comparison(names, differences, paired, None, float(confidence), bootstrap, seed)

    def to_dict(self) -> dict[str, Any]:
        """Everything, in plain numbers, strings, lists and dicts."""
        content = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        content["worst"] = [dataclasses.asdict(text) for text in self.worst]
        content["verdicts"] = [dataclasses.asdict(verdict) for verdict in self.verdicts]
        content["limits"] = dataclasses.asdict(self.limits)
        return {"format": FORMAT, "version": VERSION} | plain(content)

    def save(self, path: "str | os.PathLike[str]") -> None:
        """Write the report whole, in the form that the path's ending says.

        Args:
            path: `.json` for everything, which `load` reads again; `.md` for Markdown; `.html`
                for one page that links to nothing.

        Raises:
            ArgumentError: for another ending.
            SourceError: if the file cannot be written.
        """
        save_in_form(path, "report", self.to_dict, lambda: text_document(self))

    @classmethod
    def load(cls, path: "str | os.PathLike[str]") -> "TextReport":
        """Read what `save` wrote to a `.json` file.

        Raises:
            SourceError: if the file cannot be read.
            DataError: if it holds something else.
        """
        content = read_json(path, "report on texts", FORMAT, VERSION)
        try:
            values = {field.name: content[field.name] for field in dataclasses.fields(cls)}
            inputs, intervals = values["inputs"], values["intervals"].items()
            return cls(
                **values
                | {
                    "references": tuple(tuple(texts) for texts in values["references"]),
                    "hypotheses": tuple(values["hypotheses"]),
                    "inputs": None if inputs is None else tuple(inputs),
                    "worst": tuple(JudgedText(**text) for text in values["worst"]),
                    "statistics": np.array(values["statistics"], dtype=np.int64),
                    "limits": Limits(**values["limits"]),
                    "verdicts": tuple(Verdict(**verdict) for verdict in values["verdicts"]),
                    "intervals": {name: pair(bounds) for name, bounds in intervals},
                }
            )
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise DataError(
                f"{path} holds a report on texts with missing or damaged parts: {error!r}"
            ) from error

    def __repr__(self) -> str:
        bleu = self.metrics["bleu"]
        return f"<TextReport: {len(self.hypotheses)} texts, BLEU {bleu:.1f}>"

    def __str__(self) -> str:
        return as_text(text_document(self))

    def __rich__(self) -> Any:
        return as_rich(text_document(self))

    def _repr_html_(self) -> str:
        return as_fragment(text_document(self))


def _way(report: TextReport) -> str:
    """How BLEU was counted, whichever version of sacrebleu did it."""
    return report.signature.rpartition("|version:")[0]


def draw_figures(
    several: Sequence[TextReport], resamples: int, seed: int
) -> list[dict[str, np.ndarray]]:
    """The metrics of each report on `resamples` shared draws of texts."""
    random = np.random.default_rng(seed)
    count = len(several[0].hypotheses)
    rows: list[list[dict[str, float]]] = [[] for _ in several]
    for _ in range(resamples):
        drawn = random.integers(0, count, count)
        for row, report in zip(rows, several, strict=True):
            *sums, exact = report.statistics[drawn].sum(axis=0)
            row.append(figures(np.array(sums)) | {"identical": exact / count})
    return [{name: np.array([one[name] for one in row]) for name in row[0]} for row in rows]
