"""From generated texts and references to a report."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasft._checks import check_bool, check_choice, check_int, check_number, check_type, fail
from kerasft.errors import DataError
from kerasft.evaluation.bootstrap import interval
from kerasft.evaluation.texts.bleu import TOKENIZERS, count, figures
from kerasft.evaluation.texts.judged_text import JudgedText
from kerasft.evaluation.texts.text_report import TextReport, draw_figures
from kerasft.evaluation.texts.text_verdicts import judge_texts
from kerasft.evaluation.verdicts import Limits


def evaluate_texts(
    references: Any,
    hypotheses: Any,
    *,
    inputs: Any = None,
    tokenize: str = "13a",
    lowercase: bool = False,
    bootstrap: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
    worst: int = 10,
    limits: Limits | None = None,
) -> TextReport:
    """Judge generated texts by references: BLEU, its interval, and the worst texts.

    BLEU is a share of n-grams, from 0 to 100, that punishes texts that are too short. It compares
    two models on the same references; it says little by itself, and less of a single text.

    Reference: Papineni, Roukos, Ward and Zhu, "BLEU: a Method for Automatic Evaluation of Machine
    Translation", ACL 2002; counted by sacrebleu (Post, "A Call for Clarity in Reporting BLEU
    Scores", WMT 2018), whose signature is part of the report.

    Args:
        references: For each text, what it should have been: a string, or a list of strings where
            several are right.
        hypotheses: What the model wrote, a string for each. An empty one counts as it is.
        inputs: What the model was given, a string for each: shown with the worst texts.
        tokenize: How words are told apart: `"13a"` (as WMT does), `"intl"`, `"zh"` for Chinese,
            `"char"` or `"none"` for texts with spaces between all tokens. Give texts as they are
            to be read, not tokenized.
        lowercase: Whether case is overlooked.
        bootstrap: The number of bootstrap draws of texts behind the intervals; 0 for none.
        confidence: The share of draws that an interval holds.
        seed: The seed of the draws.
        worst: How many of the texts with the lowest BLEU of their own to keep.
        limits: Where the verdicts draw their lines: `margin`, of one, is how far the interval of
            BLEU may reach.

    Returns:
        A `TextReport`.

    Raises:
        DataError: for other than strings, other numbers of references than hypotheses, none at
            all, or a reference without a word.
        ArgumentError: for another argument that breaks its rule.
        MissingDependencyError: where sacrebleu is not installed.

    Example:
        >>> from kerasft.evaluation import evaluate_texts
        >>> right = ["The cat sat on a mat.", "It rained a lot."]
        >>> said = ["The cat sat on the mat.", "It rained a lot."]
        >>> report = evaluate_texts(right, said, bootstrap=0)
        >>> print(f"{report.metrics['bleu']:.1f}")
        69.2
    """
    check_choice("tokenize", tokenize, TOKENIZERS)
    check_bool("lowercase", lowercase)
    check_int("bootstrap", bootstrap, minimum=0)
    check_number("confidence", confidence, above=0, below=1)
    check_int("seed", seed, minimum=0)
    check_int("worst", worst, minimum=0)
    limits = Limits() if limits is None else limits
    check_type("limits", limits, Limits, "a kerasft.evaluation.Limits")
    said = _read_texts("hypotheses", hypotheses)
    rights = _read_references(references, len(said))
    given = None if inputs is None else _read_texts("inputs", inputs)
    if given is not None and len(given) != len(said):
        shown = f"{len(given)} inputs, {len(said)} hypotheses"
        fail("inputs", shown, "one for each hypothesis", error=DataError)
    counts = count(rights, said, tokenize, lowercase)
    exact = [text.strip() in map(str.strip, of) for text, of in zip(said, rights, strict=True)]
    lowest = np.argsort(counts.scores, kind="stable")[:worst]
    report = TextReport(
        references=rights,
        hypotheses=said,
        inputs=given,
        metrics=figures(counts.statistics.sum(axis=0)) | {"identical": float(np.mean(exact))},
        worst=tuple(
            JudgedText(
                int(row),
                rights[row][0],
                said[row],
                float(counts.scores[row]),
                None if given is None else given[row],
            )
            for row in lowest
        ),
        signature=counts.signature,
        statistics=np.column_stack([counts.statistics, exact]),
        limits=limits,
        confidence=float(confidence),
        resamples=bootstrap,
        seed=seed,
    )
    intervals = {}
    if bootstrap:
        draws = draw_figures([report], bootstrap, seed)[0]
        intervals = {name: interval(values, confidence) for name, values in draws.items()}
    report = dataclasses.replace(report, intervals=intervals)
    return dataclasses.replace(report, verdicts=judge_texts(report))


def _read_references(given: Any, count: int) -> tuple[tuple[str, ...], ...]:
    rule = "a list with one entry per hypothesis, a string or a list of strings"
    if isinstance(given, (str, bytes)) or not hasattr(given, "__len__"):
        fail("references", given, rule, error=DataError)
    rows = given.tolist() if isinstance(given, np.ndarray) else list(given)
    if len(rows) != count:
        hint = ""
        if rows and all(not isinstance(row, (str, bytes)) and len(row) == count for row in rows):
            hint = "These look like sacrebleu's own order, a list per reference: zip(*references)."
        shown = f"{len(rows)} references, {count} hypotheses"
        fail("references", shown, "as many as there are hypotheses", hint, DataError)
    result = []
    for number, row in enumerate(rows):
        several = [row] if isinstance(row, (str, bytes)) else row
        if not isinstance(several, Sequence) or not len(several):
            fail(f"references[{number}]", row, "a string or a list of strings", error=DataError)
        texts = _read_texts(f"references[{number}]", several)
        if not all(text.strip() for text in texts):
            hint = "A text cannot be judged by nothing: leave the example out."
            fail(f"references[{number}]", row, "a text that is not empty", hint, DataError)
        result.append(texts)
    return tuple(result)


def _read_texts(name: str, given: Any) -> tuple[str, ...]:
    if isinstance(given, (str, bytes)) or not hasattr(given, "__len__"):
        fail(name, given, "a list of strings", error=DataError)
    items = given.tolist() if isinstance(given, np.ndarray) else list(given)
    if not items:
        fail(name, items, "at least one text", error=DataError)
    texts = [item.decode("utf-8", "replace") if isinstance(item, bytes) else item for item in items]
    for number, text in enumerate(texts):
        if not isinstance(text, str):
            hint = "Turn token ids into text with the tokenizer's `detokenize` first."
            fail(f"{name}[{number}]", text, "a string", hint, DataError)
    return tuple(texts)
