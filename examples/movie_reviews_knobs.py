# %% [markdown]
# # What each knob does: movie reviews
#
# The main job, `movie_reviews.py`, in small and knob by knob: a language model that overfits the
# sentences of movie reviews, and the cures side by side. Turned are dropout, rate and width of the
# head, how many blocks train, and at which rate. Behind frozen layers the features are computed
# once, so that thirty settings of a head take a minute.
#
# It takes about 5 minutes on two cores, without a GPU.
#
#     python examples/movie_reviews_knobs.py            the whole story
#     python examples/movie_reviews_knobs.py --quick    a small form of it, to see that it runs

# %%
"""What dropout, rate, width of the head and depth of unfreezing do to overfitting."""

import argparse
import itertools
import json
import logging
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from movie_reviews import MINILM, cut_into_splits, parse
from rich import box
from rich.console import Console
from rich.table import Table

import kerasft
from kerasft import select
from kerasft.data import Batches
from kerasft.optimizers import FusedAdamW, LayerwiseOptimizer
from kerasft.tuning import build_for_fit

parser = argparse.ArgumentParser(description=__doc__)
add = parser.add_argument
add("--backbone", default=MINILM, help="preset name, hf://..., pypi://... or folder")
add("--train-size", type=int, default=1000, help="texts that train")
add("--valid-size", type=int, default=1000, help="texts that choose")
add("--seeds", type=int, default=3, help="runs of the head settings that matter")
add("--dtype", default="auto", help="of the backbone; auto: bfloat16 where the device has it")
add("--output", type=Path, default=Path("results/movie_reviews_knobs"))
add("--quick", action="store_true", help="few texts, few settings: does it run?")
# The arguments of a notebook are those of its kernel.
args = parser.parse_args([] if "ipykernel" in sys.modules else None)
if args.quick:
    args.train_size, args.valid_size, args.seeds = 64, 64, 2
# Every model is a train function of its own, so TensorFlow need not warn of new ones.
logging.getLogger("tensorflow").setLevel(logging.ERROR)
args.output.mkdir(parents=True, exist_ok=True)
console = Console(width=108, force_jupyter=False, highlight=False)

# %% [markdown]
# ## The texts
#
# Sentences of movie reviews, rated by about nineteen people each. The cut is the main job's; of its
# parts, a thousand texts train here and a thousand choose. The test texts are looked at once, at
# the end, with what was chosen.

# %%
train_texts, valid_texts, test_texts = cut_into_splits(
    parse(["--train-size", str(args.train_size)])
)
valid_texts, _ = valid_texts.split(args.valid_size, None, seed=0)
if args.quick:
    test_texts, _ = test_texts.split(args.valid_size, None, seed=0)
for name, part in (("train", train_texts), ("valid", valid_texts), ("test", test_texts)):
    console.print(f"{name:>6}: {part}")


def load_backbone() -> kerasft.Backbone:
    """The backbone as it was published: all-MiniLM-L6-v2, BERT with 6 layers, by default."""
    return kerasft.Backbone.from_preset(args.backbone, dtype=args.dtype)


backbone = load_backbone()
make = Batches(backbone.preprocessor(sequence_length=128), batch_size=32)
shuffled = make(train_texts, shuffle=True)
train, valid, test = shuffled.unshuffled(), make(valid_texts), make(test_texts)

# %% [markdown]
# ## A bench for settings
#
# A bench holds one model, compiled once. Before each run the weights it began with are put back
# (those of the head drawn by the seed) and the optimizer forgets; the rate is a variable and needs
# no new compilation. With a cache, what trains is the part of the model behind the frozen layers,
# on features that are computed once for all runs that share these layers.

# %%
CACHED: dict[str, tuple[Any, Any, Any]] = {}


