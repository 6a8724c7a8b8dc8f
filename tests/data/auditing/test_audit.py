"""The audit as a whole: what it finds, in which words, and in what order."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasft.data import AuditReport, Examples, Finding, audit, class_weights
from kerasft.errors import ArgumentError, DataError

LONG = "The plot is thin and the cast seems tired, but the music carries it to the end."


def names_of(report):
    return [(finding.level, finding.name) for finding in report.findings]


def distinct(count, start=0):
    """Texts that have nothing in common."""
    random = np.random.default_rng(start)
    letters = np.array([*"abcdefghijklmnopqrstuvwxyz"])
    return ["".join(random.choice(letters, 40)) for _ in range(count)]


# ---- copies ----------------------------------------------------------------------------------


def test_clean_data_have_no_findings():
    texts = distinct(30)
    parts = [(texts[start : start + 10], [0, 1] * 5) for start in (0, 10, 20)]
    report = audit(*parts)
    assert report.findings == ()
    assert "nothing found" in str(report)
    assert {name: rows.tolist() for name, rows in report.rows_to_drop().items()} == {
        "train": [],
        "validation": [],
        "test": [],
    }


def test_a_leak_is_told_with_its_numbers_an_example_and_a_remedy():
    train = [*distinct(8), "A joy!", LONG]
    test = [*distinct(7, 1), "a  JOY!", LONG.replace("tired", "tiered"), LONG]
    report = audit((train, [0, 1] * 5), test=(test, [1, 0, 1, 0, 1, 0, 1, 0, 1, 1]))
    finding = report.finding("leak")
    assert (finding.level, finding.splits) == ("bad", ("train", "test"))
    assert finding.message == (
        "3 of 10 test texts (30.0%) can be found in train too: 2 word for word, 1 nearly so "
        "(similarity of at least 0.7). A model may know them by heart, so that the figures of test "
        "flatter it."
    )
    assert finding.evidence == {"texts": 3, "exact": 2, "near": 1, "share": 0.3, "sources": 2}
    assert finding.examples == (
        "test row 7 'a JOY!' (label 0) is train row 8 'A joy!' (label 0)",
        "test row 8 'The plot is thin and the cast seems tiered, but the music...' (label 1) is "
        "like (0.88) train row 9 'The plot is thin and the cast seems tired, but the music...' "
        "(label 1)",
    )
    assert finding.remedy == "Drop 2 train texts and leave test as it is, as `cleaned` does."
    assert finding.rows == {"train": (8, 9), "test": (7, 8, 9)}


def test_few_leaked_texts_are_a_warning():
    texts = distinct(201)
    report = audit((texts[:101], [0, 1] * 50 + [0]), test=(texts[100:], [0, 1] * 50 + [0]))
    assert report.finding("leak").level == "warning"
    assert report.finding("leak").rows == {"train": (100,), "test": (0,)}


def test_leaks_between_validation_and_test_are_told_too():
    texts = distinct(4)
    report = audit(
        {"train": (texts[:2], [0, 1]), "dev": (texts[2:], [0, 1]), "test": (texts[3:] * 1, [1])}
    )
    finding = report.finding("leak")
    assert finding.splits == ("dev", "test")
    assert "What is chosen by dev is chosen by these too." in finding.message


def test_contradictions_are_told_by_split_and_exactness():
    train = [LONG, LONG.upper(), "So dull.", *distinct(3)]
    test = [LONG.replace("thin", "slim"), *distinct(2, 1)]
    report = audit(
        (train, ["good", "bad", "bad", "bad", "good", "bad"]),
        test=(test, ["bad", "good", "bad"]),
    )
    found = {f.splits[0]: f for f in report.findings if f.name == "contradictions"}
    assert found["train"].message.startswith(
        "2 of 6 train texts (33.3%) stand with another label elsewhere: 2 word for word, 0 nearly"
    )
    assert found["train"].rows == {"train": (0, 1)}
    assert found["train"].examples[0].startswith("train row 0 'The plot is thin")
    assert "(label 'good') is train row 1 'THE PLOT IS THIN" in found["train"].examples[0]
    assert found["test"].evidence == {"texts": 1, "exact": 0, "near": 1, "share": 1 / 3}
    assert "(label 'bad') is like (0.80) train row 0" in found["test"].examples[0]
    assert "cleaned(contradictions=True)" in found["train"].remedy
    assert report.finding("repeats") is None  # another label is no repeat


def test_repeats_are_counted_by_split_with_the_same_label_only():
    train = ["One.", "one.", "ONE.", "Two.", "two.", LONG, LONG + " Yes."]
    report = audit((train, [0, 0, 1, 1, 1, 0, 0]), test=(["x", "x", "y"], [0, 0, 1]))
    found = {f.splits[0]: f for f in report.findings if f.name == "repeats"}
    assert found["train"].rows == {"train": (1, 4, 6)}
    assert found["train"].message.startswith(
        "3 of 7 train texts (42.9%) repeat an earlier one with the same label: 2 word for word, 1 "
        "nearly so"
    )
    assert found["test"].rows == {"test": (1,)}
    assert "They count more than once in the figures." in found["test"].message


def test_only_exact_copies_are_looked_for_without_a_similarity():
    report = audit((["A joy!", "a joy!", "A joy."], [0, 0, 0]), similarity=None)
    finding = report.finding("repeats")
    assert (finding.evidence["exact"], finding.evidence["near"]) == (1, 0)
    assert "similarity" not in finding.message


def test_regression_targets_contradict_when_they_are_far_apart():
    texts = [LONG, LONG, "So dull.", "So dull.", *distinct(4)]
    report = audit((texts, [0.1, 9.0, 3.0, 3.2, 0.5, 8.5, 0.7, 9.9]))
    assert report.task == "numbers"
    assert report.finding("contradictions").rows == {"train": (0, 1)}
    assert report.finding("repeats").rows == {"train": (3,)}
    assert report.class_weights is None
    assert report.class_counts == {}


def test_sets_of_labels_contradict_when_one_label_does():
    rows = [[1, 0, 1], [1, 1, 1], [0, 1, 0], [0, 1, 0]]
    report = audit(([LONG, LONG, "So dull.", "so dull."], rows))
    assert report.task == "sets"
    assert report.finding("contradictions").rows == {"train": (0, 1)}
    assert report.finding("repeats").rows == {"train": (3,)}


WORDS = st.lists(st.sampled_from(["red", "blue", "Red", "sun", "sea!", "sky"]), min_size=1)
SPLIT = st.lists(st.tuples(WORDS.map(" ".join), st.integers(0, 1)), min_size=1, max_size=8)


# The same cases every time: a pair that is just similar enough is missed once in a hundred times.
@settings(derandomize=True, deadline=None, max_examples=60)
@given(SPLIT, SPLIT, st.sampled_from([None, 0.6, 0.8]))
def test_copies_are_those_of_comparing_each_with_each(train, test, threshold):
    """Windows of letters counted with Python's sets, and nothing left to chance or shortcuts."""
    data = {"train": train, "test": test}
    splits = {name: tuple(zip(*part, strict=True)) for name, part in data.items()}
    report = audit(splits, similarity=threshold)

    def same(one, other):
        return " ".join(one.casefold().split()) == " ".join(other.casefold().split())

    def near(one, other):
        if threshold is None:
            return same(one, other)
        sets = []
        for text in (one, other):
            text = " ".join(re.findall(r"\w+", text.lower()))
            sets.append({text[at : at + 5] for at in range(max(1, len(text) - 4))})
        return len(sets[0] & sets[1]) / len(sets[0] | sets[1]) >= threshold

    leaked = {r for r, (text, _) in enumerate(test) if any(near(text, t) for t, _ in train)}
    exactly = {r for r, (text, _) in enumerate(test) if any(same(text, t) for t, _ in train)}
    sources = {r for r, (text, _) in enumerate(train) if any(near(text, t) for t, _ in test)}
    finding = report.finding("leak")
    assert (finding is None) == (not leaked)
    if finding:
        assert finding.rows == {"train": tuple(sorted(sources)), "test": tuple(sorted(leaked))}
        assert finding.evidence["exact"] == len(exactly)
    everything = train + test
    for name, part in data.items():
        expected = tuple(
            row
            for row, (text, label) in enumerate(part)
            if any(near(text, other) and label != theirs for other, theirs in everything)
        )
        found = [f for f in report.findings if f.name == "contradictions" and f.splits == (name,)]
        assert (found[0].rows[name] if found else ()) == expected
        kept = []
        repeated = []
        for row, (text, label) in enumerate(part):
            if any(near(text, other) and label == theirs for other, theirs in kept):
                repeated.append(row)
            else:
                kept.append((text, label))
        found = [f for f in report.findings if f.name == "repeats" and f.splits == (name,)]
        assert (found[0].rows[name] if found else ()) == tuple(repeated)


