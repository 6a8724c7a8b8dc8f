"""The rules by which a backbone's layers become ordered blocks.

No single rule works for every model, so they are tried in this order, and the one that served is
told: the user's word; a public list of layers; numbered siblings of one class; composite layers
that are called more than once; the places where one tensor crosses the graph, joined by their
numbered names; else one block.
"""

import collections
import itertools
import re
from collections.abc import Sequence

import keras

from kerasft._checks import did_you_mean, fail
from kerasft.structure.graph import (
    chain_into_segments,
    cut_into_segments,
    has_weights,
    ordered_nodes,
)
from kerasft.structure.walk import children, is_graph

# The attributes under which public models list their repeated layers, in the order of the forward
# pass. KerasHub's backbones and composite encoders use them.
_PUBLIC_LISTS = (
    "encoder_transformer_layers",
    "decoder_transformer_layers",
    "transformer_layers",
    "encoder_layers",
    "decoder_layers",
    "block_layers",
)
_NUMBERED = re.compile(r"^(.*?)(\d+)([^0-9]*)$")
# `block_3_expand`, `block2a_dwconv`, `block5_conv1`: the authors' own word for what is a block.
_NAMED_BLOCK = re.compile(r"^(.*?block_?\d+[a-z]?)(_|$)")

Division = list[tuple[str, list[keras.layers.Layer]]]


def divide(
    container: keras.layers.Layer,
    units: Sequence[keras.layers.Layer],
    said: Sequence[Sequence[str]] | None,
) -> tuple[str, Division]:
    """Divide `units`, the layers of a backbone in order, into named blocks.

    Args:
        container: The model that holds the units.
        units: The backbone's layers, from the input to the output.
        said: The user's own division: for each block the names of its layers.

    Returns:
        The rule in words, and the blocks.
    """
    if said is not None:
        return "as the user said", _as_said(units, said)
    starts = _public_list(container, units)
    if starts:
        attribute, listed = starts
        return f"the model's own list `{attribute}`", _around(units, listed)
    siblings = _numbered_siblings(container, units)
    if siblings:
        kind = type(siblings[0]).__name__
        return f"{len(siblings)} numbered layers of class {kind}", _around(units, siblings)
    repeated = _called_again(container, units)
    if repeated:
        told = f"{len(repeated)} composite layers that the graph calls more than once"
        return told, _around(units, repeated)
    segments: list[list[keras.layers.Layer]] = []
    if isinstance(container, keras.Sequential) or not is_graph(container):
        if isinstance(container, keras.Sequential):
            segments = chain_into_segments(list(units))
    else:
        segments = _only_units(cut_into_segments(container), units)
    segments = _join_by_name([segment for segment in segments if segment])
    if len(segments) > 1:
        return "where one tensor crosses the graph", [(_name(s), s) for s in segments]
    if units:
        return "one block, for no rule divided the model", [(container.name, list(units))]
    return "no layers outside the head", []


def _as_said(units: Sequence[keras.layers.Layer], said: Sequence[Sequence[str]]) -> Division:
    by_name = {layer.name: layer for layer in units}
    owner: dict[str, int] = {}
    for index, names in enumerate(said):
        for name in names:
            if name not in by_name:
                hint = did_you_mean(name, by_name) or "Use the names in `model.layers`."
                fail("blocks", name, "made of the names of the backbone's layers", hint)
            if name in owner:
                fail("blocks", name, "a division, each layer in one block only")
            owner[name] = index
    missing = [name for name, layer in by_name.items() if name not in owner and has_weights(layer)]
    if missing:
        fail(
            "blocks",
            said,
            "a division that names every layer with weights",
            f"Missing: {', '.join(missing[:5])}.",
        )
    # A layer without weights stays with the one before it.
    blocks: Division = [(f"block_{index}", []) for index in range(len(said))]
    current = 0
    for layer in units:
        current = owner.get(layer.name, current)
        blocks[current][1].append(layer)
    return [(_name(layers), layers) if layers else (name, layers) for name, layers in blocks]


def _public_list(
    container: keras.layers.Layer, units: Sequence[keras.layers.Layer]
) -> tuple[str, list[keras.layers.Layer]] | None:
    for holder in [container, *units]:
        listed: dict[int, keras.layers.Layer] = {}
        names = []
        for attribute in _PUBLIC_LISTS:
            value = getattr(holder, attribute, None)
            if isinstance(value, (list, tuple)) and value:
                layers = [layer for layer in value if isinstance(layer, keras.layers.Layer)]
                if layers and len(layers) == len(value):
                    listed.update({id(layer): layer for layer in layers})
                    names.append(attribute)
        if listed and (len(listed) > 1 or holder is container):
            return " and ".join(names), list(listed.values())
    return None


