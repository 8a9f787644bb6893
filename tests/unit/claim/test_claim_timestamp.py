"""Tokens of a real (local) OpenSSL authority: what they bind, what they do not, and everything about them that is refused."""

import datetime
import json
import subprocess

import claim_tokens
import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from modelmark.claim.dates import der, timestamp
from modelmark.claim.dates.timestamp import Authority
from modelmark.errors import MalformedError, UsageError

MESSAGE = b"a claim"


@pytest.fixture(scope="session")
def stamp(authorities):
    """Return a function from an authority's name and options to what it answers: authority, request, response, token."""
    made: dict[str, tuple[Authority, bytes, bytes, bytes]] = {}

    def get(name: str = "first", **options: object) -> tuple[Authority, bytes, bytes, bytes]:
        if name not in made:
            local, authority = authorities(name, **options)
            asked = timestamp.request(MESSAGE)
            response = local.answer(asked)
            made[name] = (authority, asked, response, timestamp.receive(response, asked, MESSAGE, authority))
        return made[name]

    return get


@pytest.mark.parametrize(
    "options", [{"name": "first"}, {"name": "rsa", "rsa_key": True}, {"name": "chain", "chain": True}]
)
def test_a_token_says_when_and_by_whom(stamp, options) -> None:
    authority, _, _, token = stamp(**options)
    said = timestamp.verify(token, MESSAGE, authority)
    age = datetime.datetime.now(datetime.UTC) - said.time
    assert datetime.timedelta(seconds=-2) < age < datetime.timedelta(minutes=5)
    assert said.accuracy == datetime.timedelta(seconds=1)
    assert said.latest - said.time == said.accuracy
    assert said.authority == authority.fingerprint
    assert authority.name == f"CN={options['name']} root"
    assert len(said.binding) == 32


def test_openssl_verifies_what_is_stored(stamp, authorities, tmp_path) -> None:
    token = stamp("chain", chain=True)[3]
    (tmp_path / "message").write_bytes(MESSAGE)
    (tmp_path / "token").write_bytes(token)
    command = ["openssl", "ts", "-verify", "-in", tmp_path / "token", "-token_in", "-data", tmp_path / "message"]
    done = subprocess.run([*command, "-CAfile", authorities("chain")[0].root], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_certificates_out_of_order_are_put_in_order(stamp) -> None:
    """As the authority sends it, strict DER readers refuse it."""
    client = pytest.importorskip("rfc3161_client")
    _, _, response, token = stamp("chain", chain=True)
    with pytest.raises(ValueError, match="InvalidSetOrdering"):
        client.decode_timestamp_response(response)
    assert timestamp.normalise(token) == token


def test_unsigned_parts_are_no_part_of_the_binding(stamp) -> None:
    authority, _, _, token = stamp("chain", chain=True)
    binding = timestamp.verify(token, MESSAGE, authority).binding
    attributed = {claim_tokens.attributed(token, number) for number in (1, 2)}

    def without_root(parts):
        at = next(i for i, part in enumerate(parts) if part.tag == der.context(0))
        kept = [child for child in parts[at].children if child.encoded != authority.anchor]
        assert len(kept) == len(parts[at].children) - 1
        parts[at] = der.make(der.context(0), kept)
        return parts

    others = {*attributed, claim_tokens.rebuilt(token, without_root)}
    assert len(others | {token}) == 4
    for other in others:
        assert timestamp.verify(other, MESSAGE, authority).binding == binding
    for other in attributed:
        assert timestamp.normalise(other) == token


def test_the_twin_of_an_ecdsa_signature_verifies_and_binds_the_same(stamp) -> None:
    """Else every holder of a token would have a second draw for free."""
    authority, _, _, token = stamp()
    binding = timestamp.verify(token, MESSAGE, authority).binding

    twin = claim_tokens.twin(token)
    assert twin != token
    assert timestamp.verify(twin, MESSAGE, authority).binding == binding


def test_every_new_token_binds_anew(stamp, authorities) -> None:
    authority, _, _, token = stamp()
    asked = timestamp.request(MESSAGE)
    again = timestamp.receive(authorities()[0].answer(asked), asked, MESSAGE, authority)
    assert timestamp.verify(again, MESSAGE, authority).binding != timestamp.verify(token, MESSAGE, authority).binding


def test_the_answer_is_to_this_request_from_this_authority_about_this_message(stamp) -> None:
    authority, asked, response, token = stamp()
    other = stamp("rsa", rsa_key=True)[0]
    with pytest.raises(MalformedError, match="the answer to this request"):
        timestamp.receive(response, timestamp.request(MESSAGE), MESSAGE, authority)
    with pytest.raises(MalformedError, match="Mismatch between messages"):
        timestamp.receive(response, asked, b"another claim", authority)
    with pytest.raises(MalformedError, match=r"of CN=rsa root, got one that fails: [a-zA-Z -]+$"):
        timestamp.verify(token, MESSAGE, other)
    with pytest.raises(MalformedError, match="expected a timestamp response"):
        timestamp.receive(b"<html>", asked, MESSAGE, authority)
    refusal = der.make(der.SEQUENCE, [der.make(der.SEQUENCE, [der.Node(der.INTEGER, b"\x02")])]).encoded
    with pytest.raises(MalformedError, match="a refusal with status 2"):
        timestamp.receive(refusal, asked, MESSAGE, authority)


def purposes(*oids: x509.ObjectIdentifier, critical: bool = True):
    return lambda builder: builder.add_extension(x509.ExtendedKeyUsage(oids), critical)


STAMPS, CODE = ExtendedKeyUsageOID.TIME_STAMPING, ExtendedKeyUsageOID.CODE_SIGNING


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (purposes(STAMPS, CODE), "other purposes than timestamps"),
        (purposes(CODE), "other purposes than timestamps"),
        (purposes(STAMPS, critical=False), "other purposes than timestamps"),
        (lambda builder: builder, "without a purpose"),
    ],
)
def test_a_certificate_that_serves_other_purposes_is_refused(stamp, authorities, changes, said) -> None:
    authority, _, _, token = stamp()
    folder = authorities()[0].folder
    for change in (purposes(STAMPS), changes):
        other = claim_tokens.reissued(folder, change)
        stamped = claim_tokens.swapped(claim_tokens.renamed(token, folder, claim_tokens.named(other)), [other])
        if change is changes:
            with pytest.raises(MalformedError, match=said):
                timestamp.verify(stamped, MESSAGE, authority)
        else:
            timestamp.verify(stamped, MESSAGE, authority)


