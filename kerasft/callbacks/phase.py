"""One phase of a training schedule."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras

from kerasft._checks import (
    check_bool,
    check_choice,
    check_int,
    check_number,
    check_type,
    fail,
)
from kerasft.callbacks._stopping import check_monitor
from kerasft.freezing import FreezePolicy, Plan

_RULE = "a FreezePolicy or a Plan"


@keras.saving.register_keras_serializable(package="kerasft")
class Phase:
    """What trains for a while, at which rate, and what ends it. For `Phases`.

    A phase ends after `epochs` epochs, or when `monitor` has not improved for `patience` of them,
    or when `until` says so: whichever comes first. One that says none of these lasts until the fit
    ends, so only the last phase may.

    Args:
        policy: What trains: a `FreezePolicy`, a `Plan` made for the model (edited by hand perhaps),
            or a policy of several stages, such as `TrainGradually`. Then each stage is a phase
            that ends as this one says.
        epochs: How many epochs the phase lasts at most.
        learning_rate: The optimizer's rate from the phase's first step on; with several stages
            perhaps a list of rates, one for each. Left out, the rate stays what it is.
        patience: Epochs without improvement of `monitor` after which the phase ends.
        monitor: Name of the metric to watch. Looked at with `patience` only, as what follows.
        min_delta: Smallest change that counts as an improvement.
        mode: `"min"`, `"max"`, or `"auto"`, which infers the direction from the metric.
        restore_best_weights: Whether the weights of the phase's best epoch are put back when it
            ends, in whichever way, or when the fit ends in it.
        until: A function that is given the count of epochs that the phase has had, and the logs
            of the last, and says whether the phase is over.
        name: What tables and pictures call it; by default its policy.

    Raises:
        ArgumentError: If an argument breaks its rule.

    Example:
        >>> from kerasft import TrainHead, TrainLastBlocks
        >>> from kerasft.callbacks import Phase
        >>> Phase(TrainHead(), epochs=3).ending
        'after 3 epochs'
        >>> Phase(TrainLastBlocks(2), epochs=9, patience=2, learning_rate=1e-5).ending
        'after 9 epochs, or 2 without a better val_loss'
    """

    def __init__(
        self,
        policy: FreezePolicy | Plan,
        epochs: int | None = None,
        *,
        learning_rate: float | Sequence[float] | None = None,
        patience: int | None = None,
        monitor: str = "val_loss",
        min_delta: float = 0.0,
        mode: str = "auto",
        restore_best_weights: bool = True,
        until: Callable[[int, Mapping[str, float]], bool] | None = None,
        name: str | None = None,
    ) -> None:
        hint = "Give an instance: TrainHead()." if isinstance(policy, type) else ""
        check_type("policy", policy, (FreezePolicy, Plan), _RULE, hint)
        if epochs is not None:
            check_int("epochs", epochs, minimum=1)
        if isinstance(learning_rate, Sequence):
            for rate in learning_rate:
                check_number("learning_rate", rate, above=0.0)
        elif learning_rate is not None:
            check_number("learning_rate", learning_rate, above=0.0)
        if patience is not None:
            check_int("patience", patience, minimum=0)
        check_monitor(monitor)
        check_number("min_delta", min_delta)
        check_choice("mode", mode, ("auto", "min", "max"))
        check_bool("restore_best_weights", restore_best_weights)
        if until is not None and not callable(until):
            fail("until", until, "a function of the epochs and logs of the phase")
        if name is not None:
            check_type("name", name, str, "a string")
        self.policy = policy
        self.epochs = epochs
        self.learning_rate = learning_rate
        self.patience = patience
        self.monitor = monitor
        self.min_delta = min_delta
        self.mode = mode
        self.restore_best_weights = restore_best_weights
        self.until = until
        self.name = name

    @property
    def ends(self) -> bool:
        """Whether anything but the fit's end ends it."""
        return not (self.epochs is None and self.patience is None and self.until is None)

    @property
    def least_epochs(self) -> int:
        """The fewest epochs that it can last."""
        ways = [self.epochs] if self.epochs is not None else []
        # A first epoch is always the best so far, so no plateau is found before the second.
        ways += [max(self.patience, 1) + 1] if self.patience is not None else []
        return min([*ways, 1] if self.until is not None else ways, default=1)

    @property
    def ending(self) -> str:
        """What ends it, in words."""
        ways = []
        if self.epochs is not None:
            ways.append(f"after {self.epochs} epoch{'' if self.epochs == 1 else 's'}")
        if self.patience is not None:
            ways.append(
                f"{'' if ways else 'after '}{self.patience} without a better {self.monitor}"
            )
        if self.until is not None:
            ways.append(f"when {getattr(self.until, '__name__', 'a function')} says so")
        return ", or ".join(ways) or "with the fit"

    def get_config(self) -> dict[str, Any]:
        """The arguments, so that it can be made again."""
        policy = self.policy
        return {
            "policy": policy.to_dict()
            if isinstance(policy, Plan)
            else keras.saving.serialize_keras_object(policy),
            "epochs": self.epochs,
            "learning_rate": list(self.learning_rate)
            if isinstance(self.learning_rate, Sequence)
            else self.learning_rate,
            "patience": self.patience,
            "monitor": self.monitor,
            "min_delta": self.min_delta,
            "mode": self.mode,
            "restore_best_weights": self.restore_best_weights,
            "until": keras.saving.serialize_keras_object(self.until),
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Phase":
        """Make it again from `get_config`'s result, perhaps edited."""
        config = dict(config)
        policy = config["policy"]
        config["policy"] = (
            Plan.from_dict(policy)
            if "layers" in policy
            else keras.saving.deserialize_keras_object(policy)
        )
        config["until"] = keras.saving.deserialize_keras_object(config.get("until"))
        return cls(**config)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Phase):
            return NotImplemented
        return vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash((self.policy, self.epochs, self.name))

    def __repr__(self) -> str:
        parameters = inspect.signature(type(self)).parameters
        said = "".join(
            f", {name}={value!r}"
            for name, value in vars(self).items()
            if name != "policy" and value != parameters[name].default
        )
        return f"Phase({self.policy!r}{said})"