def _numbered_siblings(
    container: keras.layers.Layer, units: Sequence[keras.layers.Layer]
) -> list[keras.layers.Layer]:
    """The longest run of composite layers of one class, numbered by name or in a list."""
    best: list[keras.layers.Layer] = []
    holders: list[Sequence[keras.layers.Layer]] = [units]
    holders += [children(unit) for unit in units if not is_graph(unit)]
    for siblings in holders:
        groups: dict[tuple[type, str], list[keras.layers.Layer]] = {}
        for layer in siblings:
            inner = [child for child in children(layer) if has_weights(child)]
            in_graph = is_graph(container) and isinstance(layer, keras.Model)
            if not inner or in_graph or isinstance(layer, keras.layers.Wrapper):
                continue
            match = _NUMBERED.match(layer.name)
            stem = match[1].rstrip("_") if match else layer.name
            groups.setdefault((type(layer), stem), []).append(layer)
        longest = max(groups.values(), key=len, default=[])
        if len(longest) > max(1, len(best)):
            best = longest
    return best


def _called_again(
    container: keras.layers.Layer, units: Sequence[keras.layers.Layer]
) -> list[keras.layers.Layer]:
    """Composite layers that one graph calls several times, as ALBERT does its only one."""
    if not is_graph(container):
        return []
    calls = collections.Counter(id(node.operation) for node in ordered_nodes(container))
    return [
        layer
        for layer in units
        if calls[id(layer)] > 1
        and not isinstance(layer, (keras.Model, keras.layers.Wrapper))
        and any(has_weights(child) for child in children(layer))
    ]


def _around(units: Sequence[keras.layers.Layer], listed: Sequence[keras.layers.Layer]) -> Division:
    """Blocks that begin at each listed layer; what comes before the first is block 0.

    The listed layers may be units themselves or lie inside one (a composite encoder): then what
    else that unit holds belongs to the block before or after, by its place among its siblings.
    """
    flat = _opened(units, listed)
    positions = {id(layer) for layer in listed}
    blocks: Division = []
    current: list[keras.layers.Layer] = []
    name = ""
    for layer in flat:
        if id(layer) in positions:
            if current:
                blocks.append((name or _name(current), current))
            current, name = [layer], layer.name
        else:
            current.append(layer)
    if current:
        blocks.append((name or _name(current), current))
    # Inputs and dropout before the first listed layer are no block of their own.
    if len(blocks) > 1 and not any(has_weights(layer) for layer in blocks[0][1]):
        (_, first), (name, second) = blocks[0], blocks[1]
        blocks[:2] = [(name, first + second)]
    return blocks


def _opened(
    units: Sequence[keras.layers.Layer], listed: Sequence[keras.layers.Layer]
) -> list[keras.layers.Layer]:
    wanted = {id(layer) for layer in listed}
    opened: list[keras.layers.Layer] = []
    for unit in units:
        inside = children(unit)
        if id(unit) not in wanted and any(_holds(child, wanted) for child in inside):
            opened.extend(_opened(inside, listed))
        else:
            opened.append(unit)
    return opened


def _holds(layer: keras.layers.Layer, wanted: set[int]) -> bool:
    return id(layer) in wanted or any(_holds(child, wanted) for child in children(layer))


def _only_units(
    segments: list[list[keras.layers.Layer]], units: Sequence[keras.layers.Layer]
) -> list[list[keras.layers.Layer]]:
    left = {id(layer) for layer in units}
    divided: list[list[keras.layers.Layer]] = []
    for segment in segments:
        kept = []
        for layer in segment:
            if id(layer) in left:  # a shared layer stays where it is met first
                left.discard(id(layer))
                kept.append(layer)
        divided.append(kept)
    with_weights = [segment for segment in divided if any(map(has_weights, segment))]
    return with_weights if len(with_weights) == len(divided) else _absorb(divided)


def _absorb(segments: list[list[keras.layers.Layer]]) -> list[list[keras.layers.Layer]]:
    absorbed: list[list[keras.layers.Layer]] = []
    for segment in segments:
        if absorbed and not any(map(has_weights, segment)):
            absorbed[-1].extend(segment)
        else:
            absorbed.append(segment)
    return absorbed


def _join_by_name(segments: list[list[keras.layers.Layer]]) -> list[list[keras.layers.Layer]]:
    """Join neighbours that the model's authors named as parts of one block."""
    joined: list[list[keras.layers.Layer]] = []
    last = None
    for segment in segments:
        matches = [_NAMED_BLOCK.match(layer.name) for layer in segment if has_weights(layer)]
        names = {match[1] if match else None for match in matches}
        name = names.pop() if len(names) == 1 else None
        if joined and name is not None and name == last:
            joined[-1] = joined[-1] + segment
        else:
            joined.append(segment)
        last = name
    return joined


def _name(layers: Sequence[keras.layers.Layer]) -> str:
    """The common beginning of the names if it tells blocks apart, else the first name."""
    names = [layer.name for layer in layers if has_weights(layer)] or [
        layer.name for layer in layers
    ]
    if not names:
        return ""
    alike = itertools.takewhile(lambda letters: len(set(letters)) == 1, zip(*names, strict=False))
    common = "".join(letters[0] for letters in alike).rstrip("_./")
    return common if common in names or any(c.isdigit() for c in common) else names[0]
