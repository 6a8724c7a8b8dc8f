"""Generated texts: BLEU as sacrebleu has it, its intervals, and what is said in words."""

import json
import re
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasft.errors import ArgumentError, DataError, MissingDependencyError, SourceError
from kerasft.evaluation import Limits, Report, TextReport, evaluate_arrays, evaluate_texts

sacrebleu = pytest.importorskip("sacrebleu")

WORDS = ["the", "cat", "sat", "on", "a", "mat", "dog", "It", "rained", ".", "heute"]


def sentence(random, length=8):
    return " ".join(random.choice(WORDS, length))


def corpus(count=40, seed=0, noise=0.3):
    """References, and the same with some words changed."""
    random = np.random.default_rng(seed)
    references = [sentence(random, random.integers(5, 12)) for _ in range(count)]
    said = []
    for text in references:
        words = text.split()
        changed = random.random(len(words)) < noise
        said.append(" ".join(np.where(changed, random.choice(WORDS, len(words)), words)))
    return references, said


@settings(max_examples=40, deadline=None)
@given(
    pairs=st.lists(
        st.tuples(
            st.lists(st.sampled_from(WORDS), min_size=1, max_size=8),
            st.lists(st.sampled_from(WORDS), max_size=8),
        ),
        min_size=1,
        max_size=6,
    ),
    lowercase=st.booleans(),
    tokenize=st.sampled_from(["13a", "intl", "char", "none"]),
)
def test_the_figures_are_sacrebleus(pairs, lowercase, tokenize):
    references, said = ([" ".join(side) for side in sides] for sides in zip(*pairs, strict=True))
    report = evaluate_texts(
        references, said, tokenize=tokenize, lowercase=lowercase, bootstrap=0, worst=6
    )
    expected = sacrebleu.corpus_bleu(
        said, [references], lowercase=lowercase, tokenize=tokenize, force=True
    )
    assert report.metrics["bleu"] == pytest.approx(expected.score)
    assert report.metrics["brevity_penalty"] == pytest.approx(expected.bp)
    for order, precision in enumerate(expected.precisions, 1):
        assert report.metrics[f"precision_{order}"] == pytest.approx(precision)
    for text in report.worst:
        alone = sacrebleu.sentence_bleu(
            text.hypothesis, [text.reference], lowercase=lowercase, tokenize=tokenize
        )
        assert text.bleu == pytest.approx(alone.score)
    scores = [text.bleu for text in report.worst]
    assert scores == sorted(scores)


def test_several_references_each_as_many_as_there_are():
    references = [["a dog sat on the mat", "the cat sat on a mat"], ["It rained ."], "the dog ."]
    said = ["the cat sat on the mat", "It rained heute .", "the dog ."]
    report = evaluate_texts(references, said, bootstrap=0)
    padded = [["a dog sat on the mat", "It rained .", "the dog ."], [references[0][1], None, None]]
    assert report.metrics["bleu"] == pytest.approx(sacrebleu.corpus_bleu(said, padded).score)
    assert report.signature.startswith("nrefs:var|case:mixed|eff:no|tok:13a|smooth:exp|version:")
    assert report.metrics["identical"] == pytest.approx(1 / 3)
    twice = evaluate_texts([[text, text] for text in said], said, bootstrap=0)
    assert twice.signature.startswith("nrefs:2|")
    assert twice.metrics["bleu"] == pytest.approx(100)


def test_the_interval_is_sacrebleus_bootstrap():
    """Its draws are other ones, so that the ends agree to some tenths of a point."""
    references, said = corpus(200)
    report = evaluate_texts(references, said, bootstrap=1000)
    score = sacrebleu.BLEU().corpus_score(said, [references], n_bootstrap=1000)
    middle, reach = (float(n) for n in re.search(r"μ = ([\d.]+) ± ([\d.]+)", str(score)).groups())
    low, high = report.intervals["bleu"]
    assert low < report.metrics["bleu"] < high
    assert low == pytest.approx(middle - reach, abs=0.6)
    assert high == pytest.approx(middle + reach, abs=0.6)
    assert set(report.intervals) == set(report.metrics)


def test_texts_of_every_kind_are_read_the_same():
    references, said = corpus(5)
    expected = evaluate_texts(references, said, bootstrap=3).to_dict()
    for form in (
        tuple,
        np.array,
        lambda texts: np.array(texts, dtype=object),
        lambda texts: [text.encode() for text in texts],
    ):
        assert evaluate_texts(form(references), form(said), bootstrap=3).to_dict() == expected


