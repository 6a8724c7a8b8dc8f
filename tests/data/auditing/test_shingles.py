"""Windows of letters as sets of numbers, and sketches of them, against Python's own sets."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasft.data.auditing import _shingles
from kerasft.data.auditing._shingles import (
    HASHES,
    WINDOW,
    Sketches,
    jaccard,
    letters,
    plain,
    sketch_all,
    window_set,
)

texts = st.text(min_size=1, max_size=60).filter(lambda text: text.strip())


def sets_of(text):
    return {text[at : at + WINDOW] for at in range(max(1, len(text) - WINDOW + 1))}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("A  joy.", "a joy."),
        ("A\n\tjoy. ", "a\u00a0joy."),
        ("STRASSE", "straße"),
        ("\ufb01ne \uff11\uff12", "fine 12"),
        ("cafe\u0301", "café"),
    ],
)
def test_plain_texts_are_equal_but_for_case_width_and_spaces(one, other):
    assert plain(one) == plain(other)


def test_what_makes_a_difference_stays():
    assert plain("Wow!") != plain("Wow")
    assert plain("café") != plain("cafe")
    assert letters(plain("Wow!!! (a 'joy')")) == letters(plain("wow - a joy")) == "wow a joy"
    assert letters(":-) !") == ":-) !"  # nothing but punctuation is left as it is


@pytest.mark.parametrize(
    ("one", "other"), [("दिन", "दीन"), ("ป่า", "ป้า"), ("பல", "பால")], ids=["Hindi", "Thai", "Tamil"]
)
def test_vowel_signs_and_tone_marks_belong_to_their_words(one, other):
    assert letters(plain(one)) != letters(plain(other))
    assert letters(plain(f"({one}), {other}!")) == f"{plain(one)} {plain(other)}"


@settings(deadline=None)
@given(texts, texts)
def test_similarity_of_windows_is_that_of_sets(one, other):
    first, second = sets_of(one), sets_of(other)
    expected = len(first & second) / len(first | second)
    assert jaccard(window_set(one), window_set(other)) == pytest.approx(expected)
    assert len(window_set(one)) == len(first)


def test_a_sketch_estimates_the_similarity():
    random = np.random.default_rng(0)
    words = [f"word{number}" for number in range(3000)]
    errors = []
    for share in np.linspace(0, 1, 41):
        common = random.choice(words, 60)
        pair = []
        for _ in range(2):
            own = random.choice(words, round(60 * (1 - share)))
            pair.append(" ".join([*common[: round(60 * share)], *own]))
        one, other = sketch_all(pair)
        errors.append((one == other).mean() - jaccard(*map(window_set, pair)))
    # A mean over 128 hashes: a standard error of at most 0.044 each, and no bias.
    assert np.abs(errors).max() < 4 * 0.0442
    assert abs(np.mean(errors)) < 4 * 0.0442 / np.sqrt(len(errors))


def test_sketches_do_not_depend_on_how_the_work_is_cut(monkeypatch):
    random = np.random.default_rng(0)
    alphabet = np.array([*"abcdefgh "])
    many = ["".join(random.choice(alphabet, size)) for size in (1, 4, 5, 6, 900, 40, 3000, 7)]
    whole = sketch_all(many)
    assert whole.shape == (8, HASHES)
    assert whole.dtype == np.uint32
    monkeypatch.setattr(_shingles, "_PIECE", 64)
    monkeypatch.setattr(_shingles, "_PART", 200)
    np.testing.assert_array_equal(sketch_all(many), whole)
    np.testing.assert_array_equal(sketch_all(many[::-1])[::-1], whole)


def test_no_texts_no_sketches():
    assert Sketches().finish().shape == (0, HASHES)
