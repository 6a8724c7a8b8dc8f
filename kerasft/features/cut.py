"""Cutting a model in two where only frozen layers lie before and something trainable after."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import keras

from kerasft.errors import UnsupportedError
from kerasft.features._flatten import Step, flatten
from kerasft.freezing import is_pinned
from kerasft.structure import changeable_variables, children, is_graph, make_part_of
from kerasft.structure.views import distinct


@dataclasses.dataclass(frozen=True)
class Cut:
    """A model in two parts that share its layers.

    Attributes:
        frozen: From the model's inputs to the boundary: one tensor, or a list where it has several.
        trainable: From there to the model's outputs. A freeze policy applied to it means the
            whole model, and is refused if it would train what comes before.
        boundary: The symbolic boundary tensors, in order; those without a batch axis come last.

    Example:
        >>> import keras, kerasft
        >>> layers = [keras.layers.Dense(4, name=name) for name in ("body", "top")]
        >>> model = keras.Sequential([keras.Input((8,)), *layers])
        >>> plan = kerasft.TrainHead().apply(model)
        >>> parts = kerasft.features.cut(model)
        >>> parts.frozen.input_shape, parts.trainable.input_shape
        ((None, 8), (None, 4))
    """

    frozen: keras.Model
    trainable: keras.Model
    boundary: tuple[Any, ...]


def cut(model: keras.Model) -> Cut:
    """Cut a functional model at its freeze boundary.

    The boundary is every tensor that depends on nothing trainable and enters an operation that
    trains, keeps statistics, draws random numbers, or comes after one that does. Nested
    functional models are opened, and a head that pools first hands its pooling over
    (`Head.pools_with`), so that one vector is kept in place of one per token; any other composite
    layer stays whole. What is opened is called once more on symbolic tensors: its layers get
    further nodes, while `layer.input`, `layer.output` and the model's config stay those of the
    first call.

    Args:
        model: A functional or Sequential model, frozen in any way.

    Raises:
        UnsupportedError: If the model has no graph, nothing is frozen at its front, something
            random (augmentation) comes first, nothing trains, the loss would miss a mask, or two
            layers on one side have the same name.

    Example:
        >>> import keras, kerasft
        >>> from kerasft.features import cut
        >>> inputs = keras.Input((4,))
        >>> x = keras.layers.Dense(8, name="body")(inputs)
        >>> model = keras.Model(inputs, keras.layers.Dense(2, name="top")(x))
        >>> plan = kerasft.TrainHead().apply(model)
        >>> parts = cut(model)
        >>> [tensor.shape for tensor in parts.boundary], len(parts.trainable.weights)
        ([(None, 8)], 2)
    """
    if not is_graph(model) or not model.built:
        raise UnsupportedError(
            f"A model must have a graph to be cut at its freeze boundary. Received: model "
            f"{model.name!r} (of type {type(model).__name__}), which has none. Build it as a "
            "functional `keras.Model(inputs, outputs)`, or give a Sequential model a `keras.Input`."
        )
    changeable = {id(variable) for variable in changeable_variables(model)}
    inputs, outputs, operations = flatten(model)
    tainted: set[int] = set()
    boundary: dict[int, Any] = {}
    before: list[Any] = []
    after: list[Any] = []
    for operation, read, written in operations:
        if _trains(operation, changeable) or any(id(t) in tainted for t in read):
            after.append(operation)
            tainted.update(id(tensor) for tensor in written)
            boundary.update({id(t): t for t in read if id(t) not in tainted})
        else:
            before.append(operation)
    for tensor in keras.tree.flatten(outputs):
        if id(tensor) not in tainted:
            boundary[id(tensor)] = tensor
    _check_sides(model, before, after, changeable)
    _check_names(model, before)
    _check_names(model, after)
    # Keras weighs a batch's loss by the length of the first input.
    tensors = tuple(sorted(boundary.values(), key=lambda tensor: not has_batch_axis(tensor)))
    _check_masks(model, tensors, outputs)
    trainable = _rebuild(tensors, outputs, operations, tainted, f"{model.name}_trainable")
    make_part_of(trainable, model)
    return Cut(
        frozen=keras.Model(inputs, _one_or_all(tensors), name=f"{model.name}_frozen"),
        trainable=trainable,
        boundary=tensors,
    )


def _rebuild(
    boundary: tuple[Any, ...],
    outputs: Any,
    operations: list[Step],
    tainted: set[int],
    name: str,
) -> keras.Model:
    """The part after the boundary, run again on inputs of its own.

    `keras.Model(boundary, outputs)` would do the same, but where a boundary tensor is one of the
    model's inputs it writes over that input's history, and the whole model cannot be saved any
    more.
    """
    taken = {operation.name for operation, _, _ in operations}
    names = distinct((f"boundary_{index}" for index, _ in enumerate(boundary)), taken)
    inputs = [
        keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype, name=own)
        for tensor, own in zip(boundary, names, strict=True)
    ]
    now = {id(tensor): given for tensor, given in zip(boundary, inputs, strict=True)}
    for operation, _, written in operations:
        if id(written[0]) not in tainted:
            continue
        history = written[0]._keras_history
        arguments = operation._inbound_nodes[history.node_index].arguments
        args, kwargs = arguments.fill_in(now)
        results = keras.tree.flatten(operation(*args, **kwargs))
        now.update({id(t): result for t, result in zip(written, results, strict=True)})
    return keras.Model(
        _one_or_all(inputs),
        keras.tree.map_structure(lambda tensor: now[id(tensor)], outputs),
        name=name,
    )


def _one_or_all(tensors: Sequence[Any]) -> Any:
    return list(tensors) if len(tensors) > 1 else tensors[0]


def has_batch_axis(tensor: Any) -> bool:
    """Whether a symbolic tensor has a value for each example, and not one for all of them."""
    return bool(tensor.shape) and tensor.shape[0] is None


def _check_sides(
    model: keras.Model, before: list[Any], after: list[Any], changeable: set[int]
) -> None:
    start = f"A model must be frozen at its front to be cut. Received: model {model.name!r}: "
    if not changeable:
        raise UnsupportedError(
            f"A cut needs something that trains after the boundary. Received: model "
            f"{model.name!r}, of which nothing trains."
        )
    if any(isinstance(one, keras.layers.Layer) and one.weights for one in before):
        return
    first = next(one for one in after if _trains(one, changeable))
    if _is_random(first) and not any(id(v) in changeable for v in first.weights):
        raise UnsupportedError(
            f"{start}{first.name!r} (of type {type(first).__name__}) draws random numbers before "
            "the first frozen weights. What is augmented differs in every epoch, so that its "
            "features cannot be kept; leave the augmentation out, or train without the cache. "
            "Dropout in frozen layers is stilled by a policy, such as "
            "`kerasft.TrainHead().apply(model)`."
        )
    raise UnsupportedError(
        f"{start}no frozen layer with weights comes before {first.name!r}, which trains. Freeze "
        "the front of the model with a policy, such as `kerasft.TrainLastBlocks(2).apply(model)`."
    )


def _check_names(model: keras.Model, operations: list[Any]) -> None:
    """Layers of nested models and of the outer one come to stand side by side."""
    seen: dict[str, Any] = {}
    for operation in operations:
        if seen.setdefault(operation.name, operation) is not operation:
            raise UnsupportedError(
                "The layers on one side of the cut must have different names, also those of "
                f"nested models. Received: model {model.name!r} with two layers named "
                f"{operation.name!r}. Rename one, with `layer.name = ...`."
            )


def _check_masks(model: keras.Model, boundary: tuple[Any, ...], outputs: Any) -> None:
    """Keras's losses read the mask that hangs on an output, and no model takes such a mask in."""

    def masked(tensors: Any) -> bool:
        return any(getattr(t, "_keras_mask", None) is not None for t in tensors)

    if masked(keras.tree.flatten(outputs)) and masked(boundary):
        raise UnsupportedError(
            "A model whose outputs carry a padding mask to the loss cannot be cut, for the mask "
            f"would be lost at the boundary. Received: model {model.name!r}. Train it without the "
            "cache, or let a layer at its end use up the mask."
        )


def _trains(operation: Any, changeable: set[int]) -> bool:
    if not isinstance(operation, keras.layers.Layer):
        return False
    if any(id(variable) in changeable for variable in operation.weights):
        return True
    return _is_random(operation)


def _is_random(operation: Any) -> bool:
    """Whether it draws random numbers in training: dropout, noise, augmentation.

    Known by its seed generator; a layer that draws from elsewhere cannot be told.
    """
    if not isinstance(operation, keras.layers.Layer) or is_pinned(operation):
        return False
    if getattr(operation, "_seed_generators", None) and getattr(operation, "rate", 1.0) != 0:
        return True
    return any(_is_random(child) for child in children(operation))
