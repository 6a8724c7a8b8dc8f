"""Putting a plan in place on a model, and taking it away again."""

import contextlib
import json
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import keras

from kerasft.errors import PlanError, UnsupportedError
from kerasft.freezing.optimizer_state import (
    BIRTHS_FILE,
    births_of,
    carry_over,
    refuse_several,
)
from kerasft.freezing.pin import pin, unpin
from kerasft.structure import Structure, take_apart, walk

if TYPE_CHECKING:
    from kerasft.freezing.plan import Plan

# Where the model keeps the application in force. Two underscores: Keras's savers pass over it.
_IN_FORCE = "__kerasft_plan__"

#: The name of the plan's file among a saved model's assets.
PLAN_FILE = "kerasft_plan.json"


class Application:
    """A plan put in place on one model: flags, pins, and what they were before.

    Args:
        structure: The model, taken apart.
        plan: The plan, with its `decisions`, its `frozen_mode` and its text.
    """

    def __init__(self, structure: Structure, plan: "Plan") -> None:
        self.model = structure.model
        self.plan = plan
        self._look_at(structure)
        self._layer_flags: list[tuple[keras.layers.Layer, bool]] = []
        self._variable_flags: list[tuple[Any, bool]] = []
        self._pinned: list[keras.layers.Layer] = []
        self._former: Application | None = None
        self._own_save_assets: Callable[[str], None] | None = None

    def _look_at(self, structure: Structure) -> None:
        self._structure = structure
        decisions = self.plan.decisions
        self._trains: dict[int, bool] = {}
        for view in structure.variables:
            if view.is_parameter:
                # A LoRA that came after the plan was made trains where the kernel under it would.
                below = (v.path for v in view.layer.variables if not v.is_parameter)
                decided = decisions.get(view.path, any(decisions.get(path) for path in below))
                self._trains[id(view.variable)] = decided

    def put_in_place(self) -> None:
        """Set the flags and pins; a plan already in force is taken away for it."""
        _bring_weights_back(self.model)
        if getattr(self.model, "compiled", False) and getattr(self.model.optimizer, "built", False):
            refuse_several(self.model.optimizer)
        self._former = self.model.__dict__.get(_IN_FORCE)
        if self._former is not None:
            self._former._lift()
            if self._former.plan is self.plan:  # it is asserted anew, and undone once
                self._former = self._former._former
        self._layer_flags = [
            (layer, layer.trainable) for layer in [self.model, *(la for _, la in walk(self.model))]
        ]
        self._variable_flags = [
            (view.variable, view.variable.trainable) for view in self._structure.variables
        ]
        self._set_flags()
        if self.plan.frozen_mode == "inference":
            self._pinned = self._layers_to_pin()
            for layer in self._pinned:
                pin(layer)
        # A saved model carries its plan as one more asset, through the hook that Keras has for
        # it; plain Keras passes over it when it loads the file.
        self._own_save_assets = getattr(self.model, "save_assets", None)
        self.model.__dict__["save_assets"] = self._save_assets
        self.model.__dict__[_IN_FORCE] = self
        refresh(self.model)

    def take_away(self) -> None:
        """Put flags and pins back as they were, and the plan that was in force before."""
        if self.model.__dict__.get(_IN_FORCE) is not self:
            raise PlanError(
                f"`undo` needs the plan that is in force on model {self.model.name!r}. Another "
                "plan was applied after this one; undo that one first."
            )
        _bring_weights_back(self.model)
        self._lift()
        if self._former is None:
            refresh(self.model)
        else:
            before_it = self._former._former
            self._former._look_at(take_apart(self.model))
            self._former.put_in_place()
            self._former._former = before_it

    def _lift(self) -> None:
        for layer in self._pinned:
            unpin(layer)
        # Parents first: Keras's setter for a layer's flag sets all below it.
        for layer, flag in self._layer_flags:
            if layer.trainable is not flag:
                layer.trainable = flag
        for variable, flag in self._variable_flags:
            variable.trainable = flag
        # What has come to lie under a LoRA since then stays as it is.
        for view in take_apart(self.model).variables:
            if not view.is_parameter and id(view.variable) in self._trains:
                view.variable.trainable = False
        self.model.__dict__.pop("save_assets", None)
        self.model.__dict__.pop(_IN_FORCE, None)
        self._pinned = []

    def _set_flags(self) -> None:
        # Keras's setter is recursive and forces every weight below, so the outermost comes first
        # and the weights' own flags last. A Sequential's setter passes over its layers; hence all.
        for layer in [self.model, *(layer for _, layer in walk(self.model))]:
            layer.trainable = True
        if self.plan.frozen_mode == "inference":
            for layer in self._frozen_layers():
                if layer.weights:
                    layer.trainable = False
        for view in self._structure.variables:
            wanted = self._trains.get(id(view.variable), False)
            if view.variable.trainable is not wanted:
                view.variable.trainable = wanted

    def _layers_to_pin(self) -> list[keras.layers.Layer]:
        keeping = self.plan.keeps_statistics
        kept = [view.layer for view in self._structure.layers if view.path in keeping]
        return [*self._frozen_layers(), *kept]

    def _frozen_layers(self) -> list[keras.layers.Layer]:
        """The highest layers of the tree below which all is frozen."""
        found: list[keras.layers.Layer] = []
        covered: set[int] = set()
        for _, layer in walk(self.model):
            decisions = [self._trains[id(v)] for v in layer.weights if id(v) in self._trains]
            if id(layer) not in covered and decisions and not any(decisions):
                found.append(layer)
                covered.update([id(layer), *(id(below) for _, below in walk(layer))])
        # Layers without parameters, such as dropout, are frozen where they stand among frozen ones.
        # One without weights that comes before any weight does not: it augments the data.
        frozen_blocks, seen_weights = self._frozen_blocks(), False
        for view in self._structure.layers:
            seen_weights = seen_weights or bool(view.variables)
            parameters = any(variable.is_parameter for variable in view.variables)
            stands_among_frozen = seen_weights and (view.block, view.in_head) in frozen_blocks
            if not parameters and stands_among_frozen and id(view.layer) not in covered:
                found.append(view.layer)
        return found

    def _frozen_blocks(self) -> set[tuple[int | None, bool]]:
        """The blocks, and perhaps the head, in which nothing trains.

        One that has nothing to train goes with the last one before it that has.
        """
        decisions: dict[tuple[int | None, bool], list[bool]] = {}
        for view in self._structure.layers:
            of_block = decisions.setdefault((view.block, view.in_head), [])
            ids = (id(variable.variable) for variable in view.variables)
            of_block += [self._trains[key] for key in ids if key in self._trains]
        blocks = list(decisions)
        frozen = set()
        for place, block in enumerate(blocks):
            nearest = [*reversed(blocks[: place + 1]), *blocks[place + 1 :]]
            if not any(next((decisions[key] for key in nearest if decisions[key]), [])):
                frozen.add(block)
        return frozen

    def _save_assets(self, directory: str) -> None:
        if self._own_save_assets is not None:
            self._own_save_assets(directory)
        os.makedirs(directory, exist_ok=True)
        with open(os.path.join(directory, PLAN_FILE), "w", encoding="utf-8") as file:
            file.write(self.plan.to_json())
        births = births_of(self.model.optimizer) if self.model.compiled else {}
        if births:
            by_path = {
                view.path: births[id(view.variable)]
                for view in self._structure.variables
                if id(view.variable) in births
            }
            with open(os.path.join(directory, BIRTHS_FILE), "w", encoding="utf-8") as file:
                json.dump(by_path, file, indent=1)


