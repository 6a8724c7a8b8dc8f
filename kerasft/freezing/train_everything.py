"""Train everything."""

import keras

from kerasft.freezing.policy import FreezePolicy
from kerasft.structure import LayerView


@keras.saving.register_keras_serializable(package="kerasft")
class TrainEverything(FreezePolicy):
    """Nothing is frozen: every weight that can train does.

    Args:
        frozen_mode: See `FreezePolicy`.

    Example:
        >>> import keras, kerasft
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
        >>> model.trainable = False
        >>> plan = kerasft.TrainEverything().apply(model)
        >>> len(model.trainable_variables)
        2
    """

    def trains(self, layer: LayerView) -> bool:
        """Always."""
        return True
