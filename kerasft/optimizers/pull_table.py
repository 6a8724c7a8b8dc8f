"""How strongly each variable of a model is pulled, and where to."""

import dataclasses
from collections.abc import Sequence
from typing import Literal

from kerasft._checks import check_number, fail
from kerasft.optimizers.variable_row import VariableRow
from kerasft.select import Backbone, Selector, as_selector, resolve
from kerasft.structure import Structure


@dataclasses.dataclass(frozen=True)
class PullRow(VariableRow):
    """How one variable of a model is pulled.

    Attributes:
        path: Its path as selectors and plans see it.
        variable_path: Its path as Keras has it, by which it is found again in a loaded model.
        shape: Its shape.
        block: The number of its block, counted from the input; None in the head.
        strength: What the difference from the place it is pulled to is multiplied by; 0 for none.
        towards: That place: `"pretrained"`, its value before training, or `"zero"`.
        is_parameter: Whether its layer made it to be trained.

    Example:
        >>> import keras, kerasft
        >>> layers = [keras.layers.Dense(4, name=name) for name in ("a", "b", "top")]
        >>> model = keras.Sequential([keras.Input((4,)), *layers])
        >>> optimizer = kerasft.optimizers.L2SP(keras.optimizers.SGD(0.01), model, 0.1)
        >>> row = optimizer.table[0]
        >>> row.path, row.strength, row.towards
        ('a/kernel', 0.1, 'pretrained')
    """

    path: str
    variable_path: str
    shape: tuple[int, ...]
    block: int | None
    strength: float
    towards: Literal["pretrained", "zero"]
    is_parameter: bool


@dataclasses.dataclass(frozen=True)
class PullRules:
    """What a user said of the pull, checked; `L2SP` documents each argument."""

    strength: float
    head_strength: float = 0.0
    selector: Selector | str | None = None

    def __post_init__(self) -> None:
        check_number("strength", self.strength, minimum=0)
        check_number("head_strength", self.head_strength, minimum=0)
        if self.selector is not None:
            as_selector(self.selector)

    def apply(self, structure: Structure) -> tuple[PullRow, ...]:
        """One row for each variable of the model, in the model's order.

        Raises:
            ArgumentError: If there is a strength for a head that the model does not have, or for
                one that is pulled to its pretrained value as a whole.
            SelectorError: If the selector matches nothing.
        """
        selector = Backbone() if self.selector is None else self.selector
        selected = {id(view.variable) for view in resolve(selector, structure)}
        rows = []
        for view in structure.variables:
            pretrained = id(view.variable) in selected
            strength = self.strength if pretrained else 0.0
            if not pretrained and view.layer.in_head:
                strength = self.head_strength
            row = PullRow(
                path=view.path,
                variable_path=view.variable.path,
                shape=tuple(view.variable.shape),
                block=view.layer.block,
                strength=float(strength) if view.is_parameter else 0.0,
                towards="pretrained" if pretrained else "zero",
                is_parameter=view.is_parameter,
            )
            rows.append(row)
        if self.head_strength and not any(row.strength and row.towards == "zero" for row in rows):
            if structure.head:
                hint = f"selector={selector!r} means all of the head already."
            else:
                hint = f"Model {structure.model.name!r} has no head that kerasft could find."
            rule = "0.0 where no variable of a head is left for it"
            fail("head_strength", self.head_strength, rule, hint)
        return tuple(rows)


COLUMNS = ("part", ">variables", ">parameters", ">strength", "pulled towards")


def printed_rows(rows: Sequence[PullRow]) -> list[tuple[object, ...]]:
    """The cells of a table: how each part of the model is pulled."""
    groups: dict[tuple[int | None, float, str], list[PullRow]] = {}
    for row in rows:
        if row.is_parameter:
            groups.setdefault((row.block, row.strength, row.towards), []).append(row)
    words = {"pretrained": "pretrained values", "zero": "zero"}
    return [
        (
            part_name(block),
            len(group),
            sum(row.size for row in group),
            f"{strength:.4g}",
            words[towards] if strength else "nothing",
        )
        for (block, strength, towards), group in groups.items()
    ]


def part_name(block: int | None) -> str:
    """What a part of a model is called in tables."""
    return "head" if block is None else f"block {block}"
