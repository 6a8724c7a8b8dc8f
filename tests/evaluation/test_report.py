"""Reports as text, Markdown, HTML and JSON, and back."""

import dataclasses
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from kerasft.errors import ArgumentError, DataError, SourceError
from kerasft.evaluation import Report, evaluate_arrays

NASTY = (
    '<script>alert("x")</script> & [bold red]no[/] | a `b` *c*\x1b[31m\r\n# d $e$ ' + "long " * 99
)


def reports():
    random = np.random.default_rng(0)
    count = 60
    labels = random.integers(0, 2, count)
    several = random.dirichlet(np.ones(12), count)
    names = [f"a class with a long name, number {n}" for n in range(12)]
    sets = random.integers(0, 2, (count, 3))
    texts = [f"{NASTY} {n}" for n in range(count)]
    return {
        "binary": evaluate_arrays(
            labels, random.random(count), class_names=["no", NASTY[:40]], inputs=texts, bootstrap=20
        ),
        "one class": evaluate_arrays([1] * 9, random.random(9), bootstrap=20),
        "multiclass": evaluate_arrays(
            random.integers(0, 11, count), several, class_names=names, inputs=texts, bootstrap=20
        ),
        "multilabel": evaluate_arrays(
            sets, random.random((count, 3)), threshold=(0.4, 0.5, 0.6), bootstrap=20
        ),
        "regression": evaluate_arrays(
            1e6 * random.normal(size=(count, 2)), random.normal(size=(count, 2)), task="regression",
            bootstrap=20,
        ),
    }  # fmt: skip


REPORTS = reports()
parametrized = pytest.mark.parametrize("name", list(REPORTS))


@parametrized
def test_the_text_is_plain_and_fits_80_columns(name):
    text = str(REPORTS[name])
    assert all(len(line) <= 80 for line in text.splitlines())
    assert "\x1b" not in text
    assert "\r" not in text
    for verdict in REPORTS[name].verdicts:
        assert f"[{verdict.level}]" in text


def test_the_text_holds_the_figures():
    report = evaluate_arrays(
        [1] * 100 + [0] * 100, [0.9] * 90 + [0.2] * 10 + [0.8] * 15 + [0.1] * 85
    )
    lines = [" ".join(line.split()) for line in str(report).splitlines()]
    assert "Binary classification of 200 examples" in lines
    assert any(line.startswith("Precision 0.857 0.7") for line in lines)
    assert any(line.startswith("Recall 0.900 0.8") for line in lines)
    assert "1 10 90" in lines
    assert "1000 draws" in " ".join(lines)
    assert repr(report) == "<Report: binary, 200 examples, accuracy 0.875>"


def test_the_text_is_the_same_in_every_terminal(monkeypatch):
    before = str(REPORTS["binary"])
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    assert str(REPORTS["binary"]) == before


def test_rich_prints_in_colour():
    from rich.console import Console

    console = Console(record=True, width=100, force_terminal=True, color_system="standard")
    with console.capture() as captured:
        console.print(REPORTS["binary"])
    assert "\x1b[" in captured.get()
    assert "[bold red]no[/]" in re.sub(r"\x1b\[[0-9;]*m", "", captured.get())


