# %% [markdown]
# # Photographs of flowers, with a model of `keras.applications`
#
# Forty photographs of each of five kinds of flowers, and a small image model (MobileNet, a quarter
# as wide as the usual one). The same network learns them from nothing, as a frozen extractor of
# features, and with its last two blocks unfrozen. Policies, feature cache, `fit` and report are
# those that texts have. It takes some 4 minutes on two cores that have nothing else to do, without
# a GPU; the seconds below are those of a busier machine.
#
# What came out: of the test photographs the network gets 34% right when it learns from nothing, 71%
# with frozen features, 74% with its last two blocks, and 78% with these and the old statistics of
# their batch normalizations (75, 80 and 78 on three cuts, against 67, 75 and 72 frozen).
#
#     python examples/flowers.py             the whole story, for who is online
#     python examples/flowers.py --quick     a small form of it, to see that it runs
#     python examples/flowers.py --weights FILE --photographs FOLDER
#
# The first fetches ImageNet's weights through Keras, and the photographs (`tf_flowers`, 218 MB)
# through tensorflow-datasets, which forgets to say that it needs `pip install importlib_resources`
# for them. The last needs no network: a weights file of `keras.applications.MobileNet(alpha=0.25)`,
# and a folder with one sub-folder of photographs per class, which may be classes of your own.

# %%
"""Flowers by a model of keras.applications: from nothing, frozen, and with its last blocks."""

import argparse
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
from rich import box
from rich.console import Console
from rich.table import Table
from sklearn.model_selection import train_test_split

import kerasft

parser = argparse.ArgumentParser(description=__doc__)
add = parser.add_argument
add(
    "--weights",
    default=os.environ.get("KERASFT_FLOWERS_WEIGHTS", "imagenet"),
    help="imagenet, which Keras fetches; a weights file; or none, for random ones",
)
add(
    "--photographs",
    default=os.environ.get("KERASFT_FLOWERS_PHOTOGRAPHS", "tf_flowers"),
    help="tf_flowers, which tensorflow-datasets fetches; or a folder with a sub-folder per class",
)
add("--per-class", type=int, default=80, help="photographs of a class, at most")
add("--image-size", type=int, default=160, help="pixels; the model is given squares")
add("--seeds", type=int, default=3, help="runs of each row, each with a cut of its own")
add("--output", type=Path, default=Path("results/flowers"))
add("--quick", action="store_true", help="few small pictures, one epoch: does it run?")
# The arguments of a notebook are those of its kernel.
args = parser.parse_args([] if "ipykernel" in sys.modules else None)
if args.quick:
    args.per_class, args.image_size, args.seeds = 8, 32, 1
# Every row is a train function of its own, so TensorFlow need not warn of new ones.
logging.getLogger("tensorflow").setLevel(logging.ERROR)
args.output.mkdir(parents=True, exist_ok=True)
console = Console(width=100, force_jupyter=False, highlight=False)
started = time.perf_counter()

# %% [markdown]
# ## The photographs
#
# Each is cut to a square about its centre and resized. Half of a class is to learn from, an eighth
# to choose the epoch by (by its accuracy), and the rest is the test. Every seed has a cut of its
# own, so that three seeds ask of more photographs than one test holds.

# %%
ENDINGS = (".jpg", ".jpeg", ".png", ".bmp")


def offline(what: str, error: Exception) -> SystemExit:
    """What to tell who is not online."""
    reason = f"{type(error).__name__}: {error}"
    return SystemExit(
        f"{what} could not be fetched ({reason[:300]}). Without a network, give files: "
        "--weights FILE, a weights file of keras.applications.MobileNet(alpha=0.25), and "
        "--photographs FOLDER, a folder with one sub-folder of photographs per class."
    )


def as_square(photograph: Any) -> np.ndarray:
    """A photograph as the model is given it: `uint8` of shape `(size, size, 3)`."""
    size = (args.image_size, args.image_size)
    pixels = keras.preprocessing.image.smart_resize(np.asarray(photograph, "float32"), size)
    return np.clip(np.round(pixels), 0, 255).astype("uint8")


