"""GELU as one kernel on TensorFlow's CPU, inside the layers of a KerasHub model.

TensorFlow makes GELU out of some ten operations and its gradient out of twenty, each of which goes
over the widest tensors of a transformer; in bfloat16 they take longer than the matrix product
beside them.

- *With a gradient*, XLA makes one kernel forward and one backward, for each shape of batch that it
  meets, while the rest of the graph stays as it was: XLA's own matrix products are slower than
  TensorFlow's.
- *Without*, as in `predict` or in front of a `FeatureCache`, and in bfloat16, oneDNN has a kernel
  of the product, the bias and GELU together. TensorFlow takes it for these three in a row, which
  Keras interrupts by giving the product the shape of the text again, `(batch, tokens, features)`,
  before the bias is added; here that comes last. In float32, where less is to be gained, outputs
  stay bit for bit what they are.

Either is float32 within and rounds once, at the end. Only in a graph, and without a GPU or XLA
around: elsewhere the layer computes what it always did. A KerasHub layer keeps the activation that
it was made with, and that is what its config tells, so what is exchanged here, in the `Dense`
within it, is in no file.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import keras

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
    return _fused(x, approximate=False)


def gelu_approximate(x: Any) -> Any:
    """`keras.activations.gelu` with `approximate=True`."""
    return _fused(x, approximate=True)


def _fused(x: Any, approximate: bool) -> Any:
    if _in_a_graph_for_a_processor(x):
        from tensorflow.python.eager import record

        if record.could_possibly_record():
            return _kernels(approximate)(x)
        fused = _product_bias_gelu(x, approximate)
        if fused is not None:
            return fused
    return keras.activations.gelu(x, approximate=approximate)


def _in_a_graph_for_a_processor(x: Any) -> bool:
    import tensorflow as tf
    from tensorflow.python.ops import control_flow_util

    return (
        isinstance(x, tf.Tensor)
        and x.dtype in (tf.float32, tf.bfloat16)
        and not tf.executing_eagerly()
        and not control_flow_util.GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph())
        and not tf.config.list_physical_devices("GPU")
    )


def _product_bias_gelu(x: Any, approximate: bool) -> Any:
    """GELU right after a product and its bias, in an order that TensorFlow makes one kernel of.

    Args:
        x: What a `Dense` layer hands to its activation.
        approximate: As in `keras.activations.gelu`.

    Returns:
        GELU of x; None where x is something else than a product, reshaped, with a bias added. What
        x was made of stays in the graph unused, and TensorFlow drops it.
    """
    import tensorflow as tf

    if x.dtype != tf.bfloat16 or x.op.type != "BiasAdd" or x.op.inputs[0].op.type != "Reshape":
        return None
    (reshaped, bias) = x.op.inputs
    (product, shape) = reshaped.op.inputs
    if product.op.type != "MatMul":
        return None
    flat = tf.nn.gelu(tf.nn.bias_add(product, bias), approximate=approximate)
    return tf.reshape(flat, shape)


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
