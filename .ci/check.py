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
# A process waits a fifth of its time, for files and for processes of its own: one more than there
# are cores is worth its memory, up to 2.2 GB.
PROCESSES = min(os.cpu_count() or 2, 8) + 1
PYTEST = ["pytest", f"--numprocesses={PROCESSES}", "--dist=worksteal"]
# Each with one thread, or they are in each other's way.
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), "1"
)


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
        environment = {"TF_CPP_MIN_LOG_LEVEL": "3", **ONE_THREAD, **os.environ, **settings}
        done = subprocess.run(
            [sys.executable, "-m", *command], cwd=ROOT, env=environment, stdin=subprocess.DEVNULL
        )
        if done.returncode:
            return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
