"""The search for near duplicates: what it finds of planted copies, and how much it looks at."""

import functools

import numpy as np
import pytest
from benchmarks.near_duplicates import EDITS, name_of, plant, similarity, templated

from kerasft.data import audit
from kerasft.data.auditing import _near_duplicates
from kerasft.data.auditing._near_duplicates import _candidates, _chance, _rows_per_band, find_pairs
from kerasft.data.auditing._shingles import HASHES, letters, plain, sketch_all


def made_up(count, random):
    """Texts of 8 to 60 words, each of its own; words as frequent as in language."""
    words = [
        "".join(random.choice([*"abcdefghijklmnopqrstuvwxyz"], 2 + n % 9)) for n in range(5000)
    ]
    chances = 1 / np.arange(1, len(words) + 1)
    chances /= chances.sum()
    texts = []
    for _ in range(count):
        text = random.choice(words, random.integers(8, 60), p=chances)
        breaks = random.random(len(text)) < 0.1
        texts.append(
            " ".join(w + "." * int(b) for w, b in zip(text, breaks, strict=True)).capitalize()
        )
    return texts


@functools.cache
def planted():
    """600 texts, 440 edited copies behind them, and what an audit matched at 0.7."""
    random = np.random.default_rng(0)
    texts = made_up(600, random)
    sources = np.arange(440)
    copies, kinds = plant(texts, sources, random)
    texts += copies
    report = audit((texts, [0] * len(texts)), similarity=0.7, progress=False)
    pairs = {
        tuple(sorted((int(m["row"]), int(m["other_row"])))): float(m["similarity"])
        for m in report.matches
    }
    return texts, kinds, pairs


def test_every_planted_copy_that_is_similar_enough_is_found():
    texts, kinds, pairs = planted()
    reach = [similarity(texts[n], texts[600 + n]) >= 0.7 for n in range(len(kinds))]
    found = [(n, 600 + n) in pairs for n in range(len(kinds))]
    assert sum(reach) > 250
    missed = [kind for kind, r, f in zip(kinds, reach, found, strict=True) if r and not f]
    assert len(missed) <= 0.01 * sum(reach), missed


def test_nothing_else_is_reported_and_each_with_its_true_similarity():
    texts, kinds, pairs = planted()
    wrong = [pair for pair in pairs if pair[1] - pair[0] != 600]
    assert wrong == []
    for (one, other), told in pairs.items():
        assert told == pytest.approx(similarity(texts[one], texts[other]))
        assert told >= 0.7
    replaced = [n for n, kind in enumerate(kinds) if kind == "words replaced, 50%"]
    assert not {(n, 600 + n) for n in replaced} & set(pairs)


@pytest.mark.parametrize(
    "kind",
    [
        "case changed",
        "spaces changed",
        "punctuation changed",
        "typos, 1%",
        "words dropped, 5%",
        "cut off, 10%",
        "sentences swapped, 20%",
    ],
)
def test_slight_edits_of_each_kind_are_found(kind):
    assert kind in [name_of(*edit) for edit in EDITS]
    _, kinds, pairs = planted()
    mine = [n for n, own in enumerate(kinds) if own == kind]
    found = sum((n, 600 + n) in pairs for n in mine)
    assert found >= 0.95 * len(mine), f"{found} of {len(mine)}"


@pytest.mark.parametrize("threshold", [0.5, 0.7, 0.8, 0.9, 1.0])
def test_all_pairs_are_those_of_comparing_each_with_each(threshold):
    random = np.random.default_rng(1)
    texts = made_up(40, random)
    texts += plant(texts, np.arange(40), random)[0]
    texts = list(dict.fromkeys(text.lower() for text in texts))
    expected = {
        (one, other)
        for one in range(len(texts))
        for other in range(one + 1, len(texts))
        if similarity(texts[one], texts[other]) >= threshold
    }
    of = [letters(plain(text)) for text in texts]
    found = find_pairs(sketch_all(of), of.__getitem__, threshold)
    assert {*zip(found.first.tolist(), found.second.tolist(), strict=True)} == expected
    assert len(expected) >= 3


@pytest.mark.parametrize("threshold", [0.5, 0.6, 0.7, 0.8, 0.9, 0.99, 1.0])
def test_bands_are_as_wide_as_the_promised_recall_allows(threshold):
    rows = _rows_per_band(threshold)
    assert 1 <= rows <= HASHES
    assert _chance(threshold, rows) >= 0.99
    assert rows == HASHES or _chance(threshold, rows + 1) < 0.99


def test_work_grows_with_the_texts_and_not_with_their_square():
    """Thousands from one template, each about 0.77 like each other."""
    random = np.random.default_rng(0)
    sizes = {}
    for count in (200, 800):
        sketches = sketch_all(templated(count, random))
        first, second = _candidates(sketches, _rows_per_band(0.7))
        assert (first < second).all()
        sizes[count] = len(first)
        bands = HASHES // _rows_per_band(0.7)
        assert len(first) <= count * bands * _near_duplicates._NEIGHBOURS
    assert sizes[800] < 6 * sizes[200]


def test_texts_of_one_template_are_still_matched_across_splits_and_labels():
    """What is most alike must not crowd out what is in another split, or has another label."""
    random = np.random.default_rng(0)
    train, test = templated(800, random), templated(20, random)
    labels = [int(n % 40 == 0) for n in range(800)]
    report = audit((train, labels), test=(test, [0] * 20), similarity=0.6, progress=False)
    assert report.finding("leak").evidence["texts"] == 20
    contradicted = {f.splits: f for f in report.findings if f.name == "contradictions"}
    assert contradicted["train",].evidence["texts"] >= 720  # not all
    assert contradicted["test",].evidence["texts"] == 20


def test_the_best_of_each_kind_stay(monkeypatch):
    monkeypatch.setattr(_near_duplicates, "_CHECKED_PER_TEXT", 1)
    first, second = np.array([[0, 1], [0, 2], [1, 2], [0, 3]]).T
    estimates = np.array([0.9, 0.8, 0.7, 0.6])
    kinds = np.array([[0], [0], [0], [1]])
    best = _near_duplicates._best_of_each(first, second, estimates, kinds)
    # 1 with 2 is the best of neither; 0 with 3 is the least alike, and the best of its kind.
    assert best.tolist() == [0, 1, 3]
    assert _near_duplicates._best_of_each(first, second, estimates, None).tolist() == [0, 1, 3]
    estimates[2] = 0.85
    best = _near_duplicates._best_of_each(first, second, estimates, kinds)
    assert best.tolist() == [0, 2, 3]


def test_sets_are_made_again_when_there_is_no_more_room(monkeypatch):
    made = []
    monkeypatch.setattr(_near_duplicates, "_KEPT_WINDOWS", 10)
    sets = _near_duplicates._Sets(lambda number: made.append(number) or "abcdefghijk"[: 8 + number])
    assert len(sets(0)) == 4
    sets(0)
    assert len(sets(1)) == 5
    assert len(sets(2)) == 6
    sets(0)
    assert made == [0, 1, 2, 0]
