"""Averages of the weights along the way, in place of the last ones."""

from typing import Any

import keras

from kerasft._checks import check_bool, check_number, fail
from kerasft._update_steps import innermost
from kerasft.callbacks._averages import Averages
from kerasft.errors import UnsupportedError

__all__ = ["WeightAveraging"]

_NOT_LOOKED_AT = object()


class WeightAveraging(keras.callbacks.Callback):
    """Averages the weights along the way; validates, saves and ends with the averages.

    After each update of the optimizer, `average += (1 - momentum) * (weight - average)`: an
    exponential moving average (EMA, Polyak averaging) over about `1 / (1 - momentum)` updates. It
    is as if the rate had been lowered at the end, at every epoch.

    Between two epochs the averages are in the model, so validation, checkpoints, early stopping
    and whatever else callbacks do there go by them. Before the next batch the last values come
    back, bit for bit, and training goes on as it would have. After the fit the averages stay.

    Put it in front of the other callbacks. In an epoch without validation, those that stand before
    it see the last values when the epoch ends.

    What is averaged is what the fit can change: the trainable variables, and the moving statistics
    of layers that train. The statistics go with the weights that they were taken under, as they do
    in timm and EfficientNet; a batch normalization's are exact only if taken anew from the data.

    When the plan changes, what begins to train is averaged from its value of then. What is frozen
    between two epochs keeps its average; what is frozen within one keeps its last value. Where
    another callback sets weights between two epochs, as `Phases` does with the best of a phase,
    training goes on from those, and so does the average. `EarlyStopping` restores averages, and may
    stand before or after this callback.

    Keras's own `use_ema=True` averages inside the train step. It is enough, and costs less, where
    nobody looks at the weights before the fit has ended and nothing is frozen or unfrozen. Else:
    validation and checkpoints have the last values; `SwapEMAWeights` gives validation the averages,
    but its swaps round, and with `swap_on_epoch=True` a fit that is stopped early ends with the
    last values; batch normalization's statistics are not averaged; nor does the momentum warm up;
    accumulated gradients count once per batch; and a layer that is frozen in plain Keras receives
    the averages of others, or an error. Do not use both.

    It takes memory for one copy of what is averaged, in float32, and for a second one between
    epochs, when no gradients are held. A fit that is interrupted, also by an exception, has the
    averages in the model if that happened between epochs and the last values otherwise:
    `averages_in_model` says which, `put_averages_in` and `take_averages_out` change it. The slots
    of the optimizer belong to the last values.

    Args:
        momentum: What is kept of an average in each update, at least 0 and below 1.
        warmup: Whether the momentum after t updates is at most `(1 + t) / (10 + t)`, so that what a
            fresh head was at the start is soon forgotten.
        keep_averages: Whether the averages stay in the model after the fit; else the last values
            come back, or what another callback has restored.

    Raises:
        ArgumentError: If an argument breaks its rule, or the optimizer has `use_ema=True`.

    Example:
        >>> import keras
        >>> from kerasft.callbacks import WeightAveraging
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
        >>> model.set_weights([keras.ops.zeros((1, 1))])
        >>> model.compile(keras.optimizers.SGD(0.25), loss="mse")
        >>> x = keras.ops.ones((3, 1))                     # three batches: 0.5, 0.75, 0.875
        >>> averaging = WeightAveraging(0.5, warmup=False)
        >>> history = model.fit(x, x, batch_size=1, verbose=0, callbacks=[averaging])
        >>> float(model.layers[0].kernel[0, 0])            # after 0.25 and 0.5
        0.6875

    References:
        - Polyak and Juditsky 1992, "Acceleration of Stochastic Approximation by Averaging".
        - TensorFlow's `ExponentialMovingAverage` with `num_updates` (the warm-up).
        - Lightning's `WeightAveraging` (the place between epochs).
    """

    def __init__(
        self, momentum: float = 0.99, warmup: bool = True, keep_averages: bool = True
    ) -> None:
        super().__init__()
        hint = "At 1 an average would never move."
        check_number("momentum", momentum, minimum=0, below=1, hint=hint)
        self.momentum = momentum
        self.warmup = check_bool("warmup", warmup)
        self.keep_averages = check_bool("keep_averages", keep_averages)
        self._averages: Averages | None = None

    @property
    def averages_in_model(self) -> bool:
        """Whether the model has the averages at the moment, inside a fit or after a broken one."""
        return self._averages is not None and self._averages.in_model

    def set_model(self, model: keras.Model) -> None:
        """Keras's hook: the model that is about to be fitted."""
        super().set_model(model)
        # On JAX, each use of `self.model` brings the model's variables up to date.
        self._unsynced_model = model

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Start anew."""
        _refuse_averages_twice(self.model.optimizer)
        self._averages = Averages(self.model, self.momentum, self.warmup)
        self._train_function: Any = _NOT_LOOKED_AT

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Look again, in the coming epoch, at what can change."""
        self._train_function = _NOT_LOOKED_AT

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Take in the batch before, and put the last values back after an epoch's end.

        At the end of a batch Keras would have to wait for its result.
        """
        averages = self._averages
        assert averages is not None
        model = self.model
        if averages.in_model:
            # Only now: what other callbacks do between two epochs meets the averages.
            averages.take_out(model)
        elif averages.variables:
            averages.update()
        # A change of what trains within an epoch takes a new train function.
        train_function = self._unsynced_model.train_function
        if train_function is not self._train_function:
            self._train_function = train_function
            averages.follow(model)

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Put the averages in the model, if this is validation inside `fit`."""
        self._put_in()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Put the averages in the model, where no validation has done so."""
        self._put_in()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Leave the averages in the model, or put the last values back."""
        if not self.keep_averages and self.averages_in_model:
            self.take_averages_out()
        self._averages = None

    def put_averages_in(self) -> None:
        """Put the averages in the model after a fit that was interrupted, if they are not there.

        Raises:
            UnsupportedError: If no fit was interrupted.
        """
        self._refuse_without_averages()
        self._put_in()

    def take_averages_out(self) -> None:
        """Put the last values back after a fit that was interrupted, if they are not there.

        Raises:
            UnsupportedError: If no fit was interrupted.
        """
        averages = self._refuse_without_averages()
        if averages.in_model:
            averages.take_out(self.model)

    def _put_in(self) -> None:
        averages = self._averages
        if averages is not None and averages.variables and not averages.in_model:
            # On JAX, this brings the model's variables up to date.
            assert self.model is not None
            averages.put_in()

    def _refuse_without_averages(self) -> Averages:
        if self._averages is None:
            raise UnsupportedError(
                "WeightAveraging has averages while `fit` runs, and after a fit that was "
                "interrupted. A fit that ended has left its averages in the model, or its last "
                f"values: keep_averages={self.keep_averages}."
            )
        return self._averages


def _refuse_averages_twice(optimizer: Any) -> None:
    inner = innermost(optimizer)
    for one in getattr(inner, "optimizers", None) or [inner]:
        if getattr(one, "use_ema", False):
            hint = f"{type(one).__name__} keeps averages of its own: choose one of the two."
            fail("use_ema", True, "False in an optimizer beside WeightAveraging", hint)
