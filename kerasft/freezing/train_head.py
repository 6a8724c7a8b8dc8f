"""Train the head, freeze the backbone."""

import keras

from kerasft.freezing._requirements import require_head
from kerasft.freezing.policy import FreezePolicy
from kerasft.structure import LayerView, Structure


@keras.saving.register_keras_serializable(package="kerasft")
class TrainHead(FreezePolicy):
    """The head trains; the whole backbone is frozen. Also known as linear probing.

    Args:
        frozen_mode: See `FreezePolicy`.

    Example:
        >>> import keras, kerasft
        >>> inputs = keras.Input((4,))
        >>> x = keras.layers.Dense(4, name="body")(inputs)
        >>> model = keras.Model(inputs, keras.layers.Dense(2, name="top")(x))
        >>> kerasft.TrainHead().apply(model).trainable_parameters
        10
    """

    def check(self, structure: Structure) -> None:
        """Without a head nothing would train."""
        require_head(self, structure)

    def trains(self, layer: LayerView) -> bool:
        """Whether the layer is in the head."""
        return layer.in_head
