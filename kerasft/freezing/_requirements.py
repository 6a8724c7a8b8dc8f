"""What several policies need a model to have, and how they say so."""

from kerasft.errors import PlanError
from kerasft.structure import Structure


def require_head(policy: object, structure: Structure) -> None:
    """Raise for a model without a head that has weights."""
    if not any(view.variables for view in structure.head):
        raise PlanError(
            f"`{type(policy).__name__}` needs a model with a head. Received: model "
            f"{structure.model.name!r}, in which no head with weights was found. Attach one "
            "with `backbone.attach(head)`, or name its layers with "
            "`kerasft.structure.say(model, head=[...])`."
        )


def require_blocks(policy: object, structure: Structure, name: str, count: int | None) -> None:
    """Raise for a model that is one block, or has fewer than the argument `name` asks for."""
    blocks = structure.blocks
    if len(blocks) < 2:
        raise PlanError(
            f"`{type(policy).__name__}` needs a backbone of several blocks. Received: model "
            f"{structure.model.name!r}, which came apart into {len(blocks)} "
            f"({structure.rule}). Say how it is divided with "
            "`kerasft.structure.say(model, blocks=[...])`, or choose layers with "
            "`TrainLastLayers` or `TrainSelected`."
        )
    if count is not None and count > len(blocks):
        raise PlanError(
            f"`{name}` must be at most the number of blocks, {len(blocks)}. Received: "
            f"{name}={count} for model {structure.model.name!r}. To train all of them, "
            "use `TrainEverything`."
        )
