"""A plan: what a policy decided for one model, as a table that can be applied and undone."""

import dataclasses
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import keras

from kerasft import _tables
from kerasft._checks import check_choice, did_you_mean, fail, nearest
from kerasft.errors import PlanError
from kerasft.freezing._application import Application, in_force
from kerasft.structure import Structure, take_apart

_FORMAT = 1


@dataclasses.dataclass(frozen=True)
class PlanRow:
    """What was decided for one layer that owns weights.

    Attributes:
        path: The layer's path.
        kind: Its class name.
        block: The number of its block; None in the head.
        in_head: Whether it belongs to the head.
        sizes: For each of its weights that could train, by name, how many numbers it holds.
        variables: For each of these weights, by name, whether it trains.

    Example:
        >>> import keras, kerasft
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, name="top")])
        >>> row = kerasft.TrainEverything().plan(model).rows[0]
        >>> row.path, row.parameters, row.trains
        ('top', 10, True)
    """

    path: str
    kind: str
    block: int | None
    in_head: bool
    sizes: Mapping[str, int]
    variables: Mapping[str, bool]

    @property
    def parameters(self) -> int:
        """How many numbers could train."""
        return sum(self.sizes.values())

    @property
    def trainable_parameters(self) -> int:
        """How many numbers train."""
        return sum(self.sizes[name] for name, trains in self.variables.items() if trains)

    @property
    def trains(self) -> bool | None:
        """True if all its weights train, False if none does, None if some do."""
        decisions = set(self.variables.values())
        return decisions.pop() if len(decisions) == 1 else None


