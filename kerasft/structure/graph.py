"""Where one tensor crosses a functional graph: the cuts between its blocks."""

from typing import Any

import keras

from kerasft.structure.walk import walk

# A layer of these kinds is half of something: alone it is not a block, it joins a neighbour.
_JOINS_PREVIOUS = ("Normalization", "PReLU", "LayerScale", "Scale")
_JOINS_NEXT = ("DepthwiseConv",)

Segment = list[keras.layers.Layer]


def graph_of(model: keras.Model) -> Any:
    """What holds the graph, with its `input` and `output`: a Sequential keeps it in a model inside.

    Args:
        model: A functional model, or a Sequential one that is built.

    Example:
        >>> import keras
        >>> from kerasft.structure import graph_of
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
        >>> graph_of(model).output.shape
        (None, 2)
    """
    return getattr(model, "_functional", None) or model


def ordered_nodes(model: keras.Model) -> list:
    """The nodes of a functional model, each after those it reads from.

    Args:
        model: A functional or Sequential model, built.

    Example:
        >>> import keras
        >>> from kerasft.structure import ordered_nodes
        >>> layers = [keras.layers.Dense(4, name="a"), keras.layers.Dropout(0.5, name="b")]
        >>> model = keras.Sequential([keras.Input((4,)), *layers])
        >>> [node.operation.name for node in ordered_nodes(model) if not node.is_input]
        ['a', 'b']
    """
    by_depth = graph_of(model)._nodes_by_depth
    return [node for depth in sorted(by_depth, reverse=True) for node in by_depth[depth]]


def has_weights(layer: object) -> bool:
    """Whether the operation is a layer with weights, its own or further down."""
    return isinstance(layer, keras.layers.Layer) and bool(layer.weights)


def all_pass_through(model: keras.Model, layer: keras.layers.Layer) -> bool:
    """Whether what comes after `layer` reads nothing from before it.

    True of the pooling before a classifier, false of the pooling in a squeeze-and-excitation.
    """
    if isinstance(model, keras.Sequential):
        return True
    downstream: set[int] = set()
    for node in ordered_nodes(model):
        read = [id(tensor) in downstream for tensor in node.input_tensors]
        if node.operation is layer or (read and all(read)):
            downstream.update(id(tensor) for tensor in node.output_tensors)
        elif any(read):
            return False
    return True


def cut_into_segments(model: keras.Model) -> list[Segment]:
    """Divide a functional model where exactly one computed tensor crosses.

    Only tensors that depend on a weight count: a padding mask that every layer reads does not
    hold two blocks together. Segments without weights join the one before.
    """
    nodes = [node for node in ordered_nodes(model) if not node.is_input]
    last_use: dict[int, int] = {}
    for position, node in enumerate(nodes):
        for tensor in node.input_tensors:
            last_use[id(tensor)] = position
    for tensor in keras.tree.flatten(model.outputs):
        last_use[id(tensor)] = len(nodes)

    computed: set[int] = set()
    alive: set[int] = set()
    segments: list[Segment] = []
    current: Segment = []
    for position, node in enumerate(nodes):
        depends = has_weights(node.operation) or any(id(t) in computed for t in node.input_tensors)
        if isinstance(node.operation, keras.layers.Layer):
            current.append(node.operation)
        if depends:
            for tensor in node.output_tensors:
                computed.add(id(tensor))
                if last_use.get(id(tensor), -1) > position:
                    alive.add(id(tensor))
        alive = {key for key in alive if last_use[key] > position}
        if len(alive) == 1 and any(has_weights(layer) for layer in current):
            segments.append(current)
            current = []
    if current:
        segments.append(current)
    return _join_halves(segments)


def chain_into_segments(layers: list[keras.layers.Layer]) -> list[Segment]:
    """Divide a plain chain of layers: each layer with weights begins a segment."""
    segments: list[Segment] = []
    for layer in layers:
        if not segments or (has_weights(layer) and any(map(has_weights, segments[-1]))):
            segments.append([])
        segments[-1].append(layer)
    return _join_halves(segments)


def _join_halves(segments: list[Segment]) -> list[Segment]:
    joined: list[Segment] = []
    waiting: Segment = []
    for segment in segments:
        kinds = [_kinds(layer) for layer in segment if has_weights(layer)]
        if joined and all(_only(kind, _JOINS_PREVIOUS) for kind in kinds):
            (waiting or joined[-1]).extend(segment)
        elif kinds and all(_only(kind, _JOINS_PREVIOUS + _JOINS_NEXT) for kind in kinds):
            waiting = waiting + segment
        else:
            joined.append(waiting + segment)
            waiting = []
    if waiting:
        joined.append(waiting) if not joined else joined[-1].extend(waiting)
    return joined


def _kinds(layer: keras.layers.Layer) -> set[str]:
    owners = [layer, *(below for _, below in walk(layer))]
    return {type(owner).__name__ for owner in owners if owner._trainable_variables}


def _only(kinds: set[str], parts: tuple[str, ...]) -> bool:
    return all(any(part in kind for part in parts) for kind in kinds)
