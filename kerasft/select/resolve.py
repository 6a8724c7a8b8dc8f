"""Which variables of a model a selector means."""

from kerasft.select.selector import Selector, as_selector
from kerasft.structure import Structure, VariableView


def resolve(value: Selector | str, structure: Structure) -> list[VariableView]:
    """The variables that a selector means in one model, in the model's order.

    Args:
        value: A selector, or a path pattern.
        structure: The model, taken apart.

    Returns:
        At least one `VariableView`.

    Raises:
        SelectorError: If the selector, or any part that it is combined of, matches nothing, or
            speaks of a block that the model does not have. The message offers the nearest right
            spellings.

    Example:
        >>> import keras
        >>> from kerasft import select
        >>> from kerasft.structure import take_apart
        >>> layers = [keras.layers.Dense(4, name=name) for name in ("a", "b", "top")]
        >>> structure = take_apart(keras.Sequential([keras.Input((4,)), *layers]))
        >>> [variable.path for variable in select.resolve("*/bias", structure)]
        ['a/bias', 'b/bias', 'top/bias']
        >>> select.resolve("*/bais", structure)
        Traceback (most recent call last):
            ...
        kerasft.errors.SelectorError: A path pattern must match at least one path in full. ...
    """
    selector = as_selector(value)
    _check(selector, structure)
    return [variable for variable in structure.variables if selector.matches(variable)]


def _check(selector: Selector, structure: Structure) -> None:
    """The parts first: of a combination that fits nothing, the part that does not is named."""
    for part in selector.parts():
        _check(part, structure)
    selector.check(structure)
