"""Which variables: one vocabulary for freezing, rates, decay and adapters.

A selector is a value. It prints as it is written, compares by what it says, and combines with
`&`, `|` and `~`. Where a selector is expected a string will do: it is a path pattern, matched in
full, in which `*` stands for anything.

Example:
    >>> from kerasft import select
    >>> select.LastBlocks(2) & ~select.Norms()
    LastBlocks(count=2) & ~Norms()
    >>> select.Path("block_*") | "head"
    Path(pattern='block_*') | Path(pattern='head')
"""

from kerasft.select.blocks import Block, FirstBlocks, LastBlocks
from kerasft.select.kinds import Biases, Embeddings, LayerClass, Norms
from kerasft.select.parts import Backbone, Everything, Head
from kerasft.select.resolve import resolve
from kerasft.select.selector import And, Not, Or, Path, Selector, as_selector

__all__ = [
    "And",
    "Backbone",
    "Biases",
    "Block",
    "Embeddings",
    "Everything",
    "FirstBlocks",
    "Head",
    "LastBlocks",
    "LayerClass",
    "Norms",
    "Not",
    "Or",
    "Path",
    "Selector",
    "as_selector",
    "resolve",
]
