"""Selectors by the number of a block."""

import dataclasses

import keras

from kerasft._checks import check_int
from kerasft.errors import SelectorError
from kerasft.select.selector import Selector
from kerasft.structure import Structure, VariableView


class _ByBlock(Selector):
    """Variables of blocks that are told by their numbers."""

    def numbers(self, count: int) -> range:
        """The numbers of the blocks that are meant, in a backbone of `count` blocks."""
        raise NotImplementedError

    def matches(self, variable: VariableView) -> bool:
        """Whether the variable lies in a block that is meant."""
        block, from_end = variable.layer.block, variable.layer.blocks_from_end
        if block is None or from_end is None:
            return False
        return block in self.numbers(block + from_end + 1)

    def check(self, structure: Structure) -> None:
        """Raise where the model has no blocks of these numbers, or nothing in them."""
        count = len(structure.blocks)
        if not set(self.numbers(count)) <= set(range(count)):
            numbered = f"They are numbered 0 to {count - 1}, or -1 to -{count} from the end. "
            raise SelectorError(
                "The number of a block must be one that the model has. Received: "
                f"{self!r} for model {structure.model.name!r}, which came apart into {count} "
                f"block{'' if count == 1 else 's'} ({structure.rule}). "
                f"{numbered if count > 1 else ''}To divide it otherwise, use "
                "`kerasft.structure.say`."
            )
        super().check(structure)


@keras.saving.register_keras_serializable(package="kerasft")
@dataclasses.dataclass(frozen=True)
class Block(_ByBlock):
    """Variables of one block of the backbone.

    Args:
        index: Its number, from 0 (embeddings or stem); negative numbers count from the end.

    Example:
        >>> from kerasft import select
        >>> select.Block(0) | select.Block(-1)
        Block(index=0) | Block(index=-1)
    """

    index: int

    def __post_init__(self) -> None:
        check_int("index", self.index)

    def numbers(self, count: int) -> range:
        """The one number, counted from the input."""
        number = self.index if self.index >= 0 else count + self.index
        return range(number, number + 1)


@keras.saving.register_keras_serializable(package="kerasft")
@dataclasses.dataclass(frozen=True)
class FirstBlocks(_ByBlock):
    """Variables of the first blocks of the backbone.

    Args:
        count: How many blocks, counted from the input; block 0 holds the embeddings or the stem.

    Example:
        >>> from kerasft import select
        >>> ~select.FirstBlocks(3)
        ~FirstBlocks(count=3)
    """

    count: int

    def __post_init__(self) -> None:
        check_int("count", self.count, minimum=1)

    def numbers(self, count: int) -> range:
        """The lowest numbers."""
        return range(self.count)


@keras.saving.register_keras_serializable(package="kerasft")
@dataclasses.dataclass(frozen=True)
class LastBlocks(_ByBlock):
    """Variables of the last blocks of the backbone.

    Args:
        count: How many blocks, counted from the output.

    Example:
        >>> from kerasft import select
        >>> select.LastBlocks(2) | select.Head()
        LastBlocks(count=2) | Head()
    """

    count: int

    def __post_init__(self) -> None:
        check_int("count", self.count, minimum=1)

    def numbers(self, count: int) -> range:
        """The highest numbers."""
        return range(count - self.count, count)
