"""What features depend on beside the frozen weights, as digests: the graph, the data, the dtype."""

import hashlib
import json
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np

from kerasft._digests import without_addresses
from kerasft.features._layout import Layout
from kerasft.structure import ordered_nodes


def digest_of_graph(model: keras.Model) -> str:
    """Of what the model's operations are and of how they are joined; not of their names.

    Names that Keras makes up count on from one model to the next within a process.
    """
    numbers = {id(tensor): number for number, tensor in enumerate(model.inputs)}
    said: list[Any] = [[[tensor.shape, tensor.dtype] for tensor in model.inputs]]
    for node in ordered_nodes(model):
        if node.is_input:
            continue
        arguments = keras.tree.map_structure(
            lambda value: (
                f"tensor {numbers[id(value)]}" if keras.utils.is_keras_tensor(value) else value
            ),
            (node.arguments.args, node.arguments.kwargs),
        )
        said.append([_kind(node.operation), _config(node.operation), arguments])
        for tensor in node.output_tensors:
            numbers[id(tensor)] = len(numbers)
    said.append([numbers[id(tensor)] for tensor in model.outputs])
    return hashlib.sha256(json.dumps(said, default=_in_words).encode()).hexdigest()


def digest_of_layouts(layouts: Iterable[Layout]) -> str:
    """Of the dtypes in which the boundary tensors are kept."""
    return ", ".join(f"{layout.dtype} as {layout.stored}" for layout in layouts)


class InputsDigest:
    """A digest of many batches of inputs, one after another."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def add(self, inputs: Any, note: Any = "") -> None:
        """Take a batch in."""
        self._digest.update(str(note).encode())
        pairs = sorted(inputs.items()) if isinstance(inputs, dict) else [("", inputs)]
        for name, value in pairs:
            for array in map(np.asarray, keras.tree.flatten(value)):
                self._digest.update(f"{name} {array.shape} {array.dtype};".encode())
                self._digest.update(_bytes(array))

    def hexdigest(self) -> str:
        """The digest of all that was taken in."""
        return self._digest.hexdigest()


def _bytes(array: np.ndarray) -> Any:
    array = np.ascontiguousarray(array)
    if array.dtype == object:
        return repr(array.tolist()).encode()
    return array.reshape(-1).view("uint8").data


def _kind(operation: Any) -> str:
    return f"{type(operation).__module__}.{type(operation).__qualname__}"


def _config(operation: Any) -> Any:
    try:
        return _without_names(operation.get_config())
    except Exception:  # no config: the class and the weights tell two of them apart
        return [[tuple(w.shape), str(w.dtype)] for w in getattr(operation, "weights", ())]


def _without_names(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_names(own) for key, own in value.items() if key != "name"}
    if isinstance(value, (list, tuple)):
        return [_without_names(own) for own in value]
    return value


def _in_words(value: Any) -> str:
    return without_addresses(f"{_kind(value)} {value!r}")
