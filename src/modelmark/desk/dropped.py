"""From what a browser sends to files in a folder of the desk's own: counted and named before they are written."""

import shutil
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import anyio.to_thread
from python_multipart.multipart import parse_options_header
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import Request

from modelmark.desk.forms import Form
from modelmark.desk.given import Given, plain
from modelmark.errors import MalformedError, UsageError

LONGEST_TEXT = 4000
"""Characters of a passphrase."""
_FIELDS = 32
_TAIL = 512  # bytes, more than a boundary has


class TooLargeError(MalformedError):
    """More bytes than the desk takes at a time."""


class Body:
    """What a request brings, counted.

    Args:
        receive: of the request.
        most: bytes of the whole.
    """

    def __init__(self, receive: Callable[[], Awaitable[Any]], most: int) -> None:
        self._receive, self._most = receive, most
        self._taken, self._ended, self._last = 0, False, b""

    def require(self, said: str) -> None:
        """Raise TooLargeError if a request says that it is larger than what is taken."""
        if not said.isdecimal() or len(said) > 18 or int(said) > self._most:
            raise self._too_large()

    async def __call__(self) -> Any:
        """Return the next message; see ``require``."""
        message = await self._next()
        if self._taken > self._most:
            raise self._too_large()
        return message

    def has_end(self, kind: str) -> bool:
        """Return whether what came ends as a form of this content type does: the framework takes one that does not."""
        boundary = parse_options_header(kind)[1].get(b"boundary", b"")
        return b"--" + boundary + b"--" in self._last if boundary else not self._taken

    async def throw_away(self, most: int) -> None:
        """Read on without keeping anything, up to so many bytes: a browser shows no answer before it has sent all."""
        while not self._ended and self._taken < most:
            await self._next()

    async def _next(self) -> Any:
        message = await self._receive()
        data = message.get("body", b"")
        self._taken, self._last = self._taken + len(data), (self._last + data[-_TAIL:])[-_TAIL:]
        self._ended = message["type"] != "http.request" or not message.get("more_body", False)
        return message

    def _too_large(self) -> TooLargeError:
        return TooLargeError(
            f"expected at most {self._most / 2**30:g} GiB at a time, got more",
            hint="the desk takes more if it is started with --most",
        )


async def take(scope: Any, body: Body, form: Form, folder: Path) -> Given:
    """Write what a request brings into a folder.

    Args:
        scope: of the request, whose form has parts.
        body: of it.
        form: what it may bring.
        folder: empty.

    Raises:
        TooLargeError: more bytes than ``body`` takes.
        MalformedError: no such form, a field or a file too many, a name that is none, text that is too long.
        UsageError: a field that is needed was left empty.
    """
    request = Request(scope, body)
    body.require(request.headers.get("content-length", "0"))
    known = form.every
    files = sum(one.most for one in known.values() if one.kind == "files")
    try:
        sent = await request.form(max_files=files, max_fields=_FIELDS, max_part_size=4 * LONGEST_TEXT)
    except (MultiPartException, HTTPException) as error:
        said = error.message if isinstance(error, MultiPartException) else str(error.detail)
        raise MalformedError(f"expected the form of this page, got another: {_line(said)}") from None
    async with AsyncExitStack() as stack:
        stack.push_async_callback(sent.close)
        if not body.has_end(request.headers["content-type"] if sent else ""):
            raise MalformedError("expected a whole form, got one that breaks off")
        found: dict[str, list[Path]] = {}
        texts: dict[str, str] = {}
        for name, value in sent.multi_items():
            if (one := known.get(name)) is None or isinstance(value, UploadFile) != (one.kind == "files"):
                raise MalformedError(f"expected the fields of this page, got {_line(name)!r}")
            if not isinstance(value, UploadFile):
                if name in texts or len(value) > LONGEST_TEXT:
                    raise MalformedError(f"expected at most {LONGEST_TEXT} characters, once, for: {one.label}")
                texts[name] = value
            elif value.filename or value.size:
                found.setdefault(name, []).append(
                    await anyio.to_thread.run_sync(_kept, value, folder / name, one.label)
                )
                if len(found[name]) > one.most:
                    most = "one file" if one.most == 1 else f"at most {one.most} files"
                    raise MalformedError(f"expected {most}, got more for: {one.label}")
    for one in known.values():
        if one.kind == "files" and one.needed and one.name not in found:
            raise UsageError(f"expected a file, got none for: {one.label}")
    numbers = {
        name: _number(texts.get(name, "1"), one.most, one.label) for name, one in known.items() if one.kind == "number"
    }
    words = {
        name: texts[name].strip() for name, one in known.items() if one.kind == "word" and texts.get(name, "").strip()
    }
    return Given({name: tuple(paths) for name, paths in found.items()}, texts.get("passphrase", ""), numbers, words)


def _kept(sent: UploadFile, folder: Path, label: str) -> Path:
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / plain(sent.filename or "")
    try:
        with path.open("xb") as stream:
            shutil.copyfileobj(sent.file, stream, 2**20)
    except FileExistsError:
        raise MalformedError(f"expected files of different names, got {path.name} twice for: {label}") from None
    except OSError as error:
        raise UsageError(f"expected room for {path.name}, got: {error.strerror or error}") from None
    return path


def _number(text: str, most: int, label: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 12 and 1 <= int(text) <= most):
        raise UsageError(f"expected a number from 1 to {most}, got {_line(text)!r} for: {label}")
    return int(text)


def _line(text: str) -> str:
    return "".join(sign if sign.isprintable() else " " for sign in text[:80])
