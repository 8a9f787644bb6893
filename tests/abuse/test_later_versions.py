"""Documents of version 2: no other spelling, no mixture with version 1, no byte changed; and records that begin so."""

import base64
import dataclasses
import json
from dataclasses import fields

import pytest
from test_claim_documents import KNOWN, refused, signed

from modelmark import canonical
from modelmark.claim.papers import envelope, records, schemas, transcript
from modelmark.claim.papers.transcript import Asked, Head, Transcript
from modelmark.errors import MalformedError

LATER = {entry["kind"]: entry["envelope"].encode() for entry in KNOWN["later"]}


def statement(kind: str):
    return json.loads(base64.b64decode(json.loads(LATER[kind])["payload"]))


@pytest.mark.parametrize("kind", LATER)
def test_what_a_version_has_and_has_not_is_one_spelling(kind) -> None:
    whole = statement(kind)
    assert signed(kind, canonical.encode(whole)) == LATER[kind]
    assert envelope.kind(LATER[kind]) == kind
    name = f"urn:modelmark:{kind}:v"
    cls = schemas.DOCUMENTS[kind]
    added = records.shapes(cls, 2).keys() - records.shapes(cls, 1).keys()
    empty = {field: type(whole["predicate"][field])() for field in added}
    first = dataclasses.replace(
        envelope.parse(LATER[kind], cls).document, **{one.name: one.default for one in fields(cls) if one.name in added}
    )
    older = json.loads(envelope._payload(first))
    assert envelope.parse(signed(kind, canonical.encode(older)), cls).document == first
    said, name = older["predicate"], f"urn:modelmark:{kind}:v"
    for changed in (
        older | {"predicateType": name + "2", "predicate": said | empty | {"v": 2}},  # nothing in it: that is version 1
        older | {"predicate": said | empty},
        older | {"predicate": said | {"v": 2}},
        older | {"predicateType": name + "2"},
        older | {"predicateType": name + "2", "predicate": said | {"v": 2}},
        whole | {"predicate": whole["predicate"] | {"v": 1}},
        whole | {"predicateType": name + "1"},
        whole | {"predicateType": name + "1", "predicate": whole["predicate"] | {"v": 1}},
        whole | {"predicateType": name + "3", "predicate": whole["predicate"] | {"v": 3}},
        whole | {"predicate": whole["predicate"] | {"v": True}},
    ):
        refused(signed(kind, canonical.encode(changed)), kind)


@pytest.mark.parametrize("kind", LATER)
def test_every_changed_byte_is_refused(kind) -> None:
    data = LATER[kind]
    for position in range(0, len(data), 3):
        refused(data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :], kind)


@pytest.mark.parametrize("burned", [
    {"root": "ab" * 32, "first": -1, "count": 4}, {"root": "ab" * 32, "first": 0, "count": 0},
    {"root": "ab" * 32, "first": 0, "count": 2**60}, {"root": "xy" * 32, "first": 0, "count": 4}, {"root": "ab" * 32}, 4,
])  # fmt: skip
def test_carriers_that_cannot_be_are_refused(burned) -> None:
    whole = statement("verdict")
    whole["predicate"]["burned"] = [burned]
    refused(signed("verdict", canonical.encode(whole)), "verdict")


def test_a_record_names_nonce_and_test_or_neither_and_says_which_version_it_is() -> None:
    head = Head("ab" * 32, 0, 1, nonce="cd" * 32, test="exact")
    record = Transcript(
        head, (Asked(7, "ef" * 32, 1), Asked(3, "01" * 32, 2))
    )  # any order; the lot's is looked at later
    assert transcript.parse(record.data) == record
    first, _, rest = record.data.partition(b"\n")
    value = json.loads(first)
    for change in (
        {"v": 1},
        {"v": 3},
        {"v": True},
        {"nonce": ""},
        {"test": ""},
        {"nonce": "", "test": ""},
        {"test": "best"},
    ):
        with pytest.raises(MalformedError):
            transcript.parse(canonical.encode(value | change) + b"\n" + rest)
    for lacking in ("nonce", "test", "v", "type"):
        without = {name: item for name, item in value.items() if name != lacking}
        with pytest.raises(MalformedError):
            transcript.parse(canonical.encode(without) + b"\n" + rest)
    with pytest.raises(MalformedError, match="asked once"):
        transcript.parse(record.data + transcript.line(record.asked[0]))
