import os
import re
import sys
import venv
from pathlib import Path

import pytest

from kerasft.errors import SourceError
from kerasft.sources import PackageAddress, package_index

FILES = {"pkg/data.csv": b"a,b\n"}


@pytest.fixture
def fetch(tmp_path):
    """Fetch into a folder that must be empty afterwards wherever fetching failed."""
    folder = tmp_path / "fetched"
    folder.mkdir()

    def fetch(source, **options):
        address = PackageAddress.parse(source)
        return package_index.fetch(address, folder, progress=False, **options)

    fetch.folder = folder
    return fetch


def refused(fetch, source):
    with pytest.raises(SourceError) as caught:
        fetch(source)
    message = str(caught.value)
    assert message.startswith(
        "`source` must be a distribution that pip can fetch. Received: source="
    )
    assert repr(source) in message
    return message


def test_files_in_their_order(index, fetch, monkeypatch):
    # Neither the tags nor the Python that a wheel asks for matter to who only reads its data, and
    # what the user allows pip to build matters neither, since nothing is built.
    monkeypatch.setenv("PIP_NO_BINARY", ":all:")
    other = index.wheel(FILES, tags="cp27-cp27m-win32", requires="<3")
    here = index.wheel(FILES, tags=f"py3-none-{_platform()}")
    anywhere = index.wheel(FILES, tags="py2-none-any")
    index.sdist(FILES)
    found = fetch("pypi://Toy==1/pkg")
    assert (found.filename, found.sha256) == ("toy-1.0-py2-none-any.whl", anywhere)
    assert found.path.parent == fetch.folder
    (index.folder / found.filename).unlink()
    found = fetch("pypi://toy==1.0/pkg")
    assert found.sha256 == here
    (index.folder / found.filename).unlink()
    found = fetch("pypi://toy==1.0/pkg")
    assert (found.filename, found.sha256) == ("toy-1.0-cp27-cp27m-win32.whl", other)
    # After one wheel, others of the same version would hardly tell more.
    found = fetch("pypi://toy==1.0/pkg", skip=["toy-1.0-py2-none-any.whl"])
    assert (found.filename, found.is_wheel) == ("toy-1.0.tar.gz", False)


def _platform():
    from sysconfig import get_platform

    return get_platform().replace("-", "_").replace(".", "_")


def test_nothing_is_executed(index, fetch, tmp_path):
    marker = tmp_path / "executed"
    trap = f"open({str(marker)!r}, 'w').close()".encode()
    project = b'[build-system]\nrequires = []\nbuild-backend = "trap"\nbackend-path = ["."]\n'
    code = {"setup.py": trap, "trap.py": trap, "pyproject.toml": project, "pkg/__init__.py": trap}
    index.sdist(FILES | code)
    assert fetch("pypi://toy==1.0/pkg").filename == "toy-1.0.tar.gz"
    assert not marker.exists()


def test_a_digest_chooses_the_file(index, server, fetch):
    index.wheel(FILES)
    pinned = index.sdist(FILES)
    assert fetch(f"pypi://toy==1.0/pkg#sha256={pinned}").filename == "toy-1.0.tar.gz"
    assert [path for path in server.requests if path.endswith(".whl")] == []  # digests are told


def test_a_digest_that_nothing_has(index, fetch):
    seen = [index.wheel(FILES), index.sdist(FILES)]  # a folder tells no digests
    pinned = "0" * 64
    message = refused(fetch, f"pypi://toy==1.0/pkg#sha256={pinned}")
    assert (
        f"should be sha256={pinned}, but toy-1.0-py3-none-any.whl has sha256={seen[0]}" in message
    )
    assert f"toy-1.0.tar.gz has sha256={seen[1]}" in message
    assert "Nothing was kept" in message
    assert os.listdir(fetch.folder) == []


def test_unknown_version(index, fetch):
    for version in ("0.9", "1.0", "1.2.3"):
        index.wheel(FILES, version=version)
    message = refused(fetch, "pypi://toy==1.2.4/pkg")
    assert "has 3 version(s) of 'toy', the newest '1.2.3'. Did you mean '1.2.3'" in message


def test_a_version_that_may_be_where_pip_could_not_look(index, fetch, monkeypatch):
    index.wheel(FILES)
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    message = refused(fetch, "pypi://toy==2.0/pkg")
    assert "the newest '1.0'" in message
    assert "pip says: Could not fetch URL http://127.0.0.1:9/simple/toy/" in message


def test_unknown_distribution(index, server, fetch):
    message = refused(fetch, "pypi://tyo==1.0/pkg")
    assert f"No file of 'tyo' was found in: http://127.0.0.1:{server.port}/simple." in message
    assert "404" in message
    assert "Check the spelling of the name, the network, and pip's settings" in message


