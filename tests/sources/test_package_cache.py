import json
import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from kerasft.errors import SourceError
from kerasft.sources import PackageAddress, package_cache
from kerasft.sources.package_index import FetchedFile

WHEEL, SDIST = "a" * 64, "b" * 64


def put(path="pkg/model", files=None, sha256=WHEEL, filename="toy-1.0-py3-none-any.whl"):
    """Store files under an address, as `locate` does after unpacking them."""
    files = files or {"model/config.json": "{}", "model/deep/x.csv": "a,b"}
    address = PackageAddress("Toy", "1.0", path)
    with package_cache.workspace() as folder:
        content = folder / "content"
        for name, text in files.items():
            (content / name).parent.mkdir(parents=True, exist_ok=True)
            (content / name).write_text(text)
        fetched = FetchedFile(folder / filename, filename, sha256, f"http://host/{filename}")
        sizes = {name: len(text) for name, text in files.items()}
        return package_cache.store(address, fetched, content, sizes)


def find(path="pkg/model", sha256=None, version="1.0"):
    return package_cache.find(PackageAddress("toy", version, path, sha256))


def test_what_was_put_is_found(kerasft_home):
    assert find() is None
    assert not kerasft_home.exists()  # looking makes nothing
    path = put()
    assert find() == path
    assert path.name == "model"
    assert path.is_relative_to(kerasft_home / "packages" / "toy" / "1.0")
    assert (path / "deep" / "x.csv").read_text() == "a,b"
    assert os.listdir(kerasft_home / "packages") == ["toy"]  # and nothing temporary is left
    record = json.loads((path.parents[1] / "origin.json").read_text())
    assert record["sha256"] == WHEEL
    assert record["url"].endswith(record["file"])


def test_parts_of_a_cached_folder():
    path = put()
    assert find("pkg/model/deep") == path / "deep"
    assert find("pkg/model/deep/x.csv") == path / "deep" / "x.csv"
    for other in ("pkg", "pkg/mod", "pkg/model2", "pkg/model/absent", "model"):
        assert find(other) is None
    assert find(version="1.1") is None


def test_the_digest_in_the_address_counts():
    from_sdist = put(sha256=SDIST, filename="toy-1.0.tar.gz")
    assert find() == from_sdist
    assert find(sha256=WHEEL) is None
    from_wheel = put(sha256=WHEEL)
    assert find() == find(sha256=WHEEL) == from_wheel
    assert find(sha256=SDIST) == from_sdist
    # The record holds the digest; the folder's name is only its beginning.
    assert find(sha256=WHEEL[:16] + "0" * 48) is None


@pytest.mark.parametrize("harm", ["cut", "gone", "no record", "no json", "no object", "no sizes"])
def test_a_damaged_entry_is_made_again(harm):
    path = put()
    record = path.parents[1] / "origin.json"
    if harm == "cut":
        (path / "deep" / "x.csv").write_text("a")
    elif harm == "gone":
        shutil.rmtree(path / "deep")
    elif harm == "no record":
        record.unlink()
    else:
        text = {"no json": record.read_text()[:40], "no object": "[]", "no sizes": "{}"}[harm]
        record.write_text(text)
    assert find() is None
    assert put() == path
    assert find() == path
    assert (path / "deep" / "x.csv").read_text() == "a,b"


def test_a_whole_entry_is_not_replaced():
    """Another process may be reading from it."""
    inode = put().stat().st_ino
    assert put().stat().st_ino == inode


def test_many_at_once():
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: put(), range(40)))
    assert found == {find()}


def test_workspace_is_gone_after_an_error(kerasft_home):
    def interrupted():
        with package_cache.workspace() as folder:
            (folder / "half").write_text("x")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert os.listdir(kerasft_home / "packages") == []


def test_leftovers_of_killed_runs(kerasft_home):
    old, young = (kerasft_home / "packages" / f".partial-{name}" for name in ("old", "young"))
    for folder in (old, young):
        (folder / "content").mkdir(parents=True)
        (folder / "content" / "x.csv").write_text("x")
    yesterday = time.time() - 86400
    for path in (old, *old.rglob("*")):
        os.utime(path, (yesterday, yesterday))
    assert find() is None
    with package_cache.workspace():
        pass
    assert not old.exists()
    assert (young / "content" / "x.csv").exists()  # perhaps a run that still goes on


def test_a_home_that_cannot_be_written(kerasft_home):
    kerasft_home.mkdir()
    (kerasft_home / "packages").write_text("in the way")
    message = (
        "`KERASFT_HOME` must be a folder that can be written.*name another folder in KERASFT_HOME"
    )
    with pytest.raises(SourceError, match=message), package_cache.workspace():
        pass


def test_a_disk_that_fills_up():
    message = r"Writing failed: \[Errno 28\].*Make room"
    with pytest.raises(SourceError, match=message), package_cache.workspace():
        raise OSError(28, "No space left on device")


def test_errors_of_ours_pass_through():
    with pytest.raises(SourceError, match=r"^mine$"), package_cache.workspace():
        raise SourceError("mine")
