"""How a plan is written down, and what is wrong with one that a hand has edited."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from kerasft._checks import did_you_mean, fail
from kerasft.errors import PlanError
from kerasft.freezing.plan_row import PlanRow

FORMAT = 1
FROZEN_MODES = ("inference", "training")

_NEEDED = ("format", "frozen_mode", "layers")
_KEYS = (*_NEEDED, "policy", "model", "blocks")
_ROW_NEEDED = ("kind", "block", "trains", "weights")
_ROW_KEYS = (*_ROW_NEEDED, "keeps_statistics")


def write_row(row: PlanRow) -> dict[str, Any]:
    """A row as plain values."""
    trains = row.trains
    written = {
        "kind": row.kind,
        "block": "head" if row.in_head else row.block,
        "trains": dict(row.variables) if trains is None else trains,
        "weights": dict(row.sizes),
    }
    return {**written, "keeps_statistics": True} if row.keeps_statistics else written


def read_rows(layers: Mapping[str, Any]) -> list[PlanRow]:
    """The rows of a plan whose keys were checked."""
    return [_read_row(path, entry) for path, entry in layers.items()]


def check_keys(config: Any) -> None:
    """Raise a `PlanError` for anything at the top of a plan that is not as `to_dict` writes it."""
    _check_mapping("plan", config, "")
    _check_names("plan", config, _NEEDED, _KEYS, "")
    written = config["format"]
    if written != FORMAT or isinstance(written, bool):
        fail("format", written, f"{FORMAT}", "A newer kerasft may have written it.", PlanError)
    if config["frozen_mode"] not in FROZEN_MODES:
        rule = " or ".join(map(repr, FROZEN_MODES))
        hint = did_you_mean(config["frozen_mode"], FROZEN_MODES)
        fail("frozen_mode", config["frozen_mode"], rule, hint, PlanError)
    for name in ("policy", "model"):
        _check(name, config.get(name, ""), "a text", _is_text)
    _check_mapping("layers", config["layers"], "It tells of each layer by its path.")
    blocks = config.get("blocks", {})
    _check_mapping("blocks", blocks, "It names each block by its number.")
    for number, name in blocks.items():
        rule = "the number of a block, in quotes as JSON's keys are"
        _check("blocks", number, rule, lambda value: _is_text(value) and value.isdecimal())
        _check(f"blocks[{number!r}]", name, "a text", _is_text)


def without_repeats(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """What JSON tells of one thing, where JSON itself would drop all but the last of equal keys."""
    told = dict(pairs)
    if len(told) < len(pairs):
        keys = [key for key, _ in pairs]
        repeated = next(key for key in keys if keys.count(key) > 1)
        raise PlanError(f"A plan must tell of everything once. Received: {repeated!r} twice.")
    return told


def _read_row(path: str, entry: Any) -> PlanRow:
    where = f"In layer {path!r}."
    _check("layers", path, "made of the paths of layers", _is_text)
    _check_mapping("layers", entry, where)
    _check_names("layers", entry, _ROW_NEEDED, _ROW_KEYS, where)
    _check("kind", entry["kind"], "a text", _is_text, where)
    block, sizes = entry["block"], entry["weights"]
    if not (block == "head" or _is_count(block)):
        number = f"Did you mean {int(block)}, without quotes?" if _is_number(block) else ""
        hint = number or did_you_mean(block, ["head"])
        fail(
            "block", block, "the number of a block or 'head'", f"{where} {hint}".strip(), PlanError
        )
    _check_mapping("weights", sizes, where)
    for name, size in sizes.items():
        _check(f"weights[{name!r}]", size, "a whole number, at least 0", _is_count, where)
    keeps = entry.get("keeps_statistics", False)
    _check("keeps_statistics", keeps, "true or false", _is_bool, where)
    return PlanRow(
        path=path,
        kind=entry["kind"],
        block=None if block == "head" else block,
        in_head=block == "head",
        sizes=dict(sizes),
        variables=_read_decisions(entry["trains"], sizes, where),
        keeps_statistics=keeps,
    )


def _read_decisions(trains: Any, weights: Collection[str], where: str) -> dict[str, bool]:
    if not isinstance(trains, Mapping):
        rule = "true or false, for the layer or for each of its weights by name"
        _check("trains", trains, rule, _is_bool, where)
        return dict.fromkeys(weights, trains)
    _check_names("trains", trains, tuple(weights), tuple(weights), where)
    for name, decision in trains.items():
        _check(f"trains[{name!r}]", decision, "true or false", _is_bool, where)
    return {name: trains[name] for name in weights}


def _check_names(
    name: str, value: Mapping[str, Any], needed: Collection[str], known: Collection[str], where: str
) -> None:
    for key in value:
        if key not in known:
            hint = f"{where} {did_you_mean(key, known)}".strip()
            fail(name, key, f"made of the keys {', '.join(map(repr, known))}", hint, PlanError)
    missing = [key for key in needed if key not in value]
    if missing:
        raise PlanError(
            f"`{name}` must have the keys {', '.join(map(repr, needed))}. Received: one without "
            f"{missing[0]!r}. {where}".strip()
        )


def _check_mapping(name: str, value: Any, where: str) -> None:
    _check(name, value, "a mapping of names to values", lambda v: isinstance(v, Mapping), where)


def _check(name: str, value: Any, rule: str, holds: Callable[[Any], bool], where: str = "") -> None:
    if not holds(value):
        fail(name, value, rule, where, PlanError)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_number(value: Any) -> bool:
    return isinstance(value, str) and value.isdecimal()
