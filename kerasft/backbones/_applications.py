"""Loading the vision models of `keras.applications`."""

import functools
import inspect
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras

from kerasft._checks import check_choice, did_you_mean, fail
from kerasft.backbones._loaded import Loaded
from kerasft.errors import ArgumentError, SourceError


def load(
    application: str | Callable[..., keras.Model],
    weights: str | os.PathLike[str] | None,
    input_shape: tuple[int, int, int] | None,
    kwargs: dict[str, Any],
) -> Loaded:
    """Build an application without its top, load its weights, and explain a failure."""
    build = _find(application)
    if "include_top" in kwargs:
        fail("include_top", kwargs["include_top"], "left out: a backbone has no classifier")
    from_file = weights is not None and _is_path(weights)
    if from_file and not Path(weights).is_file():  # type: ignore[arg-type]
        raise SourceError(
            f"A weights file must exist. Received: weights={os.fspath(weights)!r}, which does "  # type: ignore[arg-type]
            "not. To use a named set, give its name, such as 'imagenet'."
        )
    named = None if from_file else weights
    arguments = {"weights": named, "input_shape": input_shape, **kwargs}
    try:
        model = build(include_top=False, **arguments)
    except (ValueError, TypeError) as error:
        raise ArgumentError(_explain(build, weights, kwargs, error)) from error
    except Exception as error:
        raise SourceError(
            f"Could not load the weights {weights!r} of {build.__name__}: "
            f"{type(error).__name__}: {error} Keras fetches them from the network once. Check the "
            "connection, or give a weights file with `weights=PATH`."
        ) from error
    if from_file:
        _load_file(model, Path(weights), build.__name__)  # type: ignore[arg-type]
    family = sys.modules[build.__module__]
    source = f"keras.applications.{build.__name__}, weights {_shown(weights)}"
    make = functools.partial(
        _preprocessor, model, getattr(family, "preprocess_input", None), input_shape
    )
    return Loaded(model, source, make)


def names() -> list[str]:
    """The names of all applications."""
    return [
        name
        for name in dir(keras.applications)
        if name[0].isupper() and callable(getattr(keras.applications, name))
    ]


def _find(application: str | Callable[..., keras.Model]) -> Callable[..., keras.Model]:
    if callable(application):
        return application
    return getattr(keras.applications, check_choice("application", application, names()))


def _is_path(weights: Any) -> bool:
    if isinstance(weights, str):
        return os.sep in weights or weights.endswith((".h5", ".keras"))
    return isinstance(weights, os.PathLike)


def _shown(weights: Any) -> str:
    if weights is None:
        return "random"
    return Path(weights).name if _is_path(weights) else str(weights)


def _explain(
    build: Callable[..., keras.Model], weights: Any, kwargs: dict[str, Any], error: Exception
) -> str:
    """Which argument is wrong, as Keras says it, with the likely spelling."""
    parts = [f"keras.applications.{build.__name__} cannot be built so: {error}"]
    known = inspect.signature(build).parameters
    parts += [did_you_mean(name, known) for name in kwargs if name not in known]
    if isinstance(weights, str) and not _is_path(weights) and "weights" in str(error):
        parts.append(did_you_mean(weights, ("imagenet",)))
    return " ".join(part for part in parts if part)


def _load_file(model: keras.Model, path: Path, name: str) -> None:
    """Load a weights file; the classifier's weights in it are left aside."""
    try:
        if _has_named_layers(path):
            _load_by_name(model, path)
        else:
            model.load_weights(path)
    except Exception as error:
        raise SourceError(
            f"The weights file {os.fspath(path)!r} does not fit {name}, or is damaged: "
            f"{type(error).__name__}: {error} Check that the arguments (`alpha`, `depth`) are "
            "those with which the weights were made."
        ) from error


def _has_named_layers(path: Path) -> bool:
    """Whether it is a file of Keras 2, which keeps weights by the names of layers."""
    import h5py

    if path.suffix == ".keras":
        return False
    with h5py.File(path, "r") as file:
        return "layer_names" in file.attrs or "model_weights" in file


def _load_by_name(model: keras.Model, path: Path) -> None:
    """Load the layers that the model has; Keras passes over one that is missing in silence."""
    import h5py

    with h5py.File(path, "r") as file:
        group = file.get("model_weights", file)
        present = {name for name in group if len(group[name].attrs.get("weight_names", ()))}
    missing = [layer.name for layer in model.layers if layer.weights and layer.name not in present]
    if missing:
        raise ValueError(
            f"it has no weights for {len(missing)} layers, the first being {missing[0]!r}."
        )
    model.load_weights(path, by_name=True)


def _preprocessor(
    model: keras.Model,
    scale: Callable[..., Any] | None,
    input_shape: tuple[int, int, int] | None,
    image_size: tuple[int, int] | None = None,
) -> Any:
    from kerasft.backbones.image_preprocessor import ImagePreprocessor

    if image_size is None:
        shape = input_shape or model.input_shape[1:]
        channels_first = keras.config.image_data_format() == "channels_first"
        height, width = shape[1:] if channels_first else shape[:2]
        image_size = (height or 224, width or 224)
    return ImagePreprocessor(image_size, scale=scale)
