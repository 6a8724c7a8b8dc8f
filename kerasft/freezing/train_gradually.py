"""Train the head first, and then block after block from the top down."""

from typing import Any

import keras

from kerasft._checks import check_int
from kerasft.freezing._requirements import require_blocks, require_head
from kerasft.freezing.policy import FreezePolicy
from kerasft.freezing.train_everything import TrainEverything
from kerasft.freezing.train_head import TrainHead
from kerasft.freezing.train_last_blocks import TrainLastBlocks
from kerasft.structure import take_apart


@keras.saving.register_keras_serializable(package="kerasft")
class TrainGradually(FreezePolicy):
    """In stages: the head trains, then the last block too, and so on down to the first.

    Gradual unfreezing: the last blocks hold what is least general, so they change first, and what
    lies deeper is spared the gradients of a head that knows nothing yet. Applied by itself, the
    policy means its first stage.

    Args:
        step: How many blocks more train in each stage.
        last: How many blocks train in the last stage; None for all of them.
        frozen_mode: See `FreezePolicy`.

    Example:
        >>> import keras, kerasft
        >>> layers = [keras.layers.Dense(4, name=name) for name in ("a", "b", "c", "top")]
        >>> model = keras.Sequential([keras.Input((4,)), *layers])
        >>> for stage in kerasft.TrainGradually().stages(model):
        ...     print(stage)
        TrainHead()
        TrainLastBlocks(count=1)
        TrainLastBlocks(count=2)
        TrainEverything()
        >>> kerasft.TrainGradually(step=2, last=2).stages(model)
        (TrainHead(), TrainLastBlocks(count=2))

    References:
        - Howard and Ruder 2018, "Universal Language Model Fine-tuning for Text Classification"
          (ULMFiT), section 3.3.
    """

    def __init__(
        self, *, step: int = 1, last: int | None = None, frozen_mode: str = "inference"
    ) -> None:
        super().__init__(frozen_mode=frozen_mode)
        self.step = check_int("step", step, minimum=1)
        hint = "To train the head alone, use `TrainHead`."
        self.last = None if last is None else check_int("last", last, minimum=1, hint=hint)

    def stages(self, model: keras.Model) -> tuple[FreezePolicy, ...]:
        """The head, then ever more blocks.

        Raises:
            PlanError: If the model has no head, is a single block, or has fewer than `last`.
        """
        structure = take_apart(model)
        require_head(self, structure)
        require_blocks(self, structure, "last", self.last)
        blocks, mode = len(structure.blocks), self.frozen_mode
        last = blocks if self.last is None else self.last
        counts = [*range(self.step, last, self.step), last]
        return (
            TrainHead(frozen_mode=mode),
            *(
                TrainEverything(frozen_mode=mode)
                if count == blocks
                else TrainLastBlocks(count, frozen_mode=mode)
                for count in counts
            ),
        )

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"step": self.step, "last": self.last, **super().get_config()}
