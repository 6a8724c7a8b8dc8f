"""What `fit_temperature` gives back."""

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasft._checks import check_bool, check_number, fail
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
    temperature_document,
)
from kerasft.evaluation.temperatures.logits import to_logits, to_probabilities
from kerasft.evaluation.verdicts import Verdict

if TYPE_CHECKING:
    import os

FORMAT = "kerasft temperature"
VERSION = 1
_WHAT = "temperature"


@dataclasses.dataclass(frozen=True, eq=False)
class Temperature:
    """A temperature fitted on validation examples; made by `fit_temperature`.

    `apply` scales the probabilities of any model. `print(fitted)` gives a table, a notebook shows
    it as HTML, and `save` writes it to JSON, Markdown or an HTML page with a reliability diagram.

    Args:
        temperature: What logits are divided by; one number per label where that was asked for.
        task: `"binary"`, `"multiclass"` or `"multilabel"`.
        class_names: The names of the classes, in the order of the columns.
        before: `"log_loss"` (in nats) and `"calibration_error"` of the examples as they were.
        after: The same at the temperature.
        before_intervals: The bootstrap intervals `(low, high)` of `before`.
        after_intervals: Those of `after`.
        difference_intervals: Those of the differences, after minus before, on the same draws.
        before_bins: For the reliability diagram, `"examples"`, mean `"confidence"` and the share
            that is `"right"` in each of 15 bins.
        after_bins: The same at the temperature.
        error_by_chance: The calibration error that a perfectly calibrated model stays under in 95%
            of samples of this size.
        examples: The number of examples that it was fitted on.
        confidence: The share of draws that each interval holds.
        resamples: The number of bootstrap draws, 0 for none.
        seed: The seed of the draws.

    Example:
        >>> from kerasft.evaluation import fit_temperature
        >>> fitted = fit_temperature([1, 1, 1, 0] * 25, [0.99] * 100, bootstrap=0)
        >>> print(f"{fitted.before['log_loss']:.2f} {fitted.after['log_loss']:.2f}")
        1.16 0.56
    """

    temperature: float | tuple[float, ...]
    task: str
    class_names: tuple[str, ...]
    before: dict[str, float]
    after: dict[str, float]
    before_intervals: dict[str, tuple[float, float]]
    after_intervals: dict[str, tuple[float, float]]
    difference_intervals: dict[str, tuple[float, float]]
    before_bins: dict[str, np.ndarray]
    after_bins: dict[str, np.ndarray]
    error_by_chance: float
    examples: int
    confidence: float = 0.95
    resamples: int = 0
    seed: int = 0

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """What is to be kept in mind about it, in words."""
        return tuple(_verdicts(self))

    def apply(self, probabilities: Any, *, from_logits: bool = False) -> np.ndarray:
        """Probabilities at the temperature.

        Args:
            probabilities: `(examples,)`, `(examples, 1)` or `(examples, 2)` for two classes, else
                `(examples, classes)`; or logits of such a shape.
            from_logits: Whether they are logits.

        Returns:
            float64 `(examples,)` with the probability of class 1 for two classes, else
            `(examples, classes)`.

        Raises:
            DataError: for another shape, or values that are none.
        """
        check_bool("from_logits", from_logits)
        values, tolerance = read_probabilities(probabilities)
        columns = 1 if values.ndim == 1 else values.shape[1]
        fitting = (1, 2) if self.task == "binary" else (len(self.class_names),)
        if columns not in fitting:
            shapes = " or ".join(f"(examples, {count})" for count in fitting)
            fail("probabilities", values.shape, f"of shape {shapes}", error=DataError)
        if not from_logits:
            values = check_class_probabilities(self.task, values, tolerance)
            values = to_logits(values, self.task)
        elif self.task == "binary" and values.ndim == 2:
            values = values[:, 1] - values[:, 0] if columns == 2 else values[:, 0]
        if self.task == "multilabel":
            values = values.reshape(len(values), columns)
        return to_probabilities(values, self.task, self.temperature)

    def to_dict(self) -> dict[str, Any]:
        """Everything, in plain numbers, strings, lists and dicts; NaN becomes None."""
        content = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {"format": FORMAT, "version": VERSION} | plain(content)

    def save(self, path: "str | os.PathLike[str]") -> None:
        """Write it whole, in the form that the path's ending says.

        Args:
            path: `.json` for everything, which `load` reads again; `.md` for Markdown; `.html`
                for one page with its picture inside.

        Raises:
            ArgumentError: for another ending.
            SourceError: if the file cannot be written.
        """
        save_in_form(path, _WHAT, self.to_dict, lambda: temperature_document(self))

    @classmethod
    def load(cls, path: "str | os.PathLike[str]") -> "Temperature":
        """Read what `save` wrote to a `.json` file.

        Raises:
            SourceError: if the file cannot be read.
            DataError: if it holds something else.
        """
        content = read_json(path, _WHAT, FORMAT, VERSION)
        try:
            values = {field.name: content[field.name] for field in dataclasses.fields(cls)}
            values["temperature"] = _read_temperature(values["temperature"])
            values["class_names"] = tuple(values["class_names"])
            for side in ("before", "after"):
                values[side] = {name: number(value) for name, value in values[side].items()}
                bins = values[f"{side}_bins"].items()
                values[f"{side}_bins"] = {name: np.array(each) for name, each in bins}
            for part in ("before", "after", "difference"):
                bounds = values[f"{part}_intervals"].items()
                values[f"{part}_intervals"] = {name: pair(each) for name, each in bounds}
            return cls(**values)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise DataError(
                f"{path} holds a temperature with missing or damaged parts: {error!r}"
            ) from error

    def __repr__(self) -> str:
        return f"<Temperature: {self.temperature}, fitted on {self.examples} examples>"

    def __str__(self) -> str:
        return as_text(temperature_document(self))

    def __rich__(self) -> Any:
        return as_rich(temperature_document(self))

    def _repr_html_(self) -> str:
        return as_fragment(temperature_document(self))


def _read_temperature(value: Any) -> float | tuple[float, ...]:
    if isinstance(value, list):
        return tuple(check_number("temperature", each, above=0) for each in value)
    return check_number("temperature", value, above=0)


def _verdicts(fitted: Temperature) -> list[Verdict]:
    found = []
    low, high = fitted.difference_intervals.get("log_loss", (-1.0, -1.0))
    if low <= 0 <= high:
        message = (
            f"No clear gain: the log loss changes by between {low:+.4f} and {high:+.4f} nats, so "
            "that the model may as well be left as it is."
        )
        found.append(Verdict("no_clear_gain", "note", message, {"low": low, "high": high}))
    error = fitted.after["calibration_error"]
    if error > fitted.error_by_chance:
        message = (
            f"Still miscalibrated: the calibration error is {error:.3f} after scaling (a "
            f"calibrated model stays under {fitted.error_by_chance:.3f} here)."
        )
        evidence = {"calibration_error": error, "explained_by_chance": fitted.error_by_chance}
        remedy = (
            "One temperature does not correct a class that is said too often: see whether class "
            "weights or a resampled training set are the cause."
        )
        found.append(Verdict("still_miscalibrated", "warning", message, evidence, remedy))
    return found
