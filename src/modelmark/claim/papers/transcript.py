"""The record of what a suspect was asked and what it answered, one line a query; its SHA-256 stands in the verdict.

::

    {"claim":"8c7b...","key":0,"lot":1,"type":"modelmark.transcript","v":1}
    {"answer":7,"carrier":64,"query":"5e0f..."}
    {"answer":3,"carrier":-1,"query":"91d2..."}

A query is named by the SHA-256 of the carrier's bytes, which an opening shows too (of several carriers', where one query needs
them: ``Carriers.queries``); carrier -1 is an ordinary query, there to
hide the others. Carriers ascend, so nobody can order them by what was answered. Nobody signs the record: whoever keeps it
adds lines, and an interrupted session goes on where the file ends. A challenge, or a verdict, fixes its digest.
"""

import hashlib
import itertools
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from modelmark import canonical, files
from modelmark.carriers.base import MOST_CARRIERS
from modelmark.claim.papers import records
from modelmark.claim.papers.claim import MOST_LOTS
from modelmark.claim.papers.records import Digest
from modelmark.claim.papers.shapes import Integer
from modelmark.errors import MalformedError, MismatchError
from modelmark.suspects.base import ABSTAIN

ORDINARY = -1
MAX_FILE = 2**26
"""Bytes; half a million queries."""


@dataclass(frozen=True)
class Head:
    """What the record is about: a claim's digest, the number of its key, and the lot."""

    claim: Digest
    key: Annotated[int, Integer(0, 63)]
    lot: Annotated[int, Integer(0, MOST_LOTS - 1)]

    def __post_init__(self) -> None:
        records.check(self)


@dataclass(frozen=True)
class Asked:
    """One query.

    Args:
        carrier: its number, or ``ORDINARY``.
        query: SHA-256 of the carrier's bytes (of an ordinary query: of its picture's), hex.
        answer: the label, or the bit; -1 where the suspect refused.
    """

    carrier: Annotated[int, Integer(ORDINARY, MOST_CARRIERS - 1)]
    query: Digest
    answer: Annotated[int, Integer(ABSTAIN, 2**20)]

    def __post_init__(self) -> None:
        records.check(self)


@dataclass(frozen=True)
class Transcript:
    """A record that can be added to by making a longer one.

    Args:
        head: what it is about.
        asked: in the order of asking.
    """

    head: Head
    asked: tuple[Asked, ...] = ()

    def __post_init__(self) -> None:
        numbers = [one.carrier for one in self.asked if one.carrier != ORDINARY]
        if any(a >= b for a, b in itertools.pairwise(numbers)):
            raise ValueError("expected carriers in ascending order, each asked once")

    @property
    def data(self) -> bytes:
        """The lines, as they are in a file."""
        return first_line(self.head) + b"".join(map(line, self.asked))

    @property
    def digest(self) -> str:
        """SHA-256 of the lines, hex."""
        return hashlib.sha256(self.data).hexdigest()

    def answers(self, carriers: Mapping[int, bytes]) -> dict[int, int]:
        """Return the recorded answers to these carriers, by number; carriers that were not asked are left out.

        Raises:
            MismatchError: a carrier of that number was asked, and it was another one.
        """
        found = {}
        for one in self.asked:
            if one.carrier in carriers:
                if hashlib.sha256(carriers[one.carrier]).hexdigest() != one.query:
                    raise MismatchError(f"expected the query of carrier {one.carrier} in the transcript, got another")
                found[one.carrier] = one.answer
        return found


def of(head: Head, carriers: Mapping[int, bytes], answers: Mapping[int, int]) -> Transcript:
    """Return the record of a suspect that answered ``carriers``, by number, with ``answers``."""
    asked = (
        Asked(number, hashlib.sha256(carriers[number]).hexdigest(), answer)
        for number, answer in sorted(answers.items())
    )
    return Transcript(head, tuple(asked))


def first_line(head: Head) -> bytes:
    """Return the first line of a record."""
    return canonical.encode(records.dump(head) | {"type": "modelmark.transcript", "v": 1}) + b"\n"


def line(asked: Asked) -> bytes:
    """Return the line of one query; adding it to the file makes the record longer by it."""
    # canonical JSON, as every field has the shape of its own; there may be half a million lines
    return b'{"answer":%d,"carrier":%d,"query":"%b"}\n' % (asked.answer, asked.carrier, asked.query.encode())


def parse(data: bytes, *, unfinished: bool = False) -> Transcript:
    """Return the record in ``data``.

    Args:
        data: whole lines.
        unfinished: drop a last line without its end, which an interruption left.

    Raises:
        MalformedError: not a record, or another spelling of one.
    """
    if len(data) > MAX_FILE:
        raise MalformedError(f"expected a transcript of at most {MAX_FILE} bytes, got {len(data)}")
    if unfinished:
        data = data[: data.rfind(b"\n") + 1]
    first, *rest, end = data.split(b"\n") if data.endswith(b"\n") else [b"", b"?"]
    if end:
        raise MalformedError("expected a transcript of whole lines, got one that ends in the middle")
    try:
        value = canonical.decode(first, what="the first line of a transcript")
        if not isinstance(value, dict) or (value.pop("type", None), value.pop("v", None)) != (
            "modelmark.transcript",
            1,
        ):
            raise ValueError("another type")
        head = records.load(Head, value)
        asked = tuple(records.load(Asked, canonical.decode(row, what="a line of a transcript")) for row in rest)
        found = Transcript(head, asked)
    except ValueError as error:
        raise MalformedError(f"expected a transcript: {error}") from None
    if found.data != data:
        raise MalformedError("expected a transcript in canonical form, got another spelling of it")
    return found


def load(path: Path | str, *, unfinished: bool = False) -> Transcript:
    """Return the record in a file; see ``parse``."""
    return parse(files.read(Path(path), limit=MAX_FILE, what="a transcript"), unfinished=unfinished)


def plan(carriers: Sequence[int], ordinary: int, seed: int) -> list[int]:
    """Return the order in which to ask: carriers ascending, with ``ordinary`` times ``ORDINARY`` strewn among them.

    The same seed gives the same order, so that an interrupted session goes on in it.
    """
    total = len(carriers) + ordinary
    places = set(random.Random(seed).sample(range(total), ordinary))
    rest = iter(sorted(carriers))
    return [ORDINARY if place in places else next(rest) for place in range(total)]
