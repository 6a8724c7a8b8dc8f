"""`Pooling`: from the features of many tokens, or places of an image, to one vector."""

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from kerasft._checks import check_choice, fail

METHODS = ("auto", "first", "last", "mean", "max", "attention", "none")
DATA_FORMATS = ("channels_last", "channels_first")


@keras.saving.register_keras_serializable(package="kerasft")
class Pooling(keras.layers.Layer):
    """Pool over tokens or over space, leaving padding out.

    Features of shape `(batch, tokens, features)` are pooled over their tokens, images of shape
    `(batch, height, width, channels)` over their places, and `(batch, features)` passes through.
    Tokens that the padding mask leaves out take no part, so more padding never changes the
    result; where all of a row is padding, the result is zeros.

    Args:
        method: one of
            `"auto"`: the mean, or nothing where there is nothing to pool over;
            `"first"`: the first token that is not padding (BERT's `[CLS]`);
            `"last"`: the last token that is not padding, for causal language models;
            `"mean"`, `"max"`: over all that is not padding;
            `"attention"`: a weighted mean, whose weights are a softmax over the products of the
            features with one learned query. It starts as the mean, and needs one weight per
            feature. After Yang et al., "Hierarchical Attention Networks for Document
            Classification", NAACL 2016, and Lin et al., "A Structured Self-Attentive Sentence
            Embedding", ICLR 2017, without their hidden layer;
            `"none"`: nothing is pooled, every token or place keeps its features.
        data_format: `"channels_last"` or `"channels_first"`, of images; Keras's setting at the
            time when the layer is made, by default. It says nothing about `(batch, tokens,
            features)`.
        **kwargs: `name`, `dtype`, `trainable`.

    Call arguments:
        features: tensor of shape `(batch, features)`, `(batch, tokens, features)` or
            `(batch, ..., channels)`.
        mask: padding mask of shape `(batch, tokens)`, nonzero for real tokens, or `None`.

    Returns:
        Tensor of shape `(batch, features)`; with `"none"`, the features with their channels last.

    Raises:
        ArgumentError: if a method is unknown, or the features have nothing to pool over.

    Example:
        >>> import numpy as np
        >>> features = np.array([[[1.0], [5.0], [9.0]]])
        >>> float(Pooling("mean")(features, mask=np.array([[1, 1, 0]]))[0, 0])
        3.0
    """

    def __init__(self, method: str = "auto", data_format: str | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.method = check_choice("method", method, METHODS)
        # Settled now, as Keras's own layers do: a saved model must not change its meaning when it
        # is loaded under another setting.
        self.data_format = check_data_format(data_format)

    def build(self, features_shape: tuple[int | None, ...]) -> None:
        """Check the features' rank, and make the query of attention pooling."""
        if isinstance(features_shape, Mapping):
            fail(
                "features",
                sorted(features_shape),
                "one tensor, and not a dict of them",
                "A head of your own chooses in `uses(self, features)`, by "
                f"`return features[{min(map(str, features_shape), default='')!r}]` say.",
            )
        rank = len(features_shape)
        if rank < 2:
            fail(
                "features",
                tuple(features_shape),
                "of shape (batch, features), (batch, tokens, features) or (batch, ..., channels)",
            )
        if rank == 2 and self.method not in ("auto", "none"):
            fail(
                "pooling",
                self.method,
                "'auto' or 'none' for features of shape (batch, features)",
                "They are pooled already: there is no axis of tokens or of space.",
            )
        if rank > 3 and self.method in ("first", "last"):
            fail(
                "pooling",
                self.method,
                "'auto', 'mean', 'max', 'attention' or 'none' for images",
                "Only tokens have a first and a last one.",
            )
        if self.method == "attention":
            channels = features_shape[self._channel_axis(rank)]
            if channels is None:
                fail(
                    "features",
                    tuple(features_shape),
                    "features of a known width for attention pooling",
                )
            # Zeros weigh every token alike, so training starts from the mean.
            self.query = self.add_weight(name="query", shape=(channels,), initializer="zeros")

    def call(self, features: Any, mask: Any = None) -> Any:
        """Pool `features`, without the tokens where `mask` is zero."""
        rank = len(features.shape)
        if self._channel_axis(rank) == 1 and rank > 2:
            features = ops.moveaxis(features, 1, -1)
        if rank == 2 or self.method == "none":
            return features
        if rank > 3:
            features = ops.reshape(features, (ops.shape(features)[0], -1, features.shape[-1]))
        if mask is not None:
            _check_mask(mask, features, is_image=rank > 3)
            mask = ops.expand_dims(ops.cast(mask, "bool"), -1)
        if self.method == "attention":
            scores = ops.expand_dims(ops.matmul(features, self.query), -1)
            return _attend(features, scores / features.shape[-1] ** 0.5, mask)
        return _POOL[self.method](features, mask)

    def pooled_shape(self, features_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The shape of what `call` returns.

        Not Keras's `compute_output_shape`: with that, Keras would no longer trace `call`, and a
        mask that does not fit would go unnoticed until the first batch.
        """
        shape = list(features_shape)
        channels = shape.pop(self._channel_axis(len(shape)))
        return (*(shape if self.method == "none" else shape[:1]), channels)

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """The padding mask, where every token keeps its features; else nothing is left to mask."""
        return previous_mask if self.method == "none" and len(inputs.shape) == 3 else None

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "method": self.method, "data_format": self.data_format}

    def _channel_axis(self, rank: int) -> int:
        return 1 if rank > 3 and self.data_format == "channels_first" else rank - 1


def check_data_format(value: str | None) -> str:
    """`value`, or Keras's own setting in place of `None`."""
    if value is None:
        return keras.config.image_data_format()
    return check_choice("data_format", value, DATA_FORMATS)


def _check_mask(mask: Any, features: Any, is_image: bool) -> None:
    shape, tokens = tuple(mask.shape), features.shape[1]
    if is_image or len(shape) != 2 or (None not in (shape[1], tokens) and shape[1] != tokens):
        fail(
            "mask",
            shape,
            f"of shape (batch, tokens) for features of shape {tuple(features.shape)}"
            if not is_image
            else "left out for images",
            "Give the mask that belongs to these features as `mask=`.",
        )


# Each takes features of shape (batch, tokens, features) and a bool mask of shape
# (batch, tokens, 1) or None. `where` and not a product, since 0 * inf is not a number.


def _mean(features: Any, mask: Any) -> Any:
    if mask is None:
        return ops.mean(features, axis=1)
    total = ops.sum(ops.where(mask, features, 0), axis=1)
    return total / ops.maximum(ops.sum(ops.cast(mask, features.dtype), axis=1), 1)


def _max(features: Any, mask: Any) -> Any:
    if mask is None:
        return ops.max(features, axis=1)
    return _zeros_if_all_padding(ops.max(_masked(features, mask), axis=1), mask)


def _first(features: Any, mask: Any) -> Any:
    if mask is None:
        return features[:, 0]
    return _token(features, ops.argmax(ops.cast(mask, "int32"), axis=1), mask)


def _last(features: Any, mask: Any) -> Any:
    if mask is None:
        return features[:, -1]
    # The count of real tokens reaches its maximum at the last one, and argmax takes the first.
    return _token(features, ops.argmax(ops.cumsum(ops.cast(mask, "int32"), axis=1), axis=1), mask)


def _attend(features: Any, scores: Any, mask: Any) -> Any:
    if mask is None:
        return ops.sum(ops.softmax(scores, axis=1) * features, axis=1)
    highest = ops.stop_gradient(ops.max(_masked(scores, mask), axis=1, keepdims=True))
    # The inner `where` keeps padding out of the exponential, whose overflow would spoil gradients.
    powers = ops.exp(ops.where(mask, scores - highest, 0))
    weights = ops.where(mask, powers, 0)
    # The highest score adds exactly 1, so the sum falls below that only where all is padding.
    weights = weights / ops.maximum(ops.sum(weights, axis=1, keepdims=True), 1)
    return ops.sum(weights * ops.where(mask, features, 0), axis=1)


def _token(features: Any, position: Any, mask: Any) -> Any:
    taken = ops.take_along_axis(features, ops.expand_dims(position, -1), axis=1)
    return _zeros_if_all_padding(ops.squeeze(taken, axis=1), mask)


def _masked(values: Any, mask: Any) -> Any:
    return ops.where(mask, values, float("-inf"))


def _zeros_if_all_padding(pooled: Any, mask: Any) -> Any:
    return ops.where(ops.any(mask, axis=1), pooled, 0)


_POOL = {"auto": _mean, "mean": _mean, "max": _max, "first": _first, "last": _last}
