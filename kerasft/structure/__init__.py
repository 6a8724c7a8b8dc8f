"""How any `keras.Model` comes apart: layers with paths, ordered blocks, backbone and head."""

from kerasft.structure.graph import ordered_nodes
from kerasft.structure.take_apart import changeable_variables, say, take_apart
from kerasft.structure.views import Block, LayerView, Structure, VariableView
from kerasft.structure.walk import children, owns_variables, seed_generators, walk

__all__ = [
    "Block",
    "LayerView",
    "Structure",
    "VariableView",
    "changeable_variables",
    "children",
    "ordered_nodes",
    "owns_variables",
    "say",
    "seed_generators",
    "take_apart",
    "walk",
]
