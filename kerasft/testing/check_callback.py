"""`check_callback`: whether a callback of your own can be trusted inside `fit`."""

import copy
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from kerasft.freezing import TrainHead
from kerasft.structure import changeable_variables, say, take_apart
from kerasft.testing._contract import changed, require, weights_of


def check_callback(
    callback: keras.callbacks.Callback,
    make_model: Callable[[], keras.Model] | None = None,
    data: tuple[Any, Any] | None = None,
    epochs: int = 4,
) -> None:
    """Check a callback of your own against what `fit` and its users take for granted.

    It looks whether the callback can be copied before it is used, as searches over settings do;
    whether it leaves alone every weight that nothing was allowed to train; whether what it adds to
    the logs are single numbers, which histories and other callbacks need; whether a second fit with
    it goes as the first did, so that no state is left over; and whether, where `fit` is given no
    validation data, it either does its work or raises an error that says so.

    Args:
        callback: An instance of your class, not yet used.
        make_model: Called for each fit; gives a compiled model, with the same weights each time.
            By default a small classifier of rows of five numbers into two classes, of which the
            head trains, with the metric `"accuracy"`.
        data: `(inputs, labels)` for that model, to train on and to validate.
        epochs: How many epochs a fit has.

    Raises:
        ContractError: For the first promise that is broken, with what was seen and what to do.

    Example:
        >>> import keras
        >>> from kerasft.testing import check_callback
        >>> class LogRate(keras.callbacks.Callback):
        ...     def on_epoch_end(self, epoch, logs=None):
        ...         logs["rate"] = float(self.model.optimizer.learning_rate)
        >>> check_callback(LogRate())
    """
    base = keras.callbacks.Callback
    require(isinstance(callback, base), callback, "derive from `keras.callbacks.Callback`")
    make_model = _small_model if make_model is None else make_model
    data = _small_data() if data is None else data
    unused, alone = _copy(callback), _copy(callback)

    first = _fit(callback, make_model(), data, epochs, data)
    second = _fit(callback, make_model(), data, epochs, data)
    fresh = _fit(unused, make_model(), data, epochs, data)
    for history, weights in (second, fresh):
        _require_same(callback, first, (history, weights))

    try:
        _fit(alone, make_model(), data, epochs, None)
    except Exception as error:
        require(
            "validation" in str(error),
            callback,
            "work in a `fit` without validation data, or raise an error that says so",
            f"It raised {type(error).__name__}: {error}",
            "Read `logs` with `.get`, and name `validation_data` in the error.",
        )


_History = dict[str, list[Any]]
_Outcome = tuple[_History, dict[str, np.ndarray]]


class _Changeable(keras.callbacks.Callback):
    """Which weights anything was allowed to train, over a whole fit."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: set[int] = set()

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self.ids |= {id(variable) for variable in changeable_variables(self.model)}


def _copy(callback: keras.callbacks.Callback) -> keras.callbacks.Callback:
    try:
        return copy.deepcopy(callback)
    except Exception as error:
        require(
            False,
            callback,
            "be copied by `copy.deepcopy` before it is used",
            f"It raised {type(error).__name__}: {error}",
            "Keep the constructor's arguments, and open files and the like in `on_train_begin`.",
        )
        raise


def _fit(
    callback: keras.callbacks.Callback,
    model: keras.Model,
    data: tuple[Any, Any],
    epochs: int,
    validation_data: tuple[Any, Any] | None,
) -> _Outcome:
    before, allowed = weights_of(model), _Changeable()
    history = model.fit(
        *data,
        validation_data=validation_data,
        epochs=epochs,
        shuffle=False,
        callbacks=[callback, allowed],
        verbose=0,
    ).history
    frozen = {v.path for v in take_apart(model).variables if id(v.variable) not in allowed.ids}
    touched = sorted(changed(before, weights_of(model)) & frozen)
    require(
        not touched,
        callback,
        "leave frozen weights alone",
        f"It changed {', '.join(touched)}.",
        "To train them, apply a plan in which they train.",
    )
    for name, values in history.items():
        wrong = next(
            (value for value in values if np.ndim(value) or np.asarray(value).dtype == object), None
        )
        require(
            wrong is None,
            callback,
            "put single numbers into the logs",
            f"logs[{name!r}] was {wrong!r}.",
            "Keep other things in an attribute of the callback.",
        )
    return history, weights_of(model)


def _require_same(callback: keras.callbacks.Callback, one: _Outcome, other: _Outcome) -> None:
    """Two fits from one start: as many epochs, the same logs, the same weights."""
    told = "leave nothing of one fit to the next"
    hint = "Make its state anew in `on_train_begin`."
    lengths = [len(history.get("loss", ())) for history, _ in (one, other)]
    require(
        lengths[0] == lengths[1],
        callback,
        told,
        f"From the same weights one fit had {lengths[0]} epochs and another {lengths[1]}.",
        hint,
    )
    names = sorted(set(one[0]) ^ set(other[0]))
    require(not names, callback, told, f"Only one fit logged {', '.join(names)}.", hint)
    # In their order: Keras numbers names that it makes up on, from model to model.
    pairs = zip(one[1].items(), other[1].values(), strict=True)
    moved = sorted(
        path for (path, value), again in pairs if not np.allclose(value, again, 1e-4, 1e-6)
    )
    require(
        not moved, callback, told, f"From the same weights {', '.join(moved)} ended apart.", hint
    )


def _small_data() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    rows = random.normal(size=(16, 5)).astype("float32")
    return rows, (rows.sum(axis=1) > 0).astype("int32")


def _small_model() -> keras.Model:
    inputs = keras.Input((5,), name="inputs")
    x = inputs
    for index in range(2):
        start = keras.initializers.GlorotUniform(seed=index)
        x = keras.layers.Dense(8, "tanh", kernel_initializer=start, name=f"block_{index}")(x)
    start = keras.initializers.GlorotUniform(seed=2)
    x = keras.layers.Dense(2, kernel_initializer=start, name="head")(x)
    model = keras.Model(inputs, x, name="small_model")
    say(model, head=["head"])
    TrainHead().apply(model)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.05), loss=loss, metrics=["accuracy"], run_eagerly=True)
    return model
