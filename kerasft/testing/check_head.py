"""`check_head`: whether a head of your own keeps a head's promises."""

import os
import tempfile
from typing import Any

import keras
import numpy as np

from kerasft.backbones import Backbone
from kerasft.heads import Head
from kerasft.testing._contract import changed, check_config, require, weights_of

_ROWS, _TOKENS, _FEATURES = 4, 6, 8


def check_head(head: Head, labels: Any = None) -> None:
    """Check a head of your own against what every head promises.

    On a small backbone for texts it looks whether the head's config goes round; whether it can be
    attached, gives one finite row per text, and is blind to padding; whether its loss trains every
    one of its weights; and whether the model saves and loads with the same outputs.

    Args:
        head: An instance of your class, not yet attached.
        labels: Labels for four texts, where the head's task is not one of
            `ClassificationHead`'s or `RegressionHead`'s.

    Raises:
        ContractError: For the first promise that is broken, with what was seen and what to do.

    Example:
        >>> import keras, kerasft
        >>> from kerasft.testing import check_head
        >>> @keras.saving.register_keras_serializable(package="doc")
        ... class Average(kerasft.Head):
        ...     def __init__(self, classes, **kwargs):
        ...         super().__init__(**kwargs)
        ...         self.classes = classes
        ...         self.dense = keras.layers.Dense(classes)
        ...     def build(self, shape):
        ...         self.dense.build((None, shape[-1]))
        ...     def call(self, features, mask=None):
        ...         mask = keras.ops.expand_dims(keras.ops.cast(mask, features.dtype), -1)
        ...         total = keras.ops.sum(features * mask, axis=1)
        ...         return self.dense(total / keras.ops.sum(mask, axis=1))
        ...     def default_loss(self):
        ...         return keras.losses.MeanSquaredError()
        ...     def get_config(self):
        ...         return {**super().get_config(), "classes": self.classes}
        >>> check_head(Average(2), labels=[[0.0, 1.0]] * 4)
    """
    require(isinstance(head, Head), head, "derive from `kerasft.Head`")
    check_config(head)
    model = _small_backbone().attach(head)
    batch = _batch(_TOKENS)

    outputs = _predict(model, batch)
    for array in keras.tree.flatten(outputs):
        require(
            len(array) == _ROWS and bool(np.all(np.isfinite(array))),
            head,
            "give one finite row of outputs for each text",
            f"For {_ROWS} texts it gave shape {array.shape}.",
        )
    longer = _predict(model, _batch(_TOKENS + 3))
    for short, long in zip(keras.tree.flatten(outputs), keras.tree.flatten(longer), strict=True):
        require(
            np.allclose(short, long, rtol=1e-4, atol=1e-5),
            head,
            "be blind to padding",
            f"Three more padded tokens changed an output by {np.abs(short - long).max():.2g}.",
            "Use `mask` in `call`: it is nonzero for real tokens.",
        )
    _check_training(head, model, batch, labels)
    _check_saving(head, model, batch)


def _small_backbone() -> Backbone:
    tokens = keras.Input((None,), dtype="int32", name="token_ids")
    mask = keras.Input((None,), dtype="int32", name="padding_mask")
    embedded = keras.layers.Embedding(20, _FEATURES, name="embedding")(tokens)
    mixed = keras.layers.Dense(_FEATURES, activation="tanh", name="mixing")(embedded)
    inputs = {"token_ids": tokens, "padding_mask": mask}
    return Backbone.from_model(keras.Model(inputs, mixed, name="small_backbone"))


def _batch(tokens: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    ids = random.integers(1, 20, (_ROWS, _TOKENS)).astype("int32")
    mask = np.ones((_ROWS, _TOKENS), "int32")
    mask[1, 3:] = mask[2, 1:] = 0
    pad = ((0, 0), (0, tokens - _TOKENS))
    return {"token_ids": np.pad(ids * mask, pad), "padding_mask": np.pad(mask, pad)}


def _predict(model: keras.Model, batch: dict[str, np.ndarray]) -> Any:
    outputs = model(batch, training=False)
    return keras.tree.map_structure(keras.ops.convert_to_numpy, outputs)


def _check_training(head: Head, model: keras.Model, batch: Any, labels: Any) -> None:
    if labels is None:
        labels = _labels(head)
    model.compile(keras.optimizers.Adam(0.1), loss=head.default_loss(), run_eagerly=True)
    before = weights_of(model)
    model.fit(batch, np.asarray(labels), epochs=3, verbose=0)
    moved = changed(before, weights_of(model))
    own = {path for path in before if path.startswith(f"{head.name}/")}
    trainable = {path for path in own if "moving_" not in path}
    still = sorted(trainable - moved)
    require(
        not still,
        head,
        "train all of its weights",
        f"Three epochs changed nothing in {', '.join(still)}.",
        "Use them in `call`, or do not make them.",
    )


def _labels(head: Head) -> np.ndarray:
    task = head.task
    require(
        task is not None,
        head,
        "tell its `task`, or be checked with `labels`",
        remedy="Call `check_head(head, labels=...)` with labels for four texts.",
    )
    classes = getattr(head, "num_classes", 1)
    if task == "multiclass":
        return np.arange(_ROWS) % classes
    if task == "binary":
        return np.arange(_ROWS) % 2
    if task == "multilabel":
        return (np.arange(_ROWS)[:, None] + np.arange(classes)) % 2
    return np.linspace(-1, 1, _ROWS * getattr(head, "num_outputs", 1)).reshape(_ROWS, -1)


def _check_saving(head: Head, model: keras.Model, batch: Any) -> None:
    before = _predict(model, batch)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.keras")
        model.save(path)
        loaded = keras.saving.load_model(path, compile=False)
    after = _predict(loaded, batch)
    for one, other in zip(keras.tree.flatten(before), keras.tree.flatten(after), strict=True):
        require(
            np.array_equal(one, other),
            head,
            "give the same outputs after saving and loading",
            f"They differ by {np.abs(one - other).max():.2g}.",
            "Make all weights in `build`, so that they exist before Keras loads them.",
        )
