"""What a loader hands to `Backbone`."""

import dataclasses
from collections.abc import Callable

import keras

from kerasft.data import Preprocessor


@dataclasses.dataclass(frozen=True)
class Loaded:
    """A model, where it came from, and how its preprocessor is made."""

    model: keras.Model
    source: str
    make_preprocessor: Callable[..., Preprocessor] | None
