"""Train what a selector or a path pattern means."""

from typing import Any

import keras

from kerasft import select
from kerasft._checks import check_bool
from kerasft.freezing.policy import FreezePolicy
from kerasft.structure import LayerView, Structure, VariableView


@keras.saving.register_keras_serializable(package="kerasft")
class TrainSelected(FreezePolicy):
    """The selected weights train, and the head; the rest is frozen.

    Args:
        selector: A selector of `kerasft.select`, or a path pattern such as
            `"transformer_layer_5"` or `"*/bias"`.
        and_head: Whether the head trains too, selected or not.
        frozen_mode: See `FreezePolicy`.

    Raises:
        SelectorError: When applied to a model in which the selector, or a part of it, matches
            nothing. The message offers the nearest paths.

    Example:
        >>> import keras, kerasft
        >>> model = keras.Sequential([keras.Input((4,))], name="small")
        >>> for name in ("a", "b", "top"):
        ...     model.add(keras.layers.Dense(4, name=name))
        >>> plan = kerasft.TrainSelected("*/bias").apply(model)
        >>> [variable.path for variable in model.trainable_variables]
        ['small/a/bias', 'small/b/bias', 'small/top/kernel', 'small/top/bias']
    """

    def __init__(
        self,
        selector: select.Selector | str,
        *,
        and_head: bool = True,
        frozen_mode: str = "inference",
    ) -> None:
        super().__init__(frozen_mode=frozen_mode)
        select.as_selector(selector)
        self.selector = selector
        self.and_head = check_bool("and_head", and_head)

    def check(self, structure: Structure) -> None:
        """Each part of the selector must match something."""
        select.resolve(self.selector, structure)

    def trains(self, layer: LayerView) -> bool:
        """Whether any of the layer's weights train."""
        return any(self.trains_variable(variable) for variable in layer.variables)

    def trains_variable(self, variable: VariableView) -> bool:
        """Whether the weight is selected, or in the head."""
        if self.and_head and variable.layer.in_head:
            return True
        return select.as_selector(self.selector).matches(variable)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "selector": keras.saving.serialize_keras_object(self.selector),
            "and_head": self.and_head,
            **super().get_config(),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "TrainSelected":
        """Make it again from `get_config`'s result."""
        selector = keras.saving.deserialize_keras_object(config["selector"])
        return cls(**{**config, "selector": selector})
