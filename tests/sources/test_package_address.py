import dataclasses
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasft.errors import ArgumentError
from kerasft.sources import PackageAddress

DIGEST = "0123456789abcdef" * 4

names = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,8}[A-Za-z0-9])?", fullmatch=True)
versions = st.from_regex(
    r"[0-9]{1,3}(\.[0-9]{1,3}){0,3}((a|b|rc)[0-9])?(\.post[0-9])?(\.dev[0-9])?", fullmatch=True
)
parts = st.text(
    st.characters(blacklist_characters="/\\#\0", blacklist_categories=["Cs"]), min_size=1
).filter(lambda part: part not in (".", ".."))
paths = st.lists(parts, min_size=1, max_size=4).map("/".join)
digests = st.none() | st.from_regex(r"[0-9a-f]{64}", fullmatch=True)


@given(names, versions, paths, digests)
def test_round_trip(distribution, version, path, sha256):
    address = PackageAddress(distribution, version, path, sha256)
    assert PackageAddress.parse(str(address)) == address


def test_parts():
    address = PackageAddress.parse(
        f"pypi://My_Data.Set==1.0rc1/a/b.tar.gz/c#sha256={DIGEST.upper()}"
    )
    assert dataclasses.astuple(address) == ("My_Data.Set", "1.0rc1", "a/b.tar.gz/c", DIGEST)
    assert address.name == "my-data-set"
    assert PackageAddress.parse("PyPI://d==1/folder/") == PackageAddress("d", "1", "folder")
    with pytest.raises(dataclasses.FrozenInstanceError):
        address.version = "2"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("pipy://d==1/x", "Did you mean 'pypi://d==1/x'?"),
        ("pypi:/d==1/x", "Did you mean 'pypi://d==1/x'?"),
        ("pypi:d==1/x", "Did you mean 'pypi://d==1/x'?"),
        ("gopher://d==1/x", "The scheme 'gopher' is unknown."),
        ("hf://org/model", "`kerasft.Backbone.from_preset`"),
        ("kaggle://org/model", "`kerasft.Backbone.from_preset`"),
        ("https://host/x.csv", "Download the file and give its path."),
        ("file:///x.csv", "Give the plain path"),
        ("pypi://d/x", "write 'pypi://d==VERSION/x'"),
        ("pypi://d=1.0/x", "write 'pypi://d==1.0/x'"),
        ("pypi://d@1.0/x", "write 'pypi://d==1.0/x'"),
        ("pypi://d>=1.0/x", "write 'pypi://d==1.0/x'"),
        ("pypi://d~=1.0/x", "write 'pypi://d==1.0/x'"),
        ("pypi://", "write 'pypi://DIST==VERSION/folder'"),
        ("pypi://d==1.*/x", "`version` must be one exact version"),
        ("pypi://d==/x", "`version` must be one exact version"),
        ("pypi://d===1/x", "`version` must be one exact version"),
        ("pypi://d==1,<2/x", "`version` must be one exact version"),
        ("pypi://d[extra]==1/x", "`distribution` must be the name of a distribution"),
        ("pypi://==1/x", "`distribution` must be the name of a distribution"),
        ("pypi://d==1", "Name the folder or file inside"),
        ("pypi://d==1/", "Name the folder or file inside"),
        ("pypi://d==1/../x", "`path` must be a path inside the distribution"),
        ("pypi://d==1/a/./x", "`path` must be a path inside the distribution"),
        ("pypi://d==1//x", "`path` must be a path inside the distribution"),
        ("pypi://d==1/a\\..\\x", "`path` must be a path inside the distribution"),
        ("pypi://d==1/x\0", "`path` must be a path inside the distribution"),
        (
            "pypi://d==1/x#sha256=12",
            "64 hexadecimal digits. Received: sha256='12' (of type str). 2 ",
        ),
        ("pypi://d==1/x#sha256=" + "g" * 64, "`sha256` must be 64 hexadecimal digits."),
        ("pypi://d==1/x#md5=" + "0" * 32, "After # comes sha256= and the digest."),
        ("pypi://d==1/x#", "After # comes sha256= and the digest."),
        ("a/plain/path", "`source` must be an address like pypi://"),
        (3, "Received: source=3 (of type int)."),
    ],
)
def test_malformed(source, message):
    with pytest.raises(ArgumentError, match=re.escape(message)):
        PackageAddress.parse(source)


@pytest.mark.parametrize("field", ["distribution", "version", "path", "sha256"])
def test_constructor_checks_too(field):
    good = {"distribution": "d", "version": "1", "path": "x", "sha256": None}
    PackageAddress(**good)
    for bad in ("", 1, "../x y"):
        with pytest.raises(ArgumentError, match=f"`{field}` must be"):
            PackageAddress(**(good | {field: bad}))