class Bench:
    """One model and one policy, for as many runs as are wanted."""

    def __init__(
        self,
        policy: kerasft.FreezePolicy,
        optimizer: Callable[[keras.Model], keras.optimizers.Optimizer],
        cached: bool = True,
        **head: Any,
    ) -> None:
        frozen = isinstance(policy, kerasft.TrainHead)
        self.backbone = backbone if frozen else load_backbone()
        self.head = kerasft.ClassificationHead(num_classes=2, class_names=["-", "+"], **head)
        self.model = self.trained = self.backbone.attach(self.head)
        self.plan = policy.apply(self.model)
        self.shuffled, self.train, self.valid = shuffled, train, valid
        self.cache = kerasft.FeatureCache(self.model) if cached else None
        if self.cache:
            self.trained = self.cache.model
            if repr(policy) not in CACHED:
                features = self.cache.batches(shuffled)
                CACHED[repr(policy)] = features, features.unshuffled(), self.cache.batches(valid)
            self.shuffled, self.train, self.valid = CACHED[repr(policy)]
        self.trained.compile(
            optimizer(self.trained),
            loss=self.head.default_loss(),
            metrics=self.head.default_metrics(),
        )
        self.optimizer = self.trained.optimizer
        build_for_fit(self.trained, self.shuffled)  # the optimizer too; so that it traces once
        self.fresh = [keras.ops.convert_to_numpy(v) for v in self.optimizer.variables]
        self.start = self.model.get_weights()

    def run(self, rate: float, epochs: int, patience: int | None = None, seed: int = 0) -> Any:
        """Train from the start, and say how it went."""
        keras.utils.set_random_seed(seed)
        self.model.set_weights(self.start)
        new = kerasft.ClassificationHead.from_config(self.head.get_config())
        new.build_from_config(self.head.get_build_config())
        self.head.set_weights(new.get_weights())
        for variable, value in zip(self.optimizer.variables, self.fresh, strict=True):
            variable.assign(value)
        self.optimizer.learning_rate = rate
        stop = kerasft.callbacks.EarlyStopping(patience=patience or 0, restore_best_weights=True)
        history = self.trained.fit(
            self.shuffled,
            validation_data=self.valid,
            epochs=1 if args.quick else epochs,
            callbacks=[stop] if patience else [],
            verbose=0,
        ).history
        kept = stop.best_epoch if patience else len(history["loss"]) - 1
        return {
            "rate": rate,
            "history": history,
            "epochs": len(history["loss"]),
            "in_fit": history["accuracy"][kept],
            "valid": history["val_accuracy"][kept],
            "valid_loss": history["val_loss"][kept],
        }

    def judge(self, run: dict[str, Any]) -> dict[str, Any]:
        """The last run's figures on the training texts without dropout, and on the test texts."""
        after = self.trained.evaluate(self.train, verbose=0, return_dict=True)
        last = self.cache.batches(test) if self.cache else test
        unseen = self.trained.evaluate(last, verbose=0, return_dict=True)
        trained = self.plan.trainable_parameters
        return run | {
            "train": after["accuracy"],
            "test": unseen["accuracy"],
            "test_loss": unseen["loss"],
            "trained": trained,
        }


def plain(model: keras.Model) -> keras.optimizers.Optimizer:
    """Adam, one rate for all."""
    return keras.optimizers.Adam()


def careful(model: keras.Model) -> keras.optimizers.Optimizer:
    """AdamW that gives deeper blocks lower rates, and the new head five times the rate."""
    return LayerwiseOptimizer(FusedAdamW(weight_decay=0.01), model, decay=0.9, head_multiplier=5.0)


# %% [markdown]
# ## The disease
#
# Everything trains, at 3e-4, with no dropout in the head, for three epochs.

# %%
judged: dict[str, dict[str, Any]] = {}
bench = Bench(kerasft.TrainEverything(), plain, cached=False)
judged["disease"] = bench.judge(bench.run(3e-4, 3))
for epoch, (seen, unseen) in enumerate(
    zip(*(judged["disease"]["history"][key] for key in ("accuracy", "val_accuracy")), strict=True),
    start=1,
):
    console.print(f"epoch {epoch}: training {seen:.1%}, validation {unseen:.1%}")

# %% [markdown]
# ## The head: width, dropout, rate
#
# The backbone is frozen. Twenty-seven settings: no hidden layer, or one of 64 or of 256 units;
# dropout 0, 0.3 and 0.6; three rates. Each trains for up to 15 epochs and stops when the validation
# loss has not fallen for three; figures are of the epoch that is kept. In brackets is the gap, the
# points by which the training texts, as the progress bar saw them, are ahead of the validation
# texts. Where dropout is strong they are behind, for the progress bar looks through dropout.

# %%
WIDTHS, DROPOUTS, RATES = (None, 64, 256), (0.0, 0.3, 0.6), (1e-4, 1e-3, 1e-2)
if args.quick:
    WIDTHS, DROPOUTS, RATES = (None, 64), (0.3,), (1e-3, 1e-2)
heads: dict[tuple[Any, float, float], list[dict[str, Any]]] = {}
benches: dict[tuple[Any, float], Bench] = {}
for width, dropout in itertools.product(WIDTHS, DROPOUTS):
    benches[width, dropout] = Bench(kerasft.TrainHead(), plain, hidden_units=width, dropout=dropout)
    for rate in RATES:
        heads[width, dropout, rate] = [benches[width, dropout].run(rate, 15, patience=3)]


