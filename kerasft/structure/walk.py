"""Walking down the tree of layers.

Keras has no public name for a layer's sublayers; `_layers` is what its own `trainable` setter and
`summary` walk, and this module is the only one that touches it.
"""

from collections.abc import Iterator

import keras

from kerasft.structure.views import distinct


def children(layer: keras.layers.Layer) -> list[keras.layers.Layer]:
    """The layers directly inside `layer`, each once, in forward order where the layer has one.

    Args:
        layer: Any layer or model.

    Example:
        >>> import keras
        >>> from kerasft.structure import children
        >>> layers = [keras.layers.Dense(4, name="a"), keras.layers.Dropout(0.5, name="b")]
        >>> model = keras.Sequential([keras.Input((4,)), *layers])
        >>> [layer.name for layer in children(model)]
        ['a', 'b']
    """
    if isinstance(layer, (keras.Sequential, keras.Model)) and is_graph(layer):
        inside = list(layer.layers)
        inside += [child for child in layer._layers if child not in inside]
    else:
        inside = list(layer._layers)
    unique = {
        id(child): child for child in inside if not isinstance(child, keras.layers.InputLayer)
    }
    # A Sequential keeps a second, functional model of the same layers.
    hidden = getattr(layer, "_functional", None)
    if hidden is not None:
        unique.pop(id(hidden), None)
    return list(unique.values())


def is_graph(layer: keras.layers.Layer) -> bool:
    """Whether the layer is a Functional or Sequential model, with its layers in forward order.

    Args:
        layer: Any layer or model.

    Example:
        >>> import keras
        >>> from kerasft.structure import is_graph
        >>> is_graph(keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]))
        True
        >>> is_graph(keras.layers.Dense(2))
        False
    """
    if not isinstance(layer, keras.Model):
        return False
    return isinstance(layer, keras.Sequential) or hasattr(layer, "_nodes_by_depth")


def owns_variables(layer: keras.layers.Layer) -> bool:
    """Whether the layer itself, not one inside it, holds weights.

    Args:
        layer: Any layer or model.

    Example:
        >>> import keras
        >>> from kerasft.structure import owns_variables
        >>> layers = [keras.layers.Dense(4, name="a"), keras.layers.Dropout(0.5, name="b")]
        >>> model = keras.Sequential([keras.Input((4,)), *layers])
        >>> owns_variables(model), owns_variables(layers[0]), owns_variables(layers[1])
        (False, True, False)
    """
    return bool(layer._trainable_variables or layer._non_trainable_variables)


def walk(layer: keras.layers.Layer, path: str = "") -> Iterator[tuple[str, keras.layers.Layer]]:
    """Every layer below `layer` with its path, parents before children, each once.

    Where two layers would have the same path, the later one's gets a number, so that a path names
    one layer.

    Args:
        layer: Any layer or model.
        path: What the paths begin with.

    Example:
        >>> import keras
        >>> from kerasft.structure import walk
        >>> layers = [keras.layers.Dense(4, name="a"), keras.layers.Dropout(0.5, name="b")]
        >>> model = keras.Sequential([keras.Input((4,)), *layers])
        >>> [path for path, layer in walk(model, "model")]
        ['model/a', 'model/b']
    """
    seen_layers: set[int] = {id(layer)}
    taken: set[str] = set()

    def below(parent: keras.layers.Layer, prefix: str) -> Iterator[tuple[str, keras.layers.Layer]]:
        for child in children(parent):
            if id(child) in seen_layers:
                continue
            seen_layers.add(id(child))
            path = f"{prefix}/{child.name}" if prefix else child.name
            [child_path] = distinct([path], taken)
            yield child_path, child
            yield from below(child, child_path)

    yield from below(layer, path)


def seed_generators(model: keras.Model) -> list[tuple[str, keras.random.SeedGenerator]]:
    """Every random seed's state with the path of its layer, in order.

    Their own names drift from process to process; the layer's path and the order do not.

    Args:
        model: Any model.

    Example:
        >>> import keras
        >>> from kerasft.structure import seed_generators
        >>> layers = [keras.layers.Dense(4, name="a"), keras.layers.Dropout(0.5, name="b")]
        >>> model = keras.Sequential([keras.Input((4,)), *layers])
        >>> [path for path, generator in seed_generators(model)]
        ['b']
    """
    layers = [("", model), *walk(model)]
    return [
        (path, generator)
        for path, layer in layers
        for generator in getattr(layer, "_seed_generators", [])
    ]
