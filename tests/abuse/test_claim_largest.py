"""The largest document of every kind that its reader admits, and what reading it costs: calls, and bytes held at once."""

import base64
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from modelmark import canonical
from modelmark.claim.papers import envelope, handed, records, schemas, transcript
from modelmark.claim.papers.dispute import MAX_TOKEN, MOST_LEAVES
from modelmark.claim.papers.identity import Identity
from modelmark.claim.papers.transcript import Asked, Head
from spending import at_most, in_all_at_most

KNOWN = json.loads((Path(__file__).parents[1] / "vectors" / "claims.json").read_text(encoding="utf-8"))
PAYLOADS = {
    one["kind"]: base64.b64decode(json.loads(one["envelope"])["payload"]) for one in reversed(KNOWN["documents"])
}
OWNER, JUDGE = (Identity((("ed25519", bytes(range(first, first + 32))),)) for first in (0, 32))
MIB = 2**20
TOKEN = base64.b64encode(bytes(MAX_TOKEN)).decode()
HEAD = Head("ab" * 32, 0, 0)


def fields(kind: str) -> dict[str, Any]:
    return {name: value for name, value in json.loads(PAYLOADS[kind])["predicate"].items() if name not in ("type", "v")}


def claim(part: int) -> dict[str, Any]:
    found = fields("claim")
    (one,) = found["keys"]
    face = one["statement"]["interface"] | {"mean": [1] * 3900, "std": [1] * 3900}
    keys = [one | {"lots": [1] * 256, "statement": one["statement"] | {"interface": face, "root": f"{i:064x}", "carriers": 256,
                                                                        "trials": 256}} for i in range(64 // part)]  # fmt: skip
    return found | {"keys": keys, "prior": [f"{i:064x}" for i in range(1024 // part)]}


def deposit(part: int) -> dict[str, Any]:
    return fields("deposit") | {"tokens": [TOKEN] * 8, "beacon": base64.b64encode(bytes(4096)).decode()}


def challenge(part: int) -> dict[str, Any]:
    found = fields("challenge")
    return found | {"suspect": found["suspect"] | {"tokens": [TOKEN] * 8}}


def opening(part: int) -> dict[str, Any]:
    leaf = fields("opening")["leaves"][0]
    leaves = [leaf | {"index": i} for i in range(MOST_LEAVES // part)]
    return fields("opening") | {"leaves": leaves, "proof": [f"{i:064x}" for i in range(45_000 // part)]}


def verdict(part: int) -> dict[str, Any]:
    checks = [{"name": "x" * 100, "outcome": "pass", "detail": "y" * 1000}] * (100 // part)
    spent = [{"key": i // 256, "lot": i % 256} for i in range(64 * 256 // part)]
    found = fields("verdict")
    return found | {"checks": checks, "spent": spent, "suspect": found["suspect"] | {"tokens": [TOKEN] * 8}}


def revocation(part: int) -> dict[str, Any]:
    spent = [{"key": i // 256, "lot": i % 256} for i in range(64 * 256 // part)]
    return fields("revocation") | {"reason": "lots-burned", "lots": spent}


LARGEST = {
    # calls of functions, Python's and C's; MiB at once, of which the file is at most 8; whether both grow with its lists
    claim: (3_700_000, 24, True),
    deposit: (600, 3, False),
    challenge: (700, 3, False),
    opening: (1_250_000, 48, True),
    verdict: (620_000, 16, True),
    revocation: (620_000, 16, True),
}


def test_every_kind_of_document_is_there() -> None:
    assert sorted(make.__name__ for make in LARGEST) == sorted(schemas.DOCUMENTS)


@pytest.mark.parametrize("part", [8, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("make", LARGEST, ids=lambda make: make.__name__)
def test_the_largest_document_of_a_kind_costs_no_more_than_this(make, part) -> None:
    """Every day an eighth of it, at an eighth of the calls, in half of the memory: tokens and the like are as long as ever."""
    calls, most, by_length = LARGEST[make]
    if by_length:
        calls, most = calls // part, most / min(part, 2)
    cls = schemas.DOCUMENTS[make.__name__]
    document = records.load(cls, make(part))
    data = envelope.sign(document, JUDGE if make in (challenge, verdict) else OWNER).data
    assert len(data) <= envelope.MAX_ENVELOPE
    tracemalloc.start()
    try:
        with in_all_at_most(calls):
            again = envelope.parse(data, cls)
        assert tracemalloc.get_traced_memory()[1] < most * MIB
    finally:
        tracemalloc.stop()
    assert again.document == document


def test_a_transcript_costs_by_its_lines_and_carriers_cost_by_their_line() -> None:
    asked = tuple(Asked(i, "ab" * 32, 1) for i in range(1000))
    data = transcript.Transcript(HEAD, asked).data
    with at_most(60 * 1000):
        transcript.parse(data)
    assert transcript.line(asked[7]) == canonical.encode(records.dump(asked[7])) + b"\n"
    with at_most(200):
        handed.parse(handed.write(HEAD, bytes(2**24)))
