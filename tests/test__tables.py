"""Tables: the same cells as text and for a notebook."""

import re
import sys

from kerasft._tables import cell_text, html_table, text_table

COLUMNS = ["name", ">count", "trains"]
ROWS = [["stem", 1234567, True], ["<head> & [top]", None, False]]


def test_text():
    text = text_table(COLUMNS, ROWS, title="A [bold] title", caption="Two rows.")
    lines = text.splitlines()
    assert lines[0] == "A [bold] title"
    assert lines[1].split() == ["name", "count", "trains"]
    assert set(lines[2]) == {"─"}
    assert re.fullmatch(r"stem +1,234,567 +yes", lines[3])
    assert re.fullmatch(r"<head> & \[top\] +no", lines[4])
    assert lines[-1] == "Two rows."
    assert not any(line.endswith(" ") for line in lines)
    assert "\x1b" not in text


def test_in_a_notebook_text_is_the_same_text(monkeypatch):
    plain = text_table(COLUMNS, ROWS)
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    monkeypatch.setitem(sys.modules, "IPython.display", None)  # nothing is shown on the page
    assert text_table(COLUMNS, ROWS) == plain


def test_numbers_are_aligned_to_the_right():
    lines = text_table([">n"], [[1], [1000]]).splitlines()
    assert lines[-2:] == ["    1", "1,000"]


def test_long_cells_are_folded_and_not_cut():
    name = "a" * 150
    text = text_table(["name", "other"], [[name, "x"]])
    assert "".join(re.findall("a{2,}", text)) == name
    assert max(map(len, text.splitlines())) <= 100


def test_no_rows():
    assert text_table(COLUMNS, []).splitlines()[0].split() == ["name", "count", "trains"]
    assert html_table(COLUMNS, []).count("<td") == 0


def test_html_is_escaped():
    page = html_table(COLUMNS, ROWS, title="<b>", caption="a & b")
    assert "&lt;head&gt; &amp; [top]" in page
    assert "<b>&lt;b&gt;</b>" in page
    assert "<p>a &amp; b</p>" in page
    assert page.count("<td") == 6
    assert page.count("text-align:right") == 3  # a heading and two cells


def test_cells():
    cells = [None, True, False, 1000, 0.5, "text", -1234]
    assert [cell_text(c) for c in cells] == ["", "yes", "no", "1,000", "0.5", "text", "-1,234"]
