"""Taking a model apart, and what its user said about it."""

from collections.abc import Container, Sequence
from typing import Any

import keras

from kerasft._checks import check_type, did_you_mean, fail
from kerasft.structure.blocks import divide
from kerasft.structure.graph import all_pass_through, has_weights
from kerasft.structure.views import Block, LayerView, Structure
from kerasft.structure.walk import children, is_graph, owns_variables, walk

# What the user said of a model travels in its `__dict__`, under a name that Keras's savers pass
# over because of its two underscores, so that files stay as they are.
_SAID = "__kerasft_said__"
_POOLING = ("GlobalAveragePooling", "GlobalMaxPooling", "Flatten")


def say(
    model: keras.Model,
    *,
    blocks: Sequence[Sequence[str]] | None = None,
    head: Sequence[str] | None = None,
) -> None:
    """Tell kerasft how a model is divided, where its own rules would say otherwise.

    Args:
        model: Any Keras model.
        blocks: For each block, from the input to the output, the names of its layers. Layers
            without weights may be left out.
        head: The names of the top-level layers that make up the head; empty for a bare backbone.

    Raises:
        ArgumentError: If a name is not among the model's layers, or a layer with weights is in
            no block or in two.

    Example:
    >>> import keras
    >>> model = keras.Sequential([keras.Input((4,))])
    >>> for name in ("first", "second", "third", "top"):
    ...     model.add(keras.layers.Dense(4, name=name))
    >>> say(model, blocks=[["first", "second"], ["third"]], head=["top"])
    >>> [block.name for block in take_apart(model).blocks]
    ['first', 'third']
    """
    check_type("model", model, keras.Model, "a keras.Model")
    before = model.__dict__.get(_SAID)
    said: dict[str, Any] = dict(before or {})
    if blocks is not None:
        said["blocks"] = _names_in_blocks(blocks)
    if head is not None:
        if isinstance(head, str):
            fail("head", head, "a list of layer names", f"Did you mean [{head!r}]?")
        said["head"] = tuple(head)
    model.__dict__[_SAID] = said
    try:
        take_apart(model)
    except Exception:
        if before is None:
            del model.__dict__[_SAID]
        else:
            model.__dict__[_SAID] = before
        raise


def said_blocks(model: keras.Model) -> tuple[tuple[str, ...], ...] | None:
    """The division that `say` was told for a model; None if it was told none.

    Args:
        model: Any Keras model.

    Example:
    >>> import keras
    >>> layers = [keras.layers.Dense(4, name=name) for name in ("a", "b", "top")]
    >>> model = keras.Sequential([keras.Input((4,)), *layers])
    >>> say(model, blocks=[["a", "b"]], head=["top"])
    >>> said_blocks(model)
    (('a', 'b'),)
    """
    return model.__dict__.get(_SAID, {}).get("blocks")


def _names_in_blocks(blocks: Sequence[Sequence[str]]) -> tuple[tuple[str, ...], ...]:
    rule = "a list with a list of layer names for each block"
    if isinstance(blocks, str) or not len(blocks):
        fail("blocks", blocks, rule)
    for names in blocks:
        if isinstance(names, str):
            fail("blocks", blocks, rule, f"Did you mean [{names!r}] as one of them?")
        if not names:
            fail("blocks", blocks, rule, "No block may be empty.")
    return tuple(tuple(names) for names in blocks)


def take_apart(model: keras.Model) -> Structure:
    """Take any Keras model apart into layers with paths, ordered blocks and a head.

    Functional, Sequential, nested and subclassed models, `keras.applications`, KerasHub backbones
    and tasks come apart. How the blocks were found is told by `Structure.rule`; where the rules
    are wrong, `say` overrules them.

    Args:
        model: The outermost model, built.

    Returns:
        A `Structure`. It is a snapshot: take the model apart again after changing its layers.

    Raises:
        ArgumentError: If it is not a Keras model, or is not built yet.

    Example:
    >>> import keras
    >>> inputs = keras.Input((8,))
    >>> x = keras.layers.Dense(4, name="stem")(inputs)
    >>> x = keras.layers.Dense(4, name="middle")(x)
    >>> model = keras.Model(inputs, keras.layers.Dense(2, name="top")(x))
    >>> structure = take_apart(model)
    >>> [(view.path, view.block, view.in_head) for view in structure.layers]
    [('stem', 0, False), ('middle', 1, False), ('top', None, True)]
    """
    check_type("model", model, keras.Model, "a keras.Model")
    if not model.built:
        fail("model", model, "built", "Call it on one batch, or give it a keras.Input.")
    said = model.__dict__.get(_SAID, {})
    head = _find_head(model, said.get("head"))
    if "blocks" in said and "head" not in said:  # what is in a block is not in the head
        in_blocks = {name for names in said["blocks"] for name in names}
        head = [layer for layer in head if layer.name not in in_blocks]
    in_head = {id(layer) for layer in head}
    container, units = _backbone_units(model, in_head)
    # What was said of a backbone holds inside a larger model.
    blocks_said = said_blocks(model) or said_blocks(container)
    rule, division = divide(container, units, blocks_said)

    block_of = {id(layer): i for i, (_, layers) in enumerate(division) for layer in layers}
    views = _views(model, in_head, block_of, len(division), units)
    blocks = tuple(
        Block(index, name, tuple(view for view in views if view.block == index))
        for index, (name, _) in enumerate(division)
    )
    return Structure(model, views, blocks, rule)


