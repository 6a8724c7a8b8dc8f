"""Train the norms and the head."""

import keras

from kerasft import select
from kerasft.freezing._train_kind import TrainKind


@keras.saving.register_keras_serializable(package="kerasft")
class TrainNorms(TrainKind):
    """Scales and offsets of normalization layers train, and the head; the rest is frozen.

    These are a few thousandths of a model's weights, spread over all its depth. A batch
    normalization that trains runs in training mode, as always in Keras: it normalizes by the
    batch, and its moving statistics follow the new data. To train its scale and offset over the
    old statistics, override `keeps_statistics`.

    Args:
        and_head: Whether the head trains too.
        frozen_mode: See `FreezePolicy`.

    Raises:
        SelectorError: When applied to a model without normalization layers.

    Example:
        >>> import keras, kerasft
        >>> model = keras.Sequential([
        ...     keras.Input((4,)), keras.layers.Dense(4, name="body"),
        ...     keras.layers.LayerNormalization(name="norm"), keras.layers.Dense(2, name="top")])
        >>> plan = kerasft.TrainNorms().apply(model)
        >>> [layer.name for layer in model.layers if layer.trainable]
        ['norm', 'top']

    References:
        - Frankle, Schwab and Morcos 2021, "Training BatchNorm and Only BatchNorm: On the
          Expressive Power of Random Features in CNNs".
        - Lu et al. 2021, "Pretrained Transformers as Universal Computation Engines", which trains
          a transformer's layer norms, inputs and outputs.
    """

    kind = select.Norms()
