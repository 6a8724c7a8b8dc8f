"""Listening to the errors of a training step."""

from collections.abc import Callable
from typing import Any

import keras

__all__ = ["StepErrors"]


class StepErrors:
    """Stands round a model's train function and tells of the errors that come out of it.

    The errors go on as they are, unless the listener raises another one. When a fit ends in an
    error Keras calls no callback any more, so this takes itself off by then.

    Args:
        model: The model that is fitted.
        listener: Is given each error before it goes on.
    """

    def __init__(self, model: keras.Model, listener: Callable[[Exception], None]) -> None:
        self._model = model
        self._listener = listener
        self._around: Callable[..., Any] | None = None
        self._inner: Callable[..., Any] | None = None

    def listen(self) -> None:
        """Stand round the train function as it is now; it may have been made anew."""
        inner = getattr(self._model, "train_function", None)
        if inner is None or inner is self._around:
            return

        def train_function(*args: Any, **kwargs: Any) -> Any:
            try:
                return inner(*args, **kwargs)
            except StopIteration:  # the end of the data
                raise
            except BaseException as error:  # an interruption too ends the listening
                self.stop()
                if isinstance(error, Exception):
                    self._listener(error)
                raise

        self._inner, self._around = inner, train_function
        self._model.train_function = train_function

    def stop(self) -> None:
        """Put the model's own train function back."""
        if self._around is not None and self._model.train_function is self._around:
            self._model.train_function = self._inner
        self._around = self._inner = None
