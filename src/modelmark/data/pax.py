"""The extended headers of tar archives: records of key and value that override the plain header."""

from modelmark.errors import MalformedError

_LONGEST_LENGTH, _LONGEST_SIZE = 7, 19  # digits


def read_pax(data: bytes, archive: str, name: str) -> tuple[str, int]:
    """Return the path (else ``name``) and the size in bytes (else -1) a header gives the next member.

    Args:
        data: the header, records of the form ``LENGTH KEY=VALUE`` and a line end, LENGTH counting all of it.
        archive: what messages call the archive.
        name: the path so far.

    Raises:
        MalformedError: the records are not of that form, or describe a sparse file.
    """
    size, start = -1, 0
    while start < len(data):
        key, value, start = _record(data, start, archive)
        if key.startswith(b"GNU.sparse"):
            raise MalformedError(f"expected only files and folders in {archive}, got a sparse file: {name!r:.200}")
        if key == b"path":
            name = text_of(value, archive)
        elif key == b"size":
            if not value.isdigit() or len(value) > _LONGEST_SIZE:
                raise MalformedError(f"expected a size in the pax record in {archive}, got {value[:40]!r}")
            size = int(value)
    return name, size


def text_of(raw: bytes, archive: str) -> str:
    """Decode a name.

    Raises:
        MalformedError: it is not UTF-8.
    """
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise MalformedError(f"expected names in UTF-8 in {archive}, got {raw[:80]!r}") from None


def _record(data: bytes, start: int, archive: str) -> tuple[bytes, bytes, int]:
    """Return key, value and end of the record at ``start``."""
    blank = data.find(b" ", start, start + _LONGEST_LENGTH + 1)
    length = data[start:blank] if blank > start else b""
    end = start + int(length) if length.isdigit() else start
    key, equals, value = data[blank + 1 : max(end - 1, 0)].partition(b"=")
    if not equals or end > len(data) or data[end - 1 : end] != b"\n":
        raise MalformedError(f"expected plain pax records in {archive}, got {data[start : start + 40]!r}")
    return key, value, end