def in_force(model: keras.Model) -> Application | None:
    """The application in force on a model, if a plan is."""
    return model.__dict__.get(_IN_FORCE)


def refresh(model: keras.Model) -> None:
    """Make a compiled model train by the flags as they are now.

    The optimizer keeps the state of what goes on training; the train function is traced anew,
    once, which works between two fits and in the middle of one.
    """
    if keras.backend.backend() == "jax":
        # There the lists of weights are arguments of these functions too. Keras would call what
        # was compiled for the old lists with the new ones, wherever the shapes are the same.
        if model.test_function is not None:
            model.make_test_function(force=True)
        if model.predict_function is not None:
            model.make_predict_function(force=True)
    if not getattr(model, "compiled", False):
        return
    optimizer = model.optimizer
    wanted = model.trainable_variables
    if optimizer is not None and optimizer.built:
        known = {id(variable) for variable in optimizer._trainable_variables}
        if known != {id(variable) for variable in wanted}:
            # New slots lie on the devices on which the others lie, wherever this is called from.
            strategy = getattr(optimizer, "_distribution_strategy", None)
            with contextlib.nullcontext() if strategy is None else strategy.scope():
                carry_over(optimizer, wanted)
    if model.train_function is not None:
        model.make_train_function(force=True)


def _bring_weights_back(model: keras.Model) -> None:
    """Put into the model the weights that Keras holds outside of it while `fit` runs on JAX.

    Keras takes them out again, by the flags of that moment, before the next batch.
    """
    if keras.backend.backend() != "jax":
        return
    model.jax_state_sync()
    if any(variable._value is None for variable in model.variables):
        raise UnsupportedError(
            f"On the JAX backend a plan can change inside `fit` only on the model that `fit` was "
            f"called on. Received: model {model.name!r}, whose weights another model's `fit` holds "
            "at this moment. Apply the plan to that model, or after its `fit` has ended."
        )
