"""Opening files from outside: unpacked as they stream, every byte counted, damage and excess told on one line."""

import bz2
import contextlib
import gzip
import io
import lzma
import os
import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import IO, Any

from modelmark.errors import MalformedError, ModelmarkError, UsageError

_CHUNK = 1 << 20
_OPENERS: dict[bytes, Callable[[Any], Any]] = {b"\x1f\x8b": gzip.open, b"\xfd7zXZ\0": lzma.open, b"BZh": bz2.open}


@dataclass(frozen=True)
class Limits:
    """Caps on what a reader takes from a file, positive whole numbers; bytes are counted unpacked, as they stream."""

    max_bytes: int = 4 << 30  # of one data set: CIFAR-10 takes 0.2 GB, 64x64 Tiny ImageNet 1.4 GB, a laptop holds this
    max_pixels: int = 4096 * 4096  # of one picture: far above any classifier's input, and below 64 MiB decoded
    max_members: int = 2_000_000  # files and folders in a folder or archive: ImageNet has 1.3 million files
    max_items: int = 10_000_000  # images in one array: bounds the labels, which are widened to 8 bytes each
    max_classes: int = 65_536  # of one data set: three times the full ImageNet's; a name is made for each
    max_label_bytes: int = 16 << 20  # of one label file: a million lines of file name and label

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if type(value) is not int or value < 1:
                raise UsageError(f"expected {field.name} to be a positive whole number, got {value!r}")


DEFAULT_LIMITS = Limits()


class Budget:
    """The unpacked bytes one data set may still take, shared by all the streams it is read from."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.left = limits.max_bytes

    def check(self, count: int, name: str) -> None:
        """Refuse ``count`` announced bytes of ``name`` that would not fit."""
        if count > self.left:
            raise MalformedError(f"expected at most {self.limits.max_bytes} unpacked bytes, got more in {name}")

    def take(self, count: int, name: str) -> None:
        """Count ``count`` bytes of ``name`` as taken, or refuse them."""
        self.check(count, name)
        self.left -= count


class Stream(io.BufferedIOBase):
    """A stream already unpacking, read in steps, so that memory grows with what comes, not with what was announced."""

    def __init__(self, raw: IO[bytes], budget: Budget, name: str) -> None:
        super().__init__()
        self._raw = raw
        self._budget = budget
        self.name = name

    def read(self, size: int | None = -1, /) -> bytes:
        """Return ``size`` bytes, or all there are; fewer only at the end."""
        return bytes(self._gather(-1 if size is None else size))

    def last(self, size: int) -> bytearray:
        """Return the ``size`` bytes with which the stream must end; its check sums, if any, are judged there."""
        self._budget.check(size, self.name)
        data = self._gather(size + 1)
        if len(data) != size:
            got = "more" if len(data) > size else f"{len(data)}: the file is cut short"
            raise MalformedError(f"expected {size} more bytes in {self.name}, got {got}")
        return data

    def _gather(self, size: int) -> bytearray:
        data = bytearray()
        while len(data) != size:
            piece = self._raw.read(_CHUNK if size < 0 else min(_CHUNK, size - len(data)))
            if not piece:
                break
            self._budget.take(len(piece), self.name)
            data += piece
        return data


@contextlib.contextmanager
def judging(name: str) -> Iterator[None]:
    """Let libraries at bytes from outside: whatever they raise over them, and they raise much, becomes one line."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd metadata, which is not used
            yield
    except ModelmarkError:
        raise
    except Exception as error:
        said = shown((str(error).splitlines() or [type(error).__name__])[0])
        raise MalformedError(f"expected {name} to be whole and readable, got: {said:.200}") from error


@contextlib.contextmanager
def open_stream(path: Path, budget: Budget) -> Iterator[Stream]:
    """Open a file for a body that is judged; gzip, xz and bzip2 are told by their first bytes and unpacked."""
    name = shown(path.name)
    with judging(name), need(path, "file").open("rb") as packed:
        start = packed.peek(8)
        opener = next((_OPENERS[magic] for magic in _OPENERS if start.startswith(magic)), contextlib.nullcontext)
        with opener(packed) as raw:
            yield Stream(raw, budget, name)


def path_of(where: str, form: str) -> Path:
    """Return the path after the colon of a spec of the ``form`` idx:DIR."""
    if not where:
        raise UsageError(f"expected {form}, got no path")
    return Path(os.path.expanduser(where))


def need(path: Path, kind: str, what: str = "") -> Path:
    """Return ``path`` if there is a ``kind``, ``file`` or ``folder``, and refuse it otherwise, calling it ``what`` if given."""
    if not (os.path.isfile(path) if kind == "file" else os.path.isdir(path)):
        found = "a folder" if os.path.isdir(path) else "something else" if os.path.exists(path) else "none"
        raise MalformedError(f"expected a {what or kind} at {shown(str(path))}, found {found}")
    return path


def name_of(path: Path) -> str:
    """Return the last part of ``path`` without archive suffixes, as a name for the data set."""
    last = path.resolve().name
    name = re.sub(r"(?<=.)(\.(npz|tar|tgz|txz|gz|xz|bz2))+$", "", last, flags=re.IGNORECASE)
    return name if name and name.isprintable() else "data"


def shown(text: str) -> str:
    """Return ``text`` such that it fits on one line of a message."""
    return text if text.isprintable() else ascii(text)
