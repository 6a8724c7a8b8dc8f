"""Whether a `.keras` file is there and whole."""

import os
import zipfile
from pathlib import Path

from kerasft._checks import did_you_mean
from kerasft.errors import SourceError


def check_model_file(path: str | os.PathLike[str]) -> Path:
    """Look whether a `.keras` file is there and whole, before Keras reads it.

    Args:
        path: The file; `~` is expanded.

    Returns:
        The file as a path.

    Raises:
        SourceError: If there is no such file, or it is cut off or damaged.

    Example:
        >>> import keras, os, tempfile
        >>> from kerasft.sources import check_model_file
        >>> path = os.path.join(tempfile.mkdtemp(), "model.keras")
        >>> keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]).save(path)
        >>> check_model_file(path).name
        'model.keras'
    """
    path = Path(path).expanduser()
    if not path.is_file():
        beside = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        raise SourceError(
            f"A model file must exist. Received: {os.fspath(path)!r}, which does not. "
            f"{did_you_mean(path.name, beside)}".strip()
        )
    try:
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
            members = archive.namelist()
    except (zipfile.BadZipFile, OSError, EOFError) as error:
        raise SourceError(
            f"The file {os.fspath(path)!r} is not a whole `.keras` file: {error}. It may have "
            "been cut off while it was written or copied."
        ) from error
    if broken or "config.json" not in members:
        raise SourceError(
            f"The file {os.fspath(path)!r} is damaged: "
            + (f"its member {broken!r} does not fit its checksum." if broken else "no config.json.")
        )
    return path
