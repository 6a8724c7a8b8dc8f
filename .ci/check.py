"""The one loop: format, lint, types and tests, with the Python that runs this file.

python .ci/check.py               everything, as continuous integration runs it
python .ci/check.py -k freezing   what is given goes to pytest, here to choose some of the tests

The tests that are marked `core` also run on JAX and on PyTorch, where these are installed; JAX is
among the requirements of the tests. It stops at the first step that fails. The whole suite, on
TensorFlow, comes last, so that its summary is the last line.
"""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent

STEPS = [
    ["ruff", "format", "--check", "."],
    ["ruff", "check", "."],
    ["mypy"],
]
PYTEST = [
    # Half of the time goes into tracing, in which TensorFlow keeps one core busy: two processes
    # are worth their memory (up to 2.2 GB each), more are not.
    "pytest",
    "--numprocesses=2",
    "--dist=worksteal",
]


def main() -> int:
    """Run the steps in order; the exit code is that of the first that fails, or zero."""
    chosen = sys.argv[1:]
    backends = [name for name in ("jax", "torch") if importlib.util.find_spec(name)]
    steps: list[tuple[list[str], dict[str, str]]] = [(step, {}) for step in STEPS]
    for backend in backends if not chosen else ():
        steps.append(([*PYTEST, "-m", "core"], {"KERAS_BACKEND": backend}))
    steps.append(([*PYTEST, *chosen], {}))
    for command, settings in steps:
        told = [f"{name}={value}" for name, value in settings.items()]
        print("$", *told, "python -m", *command, flush=True)
        environment = {"TF_CPP_MIN_LOG_LEVEL": "3", **os.environ, **settings}
        done = subprocess.run(
            [sys.executable, "-m", *command], cwd=ROOT, env=environment, stdin=subprocess.DEVNULL
        )
        if done.returncode:
            return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
