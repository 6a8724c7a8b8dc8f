"""Backbones that all estimators of this process share: loaded once, and never changed."""

import contextlib
import dataclasses
import functools
import hashlib
import json
import os
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from pathlib import Path
from typing import Any

import keras

from kerasft._checks import check_type, fail
from kerasft._digests import digest_of_weights, without_addresses
from kerasft.backbones import Backbone
from kerasft.data import Preprocessor
from kerasft.structure import is_graph, said_blocks, walk

_KEPT = 4

_loaded: OrderedDict[Hashable, "SharedBackbone"] = OrderedDict()
_preprocessors: weakref.WeakKeyDictionary[Backbone, dict[int, Preprocessor]] = (
    weakref.WeakKeyDictionary()
)


@dataclasses.dataclass(frozen=True)
class SharedBackbone:
    """A backbone under the name by which it is known in this process.

    Attributes:
        key: What tells it from others.
        backbone: For models in which nothing of it trains: its weights stay what they are.
        given: What makes preprocessors; the user's own object, where one was given.
        build: A digest of all that makes up its outputs, but for the weights.
    """

    key: Hashable
    backbone: Backbone
    given: Backbone
    build: str

    def preprocessor(self, sequence_length: int) -> Preprocessor:
        """The preprocessor for a length, made once."""
        made = _preprocessors.setdefault(self.given, {})
        if sequence_length not in made:
            made[sequence_length] = self.given.preprocessor(sequence_length=sequence_length)
        return made[sequence_length]


def check_backbone(given: Any, dtype: Any) -> None:
    """Refuse what can be no backbone, without loading anything."""
    rule = "an address such as 'hf://ORG/MODEL', a Backbone, or a function that makes one"
    if not isinstance(given, (str, os.PathLike, Backbone)) and not callable(given):
        fail("backbone", given, rule)
    if dtype is not None and not isinstance(given, (str, os.PathLike)):
        fail("dtype", dtype, "None where `backbone` is no address", "Load it in that dtype.")


def shared_backbone(given: Any, dtype: Any) -> SharedBackbone:
    """The shared backbone for what the user gave; it is loaded, or copied, the first time.

    A `Backbone` object is copied: estimators never change what is the user's, and what the user
    does to it later is another backbone.
    """
    key = _key_of(given, dtype)
    own = given if isinstance(given, Backbone) else None
    if key in _loaded:
        _loaded.move_to_end(key)
        shared = _loaded[key]
        return dataclasses.replace(shared, given=shared.given if own is None else own)
    if own is not None:
        backbone = copy_of(own)
    elif isinstance(given, (str, os.PathLike)):
        backbone = Backbone.from_preset(given, dtype=dtype)
    else:
        rule = "a function without arguments that gives a kerasft.Backbone"
        backbone = check_type("backbone()", given(), Backbone, rule)
    build = _digest_of_build(backbone.model)
    _loaded[key] = SharedBackbone(key, backbone, backbone if own is None else own, build)
    while len(_loaded) > _KEPT:
        _loaded.popitem(last=False)
    return _loaded[key]


def copy_of(backbone: Backbone) -> Backbone:
    """A backbone of the same build and weights that shares nothing with it."""
    model = backbone.model
    has_graph = is_graph(model) and model.built
    # A model of a class of its own keeps what is known of it, such as its list of blocks.
    is_plain = isinstance(model, keras.Sequential) or type(model).__name__ == "Functional"
    if is_plain:
        copied = keras.models.clone_model(model)
    else:
        copied = type(model).from_config(model.get_config())
    result = Backbone(
        copied,
        source=backbone.source,
        make_preprocessor=backbone.preprocessor,
        inputs=None if has_graph else backbone.input,
        blocks=said_blocks(model),
    )
    copied.set_weights(model.get_weights())
    return result


@contextlib.contextmanager
def leaving_no_trace(backbone: Backbone) -> Iterator[None]:
    """Attach heads within, and let the backbone's layers not keep them for ever.

    Each Keras operation lists what was ever called on its outputs. Nothing reads the list, but a
    shared backbone would hold every head of a long search by it.
    """
    operations = {
        id(operation): operation
        for tensor in keras.tree.flatten([backbone.input, backbone.output])
        for operation in (tensor._keras_history.operation,)
    }
    lists = [operation._outbound_nodes for operation in operations.values()]
    counts = [len(nodes) for nodes in lists]
    try:
        yield
    finally:
        for nodes, count in zip(lists, counts, strict=True):
            del nodes[count:]


def forget_backbones() -> None:
    """Drop what is shared; estimators that use it keep it until they go."""
    _loaded.clear()
    _preprocessors.clear()


def _key_of(given: Any, dtype: Any) -> Hashable:
    if isinstance(given, Backbone):
        build = _digest_of_build(given.model)
        weights = digest_of_weights(given.model)
        return "given", given.source, type(given.model).__name__, build, weights
    if isinstance(given, (str, os.PathLike)):
        policy = keras.config.dtype_policy() if dtype is None else keras.dtype_policies.get(dtype)
        return "address", os.fspath(given), policy.name, _state_of_folder(given)
    return "made by", _key_of_function(given)


def _digest_of_build(model: keras.Model) -> str:
    """Of its layers, how they are joined and in which dtypes: equal weights do not tell these.

    Names that Keras makes up count on from one model to the next, and freezing changes no output.
    """
    try:
        config = model.get_config()
    except Exception:  # no config: its class and weights are all that is known
        return ""
    named = [model.name, *(layer.name for _, layer in walk(model)), *_names_in(config)]
    numbers = {name: f"layer {number}" for number, name in enumerate(dict.fromkeys(named))}

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            left_out = ("trainable", "shared_object_id")
            return {str(key): plain(own) for key, own in value.items() if key not in left_out}
        if isinstance(value, (list, tuple)):
            return [plain(own) for own in value]
        return numbers.get(value, value) if isinstance(value, str) else value

    text = json.dumps(plain(config), sort_keys=True, default=repr)
    return hashlib.sha256(without_addresses(text).encode()).hexdigest()


def _names_in(config: Any) -> Iterator[str]:
    """The names of the layers in a model's config, inputs included."""
    if isinstance(config, dict):
        own = config.get("config")
        if isinstance(own, dict) and ("inbound_nodes" in config or "batch_shape" in own):
            yield str(own.get("name"))
        config = list(config.values())
    if isinstance(config, (list, tuple)):
        for value in config:
            yield from _names_in(value)


def _state_of_folder(address: str | os.PathLike[str]) -> Hashable:
    """A folder that was written again is another backbone."""
    folder = Path(address).expanduser()
    if not folder.is_dir():
        return None
    return tuple(
        sorted(
            (file.name, file.stat().st_mtime_ns, file.stat().st_size) for file in folder.iterdir()
        )
    )


def _key_of_function(function: Callable[..., Any]) -> Hashable:
    """Two equal `functools.partial`s are one function; cloning an estimator copies them."""
    if isinstance(function, functools.partial):
        try:
            key = function.func, function.args, tuple(sorted(function.keywords.items()))
            hash(key)
        except TypeError:
            return function
        return key
    return function