def test_an_index_that_does_not_answer(index, server, fetch, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "http://user:secret@127.0.0.1:9/simple")
    message = refused(fetch, "pypi://toy==1.0/pkg")
    assert "was found in: http://****@127.0.0.1:9/simple" in message
    assert "refused" in message
    assert "secret" not in message


def test_credentials_of_the_index_hold(index, server, fetch, monkeypatch):
    index.wheel(FILES)
    server.ask_for("user", "secret")
    url = f"http://user:secret@127.0.0.1:{server.port}/simple"
    monkeypatch.setenv("PIP_INDEX_URL", url)
    found = fetch("pypi://toy==1.0/pkg")
    assert "secret" not in found.url
    assert found.url.endswith("/files/toy-1.0-py3-none-any.whl")


def test_a_file_that_is_not_what_the_index_says(index, server, fetch):
    got = index.wheel(FILES)
    server.digest = "0" * 64
    message = refused(fetch, "pypi://toy==1.0/pkg")
    assert f"came with sha256={got}, but the index says sha256={server.digest}" in message


def test_environment_without_pip(index, fetch, tmp_path, monkeypatch):
    venv.create(tmp_path / "venv", symlinks=os.name != "nt")
    python = next((tmp_path / "venv").glob("[bS]*/python*"))
    monkeypatch.setattr(sys, "executable", str(python))
    monkeypatch.delenv("PYTHONPATH", raising=False)
    message = refused(fetch, "pypi://toy==1.0/pkg")
    assert f"pip is not installed beside {str(python)!r}" in message
    assert f"{python} -m ensurepip" in message


def test_a_pip_that_works_differently(index, fetch, tmp_path, monkeypatch):
    (tmp_path / "pip").mkdir()
    (tmp_path / "pip" / "__init__.py").write_text("__version__ = '99'")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    message = refused(fetch, "pypi://toy==1.0/pkg")
    assert "pip 99 works differently inside" in message
    assert "give the local path" in message


def test_wrong_settings(index, fetch, monkeypatch):
    monkeypatch.setenv("PIP_TIMEOUT", "soon")
    message = refused(fetch, "pypi://toy==1.0/pkg")
    assert "pip failed" in message
    assert "invalid floating-point value: 'soon'" in message


def test_no_python(index, fetch, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    assert "'/no/such/python' could not be started" in refused(fetch, "pypi://toy==1.0/pkg")


def test_a_pip_that_dies(index, fetch, tmp_path, monkeypatch):
    script = tmp_path / "script.py"
    script.write_text("import sys; print('chatter'); print(3); sys.exit('a bad end')")
    monkeypatch.setattr(package_index, "_SCRIPT", script)
    message = refused(fetch, "pypi://toy==1.0/pkg")
    assert "pip failed: it ended with status 1: a bad end." in message


def test_interrupting_ends_the_download(index, fetch, tmp_path, monkeypatch):
    script, pid = tmp_path / "script.py", tmp_path / "pid"
    script.write_text(
        "import json, os, time\n"
        f"open({str(pid)!r}, 'w').write(str(os.getpid()))\n"
        "print(json.dumps({'event': 'bytes', 'done': 1, 'total': 2}), flush=True)\n"
        "time.sleep(60)\n"
    )
    monkeypatch.setattr(package_index, "_SCRIPT", script)

    def interrupt(name, shown):
        from contextlib import nullcontext

        def update(done, total):
            raise KeyboardInterrupt

        return nullcontext(update)

    monkeypatch.setattr(package_index, "transfer_bar", interrupt)
    with pytest.raises(KeyboardInterrupt):
        fetch("pypi://toy==1.0/pkg")
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def test_progress_bar(index, fetch, capfd):
    index.wheel({"pkg/data.csv": os.urandom(2_000_000)})
    package_index.fetch(PackageAddress("toy", "1.0", "pkg"), fetch.folder, progress=True)
    printed = capfd.readouterr()
    assert printed.out == ""
    assert re.search(r"Fetching toy 1\.0 .*2\.0/2\.0 MB", printed.err)


def test_the_script_needs_nothing_but_pip():
    """It runs where kerasft's own dependencies may be broken, and starts fast."""
    text = Path(package_index.__file__).with_name("_pip_fetch.py").read_text(encoding="utf-8")
    imported = set(re.findall(r"^\s*(?:from|import) (\w+)", text, re.MULTILINE))
    assert imported - {"pip"} <= set(sys.stdlib_module_names)
