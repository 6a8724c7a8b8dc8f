"""Makes the notebooks of `examples/` from the scripts of the same names, and executes them.

Run it with `python tests/make_notebooks.py examples/NAME.py ...`. A script that has a notebook is
written in cells (`# %%`, and `# %% [markdown]` for what is told), which jupytext reads, so that the
two cannot say different things. As a script it takes `--quick` and its other arguments; in the
notebook everything is at its default.
"""

import argparse
import os
import re
import sys
import time
from pathlib import Path

import jupytext
import nbformat

# What is a matter of the machine and not of the story.
_NOISE = re.compile(
    r"(WARNING: All log messages|[IWE]0000 |.*cpu_feature_guard|To enable the following"
    r"|.*TqdmWarning: IProgress|  from .autonotebook import tqdm)"
)
# The frames of a progress bar, which a page would show below each other.
_FRAME = re.compile(r"\x1b\[(2K|\?25[lh])|[━╸╺]+ +\d+/\d+ ")
_KEPT = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}


def from_script(script):
    """The notebook that a script stands for, not executed."""
    notebook = jupytext.reads(Path(script).read_text(encoding="utf-8"), fmt="py:percent")
    notebook.metadata = nbformat.from_dict(_KEPT)
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"  # random ones would change with every run
        cell.metadata = nbformat.from_dict({})
    return notebook


def execute(notebook, folder):
    """Run all cells in a folder, and clean what they put out."""
    from nbclient import NotebookClient

    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    NotebookClient(notebook, timeout=3600, resources={"metadata": {"path": str(folder)}}).execute()
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict({})
        for output in cell.get("outputs", []):
            output.pop("transient", None)
        cell["outputs"] = [out for out in cell.get("outputs", []) if not _is_noise(out)] or []
        if cell.cell_type != "code":
            cell.pop("outputs")
    return notebook


def _is_noise(output):
    if output.output_type != "stream":
        return False
    if _FRAME.search(output.text):
        lines = output.text.replace("\r", "\n").splitlines()
        output.text = "".join(f"{line}\n" for line in lines if line and not _FRAME.search(line))
    if output.name == "stderr":
        lines = output.text.splitlines()
        output.text = "".join(f"{line}\n" for line in lines if line and not _NOISE.match(line))
    return not output.text


def main():
    """Make and execute."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scripts", nargs="+", type=Path)
    for script in parser.parse_args().scripts:
        start = time.perf_counter()
        notebook = execute(from_script(script), script.parent)
        target = script.with_suffix(".ipynb")
        part = target.with_name(target.name + ".part")
        nbformat.write(notebook, part)
        os.replace(part, target)
        print(f"{target}: {time.perf_counter() - start:,.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
