"""What the policies share that train one kind of weight."""

from typing import Any, ClassVar

from kerasft import select
from kerasft.freezing.policy import FreezePolicy
from kerasft.freezing.train_selected import TrainSelected


class TrainKind(TrainSelected):
    """`TrainSelected` with the selector that its class names.

    Args:
        and_head: Whether the head trains too.
        frozen_mode: See `FreezePolicy`.
    """

    kind: ClassVar[select.Selector]

    def __init__(self, *, and_head: bool = True, frozen_mode: str = "inference") -> None:
        super().__init__(self.kind, and_head=and_head, frozen_mode=frozen_mode)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"and_head": self.and_head, **FreezePolicy.get_config(self)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "TrainKind":
        """Make it again from `get_config`'s result."""
        return cls(**config)
