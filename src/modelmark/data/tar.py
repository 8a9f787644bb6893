"""Reading tar archives as a stream of names and bytes: nothing is extracted, links and devices are refused."""

from collections.abc import Iterator

from modelmark.data.bounded import Bounded
from modelmark.data.limits import Limits
from modelmark.data.pax import read_pax, text_of
from modelmark.errors import MalformedError

_BLOCK = 512
_END = bytes(_BLOCK)
_FILE_TYPES, _FOLDER = (b"0", b"\0", b"7"), b"5"
_PAX, _PAX_GLOBAL, _LONG_NAME, _LONG_LINK = b"x", b"g", b"L", b"K"
_REFUSED = {
    b"1": "a hard link",
    b"2": "a symbolic link",
    b"3": "a character device",
    b"4": "a block device",
    b"6": "a named pipe",
    b"S": "a sparse file",
}


def read_members(stream: Bounded, limits: Limits) -> Iterator[tuple[str, bytes | None]]:
    """Yield the name and the bytes of each file of an archive, and the name and None of each folder.

    Reads the old, ustar, pax and GNU formats. Names are as stored, not yet judged.

    Args:
        stream: the unpacked archive.
        limits: caps on members and on extended headers.

    Raises:
        MalformedError: not a tar archive, cut short, without end marker, with data after it, with a member that is
            neither file nor folder, or beyond a cap.
    """
    long_name, long_size = "", -1
    for _ in range(limits.max_members):
        header = stream.exactly(_BLOCK)
        if header == _END:
            _finish(stream)
            return
        kind = header[156:157]
        _check_sum(header, stream)
        if kind in (_PAX, _PAX_GLOBAL, _LONG_NAME, _LONG_LINK):
            data = _data(stream, _extension_size(header, stream, limits))
            if kind == _LONG_NAME:
                long_name = text_of(data.split(b"\0")[0], stream.name)
            elif kind == _PAX:
                long_name, long_size = read_pax(data, stream.name, long_name)
            continue
        name = long_name or _name(header, stream)
        size = long_size if long_size >= 0 else _number(header[124:136], stream)
        long_name, long_size = "", -1
        if kind == _FOLDER or (kind == b"\0" and name.endswith("/")):
            yield name, None
        elif kind in _FILE_TYPES:
            yield name, _data(stream, size)
        else:
            what = _REFUSED.get(kind, f"type {kind!r}")
            raise MalformedError(f"expected only files and folders in {stream.name}, got {what}: {name!r:.200}")
    raise MalformedError(f"expected at most {limits.max_members} members in {stream.name}, got more")


def _check_sum(header: bytes, stream: Bounded) -> None:
    """Check the sum of the header's bytes, the sum's own field counted as blanks."""
    if sum(header) - sum(header[148:156]) + 8 * ord(" ") != _number(header[148:156], stream):
        raise MalformedError(f"expected a tar archive in {stream.name}, got a header whose sum is wrong")


def _number(field: bytes, stream: Bounded) -> int:
    """Read an octal number, or GNU's binary one, marked by the top bit."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    digits = field.strip(b" \0")
    if not all(digit in b"01234567" for digit in digits):
        raise MalformedError(f"expected a tar archive in {stream.name}, got {field!r} for a number")
    return int(digits or b"0", 8)


def _name(header: bytes, stream: Bounded) -> str:
    name = header[:100].split(b"\0")[0]
    prefix = header[345:500].split(b"\0")[0] if header[257:263] == b"ustar\0" else b""
    return text_of(prefix + b"/" + name if prefix else name, stream.name)


def _extension_size(header: bytes, stream: Bounded, limits: Limits) -> int:
    size = _number(header[124:136], stream)
    if size > limits.max_tar_header:
        cap = limits.max_tar_header
        raise MalformedError(f"expected tar headers of at most {cap} bytes in {stream.name}, got {size}")
    return size


def _data(stream: Bounded, size: int) -> bytes:
    """Read the bytes of one member and the filling up to the next block."""
    stream.expect(size)
    data = stream.exactly(size)
    stream.exactly(-size % _BLOCK)
    return data


def _finish(stream: Bounded) -> None:
    """Read the zeros that fill an archive up, to the end of the stream."""
    while piece := stream.read(1 << 20):
        if piece.count(0) != len(piece):
            raise MalformedError(f"expected zeros after the end of the archive in {stream.name}, got more data")