def test_two_certificates_of_one_name_and_number_are_refused(stamp, authorities) -> None:
    """One could pass the check of purpose, the other that of the signature."""
    authority, _, _, token = stamp()
    both = [claim_tokens.reissued(authorities()[0].folder, purposes(purpose)) for purpose in (STAMPS, CODE)]
    with pytest.raises(MalformedError, match="one certificate of the signer, got 2"):
        timestamp.verify(claim_tokens.swapped(token, both), MESSAGE, authority)


def test_two_signers_are_refused(stamp) -> None:
    authority, _, _, token = stamp()

    def doubled(parts):
        parts[-1] = der.make(der.SET, [*parts[-1].children] * 2)
        return parts

    with pytest.raises(MalformedError):
        timestamp.verify(claim_tokens.rebuilt(token, doubled), MESSAGE, authority)


def test_no_changed_byte_gives_another_draw(stamp) -> None:
    """At every position: refused, or (in unsigned parts) accepted with the same time and the same binding."""
    authority, _, _, token = stamp()
    good, same = timestamp.verify(token, MESSAGE, authority), []
    for position in range(len(token)):
        changed = token[:position] + bytes([token[position] ^ 1]) + token[position + 1 :]
        try:
            assert timestamp.verify(changed, MESSAGE, authority) == good
        except MalformedError:
            continue
        same.append(position)
    assert len(same) < 80  # names of algorithms that no signature covers
    for length in range(len(token)):
        with pytest.raises(MalformedError):
            timestamp.verify(token[:length], MESSAGE, authority)


def test_hostile_tokens_are_refused_at_once(stamp) -> None:
    authority = stamp()[0]
    deep = b""
    for _ in range(200):
        deep = der.Node(der.SEQUENCE, deep).encoded
    for bad in (
        b"",
        b"0",
        b"\x30\x80\0\0",
        b"\x30\x84\xff\xff\xff\xff",
        b"\x1f" * 9,
        deep,
        b"0" * 40000,
        bytes(1000),
        b"\x30\x85" + bytes(9),
    ):
        with pytest.raises(MalformedError):
            timestamp.verify(bad, MESSAGE, authority)


@pytest.mark.parametrize(
    "data", [b"\x02\x00", b"\x02\x02\x00\x01", b"\x02\x02\xff\x80", b"\x04\x01\x01", b"\x02\x81\x01\x01"]
)
def test_integers_have_one_spelling(data) -> None:
    with pytest.raises(ValueError, match=r"^expected"):
        der.integer(der.parse(data))


def test_der_comes_back() -> None:
    for size in (0, 1, 127, 128, 255, 256, 70000):
        node = der.Node(der.OCTETS, bytes(size))
        assert der.parse(node.encoded) == node
    assert [der.integer(der.parse(bytes.fromhex(text))) for text in ("020100", "02020080", "0201ff", "0202ff7f")] == [
        0,
        128,
        -1,
        -129,
    ]


def test_a_file_without_certificates_pins_nobody(tmp_path) -> None:
    (tmp_path / "root.pem").write_text(json.dumps({}))
    with pytest.raises(MalformedError, match="expected certificates"):
        Authority.load(tmp_path / "root.pem")


def test_without_the_package_the_refusal_says_what_to_install(monkeypatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "rfc3161_client", None)
    with pytest.raises(UsageError, match="rfc3161-client") as caught:
        timestamp.request(MESSAGE)
    assert "modelmark[evidence]" in caught.value.hint
