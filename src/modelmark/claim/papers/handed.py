"""A lot's carriers on their way from the claimant to the judge, before anything is public: a line that says which, and bytes.

::

    {"claim":"8c7b...","key":0,"lot":1,"type":"modelmark.carriers","v":1}

The carriers follow, one after the other; in version 2, which is written where their sizes differ, each after a line with its own.
Nobody signs the file: an opening shows later whether they were those.
"""

from collections.abc import Sequence

from modelmark import canonical
from modelmark.carriers.base import MOST_CARRIERS
from modelmark.claim.papers import records
from modelmark.claim.papers.transcript import Head
from modelmark.errors import MalformedError

_MOST_LINE = 1024
_LONGEST_SIZE = 11
"""Digits of a carrier's size and the end of its line."""


def write(head: Head, carriers: bytes | Sequence[bytes]) -> bytes:
    """Return the file about what ``head`` names.

    Args:
        head: which carriers they are.
        carriers: one after the other, or each by itself.
    """
    if isinstance(carriers, bytes):
        return _line(head, 1) + carriers
    if len(set(map(len, carriers))) < 2:
        return write(head, b"".join(carriers))
    return _line(head, 2) + b"".join(b"%d\n%b" % (len(one), one) for one in carriers)


def _line(head: Head, version: int) -> bytes:
    return canonical.encode(records.dump(head) | {"type": "modelmark.carriers", "v": version}) + b"\n"


def parse(data: bytes) -> tuple[Head, bytes | list[bytes]]:
    """Return what the file is about, and the carriers: one after the other where they have one size, else each by itself.

    Raises:
        MalformedError: not such a file, or another spelling of its first line.
    """
    line = data[: _MOST_LINE + 1].partition(b"\n")[0]
    try:
        value = canonical.decode(line, what="the first line that modelmark carriers wrote")
        if not isinstance(value, dict) or value.pop("type", None) != "modelmark.carriers":
            raise ValueError("another type")
        version = value.pop("v", None)
        if version not in (1, 2) or version is True:
            raise ValueError("another version")
        head = records.load(Head, value)
    except ValueError as error:
        raise MalformedError(f"expected carriers that modelmark carriers wrote, got {error}"[:200]) from None
    rest = data[len(line) + 1 :]
    found: bytes | list[bytes] = rest if version == 1 else _apart(rest)
    if write(head, found) != data:
        raise MalformedError(
            "expected carriers that modelmark carriers wrote, got another spelling of their first line"
        )
    return head, found


def _apart(data: bytes) -> list[bytes]:
    """Return carriers that stand each after a line with its size; whatever is left over shows when they are written again."""
    found, start = list[bytes](), 0
    while start < len(data):
        end = data.find(b"\n", start, start + _LONGEST_SIZE)
        size = int(data[start:end]) if end > start and data[start:end].isdigit() else -1
        if size < 0 or end + 1 + size > len(data) or len(found) == MOST_CARRIERS:
            raise MalformedError("expected the size of every carrier that modelmark carriers wrote, got something else")
        found.append(data[end + 1 : end + 1 + size])
        start = end + 1 + size
    return found
