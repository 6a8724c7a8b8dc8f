"""What `choose_threshold` gives back."""

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasft._checks import check_number, fail
from kerasft.errors import DataError
from kerasft.evaluation.inputs import check_class_probabilities
from kerasft.evaluation.plain_values import number, pair, plain
from kerasft.evaluation.raw_arrays import read_probabilities
from kerasft.evaluation.rendering import (
    as_fragment,
    as_rich,
    as_text,
    read_json,
    save_in_form,
    thresholds_document,
)
from kerasft.evaluation.thresholds.threshold_choice import ThresholdChoice
from kerasft.evaluation.verdicts import Verdict

if TYPE_CHECKING:
    import os

FORMAT = "kerasft thresholds"
VERSION = 1
# Below these a stated precision or recall says little about other examples.
_FEW_EXAMPLES = 30
_OFTEN_UNREACHED = 0.05


@dataclasses.dataclass(frozen=True, eq=False)
class Thresholds:
    """Thresholds chosen on validation examples; made by `choose_threshold`.

    `decide` applies them to the probabilities of any model. `print(thresholds)` gives a table, a
    notebook shows it as HTML, and `save` writes it to JSON, Markdown or an HTML page.

    Args:
        task: `"binary"` or `"multilabel"`.
        class_names: The names of the classes, in the order of the columns.
        choices: A `ThresholdChoice` per label; of two classes only that of class 1.
        metric: What was maximized.
        at_least_precision: The precision that had to be reached, or None.
        at_least_recall: The recall that had to be reached, or None.
        examples: The number of examples that they were chosen on.
        confidence: The share of draws that each interval holds.
        resamples: The number of bootstrap draws, 0 for none.
        seed: The seed of the draws.

    Example:
        >>> from kerasft.evaluation import choose_threshold
        >>> chosen = choose_threshold([0, 0, 1, 1], [0.1, 0.3, 0.4, 0.6], bootstrap=0)
        >>> round(chosen.threshold, 2)
        0.35
        >>> chosen.decide([0.3, 0.36, 0.9]).tolist()
        [0, 1, 1]
    """

    task: str
    class_names: tuple[str, ...]
    choices: tuple[ThresholdChoice, ...]
    metric: str
    at_least_precision: float | None
    at_least_recall: float | None
    examples: int
    confidence: float = 0.95
    resamples: int = 0
    seed: int = 0

    @property
    def threshold(self) -> float | tuple[float, ...]:
        """One number, or one per label: what `evaluate_arrays` and a head's `threshold` take."""
        if self.task == "binary":
            return self.choices[0].threshold
        return tuple(choice.threshold for choice in self.choices)

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """What is to be kept in mind about them, in words."""
        return tuple(_verdicts(self))

    def decide(self, probabilities: Any) -> np.ndarray:
        """Which classes are predicted: those whose probability is above the threshold.

        Args:
            probabilities: `(examples,)`, `(examples, 1)` or `(examples, 2)` for two classes;
                `(examples, classes)` for several labels. No logits.

        Returns:
            int64 `(examples,)`, or 0 and 1 `(examples, classes)` for several labels.

        Raises:
            DataError: for probabilities of another shape, or values that are none.
        """
        said, tolerance = read_probabilities(probabilities)
        columns = 1 if said.ndim == 1 else said.shape[1]
        fitting = (1, 2) if self.task == "binary" else (len(self.class_names),)
        if columns not in fitting:
            shapes = " or ".join(f"(examples, {count})" for count in fitting)
            fail("probabilities", said.shape, f"of shape {shapes}", error=DataError)
        said = check_class_probabilities(self.task, said, tolerance)
        if self.task == "multilabel":
            said = said.reshape(len(said), columns)
        return (said > np.asarray(self.threshold)).astype(np.int64)

    def to_dict(self) -> dict[str, Any]:
        """Everything, in plain numbers, strings, lists and dicts; NaN becomes None."""
        content = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        choices = [plain(vars(choice)) for choice in self.choices]
        return {"format": FORMAT, "version": VERSION} | plain(content) | {"choices": choices}

    def save(self, path: "str | os.PathLike[str]") -> None:
        """Write them whole, in the form that the path's ending says.

        Args:
            path: `.json` for everything, which `load` reads again; `.md` for Markdown; `.html`
                for one page with its picture inside.

        Raises:
            ArgumentError: for another ending.
            SourceError: if the file cannot be written.
        """
        save_in_form(path, "file of thresholds", self.to_dict, lambda: thresholds_document(self))

    @classmethod
    def load(cls, path: "str | os.PathLike[str]") -> "Thresholds":
        """Read what `save` wrote to a `.json` file.

        Raises:
            SourceError: if the file cannot be read.
            DataError: if it holds something else.
        """
        content = read_json(path, "file of thresholds", FORMAT, VERSION)
        try:
            values = {field.name: content[field.name] for field in dataclasses.fields(cls)}
            values["class_names"] = tuple(values["class_names"])
            values["choices"] = tuple(_read_choice(entry) for entry in values["choices"])
            return cls(**values)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise DataError(
                f"{path} holds a file of thresholds with missing or damaged parts: {error!r}"
            ) from error

    def __repr__(self) -> str:
        return f"<Thresholds: {self.threshold}, for {self.metric} on {self.examples} examples>"

    def __str__(self) -> str:
        return as_text(thresholds_document(self))

    def __rich__(self) -> Any:
        return as_rich(thresholds_document(self))

    def _repr_html_(self) -> str:
        return as_fragment(thresholds_document(self))


