"""Rows of tables that say what each variable of a model gets, and how they are found again."""

import dataclasses
from collections.abc import Sequence
from math import prod
from typing import Any, Self, TypeVar


class VariableRow:
    """What rows of every such table have; a subclass is a dataclass of these and of its own.

    Attributes:
        path: The variable's path as selectors and plans see it.
        variable_path: Its path as Keras has it, by which it is found again in a loaded model.
        shape: Its shape.
        block: The number of its block, counted from the input; None in the head.
        is_parameter: Whether its layer made it to be trained.
    """

    path: str
    variable_path: str
    shape: tuple[int, ...]
    block: int | None
    is_parameter: bool

    @property
    def size(self) -> int:
        """How many numbers the variable holds."""
        return prod(self.shape)

    def get_config(self) -> dict[str, Any]:
        """The row as JSON can hold it."""
        values: Any = self
        return dataclasses.asdict(values) | {"shape": list(self.shape)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Make it again from `get_config`'s result."""
        return cls(**config | {"shape": tuple(config["shape"])})


Row = TypeVar("Row", bound=VariableRow)


def match_rows(rows: Sequence[Row], variables: Sequence[Any]) -> list[Row | None]:
    """Find the rows of a model's variables again, after the model was loaded or cloned.

    Keras's paths stay the same for functional models; a Sequential's own name goes from them, and
    automatic names of a subclassed model's layers count on. So three ways are tried, each for
    the whole list: equal paths; the same parameters in the same order, by name and shape; and the
    longest common end of the path.

    Args:
        rows: The table.
        variables: Keras variables.

    Returns:
        For each variable its row, or None where none of the ways decides.
    """
    by_path: dict[str, list[Row]] = {}
    for row in rows:
        by_path.setdefault(row.variable_path, []).append(row)
    exact = [by_path.get(variable.path, []) for variable in variables]
    if all(
        len(found) == 1 and _fits(found[0], variable)
        for found, variable in zip(exact, variables, strict=True)
    ):
        return [found[0] for found in exact]
    parameters = [row for row in rows if row.is_parameter]
    if len(parameters) == len(variables) and all(map(_fits, parameters, variables)):
        return list(parameters)
    return [_by_common_end(rows, variable) for variable in variables]


def _fits(row: VariableRow, variable: Any) -> bool:
    name = row.path.rpartition("/")[2]
    return name == variable.path.rpartition("/")[2] and row.shape == tuple(variable.shape)


def _by_common_end(rows: Sequence[Row], variable: Any) -> Row | None:
    def common(path: str) -> int:
        pairs = zip(reversed(path.split("/")), reversed(variable.path.split("/")), strict=False)
        length = 0
        for mine, theirs in pairs:
            if mine != theirs:
                break
            length += 1
        return length

    lengths = [
        (max(common(row.path), common(row.variable_path)), row)
        for row in rows
        if _fits(row, variable)
    ]
    longest = max((length for length, _ in lengths), default=0)
    found = [row for length, row in lengths if length == longest]
    # The variable's own name alone, such as "kernel", would say nothing.
    return found[0] if longest >= 2 and len(found) == 1 else None
