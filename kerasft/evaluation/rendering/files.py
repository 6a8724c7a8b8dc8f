"""Files that are written whole or not at all."""

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kerasft._checks import fail, received
from kerasft.errors import DataError, SourceError
from kerasft.evaluation.rendering.document import Document
from kerasft.evaluation.rendering.html import as_page
from kerasft.evaluation.rendering.markdown import as_markdown


def save_in_form(
    path: "str | os.PathLike[str]",
    what: str,
    to_dict: Callable[[], dict[str, Any]],
    document: Callable[[], Document],
) -> None:
    """Write what is shown whole, in the form that the path's ending says.

    Args:
        path: it ends in `.json`, `.md` or `.html`.
        what: what is written, such as "report", for the error.
        to_dict: makes plain values, NaN as None.
        document: makes what is shown.

    Raises:
        ArgumentError: for another ending.
        SourceError: if the file cannot be written.
    """
    path = Path(path)
    forms = {
        ".json": lambda: json.dumps(to_dict(), ensure_ascii=False, indent=1) + "\n",
        ".md": lambda: as_markdown(document()),
        ".html": lambda: as_page(document()),
    }
    form = forms.get(path.suffix.lower())
    if form is None:
        fail("path", str(path), f"a file name that ends in {', '.join(forms)}")
    text = form()
    try:
        write_whole(path, text)
    except OSError as error:
        raise SourceError(f"The {what} could not be written to {path}: {error}") from error


def read_json(path: "str | os.PathLike[str]", what: str, form: str, version: int) -> dict[str, Any]:
    """What `save_in_form` wrote to a `.json` file.

    Raises:
        SourceError: if the file cannot be read.
        DataError: if it holds something else.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise SourceError(f"No {what} could be read from {path}: {error}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} holds no {what}: it is no text. {error}") from error
    try:
        content = json.loads(text)
    except ValueError as error:
        raise DataError(
            f"{path} holds no {what}: it is no JSON ({error}). Only a {what} saved with the "
            "ending .json can be loaded again."
        ) from error
    if not isinstance(content, dict) or content.get("format") != form:
        raise DataError(f"{path} holds no {what} of kerasft's. {received('content', content)}")
    if content.get("version") != version:
        raise DataError(
            f"{path} holds a {what} of version {content.get('version')!r}, and this kerasft "
            f"reads version {version}."
        )
    return content


def write_whole(path: Path, text: str) -> None:
    """Write beside the place and move it there, so that no half of a file is ever left."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        # mkstemp makes files that only their owner reads; a report is an ordinary file.
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(name, 0o666 & ~mask)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
