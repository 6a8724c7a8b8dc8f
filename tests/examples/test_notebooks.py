"""The notebooks: what they say is what the scripts say, and they were executed without a hitch."""

import re
from pathlib import Path

import nbformat
import pytest

pytest.importorskip("jupytext", reason="needs jupytext")

from make_notebooks import from_script

EXAMPLES = Path(__file__).parents[2] / "examples"
NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))
each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)

# Frames of progress bars, paths from the root of a file system, warnings and errors.
SPILT = re.compile(
    r"\x1b\[2K|(?<![\w.:/<+])(/|[A-Z]:\\)\w[\w.-]*[/\\]\w|site-packages|Warning:|WARNING|Traceback"
)


def code_of(notebook):
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


@each
def test_it_is_made_from_its_script(path):
    made, kept = from_script(path.with_suffix(".py")), nbformat.read(path, as_version=4)
    assert [(c.cell_type, c.source) for c in made.cells] == [
        (c.cell_type, c.source) for c in kept.cells
    ], f"run `python tests/make_notebooks.py examples/{path.stem}.py`"


@each
def test_it_was_executed_and_nothing_spilt(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    numbers = [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"]
    assert numbers == list(range(1, len(numbers) + 1))
    outputs = [out for cell in notebook.cells for out in cell.get("outputs", [])]
    assert any("image/png" in out.get("data", {}) for out in outputs), "no picture"
    for out in outputs:
        assert out.output_type != "error"
        text = str(out.get("text", "")) + str(out.get("data", {}).get("text/plain", ""))
        text += str(out.get("data", {}).get("text/html", ""))
        assert not SPILT.search(text), SPILT.search(text)


@each
def test_it_says_at_its_top_how_long_it_takes_and_what_it_shows(path):
    top = nbformat.read(path, as_version=4).cells[0]
    assert top.cell_type == "markdown"
    assert top.source.startswith("# ")
    assert re.search(r"\d+ (seconds|minutes)", top.source)


def test_the_readme_leads_to_each_of_them():
    readme = (EXAMPLES.parent / "README.md").read_text(encoding="utf-8")
    for path in NOTEBOOKS:
        assert f"examples/{path.name}" in readme, path.name
