"""Fetch the files of a distribution from the user's package indexes, by means of pip."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from kerasft._checks import did_you_mean, fail
from kerasft._progress import Update, transfer_bar
from kerasft.errors import SourceError
from kerasft.sources.package_address import PackageAddress

_SCRIPT = Path(__file__).with_name("_pip_fetch.py")
_RULE = "a distribution that pip can fetch"
_SETTINGS = "`python -m pip config list` shows where pip looks."


@dataclass(frozen=True)
class FetchedFile:
    """A wheel or sdist as it lies in a temporary folder, and where it came from."""

    path: Path
    filename: str
    sha256: str
    url: str

    @property
    def is_wheel(self) -> bool:
        """Whether it is a wheel; else it is an sdist, which wraps its files in a folder."""
        return self.filename.endswith(".whl")


def fetch(
    address: PackageAddress, folder: Path, *, skip: Collection[str] = (), progress: bool = True
) -> FetchedFile | None:
    """Fetch a wheel or sdist of the distribution, without installing or executing it.

    Args:
        address: what is wanted. With a digest, the file that has it is fetched; else the wheel
            (one for any machine, then one for this machine, then the first by name), and the
            sdist where there is no wheel.
        folder: where to put the file.
        skip: names of files that are not wanted. After one wheel only sdists are fetched.
        progress: whether a progress bar shows.

    Returns:
        The file, or None where all there are have been skipped.

    Raises:
        SourceError: says what was tried, why it failed and what to do.
    """
    wanted = {
        "distribution": address.distribution,
        "version": address.version,
        "sha256": address.sha256,
        "skip": list(skip),
        "folder": str(folder),
    }
    with transfer_bar(f"{address.distribution} {address.version}", progress) as update:
        report = _run(address, wanted, update)
    if report["event"] == "exhausted":
        return None
    if report["event"] != "done":
        _explain(address, report)
    return FetchedFile(Path(report["path"]), report["file"], report["sha256"], report["url"])


def _run(address: PackageAddress, wanted: dict[str, Any], update: Update) -> dict[str, Any]:
    """Run the script on pip, and give its last report."""
    # -P keeps the script's own folder off the module path, where names could hide others.
    command = [sys.executable, "-P", str(_SCRIPT), json.dumps(wanted)]
    last: dict[str, Any] = {}
    with tempfile.TemporaryFile() as complaints:
        try:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=complaints
            )
        except OSError as error:
            hint = f"The Python interpreter {sys.executable!r} could not be started: {error}."
            fail("source", str(address), _RULE, hint, SourceError)
        assert process.stdout is not None
        with process.stdout:
            try:
                for line in process.stdout:
                    last = _report(line) or last
                    if "done" in last:
                        update(last["done"], last["total"])
            except BaseException:
                process.kill()  # no download goes on behind the back of who interrupted it
                raise
            finally:
                status = process.wait()
        complaints.seek(0)
        words = complaints.read().decode(errors="replace").strip()[-2000:]
    if not last or last["event"] == "bytes":
        return {"event": "failed", "reason": f"it ended with status {status}: {words}"}
    if last["event"] == "failed" and words:
        last["reason"] += f" ({words})"
    return last


def _report(line: bytes) -> dict[str, Any] | None:
    """The report on this line, or None: pip and its plugins may print lines of their own."""
    try:
        report = json.loads(line)
    except ValueError:
        return None
    return report if isinstance(report, dict) and "event" in report else None


def _explain(address: PackageAddress, report: dict[str, Any]) -> NoReturn:
    """Raise what the report says, with what to do."""
    name = address.distribution
    match report["event"]:
        case "no_pip":
            hint = (
                f"pip is not installed beside {sys.executable!r}. Install it with: "
                f"{sys.executable} -m ensurepip"
            )
        case "unfit":
            hint = (
                f"pip {report['pip']} works differently inside from what kerasft knows "
                f"({report['reason']}). Install another one with: "
                f'{sys.executable} -m pip install "pip>=23.2,<=26.3"; or fetch and unpack the '
                "distribution yourself and give the local path."
            )
        case "index":
            hint = _index_hint(name, report)
        case "version":
            versions = report["versions"]
            near = did_you_mean(address.version, versions)
            hint = (
                f"The index has {len(versions)} version(s) of {name!r}, the newest "
                f"{versions[-1]!r}. {near} {_said(report)}"
            ).strip()
        case "digest":
            seen = ", ".join(
                f"{file} has sha256={digest}" for file, digest in report["seen"].items()
            )
            hint = (
                f"The digest should be sha256={address.sha256}, but {seen}. Nothing was kept. "
                "Correct the digest in the address, if it was copied wrongly; else what the "
                "index serves is not what was pinned."
            )
        case "damaged":
            hint = (
                f"{report['file']} came with {report['kind']}={report['got']}, but the index says "
                f"{report['kind']}={report['expected']}. Nothing was kept; run it again."
            )
        case "download":
            where = f" from {report['where']}" if report["where"] else ""
            hint = (
                f"The download of {report['file']}{where} broke off: {report['reason']}. Nothing "
                "was kept; run it again."
            )
        case _:
            hint = f"pip failed: {report['reason']}. Nothing was kept. {_SETTINGS}"
    fail("source", str(address), _RULE, hint, SourceError)


def _index_hint(name: str, report: dict[str, Any]) -> str:
    tried = ", ".join(report.get("tried", ())) or "no place at all"
    return (
        f"No file of {name!r} was found in: {tried}. {_said(report)} Check the spelling "
        f"of the name, the network, and pip's settings: {_SETTINGS}"
    )


def _said(report: dict[str, Any]) -> str:
    problems = "; ".join(report["problems"])
    return f"pip says: {problems}." if problems else ""
