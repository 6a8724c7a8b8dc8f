"""A package index of one's own: tiny wheels and sdists, in a folder or behind a local server."""

import base64
import hashlib
import io
import os
import tarfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


@pytest.fixture(autouse=True)
def kerasft_home(tmp_path, monkeypatch):
    """No test touches the user's own cache."""
    folder = tmp_path / "kerasft_home"
    monkeypatch.setenv("KERASFT_HOME", str(folder))
    return folder


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A folder in which pip looks, and nowhere else."""
    folder = tmp_path / "index"
    folder.mkdir()
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    monkeypatch.setenv("PIP_DISABLE_PIP_VERSION_CHECK", "1")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return Index(folder)


class Index:
    """Makes distributions; each method gives the digest of what it made."""

    def __init__(self, folder):
        self.folder = folder
        self.tar_gz = tar_gz

    def wheel(self, files, name="toy", version="1.0", tags="py3-none-any", requires=None):
        path = self.folder / f"{name}-{version}-{tags}.whl"
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        if requires:
            metadata += f"Requires-Python: {requires}\n"
        info = f"{name}-{version}.dist-info"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            for member, content in files.items():
                file.writestr(member, content)
            file.writestr(f"{info}/METADATA", metadata)
            file.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nTag: {tags}\n")
            file.writestr(f"{info}/RECORD", "")
        return digest(path)

    def sdist(self, files, name="toy", version="1.0"):
        path = self.folder / f"{name}-{version}.tar.gz"
        top = f"{name}-{version}"
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        path.write_bytes(
            tar_gz(
                {f"{top}/{member}": content for member, content in files.items()}
                | {f"{top}/PKG-INFO": metadata.encode()}
            )
        )
        return digest(path)


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def tar_gz(files):
    """The bytes of a packed tar."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as file:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))
    return packed.getvalue()


@pytest.fixture
def server(index, monkeypatch):
    """The folder of `index` behind HTTP, as an index with digests; it can cut files short."""
    behaviour = Behaviour()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            behaviour.requests.append(self.path)
            wanted = behaviour.credentials
            if wanted and self.headers.get("Authorization") != wanted:
                self.send_error(401)
                return
            if self.path.startswith("/simple/toy/"):
                links = "".join(
                    f'<a href="/files/{path.name}#sha256={behaviour.digest or digest(path)}">'
                    f"{path.name}</a>"
                    for path in sorted(index.folder.iterdir())
                )
                self.answer(
                    f"<!DOCTYPE html><html><body>{links}</body></html>".encode(), "text/html"
                )
            elif self.path.startswith("/files/"):
                content = (index.folder / self.path.rpartition("/")[2]).read_bytes()
                self.answer(content, "application/octet-stream", behaviour.cut)
            else:
                self.send_error(404)

        def answer(self, content, kind, cut=None):
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[:cut])

        def log_message(self, *args):
            pass

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listener.serve_forever, args=(0.02,))
    thread.start()
    behaviour.port = listener.server_port
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{behaviour.port}/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    yield behaviour
    listener.shutdown()
    listener.server_close()
    thread.join()


class Behaviour:
    """How the server is to answer, and what it was asked."""

    def __init__(self):
        self.cut = None
        self.digest = None
        self.credentials = None
        self.requests = []

    def ask_for(self, user, password):
        token = base64.b64encode(f"{user}:{password}".encode()).decode()
        self.credentials = f"Basic {token}"
