"""A key file, open and sealed, and what reads changed ones."""

import functools
from pathlib import Path

import pytest
from key_bytes import CHEAP, OWN, PASSPHRASE, Read, bytes_of

from modelmark.key import sealed as sealing
from modelmark.marks import keyfile
from modelmark.marks.keys import Key


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return bytes_of(OWN, tmp_path_factory.mktemp("open"), None)


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return bytes_of(OWN, tmp_path_factory.mktemp("sealed"), PASSPHRASE)


@pytest.fixture
def cheap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    monkeypatch.setattr(sealing, "KDF", CHEAP)
    monkeypatch.setattr(sealing, "derive", functools.lru_cache(sealing.derive))
    (tmp_path / "cheap").mkdir()
    return bytes_of(OWN, tmp_path / "cheap", PASSPHRASE)


@pytest.fixture
def read(tmp_path: Path) -> Read:
    path = tmp_path / "tried.key"

    def write_and_load(data: bytes) -> Key:
        path.write_bytes(data)
        return keyfile.load(path, PASSPHRASE)

    return write_and_load


@pytest.fixture
def underived(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a key was derived for a file that can be refused without")

    monkeypatch.setattr(sealing, "derive", refuse)
