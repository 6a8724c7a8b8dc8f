"""Two reports side by side."""

import json

import numpy as np
import pytest
from scipy.stats import binom

from kerasft.errors import ArgumentError
from kerasft.evaluation import McNemar, Report, evaluate_arrays


def pair(count=400, noise=0.5, **options):
    """Two models that see much the same, the second one worse."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, count)
    shared = 2 * labels - 1 + random.normal(size=count)
    worse = shared + noise * random.normal(size=count) - 0.3
    return tuple(
        evaluate_arrays(labels, 1 / (1 + np.exp(-2 * logits)), bootstrap=0, **options)
        for logits in (shared, worse)
    )


def test_differences_are_this_minus_the_other():
    first, second = pair()
    comparison = first.compare(second, bootstrap=200)
    for name, found in comparison.differences.items():
        assert found.first == first.metrics[name]
        assert found.difference == pytest.approx(first.metrics[name] - second.metrics[name])
        assert found.low <= found.difference <= found.high
    back = second.compare(first, bootstrap=200).differences["recall"]
    there = comparison.differences["recall"]
    assert (back.difference, back.low, back.high) == pytest.approx(
        (-there.difference, -there.high, -there.low)
    )


def test_a_report_does_not_differ_from_itself():
    first, _ = pair()
    comparison = first.compare(first, bootstrap=50)
    for found in comparison.differences.values():
        assert (found.difference, found.low, found.high) == (0, 0, 0)
    assert comparison.mcnemar == McNemar(0, 0, 1.0)


def test_pairing_narrows_the_interval():
    """What both models share cancels out only if they are drawn together."""
    first, second = pair(inputs=[str(n) for n in range(400)])
    random = np.random.default_rng(1)
    elsewhere = random.permutation(400)
    moved = evaluate_arrays(
        second.labels[elsewhere],
        second.probabilities[elsewhere],
        inputs=[str(n) for n in elsewhere],
        bootstrap=0,
    )
    paired, apart = first.compare(second), first.compare(moved)
    assert paired.paired
    assert not apart.paired
    assert apart.mcnemar is None
    widths = [
        each.differences["log_loss"].high - each.differences["log_loss"].low
        for each in (paired, apart)
    ]
    assert widths[0] < 0.8 * widths[1]
    assert apart.differences["accuracy"].difference == pytest.approx(
        paired.differences["accuracy"].difference
    )


def test_equal_labels_of_other_inputs_are_other_examples():
    labels, said = [0, 1] * 10, [0.1, 0.9] * 10
    one, two = (
        evaluate_arrays(labels, said, inputs=[f"{name} {n}" for n in range(20)], bootstrap=0)
        for name in ("validation", "test")
    )
    unknown = evaluate_arrays(labels, said, bootstrap=0)
    assert not one.compare(two, bootstrap=10).paired
    assert one.compare(one, bootstrap=10).paired
    assert one.compare(unknown, bootstrap=10).paired


def test_mcnemar_is_the_binomial_tail():
    """8 against 2: twice the chance of at most 2 heads in 10 tosses."""
    first = np.array([True] * 8 + [False] * 2 + [True] * 5)
    second = np.array([False] * 8 + [True] * 2 + [True] * 5)
    found = McNemar.of(first, second)
    assert (found.only_first, found.only_second) == (8, 2)
    assert found.p_value == pytest.approx(2 * binom.cdf(2, 10, 0.5))
    assert found.p_value == pytest.approx(2 * (1 + 10 + 45) / 1024)


def test_mcnemar_counts_what_only_one_has_right():
    first, second = pair()
    test = first.compare(second, bootstrap=10).mcnemar
    right, other = first.examples.correct, second.examples.correct
    assert test.only_first == sum(a and not b for a, b in zip(right, other, strict=True))
    assert test.only_second == sum(b and not a for a, b in zip(right, other, strict=True))


def test_a_loaded_report_compares_as_the_original(tmp_path):
    first, second = pair(inputs=[str(n) for n in range(400)])
    second.save(tmp_path / "second.json")
    loaded = Report.load(tmp_path / "second.json")
    expected = first.compare(second, bootstrap=50).to_dict()
    assert first.compare(loaded, bootstrap=50).to_dict() == expected
    json.dumps(expected, allow_nan=False)


def test_regressions_compare_without_mcnemar():
    labels = np.arange(20.0)
    one = evaluate_arrays(labels, labels + 1, task="regression", bootstrap=0)
    two = evaluate_arrays(labels, labels + 2, task="regression", bootstrap=0)
    comparison = one.compare(two, bootstrap=20)
    assert comparison.mcnemar is None
    found = comparison.differences["mean_absolute_error"]
    assert (found.difference, found.low, found.high) == pytest.approx((-1, -1, -1))


def test_how_it_is_shown():
    first, second = pair()
    comparison = first.compare(second, names=("full", "frozen"), bootstrap=50)
    text = str(comparison)
    assert text.startswith("full against frozen\n")
    assert "McNemar's exact test: full alone is right" in " ".join(text.split())
    assert "Differences are full minus frozen; 50 draws, seed 0." in text
    assert all(len(line) <= 80 for line in text.splitlines())
    assert "<table>" in comparison._repr_html_()


def test_what_cannot_be_compared():
    first, second = pair()
    named, _ = pair(class_names=["a", "b"])
    regression = evaluate_arrays([1.5], [1.0], task="regression", bootstrap=0)
    for other, options, message in (
        (0.9, {}, "`other` must be a Report"),
        (regression, {}, "`other` must be a report of the same task, 'binary'"),
        (named, {}, "`other` must be a report of the same class_names"),
        (second, {"bootstrap": 0}, "`bootstrap` must be a whole number, at least 2"),
        (second, {"confidence": 2}, "`confidence` must be a number"),
        (second, {"names": ("a",)}, "`names` must be two strings"),
    ):
        with pytest.raises(ArgumentError, match=message):
            first.compare(other, **options)
