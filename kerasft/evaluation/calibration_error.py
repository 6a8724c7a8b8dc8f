"""How far a model's confidence is from how often it is right."""

from typing import Any

import numpy as np

from kerasft._checks import check_int, fail
from kerasft.errors import DataError
from kerasft.evaluation.examples import Examples
from kerasft.evaluation.raw_arrays import read_probabilities

BINS = 15


def expected_calibration_error(confidence: Any, correct: Any, *, bins: int = BINS) -> float:
    """The expected calibration error, ECE.

    The examples are sorted into M bins of equal width by the confidence of the predicted class,
    bin m holding the confidences in ((m - 1)/M, m/M]; then

        ECE = sum over m of |B_m| / n * |accuracy(B_m) - mean confidence(B_m)|

    Reference: Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks",
    ICML 2017, equation 3, with M = 15 as there.

    Args:
        confidence: The probability of the predicted class, shape `(examples,)`.
        correct: Whether that class was right, shape `(examples,)`.
        bins: M, the number of bins.

    Returns:
        A number from 0 (as often right as confident) to 1.

    Raises:
        DataError: if the two differ in length, are empty, or hold other than numbers within [0, 1]
            and truth values.

    Example:
        >>> from kerasft.evaluation import expected_calibration_error
        >>> print(round(expected_calibration_error([0.9] * 10, [True] * 7 + [False] * 3), 6))
        0.2
    """
    check_int("bins", bins, minimum=1)
    confidence, _ = read_probabilities(confidence, "confidence")
    correct, _ = read_probabilities(correct, "correct")
    if not np.isin(correct, (0, 1)).all():
        hint = "It says whether the predicted class was right, and is no label."
        fail("correct", correct[~np.isin(correct, (0, 1))][0], "True or False", hint, DataError)
    correct = correct.astype(bool)
    if confidence.ndim != 1 or confidence.shape != correct.shape or not len(confidence):
        fail(
            "confidence",
            confidence.shape,
            f"of the shape of `correct`, {correct.shape}, with one dimension and not empty",
            error=DataError,
        )
    if not ((confidence >= 0) & (confidence <= 1)).all():
        fail("confidence", confidence, "between 0 and 1", error=DataError)
    count, mean_confidence, accuracy = reliability(confidence, correct, bins)
    return float(np.sum(count * np.abs(accuracy - mean_confidence)) / len(confidence))


def confidences(examples: Examples) -> tuple[np.ndarray, np.ndarray]:
    """How confident each decision was and whether it was right, both `(decisions,)`.

    The decision is the most probable class, whatever the threshold says, for calibration judges
    the probabilities. With several labels, every label of every example is a decision.
    """
    if examples.task == "multilabel":
        said, probability = examples.labels.ravel() == 1, examples.probabilities.ravel()
        return np.maximum(probability, 1.0 - probability), (probability > 0.5) == said
    of_class = examples.class_probabilities
    return of_class.max(axis=1), of_class.argmax(axis=1) == examples.labels


def bin_numbers(confidence: np.ndarray, bins: int = BINS) -> np.ndarray:
    """The bin of each confidence, from 0; bin m holds those in (m/bins, (m + 1)/bins]."""
    return np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)


def reliability(
    confidence: np.ndarray, correct: np.ndarray, bins: int = BINS
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The number, mean confidence and accuracy in each bin, all `(bins,)`; zeros where empty."""
    index = bin_numbers(confidence, bins)
    count = np.bincount(index, minlength=bins)
    filled = np.maximum(count, 1)
    mean_confidence = np.bincount(index, weights=confidence, minlength=bins) / filled
    accuracy = np.bincount(index, weights=correct, minlength=bins) / filled
    return count, mean_confidence, accuracy


def error_by_chance(
    confidence: np.ndarray, *, seed: int = 0, draws: int = 200, quantile: float = 0.95
) -> float:
    """The ECE that a perfectly calibrated model stays under in 95% of samples of this size.

    ECE is biased upwards on few examples: even a perfect model's bins scatter. Here outcomes are
    drawn from the confidences themselves, which makes calibration perfect by construction.

    Reference: consistency resampling, Broecker and Smith, "Increasing the Reliability of
    Reliability Diagrams", Weather and Forecasting 22, 2007.
    """
    random = np.random.default_rng(seed)
    index = bin_numbers(confidence)
    expected = np.bincount(index, weights=confidence, minlength=BINS)
    errors = []
    for _ in range(draws):
        outcome = random.random(len(confidence)) < confidence
        observed = np.bincount(index, weights=outcome, minlength=BINS)
        errors.append(np.abs(observed - expected).sum() / len(confidence))
    return float(np.quantile(errors, quantile))
