"""Loading a backbone from a `.keras` file."""

import os

import keras

from kerasft.errors import SourceError
from kerasft.sources import check_model_file


def load(path: str | os.PathLike[str]) -> keras.Model:
    """Load a model, and take off the head that `attach` put on."""
    path = check_model_file(path)
    try:
        model = keras.saving.load_model(path, compile=False)
    except Exception as error:
        raise SourceError(
            f"Keras could not load {os.fspath(path)!r}: {type(error).__name__}: {error}"
        ) from error
    heads = [layer for layer in model.layers if getattr(layer, "is_kerasft_head", False)]
    if len(heads) == 1 and getattr(model, "_nodes_by_depth", None) is not None:
        features = heads[0]._inbound_nodes[0].arguments.args[0]
        return keras.Model(model.input, features, name=model.name)
    return model
