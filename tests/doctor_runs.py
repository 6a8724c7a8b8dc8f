"""Sound and sick fits on real data, by which the doctor's accuracy is measured.

A `Recipe` says all about a fit. `fit` carries one out, with the doctor beside it or without.
"""

import dataclasses
import functools
import importlib
import re
from collections import Counter
from typing import Any

import keras
import numpy as np
from pretrained import MINILM

WORDS, LONGEST = 5000, 40
# Rates at which each optimizer learns well on standardized inputs and small dense networks.
SOUND_RATES = {
    "adam": 1e-3,
    "adamw": 1e-3,
    "nadam": 1e-3,
    "rmsprop": 1e-3,
    "sgd": 0.2,
    "momentum": 0.02,
    "lion": 1e-4,
}


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A fit: the data, the model, how it is trained, and what was done to make it sick."""

    data: str
    train: int = 1000
    valid: int = 1000
    hidden: tuple = (32,)
    activation: str = "relu"
    dropout: float = 0.0
    norm: bool = False
    optimizer: str = "adam"
    rate: float = 1e-3
    batch: int = 32
    epochs: int = 10
    rare: float | None = None  # the share of class 0 that is kept
    weighted: bool = False
    smoothing: float = 0.0
    one_logit: bool = False
    per_execution: int = 1
    schedule: str | None = None
    patience: int | None = None
    validates: bool = True
    damage: str | None = None
    seed: int = 0

    def but(self, **changes: Any) -> "Recipe":
        return dataclasses.replace(self, **changes)


# ---- data -------------------------------------------------------------------------------------


@functools.cache
def table(name: str) -> tuple[np.ndarray, np.ndarray, int | None]:
    """Inputs, labels and the number of classes (None: a regression) of a real data set."""
    if name in ("iris", "wine", "breast_cancer", "digits", "diabetes"):
        from sklearn import datasets

        data = getattr(datasets, f"load_{name}")()
        x = ((data.data - data.data.mean(0)) / (data.data.std(0) + 1e-6)).astype("float32")
        if name == "diabetes":
            y = data.target.astype("float32")
            return x, (y - y.mean()) / y.std(), None
        return x, data.target.astype("int64"), int(data.target.max()) + 1
    texts, features, ratings = reviews()
    clear = np.abs(ratings) >= 0.5
    fifths = np.digitize(ratings, np.quantile(ratings, [0.2, 0.4, 0.6, 0.8]))
    thirds = np.digitize(ratings, np.quantile(ratings, [1 / 3, 2 / 3]))
    stars = np.digitize(ratings, [-2.0, -0.7, 0.7, 2.0])
    sign = (ratings > 0).astype("int64")
    if name == "reviews":
        return features[clear], sign[clear], 2
    if name == "words":
        return word_numbers(texts)[clear], sign[clear], 2
    return {
        "fifths": (features, fifths, 5),
        "stars": (features, stars, 5),
        "ratings": (features, (ratings / ratings.std()).astype("float32"), None),
        "words of fifths": (word_numbers(texts), fifths, 5),
        "words of thirds": (word_numbers(texts), thirds, 3),
    }[name]


@functools.cache
def reviews() -> tuple[list[str], np.ndarray, np.ndarray]:
    """Review snippets, their mean-pooled features by all-MiniLM-L6-v2, and their mean ratings."""
    import kerasft

    importlib.import_module("kerasft.data.builders")
    import tensorflow_datasets as tfds

    rows = list(tfds.as_numpy(tfds.load("movie_review_snippets/all", split="train")))
    texts = [row["text"].decode() for row in rows]
    backbone = kerasft.Backbone.from_preset(MINILM)
    batches = kerasft.data.Batches(backbone.preprocessor(sequence_length=64), batch_size=64)(texts)
    pooling = kerasft.heads.Pooling("mean", dtype="float32")
    pooled = pooling(backbone.output["sequence_output"], mask=backbone.input["padding_mask"])
    model = keras.Model(backbone.input, pooled)
    found = model.predict(batches, verbose=0)
    features = np.empty_like(found)
    features[batches.order] = found
    return texts, features, np.array([row["rating"] for row in rows])


@functools.cache
def _words_of(texts: tuple[str, ...]) -> np.ndarray:
    words = [re.findall(r"[a-z']+", text.lower())[:LONGEST] for text in texts]
    common = [word for word, _ in Counter(w for text in words for w in text).most_common(WORDS)]
    number = {word: i + 2 for i, word in enumerate(common)}
    found = np.zeros((len(texts), LONGEST), "int32")
    for row, text in zip(found, words, strict=True):
        row[: len(text)] = [number.get(word, 1) for word in text]
    return found


def word_numbers(texts: list[str]) -> np.ndarray:
    """Texts as numbers of their words: 0 is padding, 1 any rare word."""
    return _words_of(tuple(texts))


def split(recipe: Recipe) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Training and validation inputs and labels, drawn by the recipe's seed."""
    x, y, _ = table(recipe.data)
    random = np.random.default_rng(recipe.seed)
    order = random.permutation(len(x))
    if recipe.rare is not None:
        order = order[(y[order] != 0) | (random.random(len(order)) < recipe.rare)]
    held_out = min(recipe.valid, len(order) // 4)
    valid, train = order[:held_out], order[held_out : held_out + recipe.train]
    return x[train], y[train], x[valid], y[valid]


# ---- models and fits --------------------------------------------------------------------------


def optimizer_of(recipe: Recipe, steps: int) -> keras.optimizers.Optimizer:
    """The recipe's optimizer, for a fit of so many steps."""
    rate: Any = recipe.rate
    schedules = keras.optimizers.schedules
    if recipe.schedule == "cosine":
        rate = schedules.CosineDecay(rate, steps)
    elif recipe.schedule == "warmup":
        warm = steps // 5
        rate = schedules.CosineDecay(
            rate / 100, steps - warm, warmup_target=rate, warmup_steps=warm
        )
    elif recipe.schedule == "zero":
        rate = schedules.PiecewiseConstantDecay([1_000_000], [0.0, rate])
    kinds = {
        "adam": keras.optimizers.Adam,
        "adamw": keras.optimizers.AdamW,
        "nadam": keras.optimizers.Nadam,
        "rmsprop": keras.optimizers.RMSprop,
        "sgd": keras.optimizers.SGD,
        "momentum": functools.partial(keras.optimizers.SGD, momentum=0.9),
        "lion": keras.optimizers.Lion,
    }
    return kinds[recipe.optimizer](rate)


def model_of(recipe: Recipe, steps: int = 1000) -> keras.Model:
    """The recipe's model, compiled."""
    keras.utils.set_random_seed(recipe.seed)
    x, _, classes = table(recipe.data)
    layers = keras.layers
    if recipe.data.startswith("words"):
        inputs = keras.Input((LONGEST,), dtype="int32")
        h = layers.Embedding(WORDS + 2, 32)(inputs)
        h = layers.GlobalAveragePooling1D()(h)
    else:
        inputs = h = keras.Input(x.shape[1:])
    bias = keras.initializers.Constant(-30.0) if recipe.damage == "dead units" else "zeros"
    for units in recipe.hidden:
        if recipe.dropout:
            h = layers.Dropout(recipe.dropout)(h)
        activation = None if recipe.norm else recipe.activation
        h = layers.Dense(units, activation, bias_initializer=bias)(h)
        if recipe.norm:
            h = layers.Activation(recipe.activation)(layers.BatchNormalization()(h))
    if recipe.dropout:
        h = layers.Dropout(recipe.dropout)(h)
    outputs = 1 if recipe.one_logit or classes is None else classes
    activation = "softmax" if recipe.damage == "softmax on one output" else None
    h = layers.Dense(outputs, activation, name="top")(h)
    model = keras.Model(inputs, h)
    metrics: list[Any] = ["accuracy"]
    if classes is None:
        loss: Any = keras.losses.MeanSquaredError()
        metrics = []
    elif recipe.damage == "softmax on one output":
        loss = "binary_crossentropy"
    elif recipe.one_logit:
        loss = keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=recipe.smoothing)
        metrics = [keras.metrics.BinaryAccuracy(name="accuracy", threshold=0.0)]
    elif recipe.smoothing:
        loss = keras.losses.CategoricalCrossentropy(
            from_logits=True, label_smoothing=recipe.smoothing
        )
    elif recipe.damage == "logarithm of zero":
        # A loss of one's own, of probabilities, without the clipping that Keras's have.
        def loss(labels: Any, logits: Any) -> Any:
            ops = keras.ops
            shares = ops.softmax(ops.cast(logits, "float16"))
            labels = ops.reshape(ops.cast(labels, "int32"), (-1, 1))
            picked = ops.take_along_axis(shares, labels, axis=1)
            return -ops.log(ops.cast(picked, "float32"))
    else:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    if recipe.damage in ("all frozen", "frozen after a fit"):
        model.trainable = recipe.damage != "all frozen"
    model.compile(
        optimizer_of(recipe, steps),
        loss,
        metrics=metrics,
        steps_per_execution=recipe.per_execution,
    )
    return model


