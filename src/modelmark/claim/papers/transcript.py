"""The record of what a suspect was asked and what it answered, one line a query; its SHA-256 stands in the verdict.

::

    {"claim":"8c7b...","key":0,"lot":1,"nonce":"40c1...","test":"e-process","type":"modelmark.transcript","v":2}
    {"answer":7,"carrier":64,"query":"5e0f..."}
    {"answer":3,"carrier":-1,"query":"91d2..."}

A query is named by the SHA-256 of the carrier's bytes, which an opening shows too (of several carriers', where one query needs
them: ``Carriers.queries``); carrier -1 is an ordinary query, there to hide the others. Carriers stand in the order that the
nonce of the first line gives, so that nobody can order them by what was answered, nor tell from the order which are carriers;
in records of version 1, and where a judge has the weights, they ascend. Nobody signs the record: whoever keeps it
adds lines, and an interrupted session goes on where the file ends. A challenge, or a verdict, fixes its digest.
"""

import hashlib
import itertools
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from modelmark import canonical, files
from modelmark.canonical import Json
from modelmark.carriers.base import MOST_CARRIERS
from modelmark.claim.papers import lots, records
from modelmark.claim.papers.claim import MOST_LOTS
from modelmark.claim.papers.records import Digest, Since
from modelmark.claim.papers.shapes import Choice, Hex, Integer
from modelmark.errors import MalformedError, MismatchError
from modelmark.suspects.base import ABSTAIN, MOST_SURPRISAL

ORDINARY = -1
MAX_FILE = 2**26
"""Bytes; half a million queries."""


@dataclass(frozen=True)
class Head:
    """What the record is about, and what was fixed before anything was asked.

    Args:
        claim: its digest.
        key: number of its key.
        lot: number of its lot.
        nonce: 32 random bytes, hex, which give the order of asking; since version 2.
        test: what the answers will be weighed with, ``exact`` or ``e-process``; since version 2.
    """

    claim: Digest
    key: Annotated[int, Integer(0, 63)]
    lot: Annotated[int, Integer(0, MOST_LOTS - 1)]
    nonce: Annotated[str, Hex(32, optional=True), Since(2)] = ""
    test: Annotated[str, Choice(("", "exact", "e-process")), Since(2)] = ""

    def __post_init__(self) -> None:
        records.check(self)
        if bool(self.nonce) != bool(self.test):
            raise ValueError(f"expected a nonce and a test, or neither, got {self.nonce!r} and {self.test!r}")

    @property
    def about(self) -> tuple[str, int, int]:
        """Claim, key and lot."""
        return self.claim, self.key, self.lot


@dataclass(frozen=True)
class Asked:
    """One query.

    Args:
        carrier: its number, or ``ORDINARY``.
        query: SHA-256 of the carrier's bytes (of an ordinary query: of its picture's), hex.
        answer: the label, the bit, or what a record surprises by, in millionths of a nat; -1 where the suspect refused.
    """

    carrier: Annotated[int, Integer(ORDINARY, MOST_CARRIERS - 1)]
    query: Digest
    answer: Annotated[int, Integer(ABSTAIN, MOST_SURPRISAL)]

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
        if not self.head.nonce and any(a >= b for a, b in itertools.pairwise(numbers)):
            raise ValueError("expected carriers in ascending order, each asked once")
        if len(set(numbers)) < len(numbers):
            raise ValueError("expected each carrier to be asked once")

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
    tags: dict[str, Json] = {"type": "modelmark.transcript", "v": records.version(head)}
    return canonical.encode(records.dump(head) | tags) + b"\n"


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
        if not isinstance(value, dict) or value.pop("type", None) != "modelmark.transcript":
            raise ValueError("another type")
        version = value.pop("v", None)
        if not isinstance(version, int) or version not in records.versions(Head):
            raise ValueError("another version")
        head = records.load(Head, value, version)
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


def order(head: Head, queries: Iterable[int]) -> tuple[int, ...]:
    """Return all queries of a lot in the order of asking: as the head's nonce shuffles them, ascending where it has none."""
    numbers = sorted(queries)
    if not head.nonce:
        return tuple(numbers)
    parts = bytes.fromhex(head.nonce), bytes.fromhex(head.claim)
    return tuple(numbers[i] for i in lots.shuffled(len(numbers), "ask", *parts))


def completed(head: Head, queries: Iterable[int], each: int) -> tuple[int, ...]:
    """Return the trials of these queries, ``each`` a trial, in the order in which their last query is asked."""
    last = {number // each: place for place, number in enumerate(order(head, queries))}
    return tuple(sorted(last, key=last.__getitem__))


def require_order(record: Transcript, queries: Iterable[int]) -> None:
    """Raise MismatchError unless carriers were asked in the order that a record's nonce gives, up to where it ends."""
    asked = tuple(one.carrier for one in record.asked if one.carrier != ORDINARY)
    if record.head.nonce and asked != order(record.head, queries)[: len(asked)]:
        raise MismatchError("expected carriers in the order that the transcript's nonce gives, got another")


def plan(head: Head, queries: Iterable[int], ordinary: int) -> list[int]:
    """Return the order in which to ask, with ``ordinary`` times ``ORDINARY`` strewn among the queries.

    The same head gives the same order, so that an interrupted session goes on in it.
    """
    numbers = order(head, queries)
    total = len(numbers) + ordinary
    places = set(random.Random(head.nonce).sample(range(total), ordinary))
    rest = iter(numbers)
    return [ORDINARY if place in places else next(rest) for place in range(total)]
