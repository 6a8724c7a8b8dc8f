"""GELU as one kernel on TensorFlow's CPU, inside the layers of a KerasHub model.

TensorFlow makes GELU out of some ten operations and its gradient out of twenty, each of which goes
over the widest tensors of a transformer; in bfloat16 they take longer than the matrix product
beside them. Here XLA makes one kernel of either, for each shape of batch that it meets, while the
rest of the graph stays as it was: XLA's own matrix products are slower than TensorFlow's. Numbers
are float32 within and rounded once, at the end.

Only where a gradient is wanted, in a graph, and without a GPU or XLA around: elsewhere the layer
computes what it always did (of which TensorFlow makes one kernel itself, behind a product and its
bias: see `_flat_dense.py`). A KerasHub layer keeps the activation that it was made with, and that
is what its config tells, so what is exchanged here, in the `Dense` within it, is in no file.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import keras

from kerasft.backbones._processor_graph import in_processor_graph, wants_gradient
from kerasft.structure import children, walk

_SLOPE = math.sqrt(2 / math.pi)
_CUBIC = 0.044715


def fuse_gelu(model: keras.Model) -> int:
    """Exchange GELU in the layers of a KerasHub model.

    Args:
        model: The model. Layers of other libraries and of the user's own stay as they are.

    Returns:
        In how many layers.
    """
    if keras.backend.backend() != "tensorflow":
        return 0
    count = 0
    for _, layer in walk(model):
        if isinstance(layer, keras.Model) or not type(layer).__module__.startswith("keras_hub."):
            continue
        for inner in children(layer):
            if type(inner) is keras.layers.Dense and inner.activation in _replacements():
                count += _exchange(layer, inner)
    return count


def _exchange(layer: keras.layers.Layer, dense: keras.layers.Dense) -> bool:
    original, config = dense.activation, layer.get_config()
    dense.activation = _replacements()[original]
    if layer.get_config() != config:  # the layer tells what is within it
        dense.activation = original
        return False
    return True


@functools.cache
def _replacements() -> dict[Callable[..., Any], Callable[..., Any]]:
    """What takes the place of which activation."""
    approximate = keras.saving.get_registered_object("keras_hub>gelu_approximate")
    found = {keras.activations.gelu: gelu}
    if approximate is not None:
        found[approximate] = gelu_approximate
    return found


def gelu(x: Any) -> Any:
    """`keras.activations.gelu`."""
    if in_processor_graph(x) and wants_gradient():
        return _kernels(False)(x)
    return keras.activations.gelu(x)


def gelu_approximate(x: Any) -> Any:
    """`keras.activations.gelu` with `approximate=True`."""
    if in_processor_graph(x) and wants_gradient():
        return _kernels(True)(x)
    return keras.activations.gelu(x, approximate=True)


@functools.cache
def _kernels(approximate: bool) -> Callable[[Any], Any]:
    """GELU with its own gradient, each compiled once for every shape, whatever layers use it."""
    import tensorflow as tf

    compiled = functools.partial(
        tf.function, jit_compile=True, autograph=False, reduce_retracing=True
    )

    def share_and_slope(x: Any) -> tuple[Any, Any]:
        """How much of x passes, and how that changes with x."""
        if approximate:
            squared = x * x
            tanh = tf.tanh(_SLOPE * x * (1 + _CUBIC * squared))
            slope = 0.5 * (1 - tanh * tanh) * _SLOPE * (1 + 3 * _CUBIC * squared)
            return 0.5 * (1 + tanh), slope
        share = 0.5 * tf.math.erfc(x * -math.sqrt(0.5))
        return share, tf.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)

    @compiled
    def forward(x: Any) -> Any:
        wide = tf.cast(x, tf.float32)
        return tf.cast(wide * share_and_slope(wide)[0], x.dtype)

    @compiled
    def backward(x: Any, upstream: Any) -> Any:
        wide = tf.cast(x, tf.float32)
        share, slope = share_and_slope(wide)
        return tf.cast(tf.cast(upstream, tf.float32) * (share + wide * slope), x.dtype)

    @tf.custom_gradient
    def fused(x: Any) -> Any:
        return forward(x), lambda upstream: backward(x, upstream)

    return fused
