"""Features in a directory, one entry for each data set and frozen part.

    DIRECTORY/KEY/manifest.json     what they are features of, and how they lie
    DIRECTORY/KEY/0.values          the values of the first boundary tensor, one after another
    DIRECTORY/KEY/0.index           which of them belong to which example, with checksums
    DIRECTORY/KEY.part/...          an entry that is being made

KEY is a digest of everything that the features depend on, so that an entry never changes: another
set of frozen weights makes another entry. An entry is made beside its place and renamed when it is
whole. What an interrupted run left of it is gone on with.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kerasft.errors import SourceError
from kerasft.features._index import Index
from kerasft.features._layout import Layout
from kerasft.features._padding import Padding
from kerasft.features._store import Store
from kerasft.features._values import FileValues, mapped

_MANIFEST = "manifest.json"
_FORMAT = 1
_DIGITS = 20

_WHAT_CHANGED = {
    "graph": "the frozen layers are others",
    "weights": "the frozen weights have changed",
    "inputs": "the texts, or how they are prepared, have changed",
    "dtypes": "they are to be kept in another dtype",
}


@dataclasses.dataclass
class Entry:
    """The features of one data set, as they lie in a directory.

    Attributes:
        stores: For each boundary tensor, its values.
        padding: How they are padded.
        padded_range: To which lengths the examples were padded, if that matters.
    """

    stores: list[Store]
    padding: Padding
    padded_range: list[int] | None


def key_of(identity: dict[str, Any]) -> str:
    """The name of an entry."""
    text = json.dumps({"format": _FORMAT, **identity}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


def find(directory: Path, identity: dict[str, Any], layouts: list[Layout]) -> Entry | None:
    """The entry with this identity, if it is there and whole.

    Every value is read, and compared with its checksum.
    """
    folder = directory / key_of(identity)
    manifest = _read_manifest(folder)
    if manifest.get("identity") != identity or not manifest.get("complete"):
        return None
    try:
        padding = _padding_from(manifest["padding"])
        stores = []
        for number, layout in enumerate(padding.applied_to(layouts)):
            size = manifest["sizes"][number]
            path = folder / f"{number}.values"
            if path.stat().st_size != size * layout.raw.itemsize:
                return None
            values = mapped(path, layout.raw, size)
            index = Index(layout.rank, path=folder / f"{number}.index")
            index.load(values, repair=False)
            if len(index) != (1 if layout.shared else manifest["examples"]):
                return None
            stores.append(Store(layout, _Read(values), index))
    except (OSError, KeyError, IndexError, TypeError, ValueError):
        return None
    return Entry(stores, padding, manifest.get("padded_range"))


def what_changed(directory: Path, identity: dict[str, Any]) -> str | None:
    """Why no entry serves, if there is one that is the same in all but one respect."""
    if not directory.is_dir():
        return None
    if (directory / key_of(identity)).is_dir():
        return "what was kept is damaged, or no longer what the model gives"
    for folder in sorted(directory.iterdir()):
        other = _read_manifest(folder).get("identity")
        if not isinstance(other, dict):
            continue
        changed = [name for name in identity if other.get(name) != identity[name]]
        if len(changed) == 1 and changed[0] in _WHAT_CHANGED and changed[0] != "inputs":
            return _WHAT_CHANGED[changed[0]]
    return None


class NewEntry:
    """An entry that is being made, or gone on with.

    Args:
        directory: Where entries lie; it is made.
        identity: What the features depend on.

    Raises:
        SourceError: If the directory cannot be written.
    """

    def __init__(self, directory: Path, identity: dict[str, Any]) -> None:
        self.directory = directory
        self._identity = identity
        self._final = directory / key_of(identity)
        self._part = self._final.with_name(self._final.name + ".part")
        self._lock: Any = None
        with writing(directory):
            directory.mkdir(parents=True, exist_ok=True)
            self._alone = self._is_mine()
            if not self._alone:  # another process is at it: both make one, either serves
                self._part = Path(tempfile.mkdtemp(prefix=self._part.name, dir=directory))
            self._part.mkdir(exist_ok=True)
            with open(self._part / "writable", "wb") as file:
                file.write(b"yes")
            os.remove(self._part / "writable")
        self._stores: list[Store] = []

    def padding(self, padded_range: list[int] | None) -> Padding | None:
        """How an interrupted run found that features are padded; None if it found nothing out."""
        manifest = _read_manifest(self._part)
        same = manifest.get("identity") == self._identity
        if not same or manifest.get("padded_range") != padded_range:
            return None
        try:
            return _padding_from(manifest["padding"])
        except (KeyError, TypeError):
            return None

    def begin(
        self,
        layouts: list[Layout],
        count: int,
        padding: Padding,
        padded_range: list[int] | None,
        nbytes: int,
    ) -> list[Store]:
        """Stores for the values, with what an interrupted run left in them.

        Args:
            layouts: Of the boundary tensors.
            count: How many examples there are; 0 if that is not known yet.
            padding: How features are padded.
            padded_range: The shortest and the longest length of a batch.
            nbytes: How many bytes will be written, as far as known.
        """
        manifest = self._manifest(padding, padded_range, complete=False)
        if self.padding(padded_range) != padding:
            self._clear()
        self._stores = []
        there = 0
        with writing(self._part):
            (self._part / _MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
            for number, layout in enumerate(padding.applied_to(layouts)):
                path = self._part / f"{number}.values"
                size = path.stat().st_size // layout.raw.itemsize if path.exists() else 0
                index = Index(layout.rank, count, self._part / f"{number}.index")
                end = index.load(mapped(path, layout.raw, size))
                there += end * layout.raw.itemsize
                self._stores.append(Store(layout, FileValues(path, layout.raw, end), index))
            free = shutil.disk_usage(self._part).free
        if nbytes - there > free:
            self.discard()
            raise SourceError(
                f"A cache needs room for what it keeps. Received: "
                f"{(nbytes - there) / 2**20:,.0f} MiB to write and {free / 2**20:,.0f} MiB free in "
                f"{str(self.directory)!r}. Make room, name another directory, take dtype="
                '"bfloat16" or "float16", or freeze so that the boundary is smaller.'
            )
        return self._stores

    def finish(self, count: int, padding: Padding, padded_range: list[int] | None) -> None:
        """All is there: put the entry into its place."""
        with writing(self._part):
            for store in self._stores:
                store.values.sync()  # type: ignore[attr-defined]
            manifest = self._manifest(padding, padded_range, complete=True, count=count)
            new = self._part / f"{_MANIFEST}.new"
            new.write_text(json.dumps(manifest, indent=1), encoding="utf-8")
            os.replace(new, self._part / _MANIFEST)
            if self._final.exists():  # damaged, or another process was faster
                shutil.rmtree(self._final)
            self.close()
            self._part.rename(self._final)
            for number, store in enumerate(self._stores):
                path = self._final / f"{number}.values"
                size = manifest["sizes"][number]
                store.values = _Read(mapped(path, store.layout.raw, size))

    def discard(self) -> None:
        """Leave nothing behind."""
        self.close()
        shutil.rmtree(self._part, ignore_errors=True)

    def interrupt(self) -> None:
        """Stop writing; what a later run would find stays, to be gone on with."""
        if self._alone:
            self.close()
        else:  # beside another process, in a folder of which no later run knows the name
            self.discard()

    def close(self) -> None:
        """Stop writing; what is there stays."""
        for store in self._stores:
            store.index.close()
            if isinstance(store.values, FileValues):
                store.values.close()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _manifest(
        self, padding: Padding, padded_range: list[int] | None, complete: bool, count: int = 0
    ) -> dict[str, Any]:
        return {
            "identity": self._identity,
            "complete": complete,
            "examples": count,
            "padding": dataclasses.asdict(padding),
            "padded_range": padded_range,
            "sizes": [len(store.values.array()) for store in self._stores],
        }

    def _is_mine(self) -> bool:
        """Whether no other process is making the same entry."""
        try:
            import fcntl
        except ImportError:  # Windows: two processes that make one entry at once are not told apart
            return True
        self._part.mkdir(exist_ok=True)
        self._lock = open(self._part / "lock", "wb")  # noqa: SIM115
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            self._lock = None
            return False
        return True

    def _clear(self) -> None:
        for path in self._part.iterdir():
            if path.name != "lock":
                path.unlink()


class _Read:
    """Values that are there already."""

    def __init__(self, values: Any) -> None:
        self._values = values

    def append(self, values: Any) -> int:
        raise TypeError("A finished entry is only read.")

    def array(self) -> Any:
        return self._values


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Say what went wrong with the disk, and what to do."""
    try:
        yield
    except OSError as error:
        if isinstance(error, SourceError):
            raise
        raise SourceError(
            f"`directory` must be a folder that can be written. Received: {str(folder)!r}, where "
            f"writing failed: {error}. Make room, or name another directory."
        ) from error


def _padding_from(said: dict[str, Any]) -> Padding:
    return Padding(
        tuple(tuple(axes) for axes in said["length_axes"]),
        said["keep_to"],
        tuple(tuple(shape) for shape in said["shapes"]),
        said["length"],
        said["any_length"],
    )


def _read_manifest(folder: Path) -> dict[str, Any]:
    try:
        manifest = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return manifest if isinstance(manifest, dict) else {}