def test_matches_name_each_copy():
    train = ["One two three.", "one two three!", "Something else altogether."]
    report = audit((train, [0, 0, 1]), test=(["ONE two three.", LONG], [0, 1]))
    matches = [tuple(match) for match in report.matches.tolist()]
    assert matches == [
        ("train", 1, "train", 0, 1.0, False),
        ("test", 0, "train", 0, 1.0, True),
    ]


# ---- classes ---------------------------------------------------------------------------------


def test_imbalance_is_told_with_balanced_weights():
    labels = ["ham"] * 22 + ["spam"] * 2
    report = audit((distinct(24), labels))
    finding = report.finding("imbalance")
    assert finding.level == "warning"
    assert finding.message == (
        "'ham' has 11.0 times as many train texts as 'spam': 22 against 2. Always saying 'ham' "
        "would be 91.7% accurate."
    )
    assert report.class_weights == class_weights([0] * 22 + [1] * 2)
    assert report.class_counts == {"train": {"ham": 22, "spam": 2}}
    assert "sample_weights" in finding.remedy
    text = str(report)
    assert re.search(r"ham +22 +0\.545\n", text)
    assert re.search(r"spam +2 +6\n", text)


@pytest.mark.parametrize(("large", "level"), [(29, None), (30, "note"), (99, "note")])
def test_slight_imbalance_is_a_note_or_nothing(large, level):
    finding = audit((distinct(large + 10), [0] * large + [1] * 10)).finding("imbalance")
    assert (finding and finding.level) == level


