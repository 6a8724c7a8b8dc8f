"""The values in which a model's structure is told."""

import dataclasses
from collections.abc import Iterable, Iterator
from functools import cached_property
from math import prod
from typing import Any

import keras


def distinct(paths: Iterable[str], taken: set[str] | None = None) -> Iterator[str]:
    """The same paths, of which those that came before get a number: `a`, `a~2`, `a~3`."""
    taken = set() if taken is None else taken
    for path in paths:
        count, free = 1, path
        while free in taken:
            count += 1
            free = f"{path}~{count}"
        taken.add(free)
        yield free


@dataclasses.dataclass(frozen=True)
class LayerView:
    """One layer as policies, selectors and tables see it.

    Attributes:
        layer: The Keras layer itself.
        path: Names from the outermost model down, joined by `/`.
        kind: The layer's class name, such as `"LayerNormalization"`.
        block: The number of its block, counted from the input; block 0 holds the embeddings or
            the stem. None in the head.
        blocks_from_end: The same counted from the output; the last block is 0. None in the head.
        in_head: Whether it belongs to the head.
        module: The top-level layer that holds it, as `model.layers` lists it (of the backbone,
            where the backbone is a nested model).
        modules_from_end: The number of its module among the backbone's top-level layers that own
            weights, counted from the output; the last is 0. None in the head, and for a module
            without weights.
        shared: The ids of weights that a layer before this one owns too, and that are told there.

    Example:
        >>> import keras
        >>> from kerasft.structure import take_apart
        >>> layers = [keras.layers.Dense(4, name=name) for name in ("stem", "middle", "top")]
        >>> structure = take_apart(keras.Sequential([keras.Input((4,)), *layers]))
        >>> view = structure.layers[0]
        >>> view.path, view.kind, view.block, view.blocks_from_end, view.in_head
        ('stem', 'Dense', 0, 1, False)
    """

    layer: keras.layers.Layer
    path: str
    kind: str
    block: int | None
    blocks_from_end: int | None
    in_head: bool
    module: keras.layers.Layer
    modules_from_end: int | None = None
    shared: frozenset[int] = dataclasses.field(default=frozenset(), repr=False)

    @property
    def name(self) -> str:
        """The layer's own name, the last part of its path."""
        return self.layer.name

    @cached_property
    def variables(self) -> tuple["VariableView", ...]:
        """The weights that this layer owns itself, seed generators' states left out.

        A weight that two layers own (tied embeddings) is the first one's. Where two weights of a
        layer have one name, the later one's path gets a number.
        """
        layer = self.layer
        owned = [(v, True) for v in layer._trainable_variables if id(v) not in self.shared]
        owned += [(v, False) for v in layer._non_trainable_variables if id(v) not in self.shared]
        # The kernel under a LoRA stays as it is, whatever trains around it.
        under_lora = {"_kernel", "_embeddings"} if getattr(layer, "lora_enabled", False) else set()
        held = {id(getattr(layer, name, None)) for name in under_lora}
        prefix = f"{self.path}/" if self.path else ""
        paths = distinct(prefix + variable.name for variable, _ in owned)
        return tuple(
            VariableView(path, v, self, made_to_train and id(v) not in held)
            for path, (v, made_to_train) in zip(paths, owned, strict=True)
        )

    @property
    def parameters(self) -> int:
        """How many numbers the layer's own weights hold."""
        return sum(view.size for view in self.variables)


@dataclasses.dataclass(frozen=True)
class VariableView:
    """One weight, and the layer that owns it.

    Attributes:
        path: The layer's path and the variable's name, joined by `/`.
        variable: The Keras variable.
        layer: The `LayerView` of the owner.
        is_parameter: Whether it is there to be trained. False for moving statistics, quantized
            kernels and kernels under a LoRA, which no policy can train.

    Example:
        >>> import keras
        >>> from kerasft.structure import take_apart
        >>> layers = [keras.layers.Dense(4, name=name) for name in ("stem", "middle", "top")]
        >>> structure = take_apart(keras.Sequential([keras.Input((4,)), *layers]))
        >>> variable = structure.variables[0]
        >>> variable.path, variable.size, variable.is_parameter
        ('stem/kernel', 16, True)
    """

    path: str
    variable: Any
    layer: LayerView
    is_parameter: bool

    @property
    def name(self) -> str:
        """The last part of its path, such as `"kernel"`: the variable's own name."""
        return self.path.rpartition("/")[2]

    @property
    def size(self) -> int:
        """How many numbers it holds."""
        return prod(self.variable.shape)


@dataclasses.dataclass(frozen=True)
class Block:
    """A run of layers that belong together, such as one transformer layer.

    Attributes:
        index: Its number, counted from the input.
        name: What the model calls it.
        layers: Its layers, in order.

    Example:
        >>> import keras
        >>> from kerasft.structure import take_apart
        >>> layers = [keras.layers.Dense(4, name=name) for name in ("stem", "middle", "top")]
        >>> structure = take_apart(keras.Sequential([keras.Input((4,)), *layers]))
        >>> block = structure.blocks[1]
        >>> block.name, len(block), block.parameters
        ('middle', 1, 20)
    """

    index: int
    name: str
    layers: tuple[LayerView, ...]

    @property
    def parameters(self) -> int:
        """How many numbers the block's weights hold."""
        return sum(view.parameters for view in self.layers)

    def __len__(self) -> int:
        return len(self.layers)

    def __iter__(self) -> Iterator[LayerView]:
        return iter(self.layers)


@dataclasses.dataclass(frozen=True)
class Structure:
    """A model taken apart.

    Attributes:
        model: The outermost model.
        layers: Every layer that owns weights or has no layers inside it, in forward order.
        blocks: The backbone's blocks, from the input to the output.
        rule: In words, how the blocks were found.

    Example:
        >>> import keras
        >>> from kerasft.structure import take_apart
        >>> layers = [keras.layers.Dense(4, name=name) for name in ("stem", "middle", "top")]
        >>> structure = take_apart(keras.Sequential([keras.Input((4,)), *layers]))
        >>> [view.path for view in structure.backbone], [view.path for view in structure.head]
        (['stem', 'middle'], ['top'])
        >>> structure.rule
        'where one tensor crosses the graph'
    """

    model: keras.Model
    layers: tuple[LayerView, ...]
    blocks: tuple[Block, ...]
    rule: str

    @cached_property
    def head(self) -> tuple[LayerView, ...]:
        """The layers of the head, in order."""
        return tuple(view for view in self.layers if view.in_head)

    @cached_property
    def backbone(self) -> tuple[LayerView, ...]:
        """The layers that are not in the head, in order."""
        return tuple(view for view in self.layers if not view.in_head)

    @cached_property
    def variables(self) -> tuple[VariableView, ...]:
        """Every weight of the model, each once."""
        return tuple(variable for view in self.layers for variable in view.variables)

    @cached_property
    def modules(self) -> tuple[keras.layers.Layer, ...]:
        """The backbone's top-level layers that own weights, as `model.layers` lists them."""
        found: dict[int, keras.layers.Layer] = {}
        for view in self.backbone:
            if view.variables:
                found.setdefault(id(view.module), view.module)
        return tuple(found.values())
