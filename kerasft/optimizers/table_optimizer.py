"""What optimizers share that treat each variable of a model by a table."""

import weakref
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import keras

from kerasft._checks import check_type, fail
from kerasft._tables import html_table, text_table
from kerasft._update_steps import UpdateSteps, find_update_steps, innermost, update_steps_of
from kerasft.errors import ArgumentError
from kerasft.optimizers.optimizer_wrapper import OptimizerWrapper
from kerasft.optimizers.variable_row import VariableRow, match_rows
from kerasft.structure import Structure, take_apart

Row = TypeVar("Row", bound=VariableRow)


class _Assignments(Generic[Row]):
    """Rows by model and variable. No list or dict, which Keras would search for weights."""

    def __init__(self) -> None:
        self.model: weakref.ref[keras.Model] | None = None
        self.rows: tuple[Row, ...] = ()
        self.row_by_key: dict[Any, Row] = {}


class TableOptimizer(OptimizerWrapper, Generic[Row]):
    """A wrapper that knows a row for each variable of one model.

    A subclass overrides `_rows_of`, which makes the rows, and `_as_table`, which prints them. Its
    steps ask `_rows_for`, which finds the rows again in a model that was loaded, has been built
    since, or was given LoRA's variables.

    Args:
        inner_optimizer: Any Keras optimizer with an update rule of its own, or another such
            wrapper round one.
        name: The optimizer's name.
    """

    def __init__(
        self, inner_optimizer: keras.optimizers.Optimizer, name: str | None = None
    ) -> None:
        self._check_inner(inner_optimizer)
        super().__init__(inner_optimizer, name)
        self._assignments: _Assignments[Row] = _Assignments()

    def _start(self, model: keras.Model | None, rows: Sequence[Row] | None) -> None:
        """Take the rows of a saved table, or make them for a model; the end of a constructor."""
        if rows is not None:
            self._assignments.rows = tuple(rows)
        if model is not None:
            check_type("model", model, keras.Model, "a keras.Model")
            self._assignments.model = weakref.ref(model)
            if model.built:
                self.bind(model)
        elif rows is None:
            fail("model", model, f"the keras.Model whose variables {self._purpose}")

    def _check_inner(self, optimizer: Any) -> None:
        name = type(self).__name__
        rule = "a keras.optimizers.Optimizer instance"
        check_type("inner_optimizer", optimizer, keras.optimizers.Optimizer, rule)
        rule = "an optimizer with an update rule of its own"
        if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
            hint = f"Put the LossScaleOptimizer round the {name}; compile does so by itself."
            fail("inner_optimizer", optimizer, rule, hint)
        if type(innermost(optimizer)).update_step is keras.optimizers.Optimizer.update_step:
            hint = f"One that hands its variables on to others cannot be told {self._what}."
            fail("inner_optimizer", optimizer, rule, hint)
        steps = find_update_steps(innermost(optimizer))
        if steps is not None and self._is_taken(steps):
            hint = f"Make a new optimizer for each {name}."
            fail("inner_optimizer", optimizer, f"an optimizer that no other {name} wraps", hint)

    # What a subclass overrides.

    # For messages: what variables get, and what an optimizer is told.
    _purpose = "get rows of their own"
    _what = "rows"

    def _is_taken(self, steps: UpdateSteps) -> bool:
        """Whether the optimizer that does the work is wrapped in one of this class already."""
        raise NotImplementedError

    def _rows_of(self, structure: Structure) -> tuple[Row, ...]:
        """One row for each variable of a model, in the model's order."""
        raise NotImplementedError

    def _as_table(self) -> tuple[str, Sequence[str], list[tuple[object, ...]]]:
        """Title, headings and cells of what is printed."""
        raise NotImplementedError

    # What it inherits.

    @property
    def model(self) -> keras.Model | None:
        """The model that the rows belong to, if it is known and still alive."""
        reference = self._assignments.model
        return None if reference is None else reference()

    @property
    def table(self) -> tuple[Row, ...]:
        """One row for each variable of the model; empty before the model is built."""
        return self._assignments.rows

    @property
    def _steps(self) -> UpdateSteps:
        return update_steps_of(innermost(self.inner_optimizer))

    def bind(self, model: keras.Model) -> None:
        """Work the rules out anew for a model, in place of the rows known so far.

        The constructor does so. Call it where a loaded optimizer says that it cannot tell the
        variables apart, and before `fit` or `compile`: a train function that was made keeps what
        it was made with.

        Args:
            model: The model to be trained, built.

        Raises:
            ArgumentError: If the rules do not fit the model. The rows stay as they were.
            SelectorError: If a selector matches nothing in the model.
        """
        self._make_rows(model)

    def _make_rows(self, model: keras.Model) -> None:
        structure = take_apart(model)
        rows = self._rows_of(structure)
        self._assignments.model = weakref.ref(model)
        self._assignments.rows = rows
        self._assignments.row_by_key = {
            self._var_key(view.variable): row
            for view, row in zip(structure.variables, rows, strict=True)
        }

    def _rows_for(self, variables: Sequence[Any]) -> list[Row]:
        """The rows of variables, which are Keras's or the backend's own."""
        known = self._assignments.row_by_key
        keys = [self._var_key(variable) for variable in variables]
        if any(key not in known for key in keys):
            self._find(variables)
        return [self._assignments.row_by_key[key] for key in keys]

    def _find(self, variables: Sequence[Any]) -> None:
        """Find rows for variables that were not there, or not the same, when rows were made."""
        assignments = self._assignments
        model = self.model
        if model is not None:
            # Layers may have been built or given LoRA's variables since.
            known = assignments.row_by_key
            self._make_rows(model)
            known.update(assignments.row_by_key)
            assignments.row_by_key = known
        else:
            # The whole list tells more than the part of it that has gradients.
            everything = list(self.inner_optimizer._trainable_variables) or list(variables)
            for variable, row in zip(everything, match_rows(self.table, everything), strict=True):
                if row is not None:
                    assignments.row_by_key[self._var_key(variable)] = row
        for variable in variables:
            if self._var_key(variable) not in assignments.row_by_key:
                path = getattr(variable, "path", getattr(variable, "name", variable))
                raise ArgumentError(
                    f"`{type(self).__name__}` must be given the model whose variables it updates. "
                    f"Received: variable {path!r}, which is not in its table of "
                    f"{len(self.table)} variables. Make the optimizer with the model that is "
                    "compiled, or call its `bind(model)` before training."
                )

    def build(self, variables: Sequence[Any]) -> None:
        """Make the inner optimizer's state, and the table if the model was not built before."""
        model = self.model
        if not self.table and model is not None and model.built:
            self._make_rows(model)
        super().build(variables)

    def summary(self) -> None:
        """Print the table that `str(optimizer)` gives."""
        print(self)

    def __str__(self) -> str:
        title, columns, rows = self._as_table()
        return text_table(columns, rows, title=title)

    def _repr_html_(self) -> str:
        title, columns, rows = self._as_table()
        return html_table(columns, rows, title=title)
