"""What was decided for one layer."""

import dataclasses
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True)
class PlanRow:
    """What was decided for one layer that owns weights.

    Attributes:
        path: The layer's path.
        kind: Its class name.
        block: The number of its block; None in the head.
        in_head: Whether it belongs to the head.
        sizes: For each of its weights that could train, by name, how many numbers it holds.
        variables: For each of these weights, by name, whether it trains.
        keeps_statistics: Whether the layer runs as in inference though something of it trains, so
            that moving statistics stand still.

    Example:
        >>> import keras, kerasft
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, name="top")])
        >>> row = kerasft.TrainEverything().plan(model).rows[0]
        >>> row.path, row.parameters, row.trains
        ('top', 10, True)
    """

    path: str
    kind: str
    block: int | None
    in_head: bool
    sizes: Mapping[str, int]
    variables: Mapping[str, bool]
    keeps_statistics: bool = False

    @property
    def parameters(self) -> int:
        """How many numbers could train."""
        return sum(self.sizes.values())

    @property
    def trainable_parameters(self) -> int:
        """How many numbers train."""
        return sum(self.sizes[name] for name, trains in self.variables.items() if trains)

    @property
    def trains(self) -> bool | None:
        """True if all its weights train, False if none does, None if some do."""
        decisions = set(self.variables.values())
        return decisions.pop() if len(decisions) == 1 else None

    @property
    def paths(self) -> dict[str, bool]:
        """For each of its weights, by path, whether it trains."""
        prefix = f"{self.path}/" if self.path else ""
        return {prefix + name: trains for name, trains in self.variables.items()}
