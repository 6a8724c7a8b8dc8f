"""What a model is worth on a set of examples."""

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasft._checks import fail
from kerasft.evaluation.comparison import Comparison, compare_reports
from kerasft.evaluation.examples import Examples
from kerasft.evaluation.mistake import Mistake
from kerasft.evaluation.rendering import (
    as_fragment,
    as_rich,
    as_text,
    read_json,
    report_document,
    save_in_form,
)
from kerasft.evaluation.report_dict import FORMAT, VERSION, report_from_dict, report_to_dict
from kerasft.evaluation.verdicts import Limits, Verdict

if TYPE_CHECKING:
    import os


@dataclasses.dataclass(frozen=True, eq=False)
class Report:
    """What a model is worth on a set of examples; made by `evaluate_arrays`.

    `print(report)` gives plain text of at most 80 columns, `rich.print(report)` the same in
    colour, and a notebook shows it as HTML. Figures that are not defined, such as the recall of
    a class without examples, are NaN, and empty in what is shown.

    Args:
        examples: The labels and probabilities that were judged, and the class names.
        metrics: The figures over all classes. `"precision"`, `"recall"` and `"f1"` belong to the
            second class of a binary task; `"pr_auc"` is scikit-learn's average precision;
            `"calibration_error"` is described at `expected_calibration_error`. For several
            labels, `"accuracy"` counts single decisions, as Keras's `BinaryAccuracy` does, and
            `"exact_match"` whole examples.
        classes: By class name, its `"precision"`, `"recall"`, `"f1"`, `"roc_auc"`, `"pr_auc"`,
            `"examples"` (how many there are) and `"predicted"` (how often it was said).
        confusion: Counts by true class (rows) and predicted class (columns), shape
            `(classes, classes)`; for several labels `(classes, 2, 2)`; None for a regression.
        mistakes: The examples that the model got wrong most surely, worst first.
        limits: Where the verdicts draw their lines.
        verdicts: What this means in words, as a whole first.
        intervals: For each of the metrics, the bootstrap interval `(low, high)`.
        confidence: The share of draws that each interval holds.
        resamples: The number of bootstrap draws, 0 for none.
        seed: The seed of all draws.
        inputs_digest: A digest of the inputs, to know the same examples again; None without.
        class_intervals: By class name, the intervals of its precision, recall and F1.
        notes: Sentences on how the probabilities were made and read, to be shown with the report.

    Example:
        >>> from kerasft.evaluation import evaluate_arrays
        >>> report = evaluate_arrays([0, 1, 1, 0], [0.1, 0.8, 0.4, 0.3], bootstrap=0)
        >>> report.metrics["recall"], report.classes["0"]["recall"]
        (0.5, 1.0)
        >>> report.confusion.tolist()
        [[2, 0], [1, 1]]
    """

    examples: Examples
    metrics: dict[str, float]
    classes: dict[str, dict[str, float]]
    confusion: np.ndarray | None
    mistakes: tuple[Mistake, ...]
    limits: Limits
    verdicts: tuple[Verdict, ...] = ()
    intervals: dict[str, tuple[float, float]] = dataclasses.field(default_factory=dict)
    confidence: float = 0.95
    resamples: int = 0
    seed: int = 0
    inputs_digest: str | None = None
    class_intervals: dict[str, dict[str, tuple[float, float]]] = dataclasses.field(
        default_factory=dict
    )
    notes: tuple[str, ...] = ()

    @property
    def task(self) -> str:
        """`"binary"`, `"multiclass"`, `"multilabel"` or `"regression"`."""
        return self.examples.task

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of the classes, in the order of the columns."""
        return self.examples.class_names

    @property
    def labels(self) -> np.ndarray:
        """What is true, in the shape that `Examples` describes."""
        return self.examples.labels

    @property
    def probabilities(self) -> np.ndarray:
        """What the model said, in the shape that `Examples` describes."""
        return self.examples.probabilities

    @property
    def predictions(self) -> np.ndarray:
        """What the model decided, in the shape of `labels`."""
        return self.examples.predictions

    def verdict(self, name: str) -> Verdict | None:
        """The verdict of that name, such as `"overfitting"`, or None if there is no such one."""
        return next((verdict for verdict in self.verdicts if verdict.name == name), None)

    def compare(
        self,
        other: "Report",
        *,
        names: tuple[str, str] = ("this", "other"),
        bootstrap: int = 1000,
        confidence: float = 0.95,
        seed: int = 0,
    ) -> Comparison:
        """How this report differs from another, with intervals, and McNemar's test.

        Both hold the same examples if their labels are equal, row for row, and so are their
        inputs where both were given them. Then each bootstrap draw takes the same rows for both;
        otherwise each is drawn by itself and there is no McNemar's test.

        Args:
            other: A report of the same task and classes.
            names: What to call this one and the other.
            bootstrap: The number of draws.
            confidence: The share of draws that each interval holds.
            seed: The seed of the draws.

        Returns:
            A `Comparison`; differences are this report minus the other.

        Raises:
            ArgumentError: if the other is no report, or of another task or other classes.
        """
        if not isinstance(other, Report):
            fail("other", other, "a Report")
        return compare_reports(self, other, names, bootstrap, confidence, seed)

    def to_dict(self) -> dict[str, Any]:
        """Everything, in plain numbers, strings, lists and dicts; NaN becomes None."""
        return report_to_dict(self)

    def save(self, path: "str | os.PathLike[str]") -> None:
        """Write the report whole, in the form that the path's ending says.

        Args:
            path: `.json` for everything, which `load` reads again; `.md` for Markdown; `.html`
                for one page that holds its pictures and links to nothing.

        Raises:
            ArgumentError: for another ending.
            SourceError: if the file cannot be written.
        """
        save_in_form(path, "report", self.to_dict, lambda: report_document(self))

    @classmethod
    def load(cls, path: "str | os.PathLike[str]") -> "Report":
        """Read what `save` wrote to a `.json` file.

        Raises:
            SourceError: if the file cannot be read.
            DataError: if it holds something else.
        """
        return report_from_dict(cls, read_json(path, "report", FORMAT, VERSION), str(path))

    def __repr__(self) -> str:
        main = "r2" if self.task == "regression" else "accuracy"
        return f"<Report: {self.task}, {len(self.examples)} examples, {main} " + (
            f"{self.metrics[main]:.3f}>"
        )

    def __str__(self) -> str:
        return as_text(report_document(self))

    def __rich__(self) -> Any:
        return as_rich(report_document(self))

    def _repr_html_(self) -> str:
        return as_fragment(report_document(self))
