from pathlib import Path

import pytest

from kerasft.errors import SourceError
from kerasft.sources import home


def test_environment_names_it(monkeypatch, tmp_path):
    monkeypatch.setenv("KERASFT_HOME", str(tmp_path / "new"))
    assert home() == tmp_path / "new"
    assert not (tmp_path / "new").exists()  # asking makes nothing


@pytest.mark.parametrize("value", [None, ""])
def test_default_lies_in_the_users_folder(monkeypatch, tmp_path, value):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.delenv("KERASFT_HOME")
    if value is not None:
        monkeypatch.setenv("KERASFT_HOME", value)
    assert home() == tmp_path / ".kerasft"


def test_tilde_and_relative_paths(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("KERASFT_HOME", "~/elsewhere")
    assert home() == tmp_path / "elsewhere"
    monkeypatch.setenv("KERASFT_HOME", "here")
    assert home() == Path.cwd() / "here"


def test_a_file_in_the_way(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("KERASFT_HOME", str(tmp_path / "file"))
    with pytest.raises(SourceError, match=r"`KERASFT_HOME` must be a folder. .*in the way"):
        home()


def test_unknown_user(monkeypatch):
    monkeypatch.setenv("KERASFT_HOME", "~no_such_user_here/x")
    with pytest.raises(SourceError, match="Give an absolute path"):
        home()