def read_folder(folder: Path) -> tuple[list[np.ndarray], list[int], list[str], list[str]]:
    """Photographs, labels, class names, and a name for each photograph."""
    if not folder.is_dir():
        raise SystemExit(f"--photographs must be tf_flowers or a folder that exists, not {folder}.")
    images, labels, sources, classes = [], [], [], []
    for part in sorted(path for path in folder.iterdir() if path.is_dir()):
        files = sorted(path for path in part.iterdir() if path.suffix.lower() in ENDINGS)
        if not files:
            continue
        for file in files[: args.per_class]:
            images.append(as_square(keras.utils.load_img(file)))
            labels.append(len(classes))
            sources.append(f"{part.name}/{file.name}")
        classes.append(part.name)
    if len(classes) < 2 or min(np.bincount(labels)) < 8:
        raise SystemExit(
            f"--photographs must hold two sub-folders or more, with 8 photographs or more each "
            f"({', '.join(ENDINGS)}). {folder} has {len(images)} photographs in {len(classes)}."
        )
    return images, labels, classes, sources


def read_tf_flowers() -> tuple[list[np.ndarray], list[int], list[str], list[str]]:
    """The same, out of tensorflow-datasets."""
    import tensorflow_datasets as tfds

    tfds.disable_progress_bar()
    try:
        dataset, info = tfds.load("tf_flowers", split="train", as_supervised=True, with_info=True)
    except Exception as error:
        raise offline("The photographs, tf_flowers,", error) from error
    classes = info.features["label"].names
    counts = [0] * len(classes)
    images, labels, sources = [], [], []
    for number, (image, label) in enumerate(dataset.as_numpy_iterator()):
        if counts[label] < args.per_class:
            counts[label] += 1
            images.append(as_square(image))
            labels.append(int(label))
            sources.append(f"{classes[label]}, number {number} of tf_flowers")
        if min(counts) == args.per_class:
            break
    return images, labels, classes, sources


if args.photographs == "tf_flowers":
    images, labels, class_names, sources = read_tf_flowers()
else:
    images, labels, class_names, sources = read_folder(Path(args.photographs))
images, labels = np.stack(images), np.array(labels)


def cut(seed: int) -> dict[str, np.ndarray]:
    """The rows that are learned from, chosen by and tested on."""
    rows = np.arange(len(labels))
    train, rest = train_test_split(rows, train_size=0.5, stratify=labels, random_state=seed)
    valid, test = train_test_split(rest, train_size=0.25, stratify=labels[rest], random_state=seed)
    return {"train": train, "valid": valid, "test": test}


console.print(f"{len(images)} photographs of {len(class_names)} kinds: {', '.join(class_names)}.")
console.print(", ".join(f"{len(rows)} to {name}" for name, rows in cut(0).items()) + ".")


# %% [markdown]
# ## The model
#
# `Backbone.from_application` takes a model of `keras.applications` without its classifier, and
# finds its blocks.


# %%
def new_model(weights: str | None) -> tuple[kerasft.Backbone, keras.Model]:
    """The backbone, and a plain `keras.Model` of it under a new head."""
    size = (args.image_size, args.image_size, 3)
    try:
        backbone = kerasft.Backbone.from_application(
            "MobileNet", weights=weights, alpha=0.25, input_shape=size
        )
    except kerasft.errors.SourceError as error:
        raise offline(f"The weights {weights!r}", error) from error
    names = [str(name) for name in class_names]
    head = kerasft.ClassificationHead(len(names), dropout=0.3, class_names=names)
    return backbone, backbone.attach(head, name="flowers")


pretrained = None if args.weights == "none" else args.weights
backbone, _ = new_model(pretrained)
console.print(str(backbone), markup=False)


# %% [markdown]
# ## Four rows
#
# - *from nothing*: random weights, everything trains, for as many epochs as the others have in
#   all; the first cut only, as it is the one row without a cache and takes longest;
# - *frozen features*: only the head trains, on features that are computed once;
# - *last two blocks*: on from that head, two blocks train with it, behind cached features too;
# - *last two, statistics kept*: the same, but the batch normalizations of those blocks go on
#   normalizing by the averages that they learned from ImageNet's million photographs.
#
# In Keras a batch normalization that trains normalizes by the batch in training, and at test time
# by a moving average of batches. Of few photographs there are few batches: after seventy steps half
# of the average is still ImageNet's, and the model is tested by something that it was not trained
# with. One method of a policy says otherwise. (From nothing, the average is made faster, for the
# same reason: it would start from nothing too.)


# %%
@keras.saving.register_keras_serializable(package="examples")
class TrainLastBlocksKeepStatistics(kerasft.TrainLastBlocks):
    """Weights train, but batch normalizations normalize by the averages they came with."""

    def keeps_statistics(self, layer: kerasft.structure.LayerView) -> bool:
        """Whether a layer of which something trains runs as in inference all the same."""
        return True


Row = dict[str, Any]
HEAD_EPOCHS, BLOCK_EPOCHS = (1, 1) if args.quick else (10, 10)
rows: dict[str, list[Row]] = {}
models: dict[str, keras.Model] = {}


