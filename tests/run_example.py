"""Runs a script of `examples/` as a user would, in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

from pretrained import three_layers_of_minilm

ROOT = Path(__file__).parents[1]


def run_example(name, *arguments):
    """Run it with arguments; gives the process, with all that it put out as text."""
    return subprocess.run(
        [sys.executable, str(ROOT / "examples" / f"{name}.py"), *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "COLUMNS": "120"},
        capture_output=True,
        text=True,
        timeout=1500,
    )


def run_small_form(name, folder, *arguments):
    """Run its small form to a good end; gives the process and the results that it wrote.

    On three layers of the real model: half of what these forms take goes into tracing layers.
    """
    backbone = three_layers_of_minilm(folder / "three_layers")
    done = run_example(name, "--quick", *arguments, "--backbone", backbone, "--output", folder)
    assert done.returncode == 0, done.stderr[-3000:]
    return done, json.loads((folder / "results.json").read_text())
