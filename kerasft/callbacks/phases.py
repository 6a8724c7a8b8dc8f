"""Phases of training inside one fit: what trains changes while it runs."""

import json
import os
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import keras

from kerasft._checks import check_type, fail
from kerasft._tables import html_table, text_table
from kerasft._update_steps import innermost
from kerasft.callbacks._announce import announce
from kerasft.callbacks.early_stopping import EarlyStopping
from kerasft.callbacks.phase import Phase
from kerasft.errors import ArgumentError, PlanError
from kerasft.freezing import FreezePolicy, Plan, stages_of
from kerasft.freezing.optimizer_state import refuse_several

_COLUMNS = (">phase", "what trains", "ends", ">learning rate")
_FORMAT = 1


class Phases(keras.callbacks.Callback):
    """Train in phases inside one `fit`: freeze, unfreeze and change the rate between epochs.

    Before the first epoch all phases are worked out for the model, so what does not fit is found
    before anything is trained. A phase begins with its first epoch: its plan is applied, its rate
    set. The optimizer goes on: what trains further keeps its state, what begins to train starts as
    under a fresh optimizer. A change of what trains costs one new trace of the train function; a
    change of the rate alone costs none. After the fit the last phase's plan is in force.

    `history.history["phase"]` tells the phase of each epoch, counted from 1 as they are announced.

    A stopping callback beside this one ends the whole fit, whatever phases are to come. To let a
    metric end a phase, use the phase's own `patience`. The epochs of a phase are counted from where
    the fit begins, `initial_epoch` or not.

    Args:
        phases: `Phase`s, in order. A policy alone stands for a `Phase` without an end, so only the
            last may be one.
        verbose: 1 announces each phase in a line, 0 is silent.

    Attributes:
        phase: The number of the present phase, counted from 1; 0 before the first fit.
        expanded: The phases of the last fit, each stage of a policy one by itself.
        begun: By the first epoch of each phase that has begun, counted from 0, the phase's name.
            `kerasft.evaluation.plot_learning_curves` takes it for its `phases`.
        endings: For each phase that has ended, in words, why.

    Raises:
        ArgumentError: If there is no phase, or one that is not the last has no end; when the fit
            begins, if there are not as many rates as stages, or the optimizer's rate is a schedule
            and so cannot be set; after an epoch, if a `monitor` is no metric of the fit.
        PlanError: When the fit begins, if a phase would leave nothing to train or does not fit the
            model. Nothing has changed then.
        UnsupportedError: Where the backend cannot change what trains while `fit` runs.

    Example:
        >>> import keras, kerasft
        >>> from kerasft.callbacks import Phase, Phases
        >>> layers = [keras.layers.Dense(4, name=name) for name in ("a", "b", "top")]
        >>> model = keras.Sequential([keras.Input((3,)), *layers])
        >>> model.compile("adam", loss="mse")
        >>> x, y = keras.ops.ones((8, 3)), keras.ops.ones((8, 4))
        >>> phases = Phases([
        ...     Phase(kerasft.TrainHead(), epochs=2),
        ...     Phase(kerasft.TrainLastBlocks(1), learning_rate=1e-5),
        ... ], verbose=0)
        >>> print(phases)
        phase   what trains                ends             learning rate
        ─────────────────────────────────────────────────────────────────
            1   TrainHead()                after 2 epochs               -
            2   TrainLastBlocks(count=1)   with the fit             1e-05
        >>> history = model.fit(x, y, epochs=3, verbose=0, callbacks=[phases])
        >>> history.history["phase"], phases.begun
        ([1, 1, 2], {0: 'TrainHead()', 2: 'TrainLastBlocks(count=1)'})

        Gradual unfreezing, block by block from the head down, is one line:

        >>> unfreezing = Phases([Phase(kerasft.TrainGradually(), epochs=1)])

    References:
        - Howard and Ruder 2018, "Universal Language Model Fine-tuning for Text Classification"
          (gradual unfreezing).
        - Kumar et al. 2022, "Fine-Tuning can Distort Pretrained Features and Underperform
          Out-of-Distribution" (first the head, then everything).
        - finetuning-scheduler, whose phases end by a metric and go on from the best weights.
    """

    def __init__(self, phases: Iterable[Phase | FreezePolicy | Plan], verbose: int = 1) -> None:
        super().__init__()
        rule = "Phases, or policies"
        if isinstance(phases, (Phase, FreezePolicy, Plan)) or not isinstance(phases, Iterable):
            fail("phases", phases, f"a list of {rule}", "Put a single one in brackets.")
        self.phases = tuple(
            phase if isinstance(phase, Phase) else Phase(phase)
            for phase in (
                check_type("phases", p, (Phase, FreezePolicy, Plan), rule) for p in phases
            )
        )
        if not self.phases:
            fail("phases", self.phases, "at least one Phase")
        if verbose not in (0, 1):
            fail("verbose", verbose, "0 (silent) or 1 (announces each phase)")
        _refuse_endless(self.phases[:-1])
        self.verbose = verbose
        self.phase = 0
        self.expanded: tuple[Phase, ...] = ()
        self.begun: dict[int, str] = {}
        self.endings: list[str] = []
        self._over: str | None = None  # why the present phase is over, if it is

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Work all phases out, and begin the first one's plan."""
        # All that can fail comes before the first change.
        expanded = self._expand(self.model)
        plans = [_plan_of(phase, self.model) for phase in expanded]
        _refuse_rates_where_scheduled(self.model.optimizer, expanded)
        if len(expanded) > 1:
            refuse_several(self.model.optimizer)
        self.expanded = expanded
        self._plans = plans
        self.begun, self.endings = {}, []
        self._warn_of_what_never_begins()
        self._enter(1)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Begin the next phase, if the last epoch ended one."""
        if self._over is not None:
            self._leave(self._over)
            self._enter(self.phase + 1)
        if not self._epochs:
            self.begun[epoch] = self._name
            self._say(epoch)
        self._watch.on_epoch_begin(self._epochs)

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Let the watch follow what another callback may have changed."""
        self._watch.on_train_batch_begin(batch, logs)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Note the phase in the history, and find out whether it is over."""
        logs = {} if logs is None else logs
        present = self.expanded[self.phase - 1]
        if present.patience is not None:
            self._watch.on_epoch_end(self._epochs, logs)
        self._epochs += 1
        # The change waits for the next epoch: callbacks that come after this one, a checkpoint
        # say, are to see the model as it was trained.
        self._over = self._reason_to_end(present, logs)
        logs["phase"] = self.phase
        if self._over is not None and self.phase == len(self.expanded):
            self.model.stop_training = True

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Put the best weights of the last phase back, if that was asked for."""
        self._leave(self._over or "the fit ended")
        count = len(self.expanded)
        if self.verbose and self.phase < count:
            announce(f"The fit ended in phase {self.phase} of {count}.")

    def _expand(self, model: keras.Model) -> tuple[Phase, ...]:
        """One phase for each stage of the policies."""
        found: list[Phase] = []
        for phase in self.phases:
            stages: Sequence[FreezePolicy | Plan] = (
                (phase.policy,)
                if isinstance(phase.policy, Plan)
                else stages_of(phase.policy, model)
            )
            rates = phase.learning_rate
            if not isinstance(rates, Sequence):
                rates = [rates] * len(stages)  # type: ignore[list-item]
            if len(rates) != len(stages):
                fail(
                    "learning_rate",
                    phase.learning_rate,
                    f"one number, or {len(stages)}: one for each stage",
                    f"{phase.policy!r} has {len(stages)} stages on model {model.name!r}.",
                )
            for number, (policy, rate) in enumerate(zip(stages, rates, strict=True), 1):
                one = Phase(policy, **_endings_of(phase), learning_rate=rate)
                if phase.name is not None:
                    one.name = phase.name if len(stages) == 1 else f"{phase.name} {number}"
                found.append(one)
        _refuse_endless(found[:-1])
        return tuple(found)

    def _enter(self, number: int) -> None:
        phase, plan = self.expanded[number - 1], self._plans[number - 1]
        in_force = Plan.of(self.model)
        if in_force is None or in_force != plan:
            plan.apply(self.model)
        if phase.learning_rate is not None:
            self.model.optimizer.learning_rate = phase.learning_rate
        self.phase = number
        self._name = phase.name or _name_of(phase.policy)
        self._epochs = 0
        self._over = None
        self._watch: _Watch = _Watch(
            monitor=phase.monitor,
            min_delta=phase.min_delta,
            patience=phase.patience or 0,
            mode=phase.mode,
            restore_best_weights=phase.restore_best_weights,
        )
        self._watch.set_model(self.model)
        self._watch.on_train_begin()

    def _leave(self, reason: str) -> None:
        best = self._watch.best_weights
        if best is not None:
            best.restore()
            reason += f"; the weights of its epoch {self._watch.best_epoch + 1} are back"
        self.endings.append(reason)

    def _reason_to_end(self, phase: Phase, logs: dict[str, Any]) -> str | None:
        if self._watch.stop_reason is not None:
            return self._watch.stop_reason.rstrip(".")
        if phase.until is not None and phase.until(self._epochs, dict(logs)):
            return f"{getattr(phase.until, '__name__', 'its function')} ended it"
        if phase.epochs is not None and self._epochs >= phase.epochs:
            return f"it had its {self._epochs} epoch{'' if self._epochs == 1 else 's'}"
        return None

    def _warn_of_what_never_begins(self) -> None:
        epochs = self.params.get("epochs")
        needed = 0
        for number, phase in enumerate(self.expanded):
            if epochs is not None and needed >= epochs:
                warnings.warn(
                    f"Phase {number + 1} ({_name_of(phase.policy)}) cannot begin: the phases "
                    f"before it take at least {needed} epochs, and fit has epochs={epochs}.",
                    stacklevel=2,
                )
                return
            needed += phase.least_epochs

    def _say(self, epoch: int) -> None:
        if not self.verbose:
            return
        plan = self._plans[self.phase - 1]
        rate = keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)
        line = (
            f"Phase {self.phase} of {len(self.expanded)}, from epoch {epoch + 1}: "
            f"{self._name}, {plan.trainable_parameters:,} of {plan.parameters:,} parameters train, "
            f"learning rate {float(rate):.3g}."
        )
        if self.endings:
            line += f" (Phase {self.phase - 1}: {self.endings[-1]}.)"
        announce(line)

    # What follows is how phases are written down.

    def get_config(self) -> dict[str, Any]:
        """The arguments, so that they can be made again."""
        return {"phases": [phase.get_config() for phase in self.phases], "verbose": self.verbose}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Phases":
        """Make them again from `get_config`'s result, perhaps edited."""
        phases = [Phase.from_config(phase) for phase in config["phases"]]
        return cls(phases, verbose=config["verbose"])

    def for_model(self, model: keras.Model, plans: bool = False) -> "Phases":
        """The same phases with the stages of their policies written out for one model.

        Saved and edited by hand, they make a schedule of one's own.

        Args:
            model: The model to be trained.
            plans: Whether to write each policy out too, as a `Plan` that names every layer.
        """
        expanded = self._expand(model)
        if plans:
            worked_out = [_plan_of(phase, model) for phase in expanded]
            expanded = tuple(
                Phase(
                    plan,
                    **_endings_of(phase),
                    learning_rate=phase.learning_rate,
                    name=phase.name or _name_of(phase.policy),
                )
                for phase, plan in zip(expanded, worked_out, strict=True)
            )
        return type(self)(expanded, verbose=self.verbose)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the phases to a JSON file, whole or not at all."""
        text = json.dumps({"format": _FORMAT, **self.get_config()}, indent=1) + "\n"
        path = Path(path)
        part = path.with_name(path.name + ".part")
        part.write_text(text, encoding="utf-8")
        os.replace(part, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Phases":
        """Read phases from a JSON file, perhaps edited by hand.

        Raises:
            PlanError: If the file cannot be read as phases.
        """
        try:
            config = json.loads(Path(path).read_text(encoding="utf-8"))
            if config.pop("format") != _FORMAT:
                raise ValueError(f"the format is not {_FORMAT}")
            return cls.from_config(config)
        except ArgumentError:
            raise
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise PlanError(
                f"No phases could be read from {os.fspath(path)!r}: {type(error).__name__}: {error}"
            ) from error

    def _rows(self) -> list[list[object]]:
        return [
            [
                number,
                phase.name or _name_of(phase.policy),
                phase.ending,
                "-" if phase.learning_rate is None else _shown(phase.learning_rate),
            ]
            for number, phase in enumerate(self.phases, 1)
        ]

    def __str__(self) -> str:
        return text_table(_COLUMNS, self._rows())

    def _repr_html_(self) -> str:
        return html_table(_COLUMNS, self._rows())

    def __repr__(self) -> str:
        return f"Phases({list(self.phases)!r})"


class _Watch(EarlyStopping):
    """Watches one phase by the rules of early stopping, and leaves the fit alone."""

    def _stop(self, epoch: int, reason: str) -> None:
        self.stopped_epoch = epoch
        self.stop_reason = reason


def _endings_of(phase: Phase) -> dict[str, Any]:
    """What a phase says of its end, as arguments."""
    names = ("epochs", "patience", "monitor", "min_delta", "mode", "restore_best_weights", "until")
    return {name: getattr(phase, name) for name in names}


def _name_of(policy: FreezePolicy | Plan) -> str:
    return policy.policy if isinstance(policy, Plan) else repr(policy)


def _shown(rate: float | Sequence[float]) -> str:
    return ", ".join(f"{r:g}" for r in rate) if isinstance(rate, Sequence) else f"{rate:g}"


def _plan_of(phase: Phase, model: keras.Model) -> Plan:
    """The phase's plan for a model, one that nobody else applies."""
    if isinstance(phase.policy, Plan):
        plan = Plan.from_dict(phase.policy.to_dict())
        plan.check_fits(model)
        return plan
    return phase.policy.plan(model)


def _refuse_endless(phases: Sequence[Phase]) -> None:
    for number, phase in enumerate(phases, 1):
        if not phase.ends:
            fail(
                "phases",
                phase,
                "phases that end, all but the last",
                f"Give phase {number} `epochs`, `patience` or `until`.",
            )


def _refuse_rates_where_scheduled(optimizer: Any, phases: Sequence[Phase]) -> None:
    schedule = getattr(innermost(optimizer), "_learning_rate", None)
    if not isinstance(schedule, keras.optimizers.schedules.LearningRateSchedule):
        return
    for number, phase in enumerate(phases, 1):
        if phase.learning_rate is not None:
            fail(
                "learning_rate",
                phase.learning_rate,
                "left out where the optimizer's rate is a schedule",
                f"Phase {number} sets a rate, which {type(schedule).__name__} does not let it do. "
                "Compile with a number for the rate, or let the schedule fall by itself.",
            )
