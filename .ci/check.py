"""The one loop: format, lint, types and tests, with the Python that runs this file.

python .ci/check.py               everything, as continuous integration runs it
python .ci/check.py -k freezing   what is given goes to pytest, here to choose some of the tests

It stops at the first step that fails. pytest comes last, so that its summary is the last line.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent

STEPS = [
    ["ruff", "format", "--check", "."],
    ["ruff", "check", "."],
    ["mypy"],
    # Half of the time goes into tracing, in which TensorFlow keeps one core busy: two processes
    # are worth their memory (up to 2.2 GB each), more are not.
    ["pytest", "--numprocesses=2", "--dist=worksteal"],
]


def main() -> int:
    """Run the steps in order; the exit code is that of the first that fails, or zero."""
    environment = {"TF_CPP_MIN_LOG_LEVEL": "3", **os.environ}
    for step in STEPS:
        command = [sys.executable, "-m", *step]
        if step[0] == "pytest":
            command += sys.argv[1:]
        print("$ python -m", *command[2:], flush=True)
        code = subprocess.run(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL)
        if code.returncode:
            return code.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