def new_table(title: str, left: tuple[str, ...], right: tuple[str, ...]) -> Table:
    """A table whose figures stand to the right."""
    table = Table(title=title, title_justify="left", title_style="", box=box.SIMPLE_HEAD)
    for name in left:
        table.add_column(name, no_wrap=True)
    for name in right:
        table.add_column(name, no_wrap=True, justify="right")
    return table


def words_of(width: int | None) -> str:
    """How wide a head is."""
    return f"{width} hidden units" if width else "no hidden layer"


def accuracy_and_gap(run: dict[str, Any]) -> str:
    """In percent; in brackets the points by which training is ahead."""
    return f"{100 * run['valid']:.1f} ({100 * (run['in_fit'] - run['valid']):+.1f})"


table = new_table(
    "Validation accuracy in percent, gap in brackets; seed 0",
    ("dropout", "rate"),
    tuple(words_of(width) for width in WIDTHS),
)
for dropout, rate in itertools.product(DROPOUTS, RATES):
    cells = (accuracy_and_gap(heads[width, dropout, rate][0]) for width in WIDTHS)
    table.add_row(f"{dropout:g}", f"{rate:g}", *cells, end_section=rate == RATES[-1])
console.print(table)

# %% [markdown]
# The setting with the lowest validation loss of each width, with two seeds more; a seed decides how
# the head begins, what drops out and who meets whom in a batch.

# %%
best_of = {
    width: min(
        (setting for setting in heads if setting[0] == width),
        key=lambda setting: heads[setting][0]["valid_loss"],
    )
    for width in WIDTHS
}
for width, (_, dropout, rate) in best_of.items():
    for seed in range(1, args.seeds):
        run = benches[width, dropout].run(rate, 15, patience=3, seed=seed)
        heads[width, dropout, rate].append(run)


def spread(runs: list[dict[str, Any]], key: str, digits: int = 1, times: int = 100) -> str:
    """Mean and standard deviation over seeds."""
    values = times * np.array([run[key] for run in runs])
    return f"{values.mean():.{digits}f} ± {values.std(ddof=1):.{digits}f}"


table = new_table(
    f"The best of each width, {args.seeds} seeds",
    ("head", "dropout", "rate"),
    ("accuracy", "loss"),
)
for width, setting in best_of.items():
    runs = heads[setting]
    figures = spread(runs, "valid"), spread(runs, "valid_loss", 3, 1)
    table.add_row(words_of(width), f"{setting[1]:g}", f"{setting[2]:g}", *figures)
console.print(table)
width, dropout, rate = min(
    best_of.values(), key=lambda setting: np.mean([run["valid_loss"] for run in heads[setting]])
)
HEAD = {"hidden_units": width, "dropout": dropout}
judged["head"] = benches[width, dropout].judge(benches[width, dropout].run(rate, 15, patience=3))

# %% [markdown]
# ## Depth: how many blocks train
#
# The last one, two or three blocks train too, for two epochs, each at three rates, under the head
# with 64 hidden units and dropout 0.3. AdamW; each block has 0.9 times the rate of the one above
# it, and the head five times the rate. What lies below is frozen and its features are kept.

# %%
BLOCKS, BLOCK_RATES = ((1, 2), (3e-4,)) if args.quick else ((1, 2, 3), (1e-4, 3e-4, 1e-3))
USUAL = {"hidden_units": 64, "dropout": 0.3}
depths: dict[tuple[int, float], dict[str, Any]] = {}
for blocks in BLOCKS:
    CACHED.clear()  # features behind one boundary at a time: memory
    bench = Bench(kerasft.TrainLastBlocks(blocks), careful, **USUAL)
    for rate in BLOCK_RATES:
        run = bench.run(rate, 2)
        if not depths or run["valid_loss"] < min(r["valid_loss"] for r in depths.values()):
            judged["last blocks"] = bench.judge(run) | {"blocks": blocks}
        depths[blocks, rate] = run
table = new_table(
    "Validation accuracy in percent, gap in brackets; seed 0",
    ("rate",),
    tuple(f"last block{'s' * (blocks > 1)}: {blocks}" for blocks in BLOCKS),
)
for rate in BLOCK_RATES:
    table.add_row(f"{rate:g}", *(accuracy_and_gap(depths[blocks, rate]) for blocks in BLOCKS))
console.print(table)

# %% [markdown]
# ## Everything, with care
#
# All blocks train, but not the table of word embeddings: the same optimizer at 1e-4, the same head,
# two epochs.

# %%
CACHED.clear()
bench = Bench(kerasft.TrainSelected(~select.Block(0)), careful, cached=False, **USUAL)
judged["all blocks, with care"] = bench.judge(bench.run(1e-4, 2))


