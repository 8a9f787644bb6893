"""Hostile documents of a dispute: every byte changed, every truncation, forged, outsized, too deep, in other words."""

import base64
import copy
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelmark import canonical
from modelmark.claim.papers import envelope, schemas
from modelmark.claim.papers.claim import Claim
from modelmark.claim.papers.identity import Identity
from modelmark.errors import MalformedError
from spending import at_most

KNOWN = json.loads((Path(__file__).parents[1] / "vectors" / "claims.json").read_text(encoding="utf-8"))
DOCUMENTS = {entry["kind"]: entry["envelope"].encode() for entry in KNOWN["documents"]}
OWNER = Identity((("ed25519", bytes(range(32))),))
JUDGE = Identity((("ed25519", bytes(range(32, 64))),))
KINDS = list(DOCUMENTS)
STRIDE = pytest.mark.parametrize("stride", [3, pytest.param(1, marks=pytest.mark.slow)], ids="every {}".format)
"""Of the bytes of a document every third, and every one where it may take longer."""


def refused(data: bytes, kind: str) -> str:
    try:
        envelope.parse(data, schemas.DOCUMENTS[kind])
    except MalformedError as error:  # pytest.raises costs as much as the parser
        message = str(error)
    else:
        pytest.fail(f"accepted {data[:80]!r}")
    assert len(message.splitlines()) == 1
    assert len(message) < 1000
    return message


def statement(kind: str) -> Any:
    return json.loads(base64.b64decode(json.loads(DOCUMENTS[kind])["payload"]))


def sealed(payload: bytes, *identities: Identity) -> bytes:
    """Return an envelope around any payload, rightly signed: what a hostile party can make of its own document."""
    signatures = [
        {"keyid": signer.keyid, "sig": base64.b64encode(signature).decode()}
        for identity in identities
        for signer, signature in zip(identity.signers, identity.sign(envelope.pae(payload)), strict=True)
    ]
    text = base64.b64encode(payload).decode()
    return canonical.encode({"payload": text, "payloadType": envelope.PAYLOAD_TYPE, "signatures": signatures})  # type: ignore[dict-item]


def signed(kind: str, payload: bytes) -> bytes:
    return sealed(payload, JUDGE if kind in ("challenge", "verdict") else OWNER)


def test_the_forger_of_these_tests_can_forge() -> None:
    for kind in KINDS:
        assert signed(kind, canonical.encode(statement(kind))) == DOCUMENTS[kind]
        envelope.parse(DOCUMENTS[kind], schemas.DOCUMENTS[kind])


@STRIDE
@pytest.mark.parametrize("kind", KINDS)
def test_every_changed_byte_is_refused(kind, stride) -> None:
    data = DOCUMENTS[kind]
    for position, byte in list(enumerate(data))[::stride]:
        for other in (byte ^ 1, (byte + 1 + 37 * position % 255) % 256):
            refused(data[:position] + bytes([other]) + data[position + 1 :], kind)


@STRIDE
@pytest.mark.parametrize("kind", KINDS)
def test_every_truncation_is_refused(kind, stride) -> None:
    data = DOCUMENTS[kind]
    for length in range(len(data) - 1, -1, -stride):
        refused(data[:length], kind)


@STRIDE
@pytest.mark.parametrize("kind", KINDS)
def test_every_byte_left_out_and_every_byte_put_in_is_refused(kind, stride) -> None:
    data = DOCUMENTS[kind]
    for position in range(0, len(data), stride):
        refused(data[:position] + data[position + 1 :], kind)
        refused(data[:position] + b" " + data[position:], kind)
    for tail in (b"\n", b"\0", b" ", data):
        refused(data + tail, kind)


@pytest.mark.parametrize("stride", [19, pytest.param(3, marks=pytest.mark.slow)], ids="every {}".format)
def test_changed_bytes_under_three_signatures_are_refused(stride) -> None:
    data = KNOWN["lasting"].encode()
    for position, byte in list(enumerate(data))[::stride]:
        refused(data[:position] + bytes([byte ^ 1]) + data[position + 1 :], "claim")


@STRIDE
@pytest.mark.parametrize("kind", KINDS)
def test_every_byte_of_the_signed_bytes_is_signed(kind, stride) -> None:
    """The payload changed inside its base64, the signature kept."""
    value = json.loads(DOCUMENTS[kind])
    payload = base64.b64decode(value["payload"])
    for position, byte in list(enumerate(payload))[::stride]:
        changed = payload[:position] + bytes([byte ^ 1 << position % 8]) + payload[position + 1 :]
        refused(canonical.encode(value | {"payload": base64.b64encode(changed).decode()}), kind)


