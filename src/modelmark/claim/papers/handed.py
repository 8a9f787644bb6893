"""A lot's carriers on their way from the claimant to the judge, before anything is public: a line that says which, and bytes.

::

    {"claim":"8c7b...","key":0,"lot":1,"type":"modelmark.carriers","v":1}

The carriers follow, one after the other. Nobody signs the file: an opening shows later whether they were those.
"""

from modelmark import canonical
from modelmark.claim.papers import records
from modelmark.claim.papers.transcript import Head
from modelmark.errors import MalformedError

_MOST_LINE = 1024


def write(head: Head, carriers: bytes) -> bytes:
    """Return the file about what ``head`` names."""
    line = canonical.encode(records.dump(head) | {"type": "modelmark.carriers", "v": 1})
    return line + b"\n" + carriers


def parse(data: bytes) -> tuple[Head, bytes]:
    """Return what the file is about, and the carriers.

    Raises:
        MalformedError: not such a file, or another spelling of its first line.
    """
    line, _, carriers = data[: _MOST_LINE + 1].partition(b"\n")
    try:
        value = canonical.decode(line, what="the first line that modelmark carriers wrote")
        if not isinstance(value, dict) or (value.pop("type", None), value.pop("v", None)) != ("modelmark.carriers", 1):
            raise ValueError("another type")
        head = records.load(Head, value)
    except ValueError as error:
        raise MalformedError(f"expected carriers that modelmark carriers wrote, got {error}"[:200]) from None
    carriers = data[len(line) + 1 :]
    if write(head, carriers) != data:
        raise MalformedError(
            "expected carriers that modelmark carriers wrote, got another spelling of their first line"
        )
    return head, carriers
