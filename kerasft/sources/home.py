"""The folder in which kerasft keeps what it fetched."""

import os
from pathlib import Path

from kerasft._checks import fail
from kerasft.errors import SourceError

VARIABLE = "KERASFT_HOME"


def home() -> Path:
    """The folder in which kerasft keeps what it fetched; it need not exist yet.

    Returns:
        The folder named by the environment variable `KERASFT_HOME`, else `.kerasft` in the
        user's home folder; always an absolute path.

    Raises:
        SourceError: if `KERASFT_HOME` names something that is not a folder.

    Example:
        >>> from unittest import mock
        >>> from kerasft.sources import home
        >>> with mock.patch.dict("os.environ", KERASFT_HOME="some_folder"):
        ...     print(home().name)
        some_folder
    """
    named = os.environ.get(VARIABLE, "")
    try:
        folder = Path(named or "~/.kerasft").expanduser().absolute()
    except RuntimeError as error:  # pathlib's word for a home folder that cannot be found out
        fail(VARIABLE, named, "a folder", f"{error} Give an absolute path.", SourceError)
    if folder.exists() and not folder.is_dir():
        fail(VARIABLE, str(folder), "a folder", "A file of that name is in the way.", SourceError)
    return folder
