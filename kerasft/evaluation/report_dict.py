"""A report as plain values for a JSON file, and back."""

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasft.errors import DataError
from kerasft.evaluation.examples import Examples
from kerasft.evaluation.inputs import read_examples
from kerasft.evaluation.mistake import Mistake
from kerasft.evaluation.plain_values import pair, plain
from kerasft.evaluation.verdicts import Limits, Verdict

if TYPE_CHECKING:
    from kerasft.evaluation.report import Report

FORMAT = "kerasft report"
VERSION = 1


def report_to_dict(report: "Report") -> dict[str, Any]:
    """What `Report.to_dict` documents. JSON has no NaN: it becomes None."""
    threshold = report.examples.threshold
    return plain(
        {
            "format": FORMAT,
            "version": VERSION,
            "task": report.task,
            "class_names": list(report.class_names),
            "threshold": list(threshold) if isinstance(threshold, tuple) else threshold,
            "metrics": report.metrics,
            "intervals": report.intervals,
            "confidence": report.confidence,
            "resamples": report.resamples,
            "seed": report.seed,
            "classes": report.classes,
            "class_intervals": report.class_intervals,
            "confusion": None if report.confusion is None else report.confusion.tolist(),
            "verdicts": [dataclasses.asdict(verdict) for verdict in report.verdicts],
            "limits": dataclasses.asdict(report.limits),
            "mistakes": [dataclasses.asdict(mistake) for mistake in report.mistakes],
            "inputs_digest": report.inputs_digest,
            "notes": report.notes,
            "labels": report.labels.tolist(),
            "probabilities": report.probabilities.tolist(),
        }
    )


def report_from_dict(cls: "type[Report]", content: dict[str, Any], source: str) -> "Report":
    """The report again; `source` says where it came from, for the error."""
    try:
        confusion = content["confusion"]
        return cls(
            examples=_examples(content),
            metrics=_with_nan(content["metrics"]),
            classes={name: _with_nan(figures) for name, figures in content["classes"].items()},
            confusion=None if confusion is None else np.array(confusion, dtype=np.int64),
            mistakes=tuple(Mistake(**_with_nan(entry)) for entry in content["mistakes"]),
            limits=Limits(**content["limits"]),
            verdicts=tuple(
                Verdict(**(entry | {"evidence": _with_nan(entry["evidence"])}))
                for entry in content["verdicts"]
            ),
            intervals=_intervals(content["intervals"]),
            confidence=content["confidence"],
            resamples=content["resamples"],
            seed=content["seed"],
            inputs_digest=content["inputs_digest"],
            class_intervals={
                name: _intervals(bounds)
                for name, bounds in content.get("class_intervals", {}).items()
            },
            notes=tuple(content.get("notes", ())),
        )
    except DataError:
        raise
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise DataError(f"{source} holds a report with missing or damaged parts: {error!r}") from (
            error
        )


def _examples(content: dict[str, Any]) -> Examples:
    """Checked again: a file may have been changed by hand."""
    task = content["task"]
    return read_examples(
        content["labels"],
        content["probabilities"],
        None if task == "regression" else content["class_names"],
        task,
        content["threshold"],
    )


def _intervals(bounds: dict[str, Any]) -> dict[str, tuple[float, float]]:
    return {name: pair(each) for name, each in bounds.items()}


def _with_nan(figures: dict[str, Any]) -> dict[str, Any]:
    """The figures with NaN where JSON held None; a missing input stays None."""
    return {
        name: math.nan if value is None and name != "input" else value
        for name, value in figures.items()
    }