def train(
    name: str,
    model: keras.Model,
    policy: kerasft.FreezePolicy,
    data: dict[str, Any],
    rate: float,
    epochs: int,
    cached: bool = True,
) -> None:
    """Train what the policy says, keep the best epoch, and write down what came of it."""
    start = time.perf_counter()
    plan = policy.apply(model)
    cache = kerasft.FeatureCache(model) if cached else None
    trained = cache.model if cache else model
    inputs = {part: cache.batches(data[part]) for part in data} if cache else data
    head = model.layers[-1]
    trained.compile(
        keras.optimizers.AdamW(rate, weight_decay=0.01),
        loss=head.default_loss(),
        metrics=head.default_metrics(),
    )
    best = kerasft.callbacks.EarlyStopping(
        "val_accuracy", patience=epochs, restore_best_weights=True
    )
    history = trained.fit(
        inputs["train"],
        validation_data=inputs["valid"],
        epochs=epochs,
        callbacks=[best],  # never stops before, and puts the best epoch back
        verbose=0,
    ).history
    seconds = time.perf_counter() - start
    row = {"trained": plan.trainable_parameters, "epochs": epochs, "seconds": seconds}
    for part, batches in (("train", inputs["train"].unshuffled()), ("test", inputs["test"])):
        figures = trained.evaluate(batches, verbose=0, return_dict=True)
        row |= {f"{part}_{key}": figures[key] for key in ("accuracy", "loss")}
    row |= {"kept_epoch": best.best_epoch + 1, "history": history}
    rows.setdefault(name, []).append(row)


def average_faster(model: keras.Model) -> None:
    """Let batch normalizations forget the start of their averages within thirty steps."""
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.9


def carry_out(seed: int) -> dict[str, Any]:
    """All rows on one cut of the photographs."""
    keras.utils.set_random_seed(seed)
    parts = cut(seed)
    make = kerasft.data.Batches(backbone.preprocessor(), batch_size=32, seed=seed)
    data = {
        name: make(images[part], labels[part], shuffle=name == "train")
        for name, part in parts.items()
    }
    if seed == 0:
        _, nothing = new_model(None)
        average_faster(nothing)
        everything = kerasft.TrainEverything()
        epochs = HEAD_EPOCHS + BLOCK_EPOCHS
        train("from nothing", nothing, everything, data, 3e-3, epochs, cached=False)

    _, model = new_model(pretrained)
    train("frozen features", model, kerasft.TrainHead(), data, 3e-3, HEAD_EPOCHS)
    with_trained_head = model.get_weights()
    policies: dict[str, Callable[[int], kerasft.FreezePolicy]] = {
        "last two blocks": kerasft.TrainLastBlocks,
        "last two, statistics kept": TrainLastBlocksKeepStatistics,
    }
    for name, policy in policies.items():
        model.set_weights(with_trained_head)
        train(name, model, policy(2), data, 3e-4, BLOCK_EPOCHS)
    models["last"] = model
    return data


data = {seed: carry_out(seed) for seed in range(args.seeds)}


# %%
def percent(found: list[Row], key: str) -> str:
    """Mean and standard deviation over the seeds."""
    values = [100 * row[key] for row in found]
    spread = f" ± {np.std(values, ddof=1):.1f}" if len(values) > 1 else ""
    return f"{np.mean(values):.1f}{spread}"


table = Table(
    title=f"Accuracy in percent; mean ± standard deviation over {args.seeds} cuts and seeds",
    title_justify="left",
    title_style="",
    box=box.SIMPLE_HEAD,
)
table.add_column("what trains")
for column in ("parameters", "epochs", "training", "test", "test loss", "seconds"):
    table.add_column(column, justify="right", no_wrap=True)
for name, found in rows.items():
    table.add_row(
        name,
        f"{found[0]['trained']:,}",
        f"{found[0]['epochs']}",
        percent(found, "train_accuracy"),
        percent(found, "test_accuracy"),
        f"{np.mean([row['test_loss'] for row in found]):.2f}",
        f"{np.mean([row['seconds'] for row in found]):.0f}",
    )
console.print(table)
console.print(
    "Training: the training photographs once more, without dropout. The two lower rows go on from "
    "the head of the second; their seconds, and their epochs, come on top of its. From nothing: "
    "one cut."
)


# %% [markdown]
# ## Pictures
#
# The learning curves of the first seed; the star is the epoch that was kept. Then every run's test
# accuracy: each marker is one cut of the photographs, and the same marker is the same cut.