class Plan:
    """What a policy decided for one model.

    A plan prints as a table, compares by what it decided, saves to JSON, may be edited there by
    hand, and applies to the model it was made for or to another of the same build.

    Args:
        rows: One `PlanRow` for each layer that owns weights.
        frozen_mode: `"inference"` or `"training"`, how frozen layers run.
        policy: In words, what made it.

    Example:
        >>> import keras, kerasft
        >>> inputs = keras.Input((4,))
        >>> x = keras.layers.Dense(4, name="body")(inputs)
        >>> model = keras.Model(inputs, keras.layers.Dense(2, name="top")(x), name="small")
        >>> plan = kerasft.TrainHead().apply(model)
        >>> print(plan)
        TrainHead() on model 'small': 10 of 30 parameters train
        block   name    layers   parameters   trains   runs in
        ────────────────────────────────────────────────────────
        0       small        1           20   no       inference
        head    top          1           10   yes      training
        >>> plan.undo()
        >>> len(model.trainable_variables)
        4
    """

    def __init__(
        self, rows: Iterable[PlanRow], *, frozen_mode: str = "inference", policy: str = "Plan"
    ) -> None:
        self.rows = tuple(rows)
        self.frozen_mode = check_choice("frozen_mode", frozen_mode, ("inference", "training"))
        self.policy = policy
        self.model_name = ""
        self._block_names: dict[int, str] = {}
        self._application: Application | None = None
        if not any(any(row.variables.values()) for row in self.rows):
            raise PlanError(
                f"A plan must leave something to train. Received: {policy}, which freezes all of "
                f"the {len(self.rows)} layers that have weights. Let the head train, or the last "
                "blocks."
            )

    @classmethod
    def from_decisions(
        cls,
        structure: Structure,
        decisions: Mapping[str, bool],
        frozen_mode: str = "inference",
        policy: str = "Plan",
    ) -> "Plan":
        """Make a plan from a decision for each weight, by path."""
        rows = []
        for view in structure.layers:
            own = [variable for variable in view.variables if variable.is_parameter]
            if own:
                rows.append(
                    PlanRow(
                        path=view.path,
                        kind=view.kind,
                        block=view.block,
                        in_head=view.in_head,
                        sizes={v.name: v.size for v in own},
                        variables={v.name: decisions[v.path] for v in own},
                    )
                )
        plan = cls(rows, frozen_mode=frozen_mode, policy=policy)
        plan.model_name = structure.model.name
        plan._block_names = {block.index: block.name for block in structure.blocks}
        return plan

    @classmethod
    def of(cls, model: keras.Model) -> "Plan | None":
        """The plan in force on a model; None if there is none."""
        application = in_force(model)
        return application.plan if application else None

    @property
    def decisions(self) -> dict[str, bool]:
        """For each weight, by path, whether it trains."""
        return {
            f"{row.path}/{name}".lstrip("/"): trains
            for row in self.rows
            for name, trains in row.variables.items()
        }

    @property
    def parameters(self) -> int:
        """How many numbers could train."""
        return sum(row.parameters for row in self.rows)

    @property
    def trainable_parameters(self) -> int:
        """How many numbers train."""
        return sum(row.trainable_parameters for row in self.rows)

    @property
    def model(self) -> keras.Model | None:
        """The model on which the plan is in force; None if it is not, or another came after."""
        application = self._application
        if application is None or in_force(application.model) is not application:
            return None
        return application.model

    def apply(self, model: keras.Model) -> "Plan":
        """Make the model train exactly what the plan says.

        Flags are set on layers and weights, frozen layers are made to run in inference mode, and
        a model that is compiled already gets its train function and its optimizer's slots anew,
        with the state of what goes on training kept.

        Args:
            model: The model the plan was made for, or one of the same build.

        Returns:
            The plan itself.

        Raises:
            PlanError: If the plan was made for another model. The model is left as it was.
        """
        structure = take_apart(model)
        self._check_fits(structure)
        if self.model is not None and self.model is not model:
            raise PlanError(
                "A plan can be applied to one model at a time. Received: model "
                f"{model.name!r}, while it is applied to {self.model.name!r}. "
                "Call `plan.undo()` first, or make another plan."
            )
        application = Application(structure, self)
        application.put_in_place()
        self._application = application
        return self

    def undo(self) -> None:
        """Put every flag back as it was before `apply`, and let all layers run as they did.

        Raises:
            PlanError: If the plan is not applied, or another one was applied after it.
        """
        if self._application is None:
            raise PlanError("`undo` needs a plan that is applied. Call `plan.apply(model)` first.")
        self._application.take_away()
        self._application = None

    def check_fits(self, model: keras.Model) -> None:
        """Raise if the plan was made for another model; change nothing.

        Raises:
            PlanError: If the model has weights that the plan does not know, or the reverse.
        """
        self._check_fits(take_apart(model))

    def _check_fits(self, structure: Structure) -> None:
        present = {v.path for v in structure.variables if v.is_parameter}
        planned = self.decisions
        unknown = [path for path in planned if path not in present]
        missing = [path for path in present if path not in planned]
        if unknown:
            likely = nearest(unknown[0], present, 1)
            raise PlanError(
                f"A plan must fit the model's weights. Received: a plan with {len(unknown)} "
                f"weights that model {structure.model.name!r} does not have, the first being "
                f"{unknown[0]!r}." + (f" The nearest is {likely[0]!r}." if likely else "")
            )
        if missing:
            raise PlanError(
                f"A plan must decide for every weight of the model. Received: a plan that says "
                f"nothing of {len(missing)} weights of model {structure.model.name!r}, the first "
                f"being {min(missing)!r}. It was made for another model."
            )

    # What follows is how a plan is written down.

    def to_dict(self) -> dict[str, Any]:
        """The plan as plain values, layer by layer, as it is saved."""
        layers = {}
        for row in self.rows:
            trains = row.trains
            layers[row.path] = {
                "kind": row.kind,
                "block": "head" if row.in_head else row.block,
                "trains": dict(row.variables) if trains is None else trains,
                "weights": dict(row.sizes),
            }
        return {
            "format": _FORMAT,
            "policy": self.policy,
            "model": self.model_name,
            "frozen_mode": self.frozen_mode,
            "blocks": {str(index): name for index, name in self._block_names.items()},
            "layers": layers,
        }

    @classmethod
    def from_dict(cls, config: Mapping[str, Any]) -> "Plan":
        """Make a plan from `to_dict`'s result, perhaps edited.

        Raises:
            PlanError: If a key is missing or misspelt, or a decision is not true or false.
        """
        known = ("format", "policy", "model", "frozen_mode", "blocks", "layers")
        for key in config:
            if key not in known:
                fail("plan", key, f"made of the keys {known}", did_you_mean(key, known), PlanError)
        if config.get("format") != _FORMAT:
            fail("format", config.get("format"), f"{_FORMAT}", error=PlanError)
        rows = []
        for path, entry in config["layers"].items():
            trains = entry["trains"]
            if isinstance(trains, bool):
                trains = dict.fromkeys(entry["weights"], trains)
            for value in trains.values() if isinstance(trains, Mapping) else [trains]:
                if not isinstance(value, bool):
                    fail("trains", value, "true or false", f"In layer {path!r}.", PlanError)
            block = entry["block"]
            rows.append(
                PlanRow(
                    path=path,
                    kind=entry["kind"],
                    block=None if block == "head" else block,
                    in_head=block == "head",
                    sizes=dict(entry["weights"]),
                    variables=dict(trains),
                )
            )
        plan = cls(rows, frozen_mode=config["frozen_mode"], policy=config["policy"])
        plan.model_name = config.get("model", "")
        plan._block_names = {int(i): name for i, name in config.get("blocks", {}).items()}
        return plan

    def to_json(self) -> str:
        """The plan as JSON text."""
        return json.dumps(self.to_dict(), indent=1)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the plan to a JSON file, whole or not at all."""
        path = Path(path)
        part = path.with_name(path.name + ".part")
        part.write_text(self.to_json() + "\n", encoding="utf-8")
        os.replace(part, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Plan":
        """Read a plan from a JSON file, perhaps edited by hand."""
        try:
            config = json.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise PlanError(f"No plan could be read from {os.fspath(path)!r}: {error}") from error
        return cls.from_dict(config)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Plan):
            return NotImplemented
        return self.decisions == other.decisions and self.frozen_mode == other.frozen_mode

    def __hash__(self) -> int:
        return hash((tuple(sorted(self.decisions.items())), self.frozen_mode))

    def _table(self) -> tuple[list[str], list[list[object]], str]:
        columns = ["block", "name", ">layers", ">parameters", "trains", "runs in"]
        groups: dict[object, list[PlanRow]] = {}
        for row in self.rows:
            groups.setdefault("head" if row.in_head else row.block, []).append(row)
        cells: list[list[object]] = []
        for block, rows in groups.items():
            decisions = {value for row in rows for value in row.variables.values()}
            frozen = decisions == {False}
            cells.append(
                [
                    str(block),
                    self._block_names.get(block, rows[0].path.split("/")[0])  # type: ignore[call-overload]
                    if not rows[0].in_head
                    else rows[0].path.split("/")[0],
                    len(rows),
                    sum(row.parameters for row in rows),
                    "no" if frozen else "yes" if decisions == {True} else "partly",
                    self.frozen_mode if frozen else "training",
                ]
            )
        title = (
            f"{self.policy} on model {self.model_name!r}: {self.trainable_parameters:,} of "
            f"{self.parameters:,} parameters train"
        )
        return columns, cells, title

    def __str__(self) -> str:
        columns, cells, title = self._table()
        return _tables.text_table(columns, cells, title=title)

    def _repr_html_(self) -> str:
        columns, cells, title = self._table()
        return _tables.html_table(columns, cells, title=title)

    def __repr__(self) -> str:
        applied = f", applied to {self.model.name!r}" if self.model is not None else ""
        return f"<Plan of {self.policy}{applied}>"