def test_classes_that_a_split_lacks_are_told():
    texts = distinct(12)
    report = audit(
        (texts[:4], ["a", "b", "a", "b"]),
        (texts[4:8], ["a", "b", "c", "a"]),
        (texts[8:], ["a", "a", "c", "a"]),
    )
    found = {f.splits[0]: f for f in report.findings if f.name == "absent_class"}
    assert found["train"].level == "bad"
    assert found["train"].message == "No example of 'c' in train."
    assert "cannot be learned" in found["train"].remedy
    assert "validation" not in found
    assert found["test"].level == "warning"
    assert found["test"].message == "No example of 'b' in test."
    assert report.class_weights is None


def test_the_classes_can_be_told_beforehand():
    report = audit((distinct(2), [0, 1]), num_classes=4)
    assert report.finding("absent_class").message == "No example of 'class 2', 'class 3' in train."
    report = audit((distinct(2), ["x", "y"]), class_names=["y", "x", "z"])
    assert report.class_counts == {"train": {"y": 1, "x": 1, "z": 0}}
    report = audit((distinct(2), [0, 1]), num_classes=1)
    assert report.class_counts == {"train": {"class 0": 1, "class 1": 1}}


def test_labels_of_sets_can_be_absent_constant_or_one_sided():
    rows = [[1, 0, int(n == 0), n % 2] for n in range(12)]
    report = audit((distinct(12), rows), class_names=["all", "none", "rare", "half"])
    assert report.finding("absent_class").message == "No example of 'none' in train."
    assert report.finding("constant_label").message == "Each example in train has 'all'."
    assert report.finding("imbalance").message == (
        "'rare' is one-sided: 1 of 12 train texts (8.3%) have it."
    )
    assert report.class_weights is None
    rows = [[int(n > 0), n % 2] for n in range(12)]
    report = audit((distinct(12), rows))
    assert "'label 0' is one-sided: 1 of 12 train texts (8.3%) do not have it." in str(report)
    np.testing.assert_allclose(report.class_weights, class_weights(rows))
    assert "weight without" in str(report)


