"""What an address answered to the queries of a check, one line each, written before the next is sent.

::

    {"address":"https://host/v1/models/m:predict","type":"modelmark.answers","v":1,"way":"5e0f..."}
    {"answer":7,"query":"91d2..."}

For the owner's own checks, which have no claim yet; what a judge records is ``claim.papers.transcript``. A query is named by the
SHA-256 of what is asked. A second process goes on where the file ends: what was answered is not asked again.
"""

import hashlib
import re
from pathlib import Path

from modelmark import canonical, files
from modelmark.canonical import Json
from modelmark.errors import MalformedError, MismatchError
from modelmark.suspects.base import ABSTAIN

MOST = 2**26
"""Bytes; half a million queries."""
_LINE = re.compile(rb'\{"answer":(-1|0|[1-9][0-9]{0,12}),"query":"([0-9a-f]{64})"\}')


class Journal:
    """Answers of one address, asked in one way.

    Args:
        path: of the file; made if it is not there.
        address: that answers, without a secret.
        way: digest of how it is asked and how its answers are read, hex: the same answers to the same queries.

    Raises:
        MismatchError: the file is about another address or way.
        MalformedError: it is something else.
        UsageError: another process is writing it.
    """

    def __init__(self, path: Path, address: str, way: str) -> None:
        head: dict[str, Json] = {"address": address, "type": "modelmark.answers", "v": 1, "way": way}
        first = canonical.encode(head) + b"\n"
        self.path = path
        self._lines = files.Growing(path, first, limit=MOST, what="a file of answers")
        try:
            self.answers = _parsed(path, self._lines.data, first)
        except BaseException:
            self.close()
            raise
        self.before = len(self.answers)

    def write(self, query: str, answer: int) -> None:
        """Write an answer down."""
        self._lines.add(b'{"answer":%d,"query":"%b"}\n' % (max(answer, ABSTAIN), query.encode()))
        self.answers[query] = max(answer, ABSTAIN)

    def close(self) -> None:
        """Let another process have the file."""
        self._lines.__exit__()


def _parsed(path: Path, data: bytes, first: bytes) -> dict[str, int]:
    head, _, rest = data.partition(b"\n")
    if b'"modelmark.answers"' not in head:
        raise MalformedError(f"expected answers of an address in {path}, got something else")
    if head + b"\n" != first:
        raise MismatchError(
            f"expected {path} to be about this address, asked in this way, got another",
            hint="name another file: --answers FILE",
        )
    answers: dict[str, int] = {}
    for number, line in enumerate(rest.splitlines(), 2):
        found = _LINE.fullmatch(line)
        if not found or found[2].decode() in answers:
            raise MalformedError(f"expected each query once in {path}, got something else in line {number}")
        answers[found[2].decode()] = int(found[1])
    return answers


def digest(*parts: bytes) -> str:
    """Return SHA-256 of parts, hex, each with its length before it."""
    total = hashlib.sha256()
    for part in parts:
        total.update(len(part).to_bytes(8, "big") + part)
    return total.hexdigest()