def spoil(recipe: Recipe, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Do to the training data what the recipe says."""
    random = np.random.default_rng(recipe.seed + 1)
    x, y = x.copy(), y.copy()
    row = int(random.integers(len(x)))
    if recipe.damage == "NaN in a row":
        x[row, int(random.integers(x.shape[1]))] = np.nan
    elif recipe.damage == "infinity in a row":
        x[row, 0] = np.inf
    elif recipe.damage == "NaN in a column":
        x[:, 0] = np.nan
    elif recipe.damage == "NaN in a label":
        y[row] = np.nan
    elif recipe.damage == "counted from one":
        y = y + 1
    elif recipe.damage == "minus one":
        y = 2 * y - 1
    elif recipe.damage == "unknown is minus one":
        y[random.random(len(y)) < 0.05] = -1
    elif recipe.damage == "percent":
        y = 100 * y
    elif recipe.damage == "shuffled labels":
        y = random.permutation(y)
    elif recipe.damage == "tiny inputs":
        x = x * 1e-4
    return x, y


def fit(recipe: Recipe, callbacks: Any = ()) -> dict[str, Any]:
    """Carry the recipe out; gives the history and what the model says of the validation inputs.

    Where the fit ends in an error of the backend, the history has what came before, and there are
    no outputs.
    """
    x, y, valid_x, valid_y = split(recipe)
    classes = table(recipe.data)[2]
    steps = -(-len(x) // recipe.batch) * recipe.epochs
    model = model_of(recipe, steps)
    if recipe.damage == "frozen after a fit":
        model.fit(x[:64], y[:64], batch_size=recipe.batch, verbose=0)
        for layer in model.layers[:-1]:
            layer.trainable = False
    elif recipe.damage == "spoilt weights":
        kernel = model.trainable_variables[0]
        values = np.array(kernel)
        values[0, 0] = np.nan
        kernel.assign(values)
    x, y = spoil(recipe, x, y)
    if recipe.damage == "tiny inputs":
        valid_x = valid_x * 1e-4
    targets, valid_targets = y, valid_y
    if recipe.smoothing and not recipe.one_logit:
        targets, valid_targets = np.eye(classes)[y], np.eye(classes)[valid_y]
    weights = None
    if recipe.weighted:
        counts = np.bincount(y, minlength=classes)
        weights = {i: len(y) / classes / max(count, 1) for i, count in enumerate(counts)}
    found = [*callbacks]
    if recipe.patience:
        found.append(
            keras.callbacks.EarlyStopping(patience=recipe.patience, restore_best_weights=True)
        )
    outputs = None
    try:
        model.fit(
            x,
            targets,
            validation_data=(valid_x, valid_targets) if recipe.validates else None,
            batch_size=recipe.batch,
            validation_batch_size=500,
            epochs=recipe.epochs,
            class_weight=weights,
            callbacks=found,
            verbose=0,
        )
        outputs = keras.ops.convert_to_numpy(model(valid_x, training=False))
    except Exception:
        # A label that TensorFlow refuses, or flags that JAX does.
        if recipe.damage not in ("counted from one", "unknown is minus one", "frozen after a fit"):
            raise
    history = getattr(model, "history", None)
    return {
        "history": history.history if history is not None else {},
        "outputs": outputs,
        "labels": valid_y,
    }
