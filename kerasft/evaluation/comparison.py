"""Two reports side by side."""

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasft._checks import check_int, check_number, fail
from kerasft.evaluation.bootstrap import draw_figures, interval
from kerasft.evaluation.mcnemar import McNemar
from kerasft.evaluation.rendering import as_fragment, as_rich, as_text, comparison_document

if TYPE_CHECKING:
    from kerasft.evaluation.report import Report


@dataclasses.dataclass(frozen=True)
class Difference:
    """One figure of two reports, and the bootstrap interval of the first minus the second."""

    first: float
    second: float
    difference: float
    low: float
    high: float


@dataclasses.dataclass(frozen=True, eq=False)
class Comparison:
    """Two reports side by side; made by `Report.compare`.

    It prints as a table, and shows itself in a notebook. A difference whose interval does not
    hold 0 is one that other examples of the same kind would show too.

    Args:
        names: What the two are called.
        differences: By figure, both values, the first minus the second, and its interval.
        paired: Whether both were judged on the same examples.
        mcnemar: McNemar's test, where they were and the task is no regression.
        confidence: The share of draws that each interval holds.
        resamples: The number of draws.
        seed: The seed of the draws.

    Example:
        >>> from kerasft.evaluation import evaluate_arrays
        >>> labels = [0, 1] * 50
        >>> good = evaluate_arrays(labels, [0.2, 0.9] * 50, bootstrap=100)
        >>> poor = evaluate_arrays(labels, [0.2, 0.9, 0.8, 0.9] * 25, bootstrap=100)
        >>> comparison = good.compare(poor)
        >>> round(comparison.differences["accuracy"].difference, 3)
        0.25
        >>> comparison.mcnemar.only_first, comparison.mcnemar.only_second
        (25, 0)
    """

    names: tuple[str, str]
    differences: dict[str, Difference]
    paired: bool
    mcnemar: McNemar | None
    confidence: float
    resamples: int
    seed: int

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and strings; what is not defined is None."""
        return {
            "names": list(self.names),
            "differences": {
                name: {key: None if math.isnan(v) else v for key, v in vars(found).items()}
                for name, found in self.differences.items()
            },
            "paired": self.paired,
            "mcnemar": None if self.mcnemar is None else dataclasses.asdict(self.mcnemar),
            "confidence": self.confidence,
            "resamples": self.resamples,
            "seed": self.seed,
        }

    def __str__(self) -> str:
        return as_text(comparison_document(self))

    def __rich__(self) -> Any:
        return as_rich(comparison_document(self))

    def _repr_html_(self) -> str:
        return as_fragment(comparison_document(self))


def compare_reports(
    first: "Report",
    second: "Report",
    names: tuple[str, str],
    resamples: int,
    confidence: float,
    seed: int,
) -> Comparison:
    """The comparison behind `Report.compare`, which documents it."""
    check_int("bootstrap", resamples, minimum=2)
    check_number("confidence", confidence, above=0, below=1)
    if len(names) != 2 or not all(isinstance(name, str) for name in names):
        fail("names", names, "two strings")
    for part in ("task", "class_names"):
        ours, theirs = getattr(first, part), getattr(second, part)
        if ours != theirs:
            fail("other", theirs, f"a report of the same {part}, {ours!r}")
    paired = same_examples(first, second)
    pair = [first.examples, second.examples]
    if paired:
        draws = [drawn.whole for drawn in draw_figures(pair, resamples, seed)]
    else:
        # Draws of two sets of examples must not share their random numbers.
        draws = [
            draw_figures([examples], resamples, seed + number)[0].whole
            for number, examples in enumerate(pair)
        ]
    differences = {}
    for name in (name for name in first.metrics if name in draws[0] and name in draws[1]):
        values = first.metrics[name], second.metrics[name]
        bounds = interval(draws[0][name] - draws[1][name], confidence)
        differences[name] = Difference(*values, values[0] - values[1], *bounds)
    mcnemar = None
    if paired and first.task != "regression":
        mcnemar = McNemar.of(first.examples.correct, second.examples.correct)
    return Comparison(
        (names[0], names[1]), differences, paired, mcnemar, confidence, resamples, seed
    )


def same_examples(first: "Report", second: "Report") -> bool:
    """Equal labels in equal order, and equal inputs where both reports knew theirs."""
    if not np.array_equal(first.labels, second.labels):
        return False
    digests = first.inputs_digest, second.inputs_digest
    return None in digests or digests[0] == digests[1]
