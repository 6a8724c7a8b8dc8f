import io
import pickle
import re
import stat
import tarfile
import tempfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasft.errors import SourceError
from kerasft.sources import archives
from kerasft.sources.archives import PathMissingError, unpack

FILES = {
    "pkg/__init__.py": b"print('code')",
    "pkg/model/config.json": b"{}",
    "pkg/model/deep/weights.h5": b"\x00\x01",
    "pkg/model/tool.PY": b"code",
    "pkg/model/native.so": b"code",
    "pkg/other.csv": b"a,b\n",
    "pkg/modelling.txt": b"not in the folder",
}


class Special:
    """A member of a tar file that is no plain file."""

    def __init__(self, kind):
        self.kind = kind


def zipped(files):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            if isinstance(content, int):  # a special file: its mode
                info.external_attr = content << 16
                content = b"elsewhere"
            file.writestr(info, content)
    return packed.getvalue()


def tarred(files, compression="gz"):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=f"w:{compression}") as file:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            if isinstance(content, Special):
                info.type, info.linkname, content = content.kind, "elsewhere", b""
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))
    return packed.getvalue()


PACKERS = {
    "a.zip": zipped,
    "a.whl": zipped,
    "a.tar.gz": tarred,
    "a.tgz": tarred,
    "a.tar": lambda files: tarred(files, ""),
    "a.tar.bz2": lambda files: tarred(files, "bz2"),
    "a.tar.xz": lambda files: tarred(files, "xz"),
}
KINDS = ["a.zip", "a.tar.gz"]


def unpacked(tmp_path, name, content, path, **options):
    """What lies on disk after unpacking, by relative path."""
    (tmp_path / name).write_bytes(content)
    into = Path(tempfile.mkdtemp(dir=tmp_path))
    sizes = unpack(tmp_path / name, path, into, **options)
    found = {
        file.relative_to(into).as_posix(): file.read_bytes()
        for file in into.rglob("*")
        if file.is_file()
    }
    assert sizes == {file: len(content) for file, content in found.items()}
    return found


@pytest.mark.parametrize("name", PACKERS)
def test_folder_without_its_code(tmp_path, name):
    found = unpacked(tmp_path, name, PACKERS[name](FILES), "pkg/model")
    assert found == {"model/config.json": b"{}", "model/deep/weights.h5": b"\x00\x01"}


@pytest.mark.parametrize("name", PACKERS)
def test_single_file(tmp_path, name):
    assert unpacked(tmp_path, name, PACKERS[name](FILES), "pkg/other.csv") == {
        "other.csv": b"a,b\n"
    }


@pytest.mark.parametrize("name", KINDS)
def test_top_folder_is_left_out(tmp_path, name):
    content = PACKERS[name]({f"toy-1.0/{member}": data for member, data in FILES.items()})
    found = unpacked(tmp_path, name, content, "pkg/other.csv", in_one_folder=True)
    assert found == {"other.csv": b"a,b\n"}


def test_top_folder_is_only_left_out_where_there_is_one(tmp_path):
    content = zipped({"a/x.csv": b"1", "b/x.csv": b"2"})
    assert unpacked(tmp_path, "a.zip", content, "a", in_one_folder=True) == {"a/x.csv": b"1"}


@pytest.mark.parametrize("inner", PACKERS)
@pytest.mark.parametrize("outer", KINDS)
def test_path_through_archives(tmp_path, outer, inner):
    middle = PACKERS[outer]({f"in/{inner}": PACKERS[inner](FILES)})
    content = PACKERS[outer]({f"data/{outer}": middle})
    path = f"data/{outer}/in/{inner}/pkg/model/deep"
    assert unpacked(tmp_path, outer, content, path) == {"deep/weights.h5": b"\x00\x01"}


def test_an_archive_named_last_stays_packed(tmp_path):
    inner = tarred(FILES)
    assert unpacked(tmp_path, "a.zip", zipped({"d/i.tar.gz": inner}), "d") == {"d/i.tar.gz": inner}
    content = zipped({"d/i.tar.gz": inner})
    assert unpacked(tmp_path, "a.zip", content, "d/i.tar.gz") == {"i.tar.gz": inner}


def test_names_are_normalized(tmp_path):
    found = unpacked(tmp_path, "a.tar.gz", tarred({"./d//x.csv": b"1"}), "d/x.csv")
    assert found == {"x.csv": b"1"}


parts = st.text(st.sampled_from("ab.\\:C/ "), min_size=1, max_size=8)


