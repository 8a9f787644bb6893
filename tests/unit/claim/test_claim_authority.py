"""Trust ends at the one root that was pinned: in files of certificates of every order and form, and between authorities."""

import dataclasses
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from modelmark.claim.dates import timestamp
from modelmark.claim.dates.authority import MOST_CERTIFICATES, Authority
from modelmark.claim.dates.deposit import Trust
from modelmark.errors import MalformedError

MESSAGE = b"a claim"


def token_of(pair) -> bytes:
    local, authority = pair
    asked = timestamp.request(MESSAGE)
    return timestamp.receive(local.answer(asked), asked, MESSAGE, authority)


@pytest.fixture
def longer(authorities):
    """Return folder, root, middle and signer (PEM) of an authority whose tokens leave the middle out."""
    folder = authorities("longer", middle=True)[0].folder
    return folder, *((folder / f"{name}.pem").read_bytes() for name in ("root", "middle", "signer"))


def saved(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / f"{len(list(tmp_path.iterdir()))}.pem"
    path.write_bytes(data)
    return path


def test_a_token_of_a_second_root_is_not_one_of_the_first(authorities) -> None:
    """What stands beside the pinned certificate was trusted as much as that: two judges with one fingerprint disagreed."""
    first, second = authorities("first"), authorities("second")
    token = token_of(second)
    client = pytest.importorskip("rfc3161_client")
    old = client.VerifierBuilder(roots=[first[1].root], intermediates=[second[1].root]).build()
    answer = second[0].answer(timestamp.request(MESSAGE))
    assert old.verify_message(client.decode_timestamp_response(answer), MESSAGE)  # as it was verified before
    both = Authority(first[1].anchor, (second[1].anchor,))
    assert both.fingerprint == first[1].fingerprint
    for authority in (first[1], both):
        with pytest.raises(MalformedError, match="expected a valid token of CN=first root, got one that fails"):
            timestamp.verify(token, MESSAGE, authority)
    assert timestamp.verify(token, MESSAGE, second[1]).authority == second[1].fingerprint


def test_two_roots_in_one_file_are_refused(authorities, tmp_path) -> None:
    roots = [authorities(name)[0].root.read_bytes() for name in ("first", "second")]
    with pytest.raises(MalformedError, match="got CN=first root and CN=second root: trust ends at one") as caught:
        Authority.load(saved(tmp_path, b"".join(roots)))
    assert "--authority may be repeated" in caught.value.hint


def test_two_authorities_do_not_leak_into_one_another(authorities) -> None:
    """The package's builders share their lists: one that grew by a second root would verify for the first as well."""
    pairs = [authorities("first"), authorities("second")]
    tokens = [token_of(pair) for pair in pairs]
    for _ in range(2):
        for own, pair in enumerate(pairs):
            assert timestamp.verify(tokens[own], MESSAGE, pair[1])
            with pytest.raises(MalformedError, match="got one that fails"):
                timestamp.verify(tokens[1 - own], MESSAGE, pair[1])
    trust = Trust([pair[1] for pair in pairs])
    for _, authority in pairs:
        assert trust.authority(authority.fingerprint) == authority


def test_certificates_are_read_in_any_order_and_form(longer, tmp_path) -> None:
    folder, root, middle, signer = longer
    fingerprint = Authority.load(folder / "root.pem").fingerprint
    parsed = [x509.load_pem_x509_certificate(one) for one in (signer, middle, root)]
    text = b"subject=CN = M\xfcller\n 0 s:/CN=x\r\n"
    token = token_of((authority_of(folder), Authority.load(saved(tmp_path, root + middle))))
    for data in (
        root + middle, middle + root, signer + middle + root, root + middle + signer, root + signer + middle,
        root + root + middle, text + signer + text + middle + text + root + text, (middle + root).replace(b"\n", b"\r\n"),
        pkcs7.serialize_certificates(parsed, Encoding.DER), pkcs7.serialize_certificates(parsed, Encoding.PEM),
    ):  # fmt: skip
        found = Authority.load(saved(tmp_path, data))
        assert found.fingerprint == fingerprint
        assert timestamp.verify(token, MESSAGE, found)
    alone = Authority.load(saved(tmp_path, parsed[2].public_bytes(Encoding.DER)))
    assert (alone.fingerprint, alone.others) == (fingerprint, ())
    with pytest.raises(MalformedError, match="got one that fails"):  # the middle is nowhere
        timestamp.verify(token, MESSAGE, alone)
    assert timestamp.verify(token, MESSAGE, dataclasses.replace(alone, others=found.others))


def authority_of(folder: Path):
    from modelmark.testing.authority import LocalAuthority

    return LocalAuthority(folder)


def test_a_file_without_a_root_or_with_strangers_is_refused_by_their_names(longer, authorities, tmp_path) -> None:
    _, root, middle, signer = longer
    stranger = (authorities("second")[0].folder / "signer.pem").read_bytes()
    key = (authorities("second")[0].folder / "signer.key").read_bytes()
    for data, said, hint in (
        (signer, "got none: CN=longer signer was issued by CN=longer middle", "add the root certificate"),
        (signer + middle, "got none: CN=longer middle was issued by CN=longer root", "add the root certificate"),
        (root + stranger, "below CN=longer root in .*, got CN=second signer, which is not", "one authority a file"),
        (root + signer, "got CN=longer signer, which is not", "one authority a file"),
        (key, "got a private key", "keep this file to yourself"),
        (b"<!doctype html><HTML>", "got something else", ""),
        (b"<html>", "got a web page", "download the certificate"),
        (b"\x30\x03\x02\x01\x00", "got something else", ""),
        (root.replace(b"MII", b"MIJ", 1), "got something else", ""),
    ):
        with pytest.raises(MalformedError, match=said) as caught:
            Authority.load(saved(tmp_path, data))
        assert hint in caught.value.hint


def test_certificates_that_are_damaged_where_they_are_looked_at_are_refused_in_a_line(authorities, tmp_path) -> None:
    """A package that parses late raises late, and errors of its own."""
    root = authorities()[1].root
    der = root.public_bytes(Encoding.DER)
    version, subject = der.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x22", 1), root.subject.public_bytes()
    at = der.rindex(subject)
    late = der[:at] + subject.replace(b"\x0c", b"\x02", 1) + der[at + len(subject) :]  # a number for a name
    for data in (version, late):
        assert data != der
        with pytest.raises(MalformedError, match="expected certificates") as caught:
            Authority.load(saved(tmp_path, data))
        assert len(str(caught.value).splitlines()) == 1


def test_certificates_are_bounded_before_they_are_compared(longer, authorities, tmp_path) -> None:
    """Each pair may cost a check of a signature, in a file as in a token."""
    import claim_tokens

    folder, root, _, _ = longer
    extra = [x509.UnrecognizedExtension(x509.ObjectIdentifier(f"1.2.3.{n}"), b"") for n in range(MOST_CERTIFICATES)]
    many = [claim_tokens.reissued(folder, lambda builder, one=one: builder.add_extension(one, False)) for one in extra]
    text = b"".join(x509.load_der_x509_certificate(one).public_bytes(Encoding.PEM) for one in many)
    with pytest.raises(
        MalformedError, match=f"at most {MOST_CERTIFICATES} certificates .*, got {MOST_CERTIFICATES + 1}"
    ):
        Authority.load(saved(tmp_path, root + text))
    local, authority = authorities()
    token = claim_tokens.swapped(token_of((local, authority)), [*many, (authority.anchor)])
    with pytest.raises(MalformedError, match=f"at most {MOST_CERTIFICATES} certificates"):
        timestamp.verify(token, MESSAGE, authority)
