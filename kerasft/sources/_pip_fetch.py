"""Fetch one file of a distribution with pip's finder and session, and run nothing of it.

This is a script: it runs in a process of its own, because pip is not made to be imported into
others' programs, and it imports nothing but the standard library and pip. One argument, a JSON
object, says what is wanted; JSON lines on standard output say how it goes, the last of them how
it ended.

Why not `pip download`: for an sdist it runs the distribution's own setup.py or build backend to
learn its dependencies, even with --no-deps. pip's finder below it only reads the index, with
all of the user's settings (pip.conf, PIP_* variables, find-links, certificates, proxies,
keyring). One way for wheels and sdists also lets a wheel be read that this interpreter could
not install, and tells how many bytes have come. The finder is not a public interface, therefore
every use of it that does not fit the installed pip is reported as such (`unfit`).
"""

import hashlib
import json
import logging
import os
import re
import sys
import time
from contextlib import ExitStack, contextmanager, redirect_stdout
from typing import Any

_CHUNK = 1 << 18
_SECONDS_BETWEEN_REPORTS = 0.1
# What using another pip's inside raises.
_MISFITS = (ImportError, AttributeError, TypeError)


class _EndError(Exception):
    """Ends the script with a report of how it failed."""

    def __init__(self, how, **details):
        super().__init__(how)
        self.report = {"event": how, **details}


class _Complaints(logging.Handler):
    """Collects what pip would tell its user: unreachable indexes are only in its log."""

    def __init__(self):
        super().__init__(logging.DEBUG)
        self.texts = []

    def emit(self, record):
        text = record.getMessage()
        if record.levelno >= logging.WARNING or text.startswith("Could not fetch"):
            text = _without_passwords(text)
            if text not in self.texts:
                self.texts.append(text)


def fetch(wanted, complaints):
    """The whole job; gives the last report."""
    with _pip() as (session, finder, rank, parse_version):
        try:
            candidates = finder.find_all_candidates(wanted["distribution"])
        except _MISFITS:
            raise
        except Exception as error:
            raise _EndError("index", problems=[*complaints.texts, _shown(error)]) from error
        if not candidates:
            tried = [
                _without_passwords(place) for place in (*finder.index_urls, *finder.find_links)
            ]
            raise _EndError("index", problems=complaints.texts, tried=tried)
        links = _links_of_version(candidates, parse_version(wanted["version"]))
        if not links:
            versions = sorted({candidate.version for candidate in candidates})
            # The version may be where pip could not look.
            unread = [text for text in complaints.texts if "Could not fetch" in text]
            unread = [text for text in unread if "404" not in text]
            names = [str(version) for version in versions]
            raise _EndError("version", versions=names, problems=unread)
        links = _in_order(links, rank, wanted["skip"])
        if not links or (wanted["sha256"] and wanted["skip"]):  # only one file has the digest
            return {"event": "exhausted"}
        if wanted["sha256"] is None:
            return _download(session, links[0], wanted["folder"])
        return _download_pinned(session, links, wanted["sha256"], wanted["folder"])


@contextmanager
def _pip():
    """Session and finder, as `pip download` would make them for this user; and two helpers."""
    try:
        import pip  # noqa: F401
    except ImportError as error:
        raise _EndError("no_pip") from error
    with ExitStack() as stack:
        from pip._internal.commands import create_command
        from pip._internal.models.wheel import Wheel
        from pip._internal.utils.compatibility_tags import get_supported
        from pip._vendor.packaging.version import Version

        command: Any = create_command("download")
        # Formats are set back: such settings keep builds from running, and nothing runs
        # here. Nobody can answer a question in this process.
        options, _ = command.parse_args(
            ["--no-input", "--no-deps", "--no-binary=:none:", "--only-binary=:none:"]
        )
        stack.enter_context(command.main_context())
        session = command.get_default_session(options)
        finder = command._build_package_finder(options, session, ignore_requires_python=True)
        tags = set(get_supported())
        fits = Wheel.supported
        # Data are read out of a wheel, so it need not fit this interpreter. The finder has
        # no option for that. This process ends soon, so the change reaches nobody else.
        Wheel.supported = lambda self, tags: True  # type: ignore[method-assign]

        def rank(filename):
            """Wheels before sdists; wheels for any machine, then for this one, then by name."""
            if not filename.endswith(".whl"):
                # A gzipped tar is what nearly every sdist is; other formats are historic.
                return (3, not filename.endswith(".tar.gz"), filename)
            anywhere = filename.endswith("-none-any.whl")
            return (0 if anywhere else 1 if fits(Wheel(filename), tags) else 2, False, filename)

        yield session, finder, rank, Version


