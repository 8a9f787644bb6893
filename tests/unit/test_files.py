"""Files appear whole or not at all, with their final mode, over nothing; reads stop at their limit."""

import errno
import os
import stat
from pathlib import Path

import pytest

from modelmark import files
from modelmark.errors import MalformedError, OutputExistsError, UsageError


@pytest.mark.parametrize("mode", [0o600, 0o644])
@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_a_new_file_has_its_bytes_and_mode_and_leaves_nothing_beside_it(tmp_path: Path, mode: int, umask: int) -> None:
    path = tmp_path / "new"
    before = os.umask(umask)
    try:
        files.write_new(path, b"content", mode=mode)
    finally:
        os.umask(before)
    assert path.read_bytes() == b"content"
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert os.listdir(tmp_path) == ["new"]


@pytest.mark.parametrize("kind", ["file", "folder", "dangling link"])
def test_nothing_that_exists_is_overwritten(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "there"
    {
        "file": lambda: path.write_bytes(b"old"),
        "folder": path.mkdir,
        "dangling link": lambda: path.symlink_to(tmp_path / "elsewhere"),
    }[kind]()
    for refuse in (lambda: files.require_absent(path), lambda: files.write_new(path, b"new")):
        with pytest.raises(OutputExistsError, match="expected a new file"):
            refuse()
    assert os.listdir(tmp_path) == ["there"]
    assert kind != "file" or path.read_bytes() == b"old"


def test_a_file_that_appears_at_the_last_moment_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "there"
    monkeypatch.setattr(files, "require_absent", lambda _: path.write_bytes(b"theirs"))
    with pytest.raises(OutputExistsError):
        files.write_new(path, b"ours")
    assert path.read_bytes() == b"theirs"
    assert os.listdir(tmp_path) == ["there"]


@pytest.mark.parametrize("call", ["fsync", "fchmod"])
def test_a_failed_write_leaves_nothing(tmp_path: Path, call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(UsageError, match="No space left"):
        files.write_new(tmp_path / "new", b"content")
    assert os.listdir(tmp_path) == []


def test_file_systems_without_hard_links_do_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", fail)
    files.write_new(tmp_path / "new", b"content", mode=0o600)
    assert (tmp_path / "new").read_bytes() == b"content"
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["new"]
    with pytest.raises(OutputExistsError):
        files.write_new(tmp_path / "new", b"other")


def test_replace_changes_the_whole_file_or_keeps_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "scratch"
    files.replace(path, b"one")
    files.replace(path, b"two")
    assert path.read_bytes() == b"two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(errno.EIO, "broken disk")))
        with pytest.raises(UsageError, match="broken disk"):
            files.replace(path, b"three")
    assert path.read_bytes() == b"two"
    assert os.listdir(tmp_path) == ["scratch"]


def test_an_unwritable_folder_is_refused_before_and_during(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "new"
    monkeypatch.setattr(os, "access", lambda *_: False)  # permission bits do not stop a superuser, who may run this
    with pytest.raises(UsageError, match="writable folder"):
        files.require_absent(path)
    monkeypatch.undo()

    def deny(**_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(files.tempfile, "mkstemp", deny)
    with pytest.raises(UsageError, match="Permission denied"):
        files.write_new(path, b"content")


@pytest.mark.parametrize("name", ["missing/new", "file/new", "x" * 300, "x" * 300 + "/new"])
def test_a_name_that_cannot_be_written_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UsageError, match="expected"):
        files.write_new(tmp_path / name, b"content")
    assert os.listdir(tmp_path) == ["file"]


def test_a_file_is_read_up_to_its_limit(tmp_path: Path) -> None:
    path = tmp_path / "ten"
    path.write_bytes(b"0123456789")
    assert files.read(path, limit=10, what="digits") == b"0123456789"
    with pytest.raises(MalformedError, match="digits of at most 9 bytes"):
        files.read(path, limit=9, what="digits")


def test_a_huge_file_is_not_read_beyond_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "huge"
    with path.open("wb") as stream:
        stream.truncate(2**40)
    with pytest.raises(MalformedError, match="at most 1000 bytes"):
        files.read(path, limit=1000, what="a thing")


@pytest.mark.parametrize("name", ["missing", "folder", "x" * 300])
def test_what_is_not_a_readable_file_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(MalformedError, match="expected a thing at"):
        files.read(tmp_path / name, limit=10, what="a thing")
    with pytest.raises(MalformedError, match="expected a thing at"):
        files.require_readable(tmp_path / name, what="a thing")


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    with pytest.raises(MalformedError, match="empty file"):
        files.read(tmp_path / "empty", limit=10, what="a thing")


def test_a_growing_file_keeps_whole_lines_and_touches_nothing_before_it_must(tmp_path):
    path = tmp_path / "g"
    with files.Growing(path, b"head\n", limit=100, what="lines") as growing:
        growing.add(b"one\n")
        assert path.read_bytes() == b"head\none\n"  # before it is closed
    path.write_bytes(b"head\none\ntw")
    with files.Growing(path, b"other\n", limit=100, what="lines") as growing:
        assert growing.data == b"head\none\n"
        assert path.read_bytes() == b"head\none\ntw"
        growing.add(b"two\n")
        growing.add(b"three\n")
    assert path.read_bytes() == b"head\none\ntwo\nthree\n"
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(MalformedError, match="of at most 10 bytes"):
        files.Growing(path, b"", limit=10, what="lines")
    with pytest.raises(MalformedError, match="not a file"):
        files.Growing(tmp_path, b"", limit=10, what="lines")
    with pytest.raises(UsageError, match="expected a folder"):
        files.Growing(tmp_path / "none" / "g", b"", limit=10, what="lines")
