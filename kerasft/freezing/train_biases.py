"""Train the biases and the head."""

import keras

from kerasft import select
from kerasft.freezing._train_kind import TrainKind
from kerasft.structure import LayerView


@keras.saving.register_keras_serializable(package="kerasft")
class TrainBiases(TrainKind):
    """All biases train, and the head; the rest is frozen. Known as BitFit.

    A normalization's offset is a bias, too; its scale is not. Biases are about a thousandth of a
    transformer's weights. Outside the head they are all that changes: batch normalization
    keeps its moving statistics, and runs on them.

    Args:
        and_head: Whether the head trains too.
        frozen_mode: See `FreezePolicy`.

    Raises:
        SelectorError: When applied to a model without biases.

    Example:
        >>> import keras, kerasft
        >>> model = keras.Sequential([
        ...     keras.Input((4,)), keras.layers.Dense(4, name="body"),
        ...     keras.layers.LayerNormalization(name="norm"), keras.layers.Dense(2, name="top")],
        ...     name="small")
        >>> plan = kerasft.TrainBiases().apply(model)
        >>> [variable.path for variable in model.trainable_variables]
        ['small/body/bias', 'small/norm/beta', 'small/top/kernel', 'small/top/bias']

    References:
        - Ben Zaken, Ravfogel and Goldberg 2021, "BitFit: Simple Parameter-efficient Fine-tuning
          for Transformer-based Masked Language-models".
    """

    kind = select.Biases()

    def keeps_statistics(self, layer: LayerView) -> bool:
        """Everywhere but in a head that trains as a whole."""
        return not (self.and_head and layer.in_head)