# --- forged by a party that can sign ------------


def places(value: Any, path: tuple[Any, ...] = ()):
    yield path, value
    if isinstance(value, (dict, list)):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(item, (*path, key))


def put(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    changed = copy.deepcopy(value)
    holder = changed
    for key in path[:-1]:
        holder = holder[key]
    if new is REMOVED:
        del holder[path[-1]]
    else:
        holder[path[-1]] = new
    return changed


REMOVED = object()


@pytest.mark.parametrize("kind", KINDS)
def test_another_type_in_any_place_a_missing_and_an_added_field_are_refused(kind) -> None:
    original = statement(kind)
    for path, item in places(original):
        news: list[Any] = [None, {}, [[]], {"x": 1}, -1, "\x00", "x" * 5001, 2**63]
        news += [REMOVED] if path and isinstance(path[-1], str) and "parameters" not in path[:-1] else []
        if isinstance(item, dict) and path[-1:] != ("parameters",):
            news.append({**item, "more": 1})
        if isinstance(item, bool) or not isinstance(item, int):
            news.append(7)
        for new in news:
            if new == item or (path and "parameters" in path and new is not None):
                continue
            refused(signed(kind, canonical.encode(put(original, path, new))), kind)


@pytest.mark.parametrize("kind", KINDS)
def test_other_spellings_of_the_same_are_refused(kind) -> None:
    payload = base64.b64decode(json.loads(DOCUMENTS[kind])["payload"])
    value = json.loads(payload)
    spellings = [
        payload.replace(b":", b": ", 1),
        payload + b"\n",
        b"\xef\xbb\xbf" + payload,
        payload.decode().encode("utf-16"),
        json.dumps(value).encode(),
        payload.replace(b'"v":1', b'"v":1.0'),
        payload.replace(b'"v":1', b'"v":1e0'),
        payload.replace(b'"v":1', b'"v":01'),
        payload.replace(b'"v":1', b'"v":true'),
        payload.replace(b'"v":1', b'"v":1,"v":1'),
        payload.replace(b'"type"', b'"\\u0074ype"'),
        payload.replace(b'"v":1', b'"v":NaN'),
        payload.replace(b'"v":1', b'"v":-0'),
        payload.replace(b'"v":1', b'"v":"\\ud800"'),
        payload.replace(b'"v":1', b'"v":2'),
        payload.replace(b":v1", b":v2"),
        payload.replace(b"in-toto.io/Statement/v1", b"in-toto.io/Statement/v0.1"),
    ]
    for spelling in spellings:
        assert spelling != payload
        refused(signed(kind, spelling), kind)


def test_another_envelope_type_and_other_base64_are_refused() -> None:
    value = json.loads(DOCUMENTS["claim"])
    text, signature = value["payload"], value["signatures"][0]
    assert text.endswith("=") or len(text) % 4 == 0
    for changes in (
        {"payloadType": "application/json"}, {"payload": text + "\n"}, {"payload": text.rstrip("=")}, {"payload": text + "="},
        {"payload": ""}, {"payload": None}, {"payload": [text]}, {"more": 1}, {"signatures": []}, {"signatures": {}},
        {"signatures": [signature] * 2}, {"signatures": [signature | {"more": ""}]}, {"signatures": [None]},
        {"signatures": [signature | {"keyid": ""}]}, {"signatures": [signature | {"keyid": 7}]},
        {"signatures": [signature | {"sig": ""}]}, {"signatures": [signature | {"sig": 7}]},
        {"signatures": [signature | {"sig": signature["sig"] + "\n"}]}, {"signatures": [signature | {"sig": "A" * 9000}]},
    ):  # fmt: skip
        refused(canonical.encode(value | changes), "claim")


def test_a_signature_of_another_document_or_another_party_is_refused() -> None:
    claim, revocation = json.loads(DOCUMENTS["claim"]), json.loads(DOCUMENTS["revocation"])
    refused(canonical.encode(claim | {"signatures": revocation["signatures"]}), "claim")
    refused(sealed(base64.b64decode(claim["payload"]), JUDGE), "claim")
    refused(sealed(base64.b64decode(claim["payload"]), OWNER, JUDGE), "claim")
    refused(sealed(base64.b64decode(claim["payload"])), "claim")


# --- hostile size, depth and encoding -----------


def cheaply(data: bytes, kind: str = "claim", *, traced: bool = False) -> None:
    """``data`` is refused within two million calls; where ``traced``, also within 96 MiB."""
    with at_most(2_000_000):
        refused(data, kind)
    if not traced:  # it makes everything ten times slower
        return
    tracemalloc.start()
    try:
        refused(data, kind)
        assert tracemalloc.get_traced_memory()[1] < 96 * 2**20
    finally:
        tracemalloc.stop()


FILL = 2 * 2**20


@pytest.mark.parametrize(
    "payload",
    [
        b"[" * FILL,
        b'{"a":' * (FILL // 5),
        b"[" * 100 + b"]" * 100,
        b"[" + b"[]," * (FILL // 3) + b"[]]",
        b"[" + b"0," * (FILL // 2) + b"0]",
        b"[" + b"[0]," * 60_000 + b"[0]]",
        b"[" + b",".join([b"9" * 4200] * 500) + b"]",
        b"9" * FILL,
        b'"' + b"\\u0000" * (FILL // 6) + b'"',
        b'"' + b"a" * FILL,
        b'"' + b"\\" * FILL,
        b'"' + b'\\"' * (FILL // 2),
        b'{"a":"' + b"\xff" * FILL + b'"}',
        b"{" + b",".join(b'"%d":0' % i for i in range(60_000)) + b"}",
        b"\0" * FILL,
        b"",
        b"null",
        b"[]",
        b"{}",
    ],
    ids=lambda payload: f"{bytes(payload[:12])!r}x{len(payload)}",
)
def test_a_hostile_payload_is_refused_cheaply(payload) -> None:
    cheaply(sealed(payload, OWNER), traced=len(payload) < 2**20 or payload[:1] == b"[")
    cheaply(payload)


def test_depth_and_number_of_values_are_bounded_before_anything_is_built() -> None:
    assert "at most 16 deep" in refused(sealed(b"[" * 17 + b"]" * 17, OWNER), "claim")
    assert "at most 16 deep" in refused(b'{"\\"[":' * 17 + b"0" + b"}" * 17, "claim")
    assert "got something else" in refused(sealed(b"[" * 16 + b'"' + b"[" * 16 + b'"' + b"]" * 16, OWNER), "claim")
    assert "at most 524288 values" in refused(sealed(b"," * (2**19 + 1), OWNER), "claim")
    assert "at most 64 values" in refused(b"[" + b"0," * 64 + b"0]", "claim")


def test_an_outsized_envelope_is_not_parsed() -> None:
    cheaply(b" " * (envelope.MAX_ENVELOPE + 1))
    cheaply(DOCUMENTS["claim"] + b" " * envelope.MAX_ENVELOPE)
    cheaply(canonical.encode({"payload": "A" * (6 * 2**20), "payloadType": envelope.PAYLOAD_TYPE, "signatures": []}))


def test_lists_beyond_their_bounds_are_refused_cheaply() -> None:
    value = statement("claim")
    for path, item, count in (
        (("predicate", "prior"), "00" * 32, 20_000),
        (("predicate", "keys"), value["predicate"]["keys"][0], 2_000),
        (("predicate", "keys", 0, "lots"), 1, 200_000),
        (("predicate", "signers"), value["predicate"]["signers"][0], 10_000),
        (("predicate", "keys", 0, "statement", "interface", "mean"), 1, 200_000),
        (("subject",), value["subject"][0], 20_000),
    ):
        cheaply(sealed(canonical.encode(put(value, path, [item] * count)), OWNER))
    opening = statement("opening")
    leaf = opening["predicate"]["leaves"][0]
    many = [leaf | {"index": i} for i in range(17_000)]
    cheaply(sealed(canonical.encode(put(opening, ("predicate", "leaves"), many)), OWNER), "opening")


def test_a_file_of_hostile_size_is_not_read(tmp_path) -> None:
    path = tmp_path / "large.claim"
    with path.open("wb") as stream:
        stream.truncate(2**33)
    with pytest.raises(MalformedError, match="of at most"):
        envelope.load(path, Claim)


@settings(max_examples=300)
@given(st.binary(max_size=200), st.sampled_from(KINDS))
def test_no_bytes_surprise_the_parser(data, kind) -> None:
    refused(data, kind)
    refused(sealed(data, OWNER), kind)
    with pytest.raises(MalformedError):
        envelope.kind(data)