def changeable_variables(model: keras.Model) -> list[Any]:
    """The variables that a `fit` may change, each once.

    These are the trainable ones, and the non-trainable weights (moving statistics) of layers
    whose own `trainable` is True: a frozen layer keeps its statistics.

    Args:
        model: Any Keras model.

    Example:
    >>> import keras
    >>> model = keras.Sequential([keras.Input((3,)), keras.layers.BatchNormalization()])
    >>> len(changeable_variables(model))
    4
    >>> model.layers[0].trainable = False
    >>> changeable_variables(model)
    []
    """
    found = {id(variable): variable for variable in model.trainable_variables}
    for _, layer in [("", model), *walk(model)]:
        if layer.trainable:
            found.update({id(v): v for v in layer._non_trainable_variables})
    return list(found.values())


def _views(
    model: keras.Model,
    in_head: set[int],
    block_of: dict[int, int],
    count: int,
    units: Sequence[keras.layers.Layer],
) -> tuple[LayerView, ...]:
    modules = {id(unit): unit for unit in units} | {id(child): child for child in children(model)}
    with_weights = [unit for unit in units if unit.weights]
    from_end_of = {id(unit): i for i, unit in enumerate(reversed(with_weights))}
    views: list[LayerView] = []
    # What a layer does not know itself it has from the layer that holds it.
    inherited: dict[str, tuple[int | None, bool, keras.layers.Layer]] = {}
    told: set[int] = set()
    if owns_variables(model):
        views.append(LayerView(model, "", type(model).__name__, 0, max(count - 1, 0), False, model))
        told.update(id(view.variable) for view in views[0].variables)
    for path, layer in walk(model):
        parent = path.rpartition("/")[0]
        block, head, module = inherited.get(parent, (None, False, layer))
        if id(layer) in modules:
            module = layer
        head = head or id(layer) in in_head
        block = None if head else block_of.get(id(layer), block)
        inherited[path] = (block, head, module)
        if owns_variables(layer) or not children(layer):
            if block is None and not head:
                block = (
                    0
                    if not views
                    else next((v.block for v in reversed(views) if v.block is not None), 0)
                )
            from_end = None if block is None else max(count - 1 - block, 0)
            views.append(
                LayerView(
                    layer,
                    path,
                    type(layer).__name__,
                    block,
                    from_end,
                    head,
                    module,
                    None if head else from_end_of.get(id(module)),
                    shared=frozenset(told & {id(variable) for variable in layer.weights}),
                )
            )
            told.update(id(view.variable) for view in views[-1].variables)
    return tuple(views)


def _find_head(model: keras.Model, said: Sequence[str] | None) -> list[keras.layers.Layer]:
    top = children(model)
    if said is not None:
        by_name = {layer.name: layer for layer in top}
        for name in said:
            if name not in by_name:
                hint = did_you_mean(name, by_name) or "Use the names in `model.layers`."
                fail("head", name, "made of the names of the model's layers", hint)
        return [layer for layer in top if layer.name in set(said)]
    ours = [i for i, layer in enumerate(top) if getattr(layer, "is_kerasft_head", False)]
    if ours:
        return [top[i] for i in ours]
    inner = _inner_backbone(model)
    if inner is not None:
        # Rescaling and augmentation come before the backbone; they are not the head.
        position = next(i for i, layer in enumerate(top) if layer is inner)
        return top[position + 1 :]
    if _is_bare_backbone(model) or not is_graph(model):
        return []
    pooled = [i for i, layer in enumerate(top) if type(layer).__name__.startswith(_POOLING)]
    after = top[pooled[-1] :] if pooled else []
    if any(map(has_weights, after)) and all_pass_through(model, after[0]):
        return after
    start = len(top)
    while start and (
        not has_weights(top[start - 1]) or isinstance(top[start - 1], keras.layers.Dense)
    ):
        start -= 1
        if isinstance(top[start], keras.layers.Dense):
            break  # without pooling before it, only the last dense layer is surely the head
    if start < len(top) and isinstance(top[start], keras.layers.Dense):
        return top[start:] if any(has_weights(layer) for layer in top[:start]) else []
    return []


def _is_bare_backbone(model: keras.Model) -> bool:
    return any(base.__name__ == "Backbone" for base in type(model).__mro__)


def _inner_backbone(model: keras.Model, in_head: Container[int] = ()) -> keras.Model | None:
    """The model inside this one that holds most of the weights outside the head, if any does."""
    named = getattr(model, "backbone", None)
    outside = [layer for layer in children(model) if id(layer) not in in_head]
    inside = [layer for layer in outside if isinstance(layer, keras.Model)]
    if named is not None and any(layer is named for layer in inside):
        return named
    largest = max(inside, key=lambda layer: layer.count_params(), default=None)
    if largest is not None and 2 * largest.count_params() > sum(
        layer.count_params() for layer in outside if layer.built
    ):
        return largest
    return None


def _backbone_units(
    model: keras.Model, in_head: set[int]
) -> tuple[keras.layers.Layer, list[keras.layers.Layer]]:
    """The container whose layers make up the backbone, and these layers."""
    inner = _inner_backbone(model, in_head)
    if inner is not None and not _is_bare_backbone(model):
        before = []
        for layer in children(model):
            if layer is inner:
                break
            before.append(layer)
        container, units = _backbone_units(inner, in_head)
        return container, before + units
    return model, [layer for layer in children(model) if id(layer) not in in_head]
