"""Pins: how a layer is made to run in inference mode on models that are not ours.

A pinned layer's `call` is shadowed, in the instance's `__dict__`, by one that passes
`training=False` where the layer takes it and tells the layers below the same through Keras's call
context. The context is put back afterwards: otherwise the layers that come after the pinned one
in a subclassed model would run in inference mode too. Configs and saved files do not see a pin,
and taking it off leaves the layer as it was. Nothing else in kerasft changes how a layer runs.
"""

import functools
import inspect
from collections.abc import Callable
from typing import Any

import keras
from keras.src.backend.common import global_state

_SHADOWED = ("call", "quantized_call")
_MARK = "__kerasft_pin__"


def pin(layer: keras.layers.Layer) -> None:
    """Make the layer, and all inside it, run as in inference from now on."""
    if is_pinned(layer):
        return
    # What stood in the instance's own dictionary before (another library's shadow, say) comes
    # back when the pin goes.
    before = {name: layer.__dict__[name] for name in _SHADOWED if name in layer.__dict__}
    for name in _SHADOWED:
        if hasattr(layer, name):
            layer.__dict__[name] = _in_inference(getattr(layer, name))
    layer.__dict__[_MARK] = before


def unpin(layer: keras.layers.Layer) -> None:
    """Take a pin off; a layer without one is left alone."""
    if not is_pinned(layer):
        return
    before = layer.__dict__.pop(_MARK)
    for name in _SHADOWED:
        layer.__dict__.pop(name, None)
    layer.__dict__.update(before)


def is_pinned(layer: keras.layers.Layer) -> bool:
    """Whether the layer itself carries a pin (not one that holds it).

    Args:
        layer: Any Keras layer.

    Example:
        >>> import keras, kerasft
        >>> body, top = keras.layers.Dense(4), keras.layers.Dense(2)
        >>> plan = kerasft.TrainHead().apply(keras.Sequential([keras.Input((4,)), body, top]))
        >>> kerasft.freezing.is_pinned(body), kerasft.freezing.is_pinned(top)
        (True, False)
    """
    return _MARK in layer.__dict__


def _in_inference(original: Callable[..., Any]) -> Callable[..., Any]:
    signature = inspect.signature(original)
    takes_training = "training" in signature.parameters

    @functools.wraps(original)
    def call(*args: Any, **kwargs: Any) -> Any:
        if takes_training:
            bound = signature.bind_partial(*args, **kwargs)
            bound.arguments["training"] = False
            args, kwargs = bound.args, bound.kwargs
        context = global_state.get_global_attribute("current_call_ctx")
        if context is None:  # `layer.call(...)`, without Keras's own `__call__` around it
            return original(*args, **kwargs)
        before = context.get_value("training")
        context.set_value("training", False)
        try:
            return original(*args, **kwargs)
        finally:
            context.set_value("training", before)

    return call
