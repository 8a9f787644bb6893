"""Paths a person typed: that something is there, what to call it, and one-line wording of what went wrong."""

import stat
from pathlib import Path

from modelmark.errors import MalformedError, UsageError

_SUFFIXES = (".npz", ".zip", ".xz", ".txz", ".gz", ".tgz", ".tar")


def path_of(where: str, form: str) -> Path:
    """Return the path after the colon of a spec.

    Raises:
        UsageError: nothing follows the colon; the message shows ``form``, such as ``idx:DIR``.
    """
    if not where or "\0" in where:
        raise UsageError(f"expected {form}, got {where!r} for the path")
    try:
        return Path(where).expanduser()
    except RuntimeError as error:
        raise UsageError(f"expected {form}, got {where!r}: {one_line(error)}") from error


def is_folder(path: Path) -> bool:
    """Say whether a folder is there and can be reached."""
    return _what_is_at(path) == "a folder"


def is_file(path: Path) -> bool:
    """Say whether a regular file is there and can be reached."""
    return _what_is_at(path) == "a file"


def need_folder(path: Path) -> Path:
    """Return ``path`` if it is a folder.

    Raises:
        MalformedError: it is not.
    """
    if not is_folder(path):
        raise MalformedError(f"expected a folder at {shown(str(path))}, found {_what_is_at(path)}")
    return path


def need_file(path: Path) -> Path:
    """Return ``path`` if it is a regular file.

    Raises:
        MalformedError: it is not.
    """
    if not is_file(path):
        raise MalformedError(f"expected a file at {shown(str(path))}, found {_what_is_at(path)}")
    return path


def name_of(path: Path) -> str:
    """Return the last part of ``path`` without archive suffixes, as a name for the data set."""
    last = path.resolve().name
    name = last
    while name.lower().endswith(_SUFFIXES):
        name = name[: name.rindex(".")]
    name = name or last
    return name if name.isprintable() and name else "data"


def one_line(error: BaseException) -> str:
    """Return the first line of what ``error`` says, or its kind where it says nothing."""
    lines = str(error).splitlines()
    return lines[0][:200] if lines else type(error).__name__


def shown(text: str) -> str:
    """Return ``text`` such that it fits on one line of a message."""
    return text if text.isprintable() else ascii(text)


def _what_is_at(path: Path) -> str:
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return "none"
    except (OSError, ValueError) as error:
        return f"none: {one_line(error)}"
    if stat.S_ISREG(mode):
        return "a file"
    return "a folder" if stat.S_ISDIR(mode) else "something else"
