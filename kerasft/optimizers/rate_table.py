"""Which multiplier and which weight decay each variable of a model gets."""

import dataclasses
from collections.abc import Mapping, Sequence

from kerasft._checks import check_number, check_type, fail
from kerasft.optimizers.variable_row import VariableRow
from kerasft.select import Biases, Norms, Selector, as_selector, resolve
from kerasft.structure import LayerView, Structure, VariableView

Multipliers = Mapping[Selector | str, float] | Sequence[tuple[Selector | str, float]]


@dataclasses.dataclass(frozen=True)
class RateRow(VariableRow):
    """What one variable of a model gets.

    Attributes:
        path: Its path as selectors and plans see it.
        variable_path: Its path as Keras has it, by which it is found again in a loaded model.
        shape: Its shape.
        block: The number of its block, counted from the input; None in the head.
        multiplier: What the learning rate is multiplied by.
        weight_decay: Whether weight decay applies to it, where the optimizer has any.
        is_parameter: Whether its layer made it to be trained.

    Example:
        >>> import keras, kerasft
        >>> layers = [keras.layers.Dense(4, name=name) for name in ("a", "b", "top")]
        >>> model = keras.Sequential([keras.Input((4,)), *layers])
        >>> optimizer = kerasft.optimizers.LayerwiseOptimizer(
        ...     keras.optimizers.AdamW(1e-3), model, decay=0.5)
        >>> row = optimizer.table[0]
        >>> row.path, row.multiplier, row.size, row.weight_decay
        ('a/kernel', 0.25, 16, True)
    """

    path: str
    variable_path: str
    shape: tuple[int, ...]
    block: int | None
    multiplier: float
    weight_decay: bool
    is_parameter: bool


