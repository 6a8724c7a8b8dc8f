"""What the estimators are given: arguments, texts and the name of an optimizer, checked."""

import inspect
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerasft._checks import check_bool, check_int, check_number, check_type, did_you_mean, fail
from kerasft.data import Examples
from kerasft.errors import DataError, SourceError
from kerasft.freezing import FreezePolicy
from kerasft.sklearn._backbones import check_backbone


def check_arguments(estimator: Any) -> None:
    """Refuse what cannot be, before anything is loaded."""
    check_backbone(estimator.backbone, estimator.dtype)
    if estimator.policy is not None:
        rule = "a kerasft.FreezePolicy, or None for TrainHead()"
        check_type("policy", estimator.policy, FreezePolicy, rule)
    check_int("sequence_length", estimator.sequence_length, minimum=1)
    check_int("epochs", estimator.epochs, minimum=1)
    check_int("batch_size", estimator.batch_size, minimum=1)
    if estimator.patience is not None:
        check_int("patience", estimator.patience, minimum=0)
    check_number("validation_fraction", estimator.validation_fraction, above=0, below=1)
    check_bool("share_features", estimator.share_features)
    check_int("memory_budget", estimator.memory_budget, minimum=0)
    if estimator.cache_directory is not None:
        rule = "the path of a folder, or None"
        check_type("cache_directory", estimator.cache_directory, (str, os.PathLike), rule)
        if not estimator.share_features:
            hint = "The directory keeps shared features."
            fail("share_features", False, "True where `cache_directory` is given", hint)
        if Path(estimator.cache_directory).expanduser().is_file():
            raise SourceError(
                "`cache_directory` must be a folder. Received: "
                f"{os.fspath(estimator.cache_directory)!r}, which is a file."
            )
    if not isinstance(estimator.learning_rate, keras.optimizers.schedules.LearningRateSchedule):
        check_number("learning_rate", estimator.learning_rate, above=0)
    if not callable(estimator.optimizer):
        _optimizer_named(estimator.optimizer)


def texts_of(X: Any) -> list[str]:  # noqa: N803
    """Texts as a list, from a list, an array, a column or a table of one column."""
    shape: tuple[int, ...] = getattr(X, "shape", ())
    if len(shape) == 2:
        if shape[1] != 1:
            raise DataError(
                "`X` must be one column of texts. Received: a table of shape "
                f"{tuple(shape)}. Pick the column, as `X['text']`."
            )
        X = np.asarray(X, dtype=object)[:, 0]  # noqa: N806
    if not hasattr(X, "__len__"):
        fail("X", X, "a list, array or column of texts", error=DataError)
    return Examples(X, np.zeros(len(X), int)).texts


def make_optimizer(
    given: Any, learning_rate: Any, model: keras.Model
) -> keras.optimizers.Optimizer:
    """A new optimizer, from its name or from the user's function."""
    make = given if callable(given) else _optimizer_named(given)
    kwargs = {"model": model} if "model" in inspect.signature(make).parameters else {}
    return check_type(
        "optimizer",
        make(learning_rate=learning_rate, **kwargs),
        keras.optimizers.Optimizer,
        "a name, or a function of `learning_rate` that gives a Keras optimizer",
    )


def _optimizer_named(name: Any) -> Callable[..., keras.optimizers.Optimizer]:
    known = {
        each.lower(): kind
        for each, kind in vars(keras.optimizers).items()
        if inspect.isclass(kind)
        and issubclass(kind, keras.optimizers.Optimizer)
        and "learning_rate" in inspect.signature(kind).parameters
    }
    if not isinstance(name, str) or name.lower() not in known:
        rule = "the name of a Keras optimizer, or a function of `learning_rate` that gives one"
        fail("optimizer", name, rule, did_you_mean(name, known))
    return known[name.lower()]
