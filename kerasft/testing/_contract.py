"""What the checks share: their one way to fail, configs, and exact weights."""

import inspect
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from kerasft.errors import ContractError
from kerasft.structure import take_apart


def require(holds: bool, subject: object, rule: str, seen: str = "", remedy: str = "") -> None:
    """Raise a `ContractError` that tells rule, evidence and remedy, unless the rule holds."""
    if not holds:
        name = type(subject).__name__
        raise ContractError(
            " ".join(part for part in (f"{name} must {rule}.", seen, remedy) if part)
        )


def check_config(subject: Any) -> Any:
    """Its config must name the constructor's arguments and make an equal object again."""
    config = subject.get_config()
    parameters = inspect.signature(type(subject).__init__).parameters.values()
    named = {
        p.name
        for p in parameters
        if p.name != "self" and p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
    }
    missing = sorted(named - set(config))
    require(
        not missing,
        subject,
        "put every argument of its constructor into `get_config`",
        f"Missing: {', '.join(missing)}.",
        "Extend `get_config` with `{**super().get_config(), 'name': self.name, ...}`.",
    )
    try:
        serialized = keras.saving.serialize_keras_object(subject)
        again = keras.saving.deserialize_keras_object(serialized)
    except Exception as error:
        require(
            False,
            subject,
            "be serializable",
            f"Keras said: {error}",
            "Decorate the class with `@keras.saving.register_keras_serializable(package='...')`.",
        )
    require(
        keras.saving.serialize_keras_object(again) == serialized,
        subject,
        "come back from its config as it was",
        f"It went as {config} and came back as {again.get_config()}.",
    )
    return again


def weights_of(model: keras.Model) -> dict[str, np.ndarray]:
    """A copy of every weight, by path."""
    return {
        view.path: np.array(keras.ops.convert_to_numpy(view.variable), copy=True)
        for view in take_apart(model).variables
    }


def changed(before: Mapping[str, np.ndarray], after: Mapping[str, np.ndarray]) -> set[str]:
    """The paths of the weights that are not bit for bit what they were."""
    return {path for path in before if not np.array_equal(before[path], after[path])}
