"""The operations of a functional model in their order, with what is nested opened."""

from typing import Any

import keras
from keras.src.models.functional import Functional as _Functional

from kerasft.freezing import is_pinned
from kerasft.structure import children, graph_of, is_graph, ordered_nodes

# An operation, the tensors that it reads, and those that it writes.
Step = tuple[Any, list[Any], list[Any]]


def flatten(model: keras.Model) -> tuple[Any, Any, list[Step]]:
    """The model's inputs, its outputs, and its operations in order.

    Nested functional models are opened, and heads that pool first are run in two steps: the
    pooling, then the head on what was pooled. What is opened, and what comes after it, is called
    once more; everything before keeps the tensors that it has.
    """
    graph = graph_of(model)
    steps: list[Step] = []
    outputs = _run(model, graph.input, steps, _names_of(model))
    return graph.input, outputs, steps


def _run(
    model: keras.Model,
    inputs: Any,
    steps: list[Step],
    names: set[str],
    training: bool | None = None,
) -> Any:
    graph = graph_of(model)
    tensors = {}
    for symbol, tensor in zip(graph.inputs, _in_order(graph, inputs), strict=True):
        if tensor.dtype != symbol.dtype:  # as Keras does on the way in
            cast = keras.ops.cast(tensor, symbol.dtype)
            steps.append((cast._keras_history.operation, [tensor], [cast]))
            tensor = cast
        tensors[id(symbol)] = tensor
    for node in ordered_nodes(model):
        if node.is_input:
            continue
        args, kwargs = node.arguments.fill_in(tensors)
        pooling = None if _opens(node) else _pooling_of(node, args, kwargs, names)
        if _opens(node):
            told = kwargs.get("training", training)
            results = _run(node.operation, _first_argument(args, kwargs), steps, names, told)
        elif pooling is not None:
            names.add(pooling.name)
            features, mask = args[0], kwargs.get("mask")
            pooled = pooling(features, mask=mask)
            results = node.operation(pooled)
            read = [features] if mask is None else [features, mask]
            steps.append((pooling, read, [pooled]))
            steps.append((node.operation, [pooled], keras.tree.flatten(results)))
        elif all(tensors[id(tensor)] is tensor for tensor in node.input_tensors):
            results = node.outputs
            steps.append((node.operation, list(node.input_tensors), list(node.output_tensors)))
        else:
            # `backbone(x, training=False)` holds for the layers inside, as far as Keras lets it.
            if training is not None and "training" in getattr(
                node.operation, "_call_context_args", ()
            ):
                kwargs = {"training": training, **kwargs}
            results = node.operation(*args, **kwargs)
            read = [t for t in keras.tree.flatten((args, kwargs)) if keras.utils.is_keras_tensor(t)]
            steps.append((node.operation, read, keras.tree.flatten(results)))
        for symbol, result in zip(node.outputs, keras.tree.flatten(results), strict=True):
            tensors[id(symbol)] = result
    return keras.tree.map_structure(lambda tensor: tensors[id(tensor)], graph._outputs_struct)


def _opens(node: Any) -> bool:
    """Whether the node calls a functional model that only runs its graph, on fitting inputs."""
    operation = node.operation
    if not isinstance(operation, keras.Model) or not is_graph(operation) or is_pinned(operation):
        return False
    if type(operation).call not in (_Functional.call, keras.Sequential.call):
        return False
    graph = graph_of(operation)
    given = _in_order(graph, _first_argument(node.arguments.args, node.arguments.kwargs))
    # Where Keras would add or drop an axis on the way in, the model stays whole.
    return [len(t.shape) for t in given] == [len(t.shape) for t in graph.inputs]


def _pooling_of(node: Any, args: Any, kwargs: Any, names: set[str]) -> Any:
    """The layer that pools for a head, where it may run by itself; None elsewhere."""
    head = node.operation
    if not getattr(head, "is_kerasft_head", False) or is_pinned(head):
        return None
    pooling = head.pools_with()
    plain = len(args) == 1 and set(kwargs) <= {"mask", "training"}
    if pooling is None or pooling.weights or not plain or isinstance(args[0], dict):
        return None
    if len(args[0].shape) < 3:
        return None
    # Layers on one side of a cut must have different names.
    return None if pooling.name in names else pooling


def _names_of(model: keras.Model) -> set[str]:
    """The names of the operations that come to stand side by side."""
    names: set[str] = set()
    for child in children(model):
        names |= _names_of(child) if isinstance(child, keras.Model) else {child.name}
    return names


def _first_argument(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return args[0] if args else kwargs["inputs"]


def _in_order(graph: Any, inputs: Any) -> list[Any]:
    """The inputs flattened in the order of `graph.inputs`, extra keys of a dict left out."""
    if not isinstance(inputs, dict):
        return keras.tree.flatten(inputs)
    if isinstance(graph._inputs_struct, dict):
        return keras.tree.flatten({name: inputs[name] for name in graph._inputs_struct})
    return [inputs[tensor.name] for tensor in graph.inputs]