# %% [markdown]
# ## Side by side
#
# The disease and the cures on one scale. *Training* is with dropout, as the progress bar shows it.


# %%
def show(figure: Any, name: str) -> None:
    """Save a picture, and show it where this is a notebook."""
    figure.savefig(args.output / name, dpi=100)
    if "ipykernel" in sys.modules:
        from IPython.display import Image, display

        display(Image(str(args.output / name)))


TITLES = {
    "disease": "disease: everything at 3e-4",
    "head": "head alone",
    "last blocks": f"last blocks: {judged['last blocks']['blocks']}",
    "all blocks, with care": "all blocks, with care",
}
histories = {TITLES[name]: run["history"] for name, run in judged.items()}
for metric in ("accuracy", "loss"):
    show(kerasft.evaluation.plot_learning_curves(histories, metric), f"curves_{metric}.png")

# %%


def plot_knobs() -> Any:
    """Validation accuracy over the rate: heads on the left, blocks on the right."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    styles = (("o", "-", "#0b62a4"), ("s", "--", "#b3541e"), ("^", ":", "#3d7a3d"))
    for panel, lines, rates, name in (
        (
            left,
            {
                words_of(width): [
                    np.mean([heads[width, dropout, rate][0]["valid"] for dropout in DROPOUTS])
                    for rate in RATES
                ]
                for width in WIDTHS
            },
            RATES,
            "The head alone (mean over dropout)",
        ),
        (
            right,
            {
                f"last blocks: {blocks}": [depths[blocks, rate]["valid"] for rate in BLOCK_RATES]
                for blocks in BLOCKS
            },
            BLOCK_RATES,
            "Head and last blocks, two epochs",
        ),
    ):
        for (label, values), (marker, line, colour) in zip(lines.items(), styles, strict=False):
            panel.plot(
                rates,
                100 * np.array(values),
                marker=marker,
                linestyle=line,
                color=colour,
                label=label,
            )
        panel.set_xscale("log")
        panel.set_title(name, fontsize=11)
        panel.set_xlabel("learning rate")
        panel.grid(color="#dddddd", linewidth=0.6)
        panel.legend(frameon=False, fontsize=9)
    left.set_ylabel("validation accuracy (percent)")
    return figure


show(plot_knobs(), "knobs.png")

# %% [markdown]
# ## What was chosen, on the test texts

# %%
table = new_table(
    "Accuracy in percent; in brackets the loss. The gap is from training to test",
    ("run",),
    ("trained", "rate", "epochs", "training", "validation", "test", "gap"),
)
for name, run in judged.items():
    table.add_row(
        name,
        f"{run['trained']:,}",
        f"{run['rate']:g}",
        f"{run['epochs']}",
        f"{100 * run['train']:.1f}",
        f"{100 * run['valid']:.1f} ({run['valid_loss']:.3f})",
        f"{100 * run['test']:.1f} ({run['test_loss']:.3f})",
        f"{100 * (run['train'] - run['test']):+.1f}",
    )
console.print(table)


def in_words() -> list[str]:
    """What happened, from the figures."""

    def means(knob: int) -> str:
        values = dict.fromkeys(setting[knob] for setting in heads)
        found = {
            value: np.mean([runs[0]["valid"] for key, runs in heads.items() if key[knob] == value])
            for value in values
        }
        return ", ".join(
            f"{100 * mean:.1f}% for {'none' if value is None else f'{value:g}'}"
            for value, mean in found.items()
        )

    accuracy = judged["head"]["test"]
    errors = [
        100 * np.sqrt(accuracy * (1 - accuracy) / len(part)) for part in (valid_texts, test_texts)
    ]
    return [
        f"The mean validation accuracy of all settings of the head by rate: {means(2)}. By "
        f"dropout: {means(1)}. By hidden units: {means(0)}.",
        f"Of {len(depths)} settings of the last blocks the best has "
        f"{100 * max(run['valid'] for run in depths.values()):.1f}%, the worst "
        f"{100 * min(run['valid'] for run in depths.values()):.1f}%.",
        f"An accuracy has a standard error of {errors[0]:.1f} points on the validation texts and "
        f"of {errors[1]:.1f} on the test texts; differences below twice that are no news.",
    ]


for sentence in in_words():
    console.print(sentence)
kept = {"judged": judged, "heads": {str(key): runs for key, runs in heads.items()}}
kept["blocks"] = {str(key): run for key, run in depths.items()}
(args.output / "results.json").write_text(json.dumps(kept, indent=1, default=float) + "\n")
console.print(f"Processor time: {time.process_time():.0f} s.")