@settings(deadline=None, max_examples=80)
@given(st.dictionaries(parts, st.binary(max_size=30), max_size=5), st.sampled_from(KINDS), parts)
def test_nothing_is_written_outside(files, name, path):
    with tempfile.TemporaryDirectory() as folder:
        archive, into = Path(folder, name), Path(folder, "in", "to")
        into.mkdir(parents=True)
        archive.write_bytes(PACKERS[name](files))
        try:
            sizes = unpack(archive, path, into)
        except (SourceError, PathMissingError):
            sizes = None
        written = {file for file in Path(folder).rglob("*") if file.is_file()} - {archive}
        assert all(file.is_relative_to(into) for file in written)
        if sizes is not None:
            assert written == {into / file for file in sizes}


names = st.text(st.sampled_from("abcé ._-"), min_size=1, max_size=6).filter(
    lambda name: name.strip(".") and not name.endswith(tuple(archives.CODE_SUFFIXES))
)


@settings(deadline=None, max_examples=40)
@given(
    st.dictionaries(names, st.binary(max_size=3000), min_size=1, max_size=6), st.sampled_from(KINDS)
)
def test_content_is_the_same(files, name):
    with tempfile.TemporaryDirectory() as folder:
        content = PACKERS[name]({f"top/{member}": data for member, data in files.items()})
        found = unpacked(Path(folder), name, content, "top")
    assert found == {f"top/{member}": data for member, data in files.items()}


CLIMBING = ["../x.csv", "pkg/../../x.csv", "/etc/x.csv", "C:/x.csv", "pkg\\..\\x.csv", "\\x.csv"]


@pytest.mark.parametrize("climbing", CLIMBING)
@pytest.mark.parametrize("name", KINDS)
def test_climbing_names_make_the_whole_archive_suspect(tmp_path, name, climbing):
    content = PACKERS[name](FILES | {climbing: b"1"})
    with pytest.raises(SourceError, match="`member` must be a name inside the archive") as caught:
        unpacked(tmp_path, name, content, "pkg/model")
    assert repr(climbing) in str(caught.value)
    assert f"found in {name}, of which nothing was kept" in str(caught.value)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_links_in_tar_files(tmp_path, kind):
    for path in ("d", "d/x.csv"):
        with pytest.raises(SourceError, match=r"`member` must be a plain file.*This is a link"):
            unpacked(tmp_path, "a.tar.gz", tarred({"d/x.csv": Special(kind)}), path)
    # One that was not asked for does no harm.
    files = {"elsewhere/x.csv": Special(kind), "d/x.csv": b"1"}
    assert unpacked(tmp_path, "a.tar.gz", tarred(files), "d") == {"d/x.csv": b"1"}


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_devices_in_tar_files(tmp_path, kind):
    with pytest.raises(SourceError, match="This is a device"):
        unpacked(tmp_path, "a.tar.gz", tarred({"d/x.csv": Special(kind)}), "d")


@pytest.mark.parametrize(
    ("mode", "word"), [(stat.S_IFLNK, "link"), (stat.S_IFIFO, "device"), (stat.S_IFCHR, "device")]
)
def test_links_and_devices_in_zip_files(tmp_path, mode, word):
    with pytest.raises(SourceError, match=f"This is a {word}"):
        unpacked(tmp_path, "a.zip", zipped({"d/x.csv": mode | 0o777}), "d")


@pytest.mark.parametrize("suffix", sorted(archives.PICKLE_SUFFIXES))
def test_pickles_by_name(tmp_path, suffix):
    with pytest.raises(SourceError, match=r"anything but a pickle.*name the safe files"):
        unpacked(tmp_path, "a.zip", zipped({f"d/x{suffix.upper()}": b"1", "d/y.csv": b"2"}), "d")


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize(
    "value", [{}, [1, "a"], (1, 2), "text", b"bytes", {"a": 1.5}, 3, None, set()]
)
def test_pickles_by_how_they_begin(tmp_path, protocol, value):
    content = pickle.dumps(value, protocol)
    with pytest.raises(SourceError, match="anything but a pickle"):
        unpacked(tmp_path, "a.zip", zipped({"d/pytorch_model.bin": content}), "d")


def test_packed_pytorch_files_by_how_they_begin(tmp_path):
    content = zipped({"archive/data.pkl": b"1", "archive/data/0": b"2"})
    with pytest.raises(SourceError, match="anything but a pickle"):
        unpacked(tmp_path, "a.zip", zipped({"d/pytorch_model.bin": content}), "d")


@pytest.mark.parametrize("content", [b"", b"\x80", b"\x80\x04", b"PK\x03\x04", zipped({"a": b"1"})])
def test_other_binary_files_are_data(tmp_path, content):
    assert unpacked(tmp_path, "a.zip", zipped({"d/x.bin": content}), "d") == {"d/x.bin": content}


