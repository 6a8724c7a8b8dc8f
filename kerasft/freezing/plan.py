"""A plan: what a policy decided for one model, as a table that can be applied and undone."""

import json
import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import keras

from kerasft import _tables
from kerasft._checks import check_choice, nearest
from kerasft.errors import PlanError
from kerasft.freezing import _plan_file, _plan_table
from kerasft.freezing._application import Application, in_force
from kerasft.freezing.plan_row import PlanRow
from kerasft.structure import Structure, take_apart


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
        block   name    layers   parameters   trains   runs in     rate multiplier
        ──────────────────────────────────────────────────────────────────────────
        0       small        1           20   no       inference                 -
        head    top          1           10   yes      training                  1
        >>> plan.undo()
        >>> len(model.trainable_variables)
        4
    """

    def __init__(
        self, rows: Iterable[PlanRow], *, frozen_mode: str = "inference", policy: str = "Plan"
    ) -> None:
        self.rows = tuple(rows)
        self.frozen_mode = check_choice("frozen_mode", frozen_mode, _plan_file.FROZEN_MODES)
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
        *,
        keeps_statistics: Collection[str] = (),
    ) -> "Plan":
        """Make a plan from a decision for each weight, by path.

        Args:
            structure: The model, taken apart.
            decisions: For each weight, by path, whether it trains.
            frozen_mode: How frozen layers run.
            policy: In words, what decided.
            keeps_statistics: The paths of layers that run as in inference though something of
                them trains.
        """
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
                        keeps_statistics=view.path in keeps_statistics,
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
        return {path: trains for row in self.rows for path, trains in row.paths.items()}

    @property
    def keeps_statistics(self) -> frozenset[str]:
        """The paths of layers that run as in inference though something of them trains."""
        return frozenset(row.path for row in self.rows if row.keeps_statistics)

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
        return {
            "format": _plan_file.FORMAT,
            "policy": self.policy,
            "model": self.model_name,
            "frozen_mode": self.frozen_mode,
            "blocks": {str(index): name for index, name in self._block_names.items()},
            "layers": {row.path: _plan_file.write_row(row) for row in self.rows},
        }

    @classmethod
    def from_dict(cls, config: Mapping[str, Any]) -> "Plan":
        """Make a plan from `to_dict`'s result, perhaps edited.

        Raises:
            PlanError: If a key is missing or misspelt, a value is not of its kind, or nothing
                would train.
        """
        _plan_file.check_keys(config)
        rows = _plan_file.read_rows(config["layers"])
        plan = cls(rows, frozen_mode=config["frozen_mode"], policy=config.get("policy", "Plan"))
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
        """Read a plan from a JSON file, perhaps edited by hand.

        Raises:
            PlanError: If there is no such file, it is not JSON, or it is not a plan.
        """
        try:
            text = Path(path).read_text(encoding="utf-8")
            config = json.loads(text, object_pairs_hook=_plan_file.without_repeats)
        except (OSError, ValueError) as error:
            raise PlanError(f"No plan could be read from {os.fspath(path)!r}: {error}") from error
        return cls.from_dict(config)

    def _decided(self) -> tuple[Any, ...]:
        return tuple(sorted(self.decisions.items())), self.keeps_statistics, self.frozen_mode

    def __eq__(self, other: object) -> bool:
        return self._decided() == other._decided() if isinstance(other, Plan) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._decided())

    def _table(self) -> tuple[Any, dict[str, str]]:
        cells = _plan_table.cells(self.rows, self._block_names, self.frozen_mode, self.model)
        title = (
            f"{self.policy} on model {self.model_name!r}: {self.trainable_parameters:,} of "
            f"{self.parameters:,} parameters train"
        )
        return cells, {"title": title, "caption": _plan_table.caption(self.rows)}

    def __str__(self) -> str:
        cells, around = self._table()
        return _tables.text_table(_plan_table.COLUMNS, cells, **around)

    def _repr_html_(self) -> str:
        cells, around = self._table()
        return _tables.html_table(_plan_table.COLUMNS, cells, **around)

    def __repr__(self) -> str:
        applied = f", applied to {self.model.name!r}" if self.model is not None else ""
        return f"<Plan of {self.policy}{applied}>"
