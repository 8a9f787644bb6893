"""Files that appear whole or not at all, and reads that stop at a limit."""

import contextlib
import os
import stat
import tempfile
from pathlib import Path
from typing import Self

from modelmark.errors import MalformedError, OutputExistsError, UsageError


def require_absent(path: Path) -> None:
    """Refuse an output that exists or whose folder does not; called before long work as well as at the end.

    Raises:
        OutputExistsError: ``path`` exists.
        UsageError: its folder is missing or cannot be written.
    """
    if os.path.lexists(path):  # Path.exists raises where a name is too long
        raise OutputExistsError(
            f"expected a new file, {path} exists", hint="name another output, or move that one away"
        )
    folder = path.parent
    if not os.path.isdir(folder):
        raise UsageError(f"expected a folder for {path.name}, {folder} is not one")
    if not os.access(folder, os.W_OK):
        raise UsageError(f"expected a writable folder, {folder} is not")


def write_new(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Write ``data`` to a file that must not exist; it appears complete and with its final mode, or not at all.

    Raises:
        OutputExistsError: the file exists (also when it appeared a moment ago).
        UsageError: the folder cannot be written or the disk is full.
    """
    require_absent(path)
    _write(path, data, mode, replace=False)


def replace(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Write ``data`` to a scratch file of our own, replacing what it held, at once or not at all."""
    _write(path, data, mode, replace=True)


def _write(path: Path, data: bytes, mode: int, *, replace: bool) -> None:
    temporary = None
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as stream:
            os.fchmod(stream.fileno(), mode)
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        if replace:
            os.replace(temporary, path)
        else:
            link(Path(temporary), path)
    except FileExistsError:
        raise OutputExistsError(f"expected a new file, {path} exists") from None
    except OSError as error:
        raise UsageError(f"expected to write {path}, got: {error.strerror or error}") from error
    finally:
        if temporary is not None and os.path.lexists(temporary):
            os.unlink(temporary)


def link(temporary: Path, path: Path) -> None:
    """Give a finished file its name, unless the name is taken; file systems without hard links get the next best.

    Raises:
        FileExistsError: it is taken.
    """
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL))
        os.replace(temporary, path)


class Growing:
    """A file that grows by whole lines, each written before the next is known, by one process at a time.

    A line that an interruption left half written is dropped with the first that is added, or by ``mend``.

    Args:
        path: of the file; made if it is not there.
        first: its first line, where it is made.
        limit: largest size accepted, in bytes.
        what: what it should be, for messages.

    Raises:
        UsageError: another process is writing it, or it cannot be written.
        MalformedError: larger than ``limit``, or not a file.
    """

    def __init__(self, path: Path, first: bytes, *, limit: int, what: str) -> None:
        if not os.path.lexists(path):
            with contextlib.suppress(OutputExistsError):  # another process was a moment faster
                write_new(path, first, mode=0o600)
        read(path, limit=limit, what=what)
        try:
            self._stream = path.open("r+b", buffering=0)
        except OSError as error:
            raise UsageError(f"expected to write {path}, got: {error.strerror or error}") from error
        try:
            _alone(self._stream.fileno(), path)
            whole = self._stream.read(limit)
        except BaseException:
            self._stream.close()
            raise
        self.data: bytes = whole[: whole.rfind(b"\n") + 1]
        self._whole = len(whole) == len(self.data)

    def mend(self) -> None:
        """Drop a last line without its end."""
        if not self._whole:
            self._stream.truncate(len(self.data))
            self._whole = True
        self._stream.seek(0, os.SEEK_END)

    def add(self, line: bytes) -> None:
        """Write a line, with its end; it is in the hands of the operating system when this returns."""
        self.mend()
        self._stream.write(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()


def _alone(handle: int, path: Path) -> None:
    """Lock a file for this process, where the system has such locks."""
    try:
        import fcntl
    except ImportError:
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UsageError(
            f"expected {path} for this process alone, another one is writing it", hint="wait for it, or stop it"
        ) from None
    except OSError:  # a file system without locks
        return


def read(path: Path, *, limit: int, what: str) -> bytes:
    """Return the bytes of a file.

    Args:
        path: the file.
        limit: largest size accepted, in bytes.
        what: what it should be, for the message.

    Raises:
        MalformedError: missing, unreadable, empty or larger than ``limit``.
    """
    return _read(path, limit, None, what)


def head(path: Path, count: int, *, what: str) -> bytes:
    """Return the first ``count`` bytes of a file of any size, fewer if it is shorter.

    Raises:
        MalformedError: missing, unreadable or empty.
    """
    return _read(path, None, count, what)


def _read(path: Path, limit: int | None, count: int | None, what: str) -> bytes:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise MalformedError(f"expected {what} at {path}, got something that is not a file")
        with path.open("rb") as stream:
            if limit is not None and status.st_size > limit:
                raise MalformedError(f"expected {what} of at most {limit} bytes at {path}, got {status.st_size}")
            data = stream.read(status.st_size if count is None else count)
    except FileNotFoundError:
        raise MalformedError(f"expected {what} at {path}, found none") from None
    except OSError as error:
        raise MalformedError(f"expected {what} at {path}, cannot read it: {error.strerror}") from error
    if not data:
        raise MalformedError(f"expected {what} at {path}, got an empty file")
    return data


_SIGNS = (
    (0, b"modelmark-key\n", "a key"),
    (0, b"modelmark-identity\n", "an identity"),
    (0, b'{"payload"', "a signed document"),
    (0, b'{"claim"', "a record of answers, or carriers"),
    (8, b'{"', "weights"),  # safetensors
    (0, b"PK\x03\x04", "an archive, as weights are of torch"),
)


def told(head: bytes) -> str:
    """Return what a file with these first bytes is, of what people hold beside one another; empty where it is none of that."""
    return next((what for place, sign, what in _SIGNS if head.startswith(sign, place)), "")


def require_readable(path: Path, *, what: str) -> None:
    """Raise MalformedError unless ``path`` is a file that can be opened."""
    if not os.path.isfile(path):
        raise MalformedError(f"expected {what} at {path}, found none")
    if not os.access(path, os.R_OK):
        raise MalformedError(f"expected {what} at {path}, cannot read it")
