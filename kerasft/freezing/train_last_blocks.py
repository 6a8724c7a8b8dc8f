"""Train the last blocks and the head."""

from typing import Any

import keras

from kerasft._checks import check_int
from kerasft.freezing._requirements import require_blocks
from kerasft.freezing.policy import FreezePolicy
from kerasft.structure import LayerView, Structure


@keras.saving.register_keras_serializable(package="kerasft")
class TrainLastBlocks(FreezePolicy):
    """The last `count` blocks of the backbone train, and the head; the rest is frozen.

    A block is what the backbone repeats: a transformer layer, a residual block. What follows the
    last one (a final normalization) belongs to it.

    Args:
        count: How many blocks, counted from the output.
        frozen_mode: See `FreezePolicy`.

    Example:
        >>> import keras, kerasft
        >>> model = keras.Sequential([keras.Input((4,))])
        >>> for name in ("a", "b", "c", "top"):
        ...     model.add(keras.layers.Dense(4, name=name))
        >>> plan = kerasft.TrainLastBlocks(1).apply(model)
        >>> [layer.name for layer in model.layers if layer.trainable]
        ['c', 'top']
    """

    def __init__(self, count: int, *, frozen_mode: str = "inference") -> None:
        super().__init__(frozen_mode=frozen_mode)
        self.count = check_int("count", count, minimum=1, hint="To train none, use `TrainHead`.")

    def check(self, structure: Structure) -> None:
        """There must be blocks, and as many as asked for."""
        require_blocks(self, structure, "count", self.count)

    def trains(self, layer: LayerView) -> bool:
        """Whether the layer is in the head or in one of the last blocks."""
        return layer.in_head or (
            layer.blocks_from_end is not None and layer.blocks_from_end < self.count
        )

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"count": self.count, **super().get_config()}