def test_the_comparison_takes_the_same_texts_for_both():
    references, good = corpus(150, noise=0.2)
    worse = corpus(150, noise=0.35)[1]
    first, second = (evaluate_texts(references, said, bootstrap=0) for said in (good, worse))
    comparison = first.compare(second, names=("good", "worse"), bootstrap=200)
    found = comparison.differences["bleu"]
    assert comparison.paired
    assert comparison.mcnemar is None
    assert found.difference == pytest.approx(first.metrics["bleu"] - second.metrics["bleu"])
    assert 0 < found.low < found.difference < found.high
    assert "good minus worse" in str(comparison)
    same = first.compare(first, bootstrap=20).differences["bleu"]
    assert (same.low, same.high) == (0, 0)
    # Other texts, or the same references to other inputs, are drawn by themselves.
    other = evaluate_texts(*corpus(100, seed=9), bootstrap=0)
    assert not first.compare(other, bootstrap=20).paired
    by_input = [evaluate_texts(references, good, inputs=[mark] * 150, bootstrap=0) for mark in "ab"]
    assert not by_input[0].compare(by_input[1], bootstrap=20).paired
    wide = first.compare(other, bootstrap=100).differences["bleu"]
    assert wide.high - wide.low > 0


def test_what_cannot_be_compared():
    references, said = corpus(5)
    report = evaluate_texts(references, said, bootstrap=0)
    with pytest.raises(ArgumentError, match="`other` must be a TextReport"):
        report.compare(evaluate_arrays([0, 1], [0.1, 0.9], bootstrap=0))
    with pytest.raises(ArgumentError, match="`other` must be counted in the same way"):
        report.compare(evaluate_texts(references, said, lowercase=True, bootstrap=0))
    with pytest.raises(ArgumentError, match="`names` must be two strings"):
        report.compare(report, names=("a", 2))
    with pytest.raises(ArgumentError, match="`bootstrap` must be a whole number, at least 2"):
        report.compare(report, bootstrap=1)


def verdicts(references, said, **options):
    report = evaluate_texts(references, said, **{"bootstrap": 0} | options)
    return {verdict.name: verdict for verdict in report.verdicts}


def test_a_model_that_always_writes_the_same():
    references, _ = corpus(10)
    verdict = verdicts(references, ["the cat sat on a mat ."] * 10)["one_text_for_all"]
    assert verdict.level == "bad"
    assert verdict.message == "Collapsed: 10 of 10 texts are 'the cat sat on a mat .'."
    assert "one_text_for_all" not in verdicts(["yes"] * 8 + ["no"] * 2, ["yes"] * 10)
    assert "one_text_for_all" not in verdicts(["a"], ["a"])


def test_empty_and_short_texts():
    references, said = corpus(10)
    found = verdicts(references, ["", "  ", *said[2:]])
    assert found["empty"].message == "Empty: 2 of 10 texts hold no word."
    found = verdicts(references, [text.rsplit(" ", 3)[0] for text in references])
    assert found["too_short"].message.startswith("Too short: the texts have 6")
    nothing = evaluate_texts(references, [""] * 10, bootstrap=10)
    assert nothing.metrics["bleu"] == nothing.metrics["length_ratio"] == 0.0
    assert {verdict.name for verdict in nothing.verdicts} == {
        "one_text_for_all",
        "empty",
        "too_short",
    }


def test_too_few_texts_for_the_claim():
    few = verdicts(*corpus(8), bootstrap=200)["too_few_examples"]
    assert few.message.startswith("Too few texts for the claim: with 8, the BLEU of ")
    assert "too_few_examples" not in verdicts(*corpus(8), bootstrap=200, limits=Limits(margin=1.0))
    assert not verdicts(*corpus(300), bootstrap=100)


def test_the_text_fits_and_holds_what_was_said():
    references, said = corpus(20)
    inputs = [f"input \x1b[31m{n}" for n in range(20)]
    report = evaluate_texts(references, said, inputs=inputs, bootstrap=20, worst=3)
    text = str(report)
    assert all(len(line) <= 80 for line in text.splitlines())
    assert "\x1b" not in text
    assert "20 generated texts" in text
    assert "Precision of 4-grams" in text
    assert len(report.worst) == 3
    assert report.worst[0].input == inputs[report.worst[0].index]
    assert report.worst[0].reference == references[report.worst[0].index]
    assert repr(report) == f"<TextReport: 20 texts, BLEU {report.metrics['bleu']:.1f}>"
    assert "<table>" in report._repr_html_()
    assert "Worst texts" not in str(evaluate_texts(references, said, worst=0, bootstrap=0))


