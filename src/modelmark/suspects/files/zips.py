"""Zip archives: their listing, read with a limit, and where a member's bytes lie."""

import io
import struct
import zipfile
from pathlib import Path

from modelmark.errors import MalformedError
from modelmark.suspects.files.base import HEADER

Listing = dict[str, zipfile.ZipInfo]
_LOCAL = struct.Struct("<26xHH")  # what stands before a member: lengths of its name and of what is extra


class _Bounded(io.FileIO):
    """A part of a file, of which no more than a header is read at once."""

    def __init__(self, path: Path, start: int, size: int) -> None:
        super().__init__(path)
        self._start, self._end = start, start + size
        super().seek(start)

    def tell(self) -> int:
        return super().tell() - self._start

    def seek(self, place: int, whence: int = 0, /) -> int:
        wanted = place + (self._start, super().tell(), self._end)[whence]
        if wanted < self._start:
            raise OSError("before the beginning")
        return super().seek(wanted) - self._start

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            size = HEADER + 1
        data = super().read(max(0, min(size, HEADER + 1, self._end - super().tell())))
        if len(data) > HEADER:
            raise zipfile.BadZipFile("the listing is too long")
        return data


def listing(path: Path, start: int = 0, size: int | None = None) -> Listing:
    """Return the members of an archive by name.

    Args:
        path: of the file.
        start: byte of the file at which the archive begins.
        size: of the archive; left out: all of the file.

    Raises:
        MalformedError: truncated, damaged, a listing above ``HEADER`` bytes, or a name that stands twice in it.
    """
    try:
        with (
            _Bounded(path, start, path.stat().st_size if size is None else size) as stream,
            zipfile.ZipFile(stream) as archive,
        ):
            members = archive.infolist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, RecursionError) as error:
        raise MalformedError(
            f"expected a whole zip archive in {path}, got one without a sound listing: {error}"[:200],
            hint="the file was cut off, as an interrupted download leaves it; fetch it again",
        ) from None
    for member in members:
        member.header_offset += start
    found = {member.filename: member for member in members}
    if len(found) < len(members):
        raise MalformedError(f"expected every member once in {path}, got one twice")
    return found


def place(path: Path, member: zipfile.ZipInfo) -> int:
    """Return where the bytes of a member begin in an archive that holds them as they are.

    Raises:
        MalformedError: it is compressed, or does not lie where the listing says.
    """
    if member.compress_type != zipfile.ZIP_STORED or member.compress_size != member.file_size:
        raise MalformedError(f"expected {member.filename} in {path} as it is, got it compressed"[:300])
    begin, head = member.header_offset, b""
    if 0 <= begin < path.stat().st_size:
        with path.open("rb") as stream:
            stream.seek(begin)
            head = stream.read(_LOCAL.size)
    if len(head) < _LOCAL.size or not head.startswith(b"PK\x03\x04"):
        raise MalformedError(f"expected {member.filename} in {path} where its listing says, got something else"[:300])
    *_, name, extra = _LOCAL.unpack(head)
    return begin + _LOCAL.size + name + extra


def content(path: Path, member: zipfile.ZipInfo, most: int = HEADER) -> bytes:
    """Return the bytes of a member that holds names and shapes, as it is.

    Raises:
        MalformedError: see ``place``; or it is longer than ``most``, or cut off.
    """
    if member.file_size > most:
        raise MalformedError(f"expected names and shapes of at most {most} bytes in {path}, got {member.file_size}")
    begin = place(path, member)
    with path.open("rb") as stream:
        stream.seek(begin)
        data = stream.read(member.file_size)
    if len(data) < member.file_size:
        raise MalformedError(f"expected all of {member.filename} in {path}, it ends within"[:300])
    return data