# ---- lengths ---------------------------------------------------------------------------------


class LettersTokenizer:
    prefix_ids, suffix_ids = (1,), (2,)

    def encode_batch(self, texts):
        return [[ord(letter) for letter in text] for text in texts]


def test_without_a_preprocessor_words_are_counted():
    texts = ["one two three", "one", "one two three four five six"]
    report = audit((texts, [0, 1, 0]), sequence_length=4)
    assert report.sizes["train"] == {
        "texts": 3,
        "usable": 3,
        "median_words": 3,
        "longest_words": 6,
    }
    assert report.finding("cut_texts").message == (
        "1 of 3 texts (33.3%) are longer than 4 words (train 33.3%): 2 words, 20.0% of all, would "
        "not be seen. The longest text has 6."
    )
    assert audit((texts, [0, 1, 0])).finding("cut_texts") is None
    assert audit((texts, [0, 1, 0]), sequence_length=6).finding("cut_texts") is None


def test_a_preprocessor_with_a_tokenizer_tells_how_many_tokens_would_be_cut(letters):
    letters.tokenizer = LettersTokenizer()
    texts = ["a" * 50, *distinct(2), "b" * 10]
    report = audit((texts, [0, 1, 0, 1]), preprocessor=letters)
    finding = report.finding("cut_texts")
    # 52, 42, 42 and 12 tokens, with the special ones, where there is room for 40.
    assert finding.evidence == {
        "texts": 3,
        "share": 0.75,
        "lost": 16,
        "lost_share": 16 / 148,
        "longest": 52,
        "enough_for_95_percent": 51,
        "enough_for_99_percent": 52,
    }
    assert finding.level == "warning"
    assert finding.remedy.startswith("51 tokens are enough for 95% of the texts, and 52 for 99%.")
    assert report.sizes["train"]["longest_tokens"] == 52
    shorter = audit((texts, [0, 1, 0, 1]), preprocessor=letters, sequence_length=12)
    assert shorter.finding("cut_texts").evidence["lost"] == 40 + 30 + 30
    assert letters.encoded == []


def test_a_preprocessor_that_only_cuts_tells_how_many_texts_reach_its_limit(letters):
    report = audit((["a" * 50, "b" * 39, "c" * 40], [0, 1, 0]), preprocessor=letters)
    assert report.finding("cut_texts").message == (
        "2 of 3 texts (66.7%) fill all 40 tokens, so most of them were probably cut. By how much, "
        "this preprocessor does not tell."
    )


# ---- how it is called ------------------------------------------------------------------------


def test_all_forms_of_data_are_read():
    texts = ["A joy.", "So dull.", "Fine."]
    examples = Examples(texts, [1, 0, 1])
    pair = audit((texts, [1, 0, 1]))
    for data in (examples, [texts, [1, 0, 1]], (np.array(texts), np.array([1, 0, 1]), [1, 2, 3])):
        assert audit(data).to_dict() == pair.to_dict()
    assert audit({"train": examples}).to_dict() == pair.to_dict()
    named = audit({"learn": examples, "judge": (distinct(2), [0, 1])})
    assert list(named.sizes) == ["learn", "judge"]


def test_tf_datasets_are_read():
    import tensorflow as tf

    data = tf.data.Dataset.from_tensor_slices((["A joy.", " ", "So dull."], [1, 0, 0]))
    report = audit(data)
    assert report.finding("blank_texts").rows == {"train": (1,)}