# %%
def show(figure: Any, name: str) -> None:
    """Save a picture, and show it where this is a notebook."""
    figure.savefig(args.output / name, dpi=100)
    if "ipykernel" in sys.modules:
        from IPython.display import Image, display

        display(Image(str(args.output / name)))


histories = {name: found[0]["history"] for name, found in rows.items()}
kept_epochs = {name: found[0]["kept_epoch"] - 1 for name, found in rows.items()}
curves = kerasft.evaluation.plot_learning_curves(histories, best_epochs=kept_epochs)
show(curves, "learning_curves.png")


# %%
def plot_rows() -> Any:
    """Every run's test accuracy, by row."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.2), layout="constrained")
    axes = figure.subplots()
    names = list(rows)[::-1]
    for seed in range(args.seeds):
        there = [number for number, name in enumerate(names) if seed < len(rows[name])]
        axes.plot(
            [100 * rows[names[number]][seed]["test_accuracy"] for number in there],
            there,
            marker="osD^vP"[seed % 6],
            markersize=8,
            color="#0b62a4",
            markerfacecolor="white",
            linestyle="none",
            label=f"cut {seed + 1}",
        )
    guessing = 100 / len(class_names)
    axes.axvline(guessing, color="#555555", linestyle=":", label="guessing")
    axes.set_title("What trains, and what comes of it")
    axes.set_xlabel("accuracy on the test photographs (percent)")
    axes.set_ylabel("what trains")
    axes.set_xlim(0, 100)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(-0.5, len(names) - 0.5)
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    figure.legend(loc="outside right upper", frameon=False)
    return figure


show(plot_rows(), "rows.png")

# %% [markdown]
# ## The report
#
# On the whole model, with its last two blocks trained and their statistics kept, and the test
# photographs of the last cut. What was learned behind the cache, the whole model has learned.

# %%
model, last = models["last"], args.seeds - 1
tested = cut(last)["test"]
report = kerasft.evaluate(
    model, data[last]["test"], inputs=[sources[row] for row in tested], verbose=0, worst=8
)
console.print(str(report), markup=False)
report.save(args.output / "report.html")
show(kerasft.evaluation.plot_confusion_matrix(report), "confusion_matrix.png")


# %% [markdown]
# The script also writes `mistakes.png`, the photographs that the model got wrong most surely. It is
# not shown here, for the photographs are other people's (CC-BY), and whose each is got lost with
# the files' names.


# %%
def plot_mistakes() -> Any:
    """The worst mistakes, with what is true and what was said."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5.4), layout="constrained")
    figure.suptitle("The worst mistakes on the test photographs")
    panels = figure.subplots(2, 4).ravel()
    for panel in panels:
        panel.set_axis_off()
    for panel, mistake in zip(panels, report.mistakes, strict=False):
        sure = report.probabilities[mistake.index].max()
        panel.imshow(images[tested[mistake.index]])
        panel.set_title(f"{mistake.label}\ntaken for {mistake.prediction} ({sure:.0%})", size=9)
    return figure


plot_mistakes().savefig(args.output / "mistakes.png", dpi=100)
kept = {
    name: [{key: row[key] for key in row if key != "history"} for row in found]
    for name, found in rows.items()
}
(args.output / "results.json").write_text(json.dumps(kept, indent=1, default=float) + "\n")
model.save(args.output / "flowers.keras")


# %% [markdown]
# ## In words


# %%
def in_words() -> list[str]:
    """What happened, from the figures."""

    def accuracy(name: str) -> np.ndarray:
        return np.array([100 * row["test_accuracy"] for row in rows[name]])

    nothing, *others = rows
    told = [f"From nothing: {accuracy(nothing).mean():.1f}% of the test photographs."]
    for name in others:
        gain = accuracy(name)[0] - accuracy(nothing)[0]
        told.append(
            f"{name}: {accuracy(name).mean():.1f}%; on the first cut {gain:+.1f} points against "
            "nothing."
        )
    frozen, _, still = others
    steps = ", ".join(f"{points:+.1f}" for points in accuracy(still) - accuracy(frozen))
    told.append(f"Two blocks with their statistics kept against frozen, by cut: {steps} points.")
    share = np.mean([accuracy(name).mean() for name in others]) / 100
    error = 100 * np.sqrt(share * (1 - share) / len(tested))
    told.append(
        f"One figure on {len(tested)} photographs has a standard error of about {error:.1f} "
        "points: between the lower three rows, look at the markers of one cut."
    )
    return told


for sentence in in_words():
    console.print(sentence)
console.print(f"All in {time.perf_counter() - started:.0f} s.")
