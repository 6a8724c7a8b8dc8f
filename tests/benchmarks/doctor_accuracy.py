"""How many sick fits the doctor names, and whether it says anything of sound ones.

Run it with `python tests/benchmarks/doctor_accuracy.py`. The fits are on real data: review snippets
(features by all-MiniLM-L6-v2, computed once, and small text models from scratch), and the data sets
that scikit-learn brings along (`--shipped` takes these alone). What is sound and what is sick is
settled without the doctor, see `tests/doctor_recipes.py`.
"""

import argparse
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).parents[1]))

from doctor_recipes import FIELDS, SHIPPED, measure, summary


def main():
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=5150, help="of all that is drawn")
    parser.add_argument("--sound", type=int, default=52, help="how many sound fits")
    parser.add_argument("--shipped", action="store_true", help="only what scikit-learn ships")
    args = parser.parse_args()
    fields = SHIPPED if args.shipped else tuple(FIELDS)

    def say(line):
        print(line, flush=True)

    print(summary(measure(args.seed, fields, args.sound, say=say)))


if __name__ == "__main__":
    main()