def test_code_named_by_itself(tmp_path):
    with pytest.raises(SourceError, match=r"must be a data file.*Program code is not unpacked"):
        unpacked(tmp_path, "a.zip", zipped(FILES), "pkg/__init__.py")
    with pytest.raises(PathMissingError, match="nothing but program code"):
        unpacked(tmp_path, "a.zip", zipped({"d/x.py": b""}), "d")


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        (
            "pkg/modle",
            "In a.zip, folder 'pkg/' there is: 'model', 'modelling.txt', 'other.csv'. "
            "Did you mean 'model'",
        ),
        ("pgk/model", "In a.zip there is: 'pkg'. Did you mean 'pkg'?"),
        ("pkg/model/depe/weights.h5", "folder 'pkg/model/' there is: 'config.json', 'deep'."),
        ("pkg/other.csv/x", "In a.zip 'pkg/other.csv' is a file, and no archive."),
    ],
)
def test_missing_path(tmp_path, path, hint):
    with pytest.raises(PathMissingError, match=re.escape(hint)):
        unpacked(tmp_path, "a.zip", zipped(FILES), path)


def test_missing_path_in_an_inner_archive(tmp_path):
    content = zipped({"d/i.zip": zipped(FILES)})
    with pytest.raises(PathMissingError, match=re.escape("In d/i.zip there is: 'pkg'.")):
        unpacked(tmp_path, "a.zip", content, "d/i.zip/pgk")


@pytest.mark.parametrize("name", PACKERS)
def test_cut_archives(tmp_path, name):
    content = PACKERS[name]({"d/x.csv": bytes(range(256)) * 500})
    with pytest.raises((SourceError, PathMissingError)):
        unpacked(tmp_path, name, content[: len(content) // 2], "d")
    with pytest.raises(SourceError, match=r"`archive` must be a whole zip or tar file.*failed"):
        unpacked(tmp_path, name, b"", "d")


def test_changed_bytes(tmp_path):
    content = zipped({"d/x.csv": b"0123456789"}).replace(b"0123456789", b"1")
    packed = bytearray(zipped({"d/x.csv": bytes(range(256))}))
    packed[60:70] = b"\0" * 10
    for damaged in (content[:-30], bytes(packed)):
        with pytest.raises(SourceError, match="a whole zip or tar file"):
            unpacked(tmp_path, "a.zip", damaged, "d")


def test_passwords_are_told(tmp_path):
    packed = bytearray(zipped({"d/x.csv": b"1"}))
    for header, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        packed[packed.index(header) + offset] |= 1
    with pytest.raises(SourceError, match="password"):
        unpacked(tmp_path, "a.zip", bytes(packed), "d")


@pytest.mark.parametrize("name", KINDS)
def test_declared_size_is_limited(tmp_path, name, monkeypatch):
    monkeypatch.setattr(archives, "LARGEST_UNPACKED", 1000)
    content = PACKERS[name]({"elsewhere": b"\0" * 900, "d/x.csv": b"\0" * 101})
    assert len(content) < 1000
    with pytest.raises(SourceError, match=r"at most 1,000 bytes unpacked.*It declares more"):
        unpacked(tmp_path, name, content, "d")


def test_bomb_inside_an_inner_archive(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "LARGEST_UNPACKED", 1000)
    content = zipped({"i.zip": zipped({"d/x.csv": b"\0" * 1001})})
    with pytest.raises(SourceError, match=r"archive='i.zip'.*It declares more"):
        unpacked(tmp_path, "a.zip", content, "i.zip/d")


@pytest.mark.parametrize("name", KINDS)
def test_number_of_members_is_limited(tmp_path, name, monkeypatch):
    monkeypatch.setattr(archives, "MOST_MEMBERS", 3)
    content = PACKERS[name]({f"d/{number}": b"" for number in range(4)})
    with pytest.raises(SourceError, match="in 3 files"):
        unpacked(tmp_path, name, content, "d")


def test_more_bytes_than_declared(tmp_path):
    packed = bytearray(zipped({"d/x.csv": b"\0" * 5000}))
    position = packed.index(b"PK\x01\x02") + 24
    packed[position : position + 4] = (10).to_bytes(4, "little")
    with pytest.raises(SourceError, match="a whole zip or tar file"):
        unpacked(tmp_path, "a.zip", bytes(packed), "d")


def test_a_disk_too_small(tmp_path, monkeypatch):
    monkeypatch.setattr(archives.shutil, "disk_usage", lambda folder: type("", (), {"free": 3}))
    with pytest.raises(SourceError, match=r"a\.zip needs 4 bytes there, and 3 are free"):
        unpacked(tmp_path, "a.zip", zipped({"d/x.csv": b"1234"}), "d")


def test_a_name_that_is_file_and_folder(tmp_path):
    content = tarred({"d/x": b"1", "d/x/y": b"2"})
    with pytest.raises(SourceError, match="The folder's name is a file's too"):
        unpacked(tmp_path, "a.tar.gz", content, "d")
