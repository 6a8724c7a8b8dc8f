"""Cutting a model in two where only frozen layers lie before and something trainable after."""

import dataclasses
from typing import Any

import keras

from kerasft.errors import UnsupportedError
from kerasft.freezing import is_pinned
from kerasft.structure import changeable_variables, ordered_nodes, walk


@dataclasses.dataclass(frozen=True)
class Cut:
    """A model in two parts that share its layers.

    Attributes:
        frozen: From the model's inputs to the boundary; its output is the list of boundary
            tensors. None if the boundary is the inputs themselves.
        trainable: From the boundary tensors to the model's outputs.
        boundary: The symbolic boundary tensors, in order.
    """

    frozen: keras.Model
    trainable: keras.Model
    boundary: tuple[Any, ...]


def cut(model: keras.Model) -> Cut:
    """Cut a functional model at its freeze boundary.

    The boundary is every tensor that depends on nothing trainable and enters an operation that
    trains, keeps statistics, draws random numbers, or comes after one that does. Nested
    functional models are opened; any other composite layer stays whole.

    Args:
        model: A functional or Sequential model, frozen in any way.

    Raises:
        UnsupportedError: If the model has no graph, nothing is frozen at its front, or something
            random (augmentation) comes first.
    """
    if not (isinstance(model, keras.Sequential) or hasattr(model, "_nodes_by_depth")):
        raise UnsupportedError(
            f"A model must have a graph to be cut at its freeze boundary. Received: model "
            f"{model.name!r} (of type {type(model).__name__}), a subclassed model. Build it as a "
            "functional `keras.Model(inputs, outputs)`."
        )
    changeable = {id(variable) for variable in changeable_variables(model)}
    inputs, outputs, operations = _flatten(model)
    tainted: set[int] = set()
    boundary: dict[int, Any] = {}
    kept_back: list[Any] = []
    for operation, read, written in operations:
        taints = _trains(operation, changeable) or any(id(t) in tainted for t in read)
        if taints:
            kept_back.append(operation)
            tainted.update(id(tensor) for tensor in written)
            boundary.update({id(t): t for t in read if id(t) not in tainted})
    for tensor in keras.tree.flatten(outputs):
        if id(tensor) not in tainted:
            boundary[id(tensor)] = tensor
    tensors = tuple(boundary.values())
    if not tainted:
        raise UnsupportedError(
            f"A cut needs something that trains after the boundary. Received: model "
            f"{model.name!r}, of which nothing trains."
        )
    first = kept_back[0]
    given = {id(tensor) for tensor in keras.tree.flatten(inputs)}
    if all(id(tensor) in given for tensor in tensors):
        what = (
            f"{first.name!r} (of type {type(first).__name__}) draws random numbers at the front. "
            "Augmented inputs differ in every epoch, so that their features cannot be kept; "
            "augment without the cache, or after the boundary"
            if _is_random(first) and not first.trainable_variables
            else f"the first layer that trains, {first.name!r}, reads the inputs. Freeze the front "
            "of the model with a policy, such as `kerasft.TrainLastBlocks(2).apply(model)`"
        )
        raise UnsupportedError(
            f"A model must be frozen at its front to be cut. Received: model {model.name!r}: "
            f"{what}."
        )
    return Cut(
        frozen=keras.Model(inputs, list(tensors), name=f"{model.name}_frozen"),
        trainable=keras.Model(list(tensors), outputs, name=f"{model.name}_trainable"),
        boundary=tensors,
    )


def _flatten(model: keras.Model) -> tuple[Any, Any, list[tuple[Any, list[Any], list[Any]]]]:
    """The model's operations in order, nested functional models opened."""
    nodes = [node for node in ordered_nodes(model) if not node.is_input]
    if not any(_opens(node.operation) for node in nodes):
        return (
            model.input,
            model.output,
            [
                (node.operation, list(node.input_tensors), list(node.output_tensors))
                for node in nodes
            ],
        )
    # Nested graphs have tensors of their own, so the whole graph runs again on the outer inputs.
    operations: list[tuple[Any, list[Any], list[Any]]] = []
    outputs = _run(model, model.input, operations)
    return model.input, outputs, operations


def _opens(operation: Any) -> bool:
    """Whether it is a functional model that only runs its graph."""
    return (
        isinstance(operation, keras.Model)
        and (isinstance(operation, keras.Sequential) or hasattr(operation, "_nodes_by_depth"))
        and not is_pinned(operation)
        and type(operation).call
        in (keras.Model.call, keras.Sequential.call, _functional_class().call)
    )


def _functional_class() -> type:
    from keras.src.models.functional import Functional

    return Functional


def _run(
    model: keras.Model, inputs: Any, operations: list[tuple[Any, list[Any], list[Any]]]
) -> Any:
    graph = getattr(model, "_functional", None) or model
    tensors = dict(
        zip(
            (id(tensor) for tensor in graph.inputs),
            _in_order(graph, inputs),
            strict=True,
        )
    )
    for node in ordered_nodes(model):
        if node.is_input:
            continue
        args, kwargs = node.arguments.fill_in(tensors)
        if _opens(node.operation):
            results = _run(node.operation, args[0], operations)
        else:
            results = node.operation(*args, **kwargs)
            read = [t for t in keras.tree.flatten((args, kwargs)) if keras.utils.is_keras_tensor(t)]
            operations.append((node.operation, read, keras.tree.flatten(results)))
        for symbol, result in zip(node.outputs, keras.tree.flatten(results), strict=True):
            tensors[id(symbol)] = result
    return keras.tree.map_structure(lambda tensor: tensors[id(tensor)], graph._outputs_struct)


def _in_order(graph: Any, inputs: Any) -> list[Any]:
    """The inputs flattened in the order of `graph.inputs`, extra keys of a dict left out."""
    if isinstance(inputs, dict) and isinstance(graph._inputs_struct, dict):
        inputs = {name: inputs[name] for name in graph._inputs_struct}
    return keras.tree.flatten(inputs)


def _trains(operation: Any, changeable: set[int]) -> bool:
    if not isinstance(operation, keras.layers.Layer):
        return False
    if any(id(variable) in changeable for variable in operation.weights):
        return True
    return _is_random(operation)


def _is_random(operation: Any) -> bool:
    """Whether it draws random numbers in training: dropout, noise, augmentation."""
    if not isinstance(operation, keras.layers.Layer) or is_pinned(operation):
        return False
    layers = [operation, *(below for _, below in walk(operation))]
    return any(
        getattr(layer, "_seed_generators", None) and getattr(layer, "rate", 1.0) != 0
        for layer in layers
    )
