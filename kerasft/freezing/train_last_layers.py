"""Train the last layers and the head."""

from typing import Any

import keras

from kerasft._checks import check_int
from kerasft.errors import PlanError
from kerasft.freezing.policy import FreezePolicy
from kerasft.structure import LayerView, Structure


@keras.saving.register_keras_serializable(package="kerasft")
class TrainLastLayers(FreezePolicy):
    """The last `count` layers of the backbone train, and the head; the rest is frozen.

    Layers are counted as `model.layers` lists them, those without weights left out. In a
    transformer one such layer is a whole transformer layer; in a convolutional network it is a
    single convolution or normalization, so that blocks are the better measure there.

    Args:
        count: How many layers with weights, counted from the output.
        frozen_mode: See `FreezePolicy`.

    Example:
        >>> import keras, kerasft
        >>> model = keras.Sequential([keras.Input((4,))])
        >>> for name in ("a", "b", "c", "top"):
        ...     model.add(keras.layers.Dense(4, name=name))
        >>> plan = kerasft.TrainLastLayers(2).apply(model)
        >>> [layer.name for layer in model.layers if layer.trainable]
        ['b', 'c', 'top']
    """

    def __init__(self, count: int, *, frozen_mode: str = "inference") -> None:
        super().__init__(frozen_mode=frozen_mode)
        self.count = check_int("count", count, minimum=1, hint="To train none, use `TrainHead`.")

    def check(self, structure: Structure) -> None:
        """There must be as many layers as asked for."""
        available = len(structure.modules)
        if self.count > available:
            raise PlanError(
                f"`count` must be at most the number of the backbone's layers with weights, "
                f"{available}. Received: count={self.count} for model "
                f"{structure.model.name!r}. To train all of them, use `TrainEverything`."
            )

    def trains(self, layer: LayerView) -> bool:
        """Whether the layer is in the head or one of the last."""
        return layer.in_head or (
            layer.modules_from_end is not None and layer.modules_from_end < self.count
        )

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"count": self.count, **super().get_config()}