class Page(HTMLParser):
    """What a browser would see: tags, the places they point to, and texts."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.places, self.texts, self.open = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.places += [v for k, v in attributes if k in ("src", "href", "action", "data")]
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


@parametrized
def test_the_page_needs_nothing_but_itself(name, tmp_path):
    path = tmp_path / "report.html"
    REPORTS[name].save(path)
    text = path.read_text(encoding="utf-8")
    page = Page(text)
    assert not page.open
    assert "script" not in page.tags
    assert all(place.startswith("data:image/png;base64,") for place in page.places)
    assert page.tags.count("img") == len(page.places) >= 1
    assert "http" not in text
    assert "url(" not in text
    assert "@import" not in text


def test_texts_are_escaped_in_html():
    fragment = REPORTS["binary"]._repr_html_()
    page = Page(fragment)
    assert "script" not in page.tags
    assert any('<script>alert("x")</script> & [bold red]no[/] | a' in text for text in page.texts)
    assert "img" not in page.tags


@parametrized
def test_markdown_tables_keep_their_columns(name, tmp_path):
    path = tmp_path / "report.md"
    REPORTS[name].save(path)
    text = path.read_text(encoding="utf-8")
    tables = re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE)
    assert len(tables) >= 1
    for table in tables:
        bars = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(bars) == 1
    assert not re.search(r"(?<!\\)<", text)
    headings = [line for line in text.splitlines() if line.startswith("#")]
    assert len(headings) == 1 + len(tables)


@parametrized
def test_a_report_comes_back_from_its_file(name, tmp_path):
    report = REPORTS[name]
    path = tmp_path / "report.json"
    report.save(path)
    loaded = Report.load(path)
    assert loaded.to_dict() == report.to_dict()
    assert str(loaded) == str(report)
    assert loaded.verdicts == report.verdicts
    assert loaded.mistakes == report.mistakes
    assert np.array_equal(loaded.probabilities, report.probabilities)
    assert json.loads(path.read_text()) == json.loads(json.dumps(report.to_dict(), allow_nan=False))


def test_notes_are_shown_and_saved(tmp_path):
    report = dataclasses.replace(REPORTS["binary"], notes=("Made at 2 a.m.",))
    assert "Made at 2 a.m." in " ".join(str(report).split())
    report.save(tmp_path / "report.json")
    assert Report.load(tmp_path / "report.json").notes == ("Made at 2 a.m.",)
    content = json.loads((tmp_path / "report.json").read_text())
    del content["notes"], content["class_intervals"]  # as older versions wrote it
    (tmp_path / "report.json").write_text(json.dumps(content))
    older = Report.load(tmp_path / "report.json")
    assert (older.notes, older.class_intervals) == ((), {})
    assert "Precision" in str(older)


def test_save_says_which_endings_there_are(tmp_path):
    with pytest.raises(ArgumentError, match=r"ends in \.json, \.md, \.html"):
        REPORTS["binary"].save(tmp_path / "report.pdf")
    assert list(tmp_path.iterdir()) == []


def test_a_failing_save_leaves_the_former_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "report.json"
    path.write_text("former")
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(SourceError, match=r"could not be written to .*report\.json: disk full"):
        REPORTS["binary"].save(path)
    assert path.read_text() == "former"
    assert [file.name for file in tmp_path.iterdir()] == ["report.json"]


def test_save_into_no_folder(tmp_path):
    with pytest.raises(SourceError, match="could not be written"):
        REPORTS["binary"].save(tmp_path / "absent" / "report.json")


def test_files_that_hold_no_report(tmp_path):
    with pytest.raises(SourceError, match="No report could be read"):
        Report.load(tmp_path / "absent.json")
    good = REPORTS["multiclass"].to_dict()
    damaged = {key: value for key, value in good.items() if key != "metrics"}
    wrong = good | {"labels": [99] * 60}
    for content, message in (
        ("{", "it is no JSON"),
        ("# Report", r"Only a report saved with the ending \.json"),
        ("[1]", "holds no report of kerasft's"),
        (json.dumps({"format": "other"}), "holds no report of kerasft's"),
        (json.dumps(good | {"version": 99}), "version 99, and this kerasft reads version 1"),
        (json.dumps(damaged), "missing or damaged parts: KeyError"),
        (json.dumps(wrong), "whole numbers from 0 to 11"),
    ):
        path = tmp_path / "report.json"
        path.write_text(content)
        with pytest.raises(DataError, match=message):
            Report.load(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="it is no text"):
        Report.load(path)


def test_many_classes_show_the_worst():
    text = str(REPORTS["multiclass"])
    assert "Most frequent confusions" in text
    random = np.random.default_rng(0)
    many = evaluate_arrays(
        random.integers(0, 40, 300), random.dirichlet(np.ones(40), 300), bootstrap=0
    )
    assert "The 30 classes with the lowest F1, of 40." in str(many)
    assert len(many.to_dict()["classes"]) == 40


def test_equal_classes_have_no_confusions():
    perfect = evaluate_arrays(np.arange(10), np.eye(10), bootstrap=0)
    assert "confusion" not in str(perfect)
    assert perfect.mistakes == ()
