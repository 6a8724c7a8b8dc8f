"""How long `import kerasft` takes on top of `import keras`.

Run it with `python tests/benchmarks/import_time.py`. Each measurement is a fresh process that
imports Keras first and kerasft second. Wall time is what a user waits; processor time is what is
left of it when other programs want the machine too.
"""

import argparse
import statistics
import subprocess
import sys

MEASURE = """
import time
def clocks():
    return time.perf_counter(), time.process_time()
start = clocks()
import keras
middle = clocks()
import kerasft
end = clocks()
print(*(b - a for a, b in zip(start + middle, middle + end)))
"""


def measure():
    """Seconds of one fresh process: Keras's wall and processor time, then kerasft's."""
    run = subprocess.run(
        [sys.executable, "-c", MEASURE], capture_output=True, text=True, check=True
    )
    return [float(seconds) for seconds in run.stdout.split()]


def main():
    """Measure, and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=7, help="how many processes are measured")
    runs = parser.parse_args().runs
    measure()  # the first one writes the byte code and fills the disk's cache
    columns = list(zip(*(measure() for _ in range(runs)), strict=True))
    print(f"Median (lowest) of {runs} fresh processes, seconds")
    print(f"{'':24}{'wall':>16}{'processor':>16}")
    for name, wall, processor in (("import keras", *columns[:2]), ("and kerasft", *columns[2:])):
        cells = [f"{statistics.median(c):.3f} ({min(c):.3f})" for c in (wall, processor)]
        print(f"{name:24}{cells[0]:>16}{cells[1]:>16}")


if __name__ == "__main__":
    main()
