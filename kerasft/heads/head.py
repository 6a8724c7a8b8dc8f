"""`Head`: the base class of everything that is put on top of a backbone."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import keras

from kerasft.errors import UnsupportedError


class Head(keras.layers.Layer):
    """A layer from a backbone's features to the outputs of a task.

    To write one, subclass it and override `call(features, mask=None)`. `features` is what the
    backbone puts out: one tensor of shape `(batch, tokens, features)`, `(batch, features)` or
    `(batch, height, width, channels)`, or a dict of tensors, as KerasHub's text backbones give
    (`"sequence_output"` and `"pooled_output"`). `mask` is the padding mask of shape
    `(batch, tokens)`, nonzero for real tokens, or `None` where there is no padding. A head that
    needs no mask may leave the argument out.

    A head computes in float32 unless it is given a `dtype`, also on a backbone in bfloat16 or
    float16: it is a small part of the arithmetic, and the exponentials of a loss need the bits.
    Features of another float type are cast when they come in. Under a global policy of float64 it
    computes in float64.

    The mask that a symbolic tensor carries becomes an explicit argument of the call, and thereby
    an edge of the graph, so that it is still there when the model is saved and loaded, cloned, or
    cut in two. What `uses` leaves out of a dict never enters the graph.

    Args:
        dtype: Keras dtype policy or its name, float32 by default.
        name: the layer's name.
        **kwargs: `trainable`, and what else `keras.layers.Layer` takes.

    Example:
        >>> import keras, numpy as np
        >>> class Average(Head):
        ...     def __init__(self, num_outputs, **kwargs):
        ...         super().__init__(**kwargs)
        ...         self.num_outputs = num_outputs
        ...         self.dense = keras.layers.Dense(num_outputs)
        ...
        ...     def call(self, features, mask=None):
        ...         return self.dense(keras.ops.mean(features, axis=1))
        >>> tuple(Average(3)(np.ones((2, 5, 4))).shape)
        (2, 3)
    """

    is_kerasft_head = True
    """Says what this layer is to code that may not import this module."""

    def __init__(self, *, dtype: Any = None, name: str | None = None, **kwargs: Any) -> None:
        if dtype is None:
            wide = keras.config.dtype_policy().compute_dtype == "float64"
            dtype = "float64" if wide else "float32"
        super().__init__(dtype=dtype, name=name, **kwargs)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "call" in vars(cls):
            setattr(cls, "call", _with_one_mask(cls.call))  # noqa: B010

    def __call__(self, features: Any, mask: Any = None, **kwargs: Any) -> Any:
        """Call the head on real or symbolic features.

        Args:
            features: one tensor, or a dict of tensors, of which the head takes what `uses` says.
            mask: padding mask of shape `(batch, tokens)`, or `None`: then the mask that the
                features carry, if they carry one.
            **kwargs: `training`, and what else the head's `call` takes.

        Returns:
            What `call` returns.
        """
        if isinstance(features, Mapping):
            features = self.uses(features)
        if "mask" in self.call_signature_parameters:
            if mask is None:
                mask = _carried_mask(features)
            if mask is not None:
                kwargs["mask"] = mask
        return super().__call__(features, **kwargs)

    def call(self, features: Any, mask: Any = None) -> Any:
        """Compute the outputs; the one method that a head must override.

        Args:
            features: what `uses` chose of the backbone's output.
            mask: padding mask of shape `(batch, tokens)`, or `None`.

        Raises:
            UnsupportedError: always, in this base class.
        """
        raise UnsupportedError(
            f"{type(self).__name__} does not say what it computes. "
            "Override `call(self, features, mask=None)`."
        )

    def build_from_config(self, config: dict[str, Any]) -> None:
        """Build a loaded head from the shape that it was saved with.

        A head with no `build` of its own waits until the loaded model calls it: Keras would only
        mark it as built, with a warning, and leave the layers inside as they are.
        """
        if type(self).build is not keras.layers.Layer.build:
            super().build_from_config(config)

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """The padding mask of the outputs: none, since a head as a rule pools over the tokens."""
        return None

    @property
    def task(self) -> str | None:
        """What the outputs mean.

        `"binary"`, `"multiclass"`, `"multilabel"`, `"regression"`, or `None` where it is unknown.
        """
        return None

    def uses(self, features: Mapping[str, Any]) -> Any:
        """Choose the part of a backbone's dict that the head reads; everything by default.

        It is asked only when the features are a dict. Where it answers with a dict again, it must
        give the same answer when it is asked about that one.

        Args:
            features: the backbone's outputs by name.

        Returns:
            One tensor, or a smaller dict.
        """
        return features

    def pools_with(self) -> keras.layers.Layer | None:
        """The layer without weights by which the head pools its features before all else.

        A head that names one promises that `call(features, mask)` equals
        `call(pools_with()(features, mask=mask))`. Pooling then counts as part of the frozen front
        where the head's features are frozen, and a `FeatureCache` keeps one vector per example
        in place of one per token. `None`, by default, promises nothing.
        """
        return None

    def default_loss(self) -> keras.losses.Loss:
        """The loss that fits the outputs.

        Raises:
            UnsupportedError: in this base class, which knows no task.
        """
        raise UnsupportedError(
            f"{type(self).__name__} does not say which loss fits its outputs. Override "
            "`default_loss(self)`, or give `compile` a loss of your own."
        )

    def default_metrics(self) -> list[keras.metrics.Metric]:
        """New metric objects that fit the outputs.

        Raises:
            UnsupportedError: in this base class, which knows no task.
        """
        raise UnsupportedError(
            f"{type(self).__name__} does not say which metrics fit its outputs. Override "
            "`default_metrics(self)`, or give `compile` metrics of your own."
        )


def _carried_mask(features: Any) -> Any:
    """The mask that Keras attached to a tensor, or to one of a dict's tensors.

    The one place that reads this private attribute. Where a backend cannot set attributes on its
    own tensors, Keras fills in the `mask` argument of a real (never of a symbolic) call by itself.
    """
    return _first_given(getattr(each, "_keras_mask", None) for each in keras.tree.flatten(features))


def _first_given(values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def _with_one_mask(call: Callable[..., Any]) -> Callable[..., Any]:
    """Give `call` one mask or `None` where Keras fills in a dict with the mask of each tensor."""

    @functools.wraps(call)
    def with_one_mask(self: Head, *args: Any, **kwargs: Any) -> Any:
        if isinstance(kwargs.get("mask"), Mapping):
            kwargs["mask"] = _first_given(kwargs["mask"].values())
        return call(self, *args, **kwargs)

    return with_one_mask