def _verdicts(thresholds: Thresholds) -> list[Verdict]:
    found = []
    kept = [choice for choice in thresholds.choices if not choice.chosen]
    if kept:
        names = ", ".join(repr(choice.class_name) for choice in kept[:5])
        names += ", ..." if len(kept) > 5 else ""
        message = f"Not chosen: {names} keeps 0.5, for no example has the label, or all have it."
        message = message.replace("keeps", "keep") if len(kept) > 1 else message
        evidence = {choice.class_name: float(choice.examples) for choice in kept}
        found.append(
            Verdict("not_chosen", "warning", message, evidence, "Validate on data that hold it.")
        )
    few = [
        c for c in thresholds.choices if c.chosen and min(c.examples, c.predicted) < _FEW_EXAMPLES
    ]
    if few:
        least = min(few, key=lambda choice: min(choice.examples, choice.predicted))
        more = f", and {len(few) - 1} more" if len(few) > 1 else ""
        message = (
            f"Too few examples for the claim: that of {least.class_name!r} rests on "
            f"{least.examples} examples of it and {least.predicted} predictions{more}."
        )
        evidence = {"examples": float(least.examples), "predicted": float(least.predicted)}
        remedy = "Go by the intervals, or choose on more examples."
        found.append(Verdict("too_few_examples", "warning", message, evidence, remedy))
    edge = [choice for choice in thresholds.choices if choice.unreached > _OFTEN_UNREACHED]
    if edge:
        worst = max(edge, key=lambda choice: choice.unreached)
        message = (
            f"At the edge: in {worst.unreached:.0%} of the draws no threshold for "
            f"{worst.class_name!r} reaches what was asked for; other examples may not allow it."
        )
        remedy = "Ask for less, or choose on more examples."
        found.append(Verdict("edge", "warning", message, {"unreached": worst.unreached}, remedy))
    return found


def _read_choice(entry: dict[str, Any]) -> ThresholdChoice:
    check_number("threshold", entry["threshold"], minimum=0, maximum=1)
    figures = {
        part: {name: number(value) for name, value in entry[part].items()}
        for part in ("figures", "at_half", "unseen")
    }
    intervals = {name: pair(bounds) for name, bounds in entry["intervals"].items()}
    between = entry["threshold_interval"]
    curve = {
        name: np.array([number(value) for value in values], dtype=np.float64)
        for name, values in entry["curve"].items()
    }
    return ThresholdChoice(
        **entry
        | figures
        | {
            "intervals": intervals,
            "threshold_interval": None if between is None else pair(between),
            "curve": curve,
        }
    )