def _links_of_version(candidates, version):
    links: dict[str, Any] = {}
    for candidate in candidates:
        link = candidate.link
        # The first place that offers a file wins, as in pip.
        if candidate.version == version and link.scheme in ("https", "http", "file"):
            links.setdefault(link.filename, link)
    return list(links.values())


def _in_order(links, rank, skipped):
    """The links that are left, best first; after one wheel only sdists are worth a look."""
    wheel_seen = any(name.endswith(".whl") for name in skipped)
    left = [
        link
        for link in links
        if link.filename not in skipped and not (wheel_seen and link.filename.endswith(".whl"))
    ]
    return sorted(left, key=lambda link: rank(link.filename))


def _digests(link):
    """What the index says of the file, by kind of digest; often nothing for folders of files."""
    try:
        return dict(link._hashes)
    except AttributeError:  # a pip that names it otherwise: no digest is known, then
        return {link.hash_name: link.hash} if link.hash_name else {}


def _download_pinned(session, links, pinned, folder):
    """Download the file that has the pinned digest."""
    seen = {link.filename: _digests(link).get("sha256") for link in links}
    matching = [link for link in links if seen[link.filename] == pinned]
    # Where no digest is told, only the file itself shows it.
    for link in matching or [link for link in links if seen[link.filename] is None]:
        fetched = _download(session, link, folder)
        if fetched["sha256"] == pinned:
            return fetched
        os.remove(fetched["path"])
        seen[link.filename] = fetched["sha256"]
    raise _EndError("digest", seen=seen)


def _download(session, link, folder):
    """Stream the file of `link` into `folder`, and check it against what the index says."""
    expected = {
        kind: digest
        for kind, digest in _digests(link).items()
        if kind in hashlib.algorithms_available
    }
    running = {kind: hashlib.new(kind) for kind in {"sha256", *expected}}
    path = os.path.join(folder, os.path.basename(link.filename))
    done, reported = 0, 0.0
    try:
        response = session.get(
            # As pip does: a server must not pack the file once more on its way.
            link.url_without_fragment,
            headers={"Accept-Encoding": "identity"},
            stream=True,
        )
        response.raise_for_status()
        total = int(response.headers.get("Content-Length") or 0) or None
        with open(path, "wb") as file:
            while chunk := response.raw.read(_CHUNK):
                file.write(chunk)
                for digest in running.values():
                    digest.update(chunk)
                done += len(chunk)
                if time.monotonic() - reported > _SECONDS_BETWEEN_REPORTS:
                    reported = time.monotonic()
                    _say({"event": "bytes", "file": link.filename, "done": done, "total": total})
    except Exception as error:
        where = _without_passwords(link.url_without_fragment)
        raise _EndError(
            "download", file=link.filename, where=where, reason=_shown(error)
        ) from error
    if total is not None and done != total:
        reason = f"{done} of {total} bytes came"
        raise _EndError("download", file=link.filename, where="", reason=reason)
    for kind, digest in expected.items():
        if running[kind].hexdigest() != digest:
            raise _EndError(
                "damaged",
                file=link.filename,
                kind=kind,
                expected=digest,
                got=running[kind].hexdigest(),
            )
    return {
        "event": "done",
        "done": done,
        "total": done,
        "path": path,
        "file": link.filename,
        "sha256": running["sha256"].hexdigest(),
        "url": _without_passwords(link.url_without_fragment),
    }


def _shown(error):
    return _without_passwords(f"{type(error).__name__}: {error}")


def _without_passwords(text):
    return re.sub(r"//[^/@\s]+@", "//****@", str(text))


def _main():
    complaints = _Complaints()
    logger = logging.getLogger("pip")
    logger.addHandler(complaints)
    logger.propagate = False
    logging.getLogger("pip._internal.index.collector").setLevel(logging.DEBUG)
    with redirect_stdout(sys.stderr):  # what pip prints is no report
        try:
            report = fetch(json.loads(sys.argv[1]), complaints)
        except _EndError as end:
            report = end.report
        except _MISFITS as error:
            report = {"event": "unfit", "pip": sys.modules["pip"].__version__}
            report["reason"] = _shown(error)
        except (Exception, SystemExit) as error:  # a wrong setting makes pip exit
            reason = "; ".join([*complaints.texts, _shown(error)])
            report = {"event": "failed", "reason": reason}
    _say(report)


def _say(report):
    print(json.dumps(report), file=sys.__stdout__, flush=True)


if __name__ == "__main__":
    _main()
