"""Train the head first, and everything afterwards."""

import keras

from kerasft.freezing._requirements import require_head
from kerasft.freezing.policy import FreezePolicy
from kerasft.freezing.train_everything import TrainEverything
from kerasft.freezing.train_head import TrainHead
from kerasft.structure import take_apart


@keras.saving.register_keras_serializable(package="kerasft")
class TrainHeadThenEverything(FreezePolicy):
    """In two stages: the head trains on frozen features, then everything. Known as LP-FT.

    A new head's first gradients are of no use to the backbone and distort what it has learned. With
    a head that fits already, they are small. Applied by itself, the policy means its first stage.

    Args:
        frozen_mode: See `FreezePolicy`.

    Example:
        >>> import keras, kerasft
        >>> layers = [keras.layers.Dense(4, name=name) for name in ("a", "b", "top")]
        >>> model = keras.Sequential([keras.Input((4,)), *layers])
        >>> kerasft.TrainHeadThenEverything().stages(model)
        (TrainHead(), TrainEverything())

    References:
        - Kumar et al. 2022, "Fine-Tuning can Distort Pretrained Features and Underperform
          Out-of-Distribution".
    """

    def stages(self, model: keras.Model) -> tuple[FreezePolicy, ...]:
        """The head, then everything.

        Raises:
            PlanError: If the model has no head.
        """
        require_head(self, take_apart(model))
        return (
            TrainHead(frozen_mode=self.frozen_mode),
            TrainEverything(frozen_mode=self.frozen_mode),
        )
