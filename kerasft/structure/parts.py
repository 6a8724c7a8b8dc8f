"""A model that is a part of another one: which it is, and what it stands for."""

import keras

# Past Keras's savers and trackers, as what `say` was told is.
_WHOLE = "__kerasft_whole__"


def make_part_of(part: keras.Model, whole: keras.Model) -> None:
    """Note that a model is a part of another, with whose layers it is made.

    A freeze policy that is applied to the part then means the whole: blocks are counted there, and
    what it would train outside of the part is refused.

    Args:
        part: The model that is trained.
        whole: The model that it is a part of.

    Example:
        >>> import keras
        >>> from kerasft.structure import make_part_of, whole_of
        >>> layers = [keras.layers.Dense(4, name=name) for name in ("a", "b")]
        >>> whole = keras.Sequential([keras.Input((4,)), *layers])
        >>> part = keras.Sequential([keras.Input((4,)), layers[1]])
        >>> make_part_of(part, whole)
        >>> whole_of(part) is whole, whole_of(whole) is whole
        (True, True)
    """
    part.__dict__[_WHOLE] = whole


def whole_of(model: keras.Model) -> keras.Model:
    """The model that this one is a part of; itself, where it is no part.

    Args:
        model: Any Keras model.

    Example:
        >>> import keras
        >>> from kerasft.structure import whole_of
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
        >>> whole_of(model) is model
        True
    """
    return model.__dict__.get(_WHOLE, model)