@dataclasses.dataclass(frozen=True)
class RateRules:
    """What a user said of the rates, checked; `LayerwiseOptimizer` documents each argument."""

    decay: float | None = None
    head_multiplier: float = 1.0
    slices: Sequence[float] | None = None
    multipliers: Multipliers | None = None
    no_weight_decay: Selector | str | None = None
    decay_biases_and_norms: bool = False

    def __post_init__(self) -> None:
        if self.decay is not None:
            check_number("decay", self.decay, above=0.0, maximum=1.0)
        check_number("head_multiplier", self.head_multiplier, above=0.0)
        if self.slices is not None:
            rule = "two multipliers, of the first block and of the top, such as (0.01, 1.0)"
            check_type("slices", self.slices, (tuple, list), rule)
            if len(self.slices) != 2:
                fail("slices", self.slices, rule)
            for multiplier in self.slices:
                check_number("slices", multiplier, above=0.0)
            if self.decay is not None:
                fail("slices", self.slices, "left out where `decay` is given", "Choose one.")
        for selector, multiplier in self.rows:
            as_selector(selector)
            hint = "To hold a variable still, freeze it."
            check_number(f"multipliers[{selector!r}]", multiplier, above=0.0, hint=hint)
        if self.no_weight_decay is not None:
            as_selector(self.no_weight_decay)

    @property
    def rows(self) -> list[tuple[Selector | str, float]]:
        """The table of multipliers as pairs, whichever way it was given."""
        if self.multipliers is None:
            return []
        if isinstance(self.multipliers, Mapping):
            return list(self.multipliers.items())
        rule = "a dict of selectors and multipliers, or a list of such pairs"
        check_type("multipliers", self.multipliers, (tuple, list), rule)
        for pair in self.multipliers:
            if not isinstance(pair, (tuple, list)) or len(pair) != 2:
                fail("multipliers", self.multipliers, rule)
        return [(selector, multiplier) for selector, multiplier in self.multipliers]

    def apply(self, structure: Structure) -> tuple[RateRow, ...]:
        """One row for each variable of the model, in the model's order.

        Raises:
            ArgumentError: If two rows of the table give one variable different multipliers, or
                the rules speak of blocks or a head that the model does not have.
            SelectorError: If a selector matches nothing.
        """
        has_head = bool(structure.head)
        levels = len(structure.blocks) + has_head
        if self.head_multiplier != 1.0 and not has_head:
            hint = f"Model {structure.model.name!r} has no head that kerasft could find."
            fail("head_multiplier", self.head_multiplier, "1.0 for a model without a head", hint)
        for name, value in (("decay", self.decay), ("slices", self.slices)):
            if value is not None and levels < 2:
                hint = (
                    f"Model {structure.model.name!r} came apart as: {structure.rule}. Say where "
                    "its blocks are with kerasft.structure.say, or use `multipliers`."
                )
                fail(name, value, "left out for a model that has only one part", hint)
        claimed = self._claims(structure)
        still = self._without_weight_decay(structure)
        return tuple(
            RateRow(
                path=view.path,
                variable_path=view.variable.path,
                shape=tuple(view.variable.shape),
                block=view.layer.block,
                multiplier=claimed.get(
                    id(view.variable), self._by_depth(view.layer, levels, has_head)
                ),
                weight_decay=id(view.variable) not in still,
                is_parameter=view.is_parameter,
            )
            for view in structure.variables
        )

    def _by_depth(self, layer: LayerView, levels: int, has_head: bool) -> float:
        # timm numbers the stem 0, the blocks 1, 2, ..., and the head last, and gives layer i
        # decay ** (last - i); this distance is that difference.
        distance = 0 if layer.blocks_from_end is None else layer.blocks_from_end + has_head
        multiplier = 1.0
        if self.decay is not None:
            multiplier = float(self.decay) ** distance
        elif self.slices is not None:
            first, top = (float(value) for value in self.slices)
            multiplier = top * (first / top) ** (distance / (levels - 1))
        return multiplier * float(self.head_multiplier) if layer.in_head else multiplier

    def _claims(self, structure: Structure) -> dict[int, float]:
        claims: dict[int, tuple[float, Selector | str]] = {}
        for selector, multiplier in self.rows:
            for view in resolve(selector, structure):
                before = claims.setdefault(id(view.variable), (float(multiplier), selector))
                if before[0] != multiplier:
                    fail(
                        "multipliers",
                        self.multipliers,
                        "a table in which no two rows give one variable different multipliers",
                        f"Rows {before[1]!r} ({before[0]:g}) and {selector!r} ({multiplier:g}) "
                        f"both match {view.path!r}. Narrow one of them with `& ~`.",
                    )
        return {key: multiplier for key, (multiplier, _) in claims.items()}

    def _without_weight_decay(self, structure: Structure) -> set[int]:
        excluded: list[VariableView] = []
        if self.no_weight_decay is not None:
            excluded += resolve(self.no_weight_decay, structure)
        if not self.decay_biases_and_norms:
            # One axis is timm's test; attention keeps its biases in two, so names count as well.
            bias_or_norm = Biases() | Norms()
            excluded += [
                view
                for view in structure.variables
                if len(view.variable.shape) <= 1 or bias_or_norm.matches(view)
            ]
        return {id(view.variable) for view in excluded}


COLUMNS = ("part", ">variables", ">parameters", ">multiplier", ">rate now", ">weight decay")


def printed_rows(
    rows: Sequence[RateRow], rate: float, decays: bool = True
) -> list[tuple[object, ...]]:
    """The cells of a table: what each part of the model gets at a learning rate.

    Args:
        rows: The rows of the model.
        rate: The one learning rate.
        decays: Whether the optimizer has any weight decay.
    """
    groups: dict[tuple[int | None, float], list[RateRow]] = {}
    for row in rows:
        if row.is_parameter:
            groups.setdefault((row.block, row.multiplier), []).append(row)
    return [
        (
            "head" if block is None else f"block {block}",
            len(group),
            sum(row.size for row in group),
            f"{multiplier:.4g}",
            f"{rate * multiplier:.3g}",
            f"{sum(row.weight_decay for row in group)} of {len(group)}" if decays else "none",
        )
        for (block, multiplier), group in groups.items()
    ]