def test_saved_and_loaded(tmp_path, monkeypatch):
    references, said = corpus(12)
    report = evaluate_texts(references, said, inputs=references, bootstrap=20)
    report.save(tmp_path / "report.json")
    json.loads((tmp_path / "report.json").read_text(), parse_constant=pytest.fail)
    with monkeypatch.context() as patch:  # to read a report needs no sacrebleu
        patch.setitem(sys.modules, "sacrebleu.metrics", None)
        loaded = TextReport.load(tmp_path / "report.json")
        assert str(loaded) == str(report)
    assert loaded.to_dict() == report.to_dict()
    again = loaded.compare(report, bootstrap=10)
    assert again.paired
    for ending in ("md", "html"):
        report.save(tmp_path / f"report.{ending}")
        assert "Worst texts" in (tmp_path / f"report.{ending}").read_text()
    with pytest.raises(DataError, match="holds no report of kerasft's"):
        Report.load(tmp_path / "report.json")
    with pytest.raises(SourceError, match="No report on texts could be read"):
        TextReport.load(tmp_path / "absent.json")
    content = json.loads((tmp_path / "report.json").read_text()) | {"worst": [{}]}
    (tmp_path / "report.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match="missing or damaged parts"):
        TextReport.load(tmp_path / "report.json")


def test_without_sacrebleu(monkeypatch):
    monkeypatch.setitem(sys.modules, "sacrebleu.metrics", None)
    with pytest.raises(MissingDependencyError, match='pip install "sacrebleu"'):
        evaluate_texts(["a"], ["a"])


@pytest.mark.parametrize(
    ("references", "said", "options", "message"),
    [
        (["a", "b"], ["a"], {}, "2 references, 1 hypotheses"),
        ([["a", "b", "c"], ["a", "b", "d"]], ["a", "b", "c"], {}, "sacrebleu's own order"),
        ([], [], {}, "`hypotheses` must be at least one text"),
        ("a text", ["a"], {}, "`references` must be a list with one entry per hypothesis"),
        (["a"], "a text", {}, "`hypotheses` must be a list of strings"),
        (None, ["a"], {}, "`references` must be a list"),
        (["a"], [3], {}, "`hypotheses[0]` must be a string. Received: hypotheses[0]=3"),
        (["a"], [[101, 7]], {}, "Turn token ids into text"),
        (["a"], [None], {}, "`hypotheses[0]` must be a string"),
        (["a"], [float("nan")], {}, "`hypotheses[0]` must be a string"),
        (["a", 3], ["a", "b"], {}, "`references[1]` must be a string or a list of strings"),
        (["a", ["b", 3]], ["a", "b"], {}, "`references[1][1]` must be a string"),
        (["a", []], ["a", "b"], {}, "`references[1]` must be a string or a list"),
        (["a", "  "], ["a", "b"], {}, "`references[1]` must be a text that is not empty"),
        (["a"], ["a"], {"inputs": ["x", "y"]}, "2 inputs, 1 hypotheses"),
        (["a"], ["a"], {"inputs": [1]}, "`inputs[0]` must be a string"),
    ],
)
def test_texts_that_cannot_be_used(references, said, options, message):
    with pytest.raises(DataError, match=re.escape(message)):
        evaluate_texts(references, said, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"tokenize": "flores200"},
            "`tokenize` must be one of '13a', 'intl', 'zh', 'char', 'none'",
        ),
        ({"lowercase": 1}, "`lowercase` must be True or False"),
        ({"bootstrap": -1}, "`bootstrap` must be a whole number"),
        ({"confidence": 1}, "`confidence` must be a number"),
        ({"seed": 0.5}, "`seed` must be a whole number"),
        ({"worst": -1}, "`worst` must be a whole number"),
        ({"limits": {}}, "`limits` must be a kerasft.evaluation.Limits"),
    ],
)
def test_arguments_that_break_their_rule(options, message):
    with pytest.raises(ArgumentError, match=re.escape(message)):
        evaluate_texts(["a"], ["a"], **options)
