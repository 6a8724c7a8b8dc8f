"""How any `keras.Model` comes apart: layers with paths, ordered blocks, backbone and head."""

from kerasft.structure.graph import graph_of, ordered_nodes
from kerasft.structure.parts import make_part_of, whole_of
from kerasft.structure.take_apart import changeable_variables, said_blocks, say, take_apart
from kerasft.structure.views import Block, LayerView, Structure, VariableView
from kerasft.structure.walk import children, is_graph, owns_variables, seed_generators, walk

__all__ = [
    "Block",
    "LayerView",
    "Structure",
    "VariableView",
    "changeable_variables",
    "children",
    "graph_of",
    "is_graph",
    "make_part_of",
    "ordered_nodes",
    "owns_variables",
    "said_blocks",
    "say",
    "seed_generators",
    "take_apart",
    "walk",
    "whole_of",
]