def test_findings_come_in_the_order_of_their_weight():
    texts = [*distinct(20), *distinct(2), ""]
    labels = [0] * 19 + [1, 0, 0, None]
    test = (["x y z", "u v w", *distinct(1)], [0, 0, 0])
    report = audit((texts, labels), test=test, sequence_length=1)
    assert names_of(report) == [
        ("bad", "missing_labels"),
        ("bad", "blank_texts"),
        ("bad", "leak"),
        ("warning", "absent_class"),
        ("warning", "imbalance"),
        ("warning", "repeats"),
        ("warning", "cut_texts"),
    ]


def test_a_bar_is_shown_for_many_texts_unless_told_otherwise(capsys):
    texts = [f"{n} {n * 7919 % 10007} text" for n in range(5000)]
    data = (texts, [0, 1] * 2500)
    audit(data, similarity=None)
    assert "Comparing" in capsys.readouterr().err
    audit(data, similarity=None, progress=False)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (((), ()), r"`train` must hold at least one text"),
        ((["a", "b"], [1]), r"labels of `train` must be as many as its texts. Received: 1 labels"),
        ((["a"], None), r"`labels of train` must be a list of labels"),
        (("a", [1]), r"`texts of train` must be a list of texts. Received: .*'a'"),
        ((["a"], 1), r"`labels of train` must be a list, array or column of labels"),
        (["a", "b", "c", "d"], r"`train` must be Examples, \(texts, labels\)"),
        (None, r"`train` must be Examples, \(texts, labels\)"),
        ((["a"], [1], [-1.0]), r"`sample_weight` must be finite and not negative"),
    ],
)
def test_what_is_no_data_set_is_refused(data, message):
    with pytest.raises(DataError, match=message):
        audit(data)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"similarity": 0.4}, "`similarity` must be a number, at least 0.5 and at most 1"),
        ({"similarity": "high"}, "`similarity` must be a number"),
        ({"sequence_length": 0}, "`sequence_length` must be a whole number, at least 1"),
        ({"num_classes": 0}, "`num_classes` must be a whole number, at least 1"),
        ({"num_classes": 3, "class_names": ["a", "b"]}, "as many as `num_classes`"),
        ({"class_names": ["a", "a"]}, "`class_names` must name each class once"),
        ({"preprocessor": len}, "`preprocessor` must be a kerasft.data.Preprocessor"),
        ({"progress": 1}, "`progress` must be True or False"),
    ],
)
def test_wrong_arguments_are_told(options, message):
    with pytest.raises(ArgumentError, match=message):
        audit((["a", "b"], [0, 1]), **options)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "a dict with at least one split"),
        ({"test": (["a"], [0]), "train": (["b"], [0])}, "a dict that begins with the training set"),
        ({1: (["a"], [0])}, "a dict from names of splits to their data"),
    ],
)
def test_dicts_of_splits_have_names_and_an_order(data, message):
    with pytest.raises(ArgumentError, match=message):
        audit(data)


def test_a_dict_has_all_splits():
    with pytest.raises(ArgumentError, match="the only one where it is a dict"):
        audit({"train": (["a"], [0])}, test=(["b"], [0]))


def test_reports_and_findings_show_themselves():
    finding = Finding("blank_texts", "bad", "2 are blank.", remedy="Drop them.")
    assert str(finding) == "[bad] 2 are blank. What to do: Drop them."
    with pytest.raises(ArgumentError, match="`level` must be one of 'bad', 'warning', 'note'"):
        Finding("blank_texts", "worse", "")
    report = audit((["<b>", "<B>", "x"], [0, 0, 1]), test=(["y"], [1]))
    assert isinstance(report, AuditReport)
    assert repr(report) == "<AuditReport: 4 texts in train, test; 2 warnings>"
    html = report._repr_html_()
    assert "<table>" in html
    assert "&lt;b&gt;" in html
    assert "<b><" not in html.replace("<b>Audit", "")
    for line in str(report).splitlines():
        assert len(line) <= 100
