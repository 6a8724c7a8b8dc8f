"""The table as which a plan prints."""

from collections.abc import Iterable, Mapping
from typing import Any

import keras

from kerasft.freezing.plan_row import PlanRow

COLUMNS = ("block", "name", ">layers", ">parameters", "trains", "runs in", ">rate multiplier")


def cells(
    rows: Iterable[PlanRow],
    block_names: Mapping[int, str],
    frozen_mode: str,
    model: keras.Model | None,
) -> list[list[object]]:
    """The cells of the table, a line for each block and one for the head.

    Args:
        rows: What was decided, layer by layer.
        block_names: By number, what the blocks are called.
        frozen_mode: How frozen layers run.
        model: The model on which the plan is in force, if it is.
    """
    groups: dict[int | None, list[PlanRow]] = {}
    for row in rows:
        groups.setdefault(None if row.in_head else row.block, []).append(row)
    multipliers = _multipliers(model)
    return [
        _line(block, group, block_names, frozen_mode, multipliers)
        for block, group in groups.items()
    ]


def caption(rows: Iterable[PlanRow]) -> str:
    """What the columns have no place for."""
    count = sum(row.keeps_statistics for row in rows)
    layers = "1 layer that trains" if count == 1 else f"{count} layers that train"
    return f"Moving statistics stand still in {layers}." if count else ""


def _line(
    block: int | None,
    rows: list[PlanRow],
    block_names: Mapping[int, str],
    frozen_mode: str,
    multipliers: Mapping[str, float] | None,
) -> list[object]:
    decisions = {path: trains for row in rows for path, trains in row.paths.items()}
    training = [path for path, trains in decisions.items() if trains]
    first_name = rows[0].path.split("/")[0]
    return [
        "head" if block is None else str(block),
        first_name if block is None else block_names.get(block, first_name),
        len(rows),
        sum(row.parameters for row in rows),
        "no" if not training else "yes" if len(training) == len(decisions) else "partly",
        "training" if training else frozen_mode,
        _range(training, multipliers),
    ]


def _range(training: list[str], multipliers: Mapping[str, float] | None) -> str:
    if not training:
        return "-"
    if multipliers is None:
        return "1"
    known = [multipliers[path] for path in training if path in multipliers]
    # Where the optimizer has not seen the model yet, or not these weights, nobody knows.
    if len(known) < len(training):
        return "?"
    low, high = f"{min(known):.4g}", f"{max(known):.4g}"
    return low if low == high else f"{low} to {high}"


def _multipliers(model: keras.Model | None) -> dict[str, float] | None:
    """By path, what an optimizer with rates of its own multiplies the learning rate by.

    None if the model has no such optimizer. One is known by its `table`, whose rows have a `path`
    and a `multiplier`; it may stand inside others, such as a `LossScaleOptimizer`.
    """
    optimizer: Any = getattr(model, "optimizer", None)
    while optimizer is not None:
        table = getattr(optimizer, "table", None)
        if isinstance(table, (tuple, list)):
            return {row.path: row.multiplier for row in table}
        optimizer = getattr(optimizer, "inner_optimizer", None)
    return None
