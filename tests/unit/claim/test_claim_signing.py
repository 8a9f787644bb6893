"""Three algorithms, one rule: everyone whom a party names has signed, and each signature has one spelling."""

import hashlib

import pytest
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import mldsa, utils

from modelmark.claim.papers import identity, signing
from modelmark.claim.papers.identity import Identity
from modelmark.claim.papers.signing import ALGORITHMS, Signer
from modelmark.errors import MalformedError, OutputExistsError, PassphraseError, UsageError
from modelmark.key import sealed

EVERYTHING = Identity(tuple((name, bytes(range(32))) for name in ALGORITHMS))


@pytest.mark.parametrize("name", ALGORITHMS)
def test_a_signature_is_for_its_key_and_its_message(name) -> None:
    private = signing.generate(name)
    signer, other = signing.public(name, private), signing.public(name, signing.generate(name))
    signature = signing.sign(name, private, b"message")
    assert signing.verify(signer, signature, b"message") == b"message"
    flipped = signature[:-1] + bytes([signature[-1] ^ 1])
    for key, given, message in (
        (other, signature, b"message"), (signer, signature, b"massage"), (signer, flipped, b"message"),
        (signer, b"", b"message"), (signer, signature + b"\0", b"message"), (signer, signature[:-1], b"message"),
    ):  # fmt: skip
        with pytest.raises(MalformedError, match=f"expected the {name} signature"):
            signing.verify(key, given, message)


def test_the_twin_of_a_p256_signature_is_refused() -> None:
    """(r, n - s) verifies wherever (r, s) does; one of the two is taken."""
    for number in range(8):
        message = bytes([number])
        signature = signing.sign("p256", bytes(range(32)), message)
        r, s = utils.decode_dss_signature(signature)
        assert 2 * s < signing._ORDER
        signing.verify(EVERYTHING.signers[2], signature, message)
        with pytest.raises(MalformedError, match="p256 signature"):
            signing.verify(EVERYTHING.signers[2], utils.encode_dss_signature(r, signing._ORDER - s), message)


def test_rfc_8032_test_2() -> None:
    private = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
    assert (
        signing.public("ed25519", private).public == "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
    )
    assert (
        signing.sign("ed25519", private, b"\x72").hex().startswith("92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8f")
    )


@pytest.mark.parametrize(
    ("algorithm", "public"),
    [
        ("ed25519", ""),
        ("ed25519", "00" * 31),
        ("ed25519", "AB" * 32),
        ("p256", "02" * 32),
        ("rsa", "00" * 32),
        ("ed25519", 5),
    ],
)
def test_a_malformed_public_key_is_refused(algorithm, public) -> None:
    with pytest.raises(ValueError, match=r"^expected"):
        Signer(algorithm, public)


def test_a_point_off_the_curve_verifies_nothing() -> None:
    with pytest.raises(MalformedError):
        signing.verify(Signer("p256", "02" + "ff" * 32), signing.sign("p256", bytes(range(32)), b"m"), b"m")


@pytest.mark.parametrize(
    "names", [(), ("p256",), ("ml-dsa-65", "ed25519"), ("ed25519", "ed25519"), ("ed25519", "p256", "ml-dsa-65")]
)
def test_a_party_begins_with_ed25519_and_is_in_order(names) -> None:
    with pytest.raises(ValueError, match="expected signers ed25519"):
        Identity(tuple((name, bytes(range(32))) for name in names))


def test_where_openssl_lacks_ml_dsa_the_refusal_says_so(monkeypatch) -> None:
    def unsupported(*_: object) -> None:
        raise UnsupportedAlgorithm("no")

    signature = EVERYTHING.sign(b"m")[1]
    for cls in (mldsa.MLDSA65PrivateKey, mldsa.MLDSA65PublicKey):
        for name in ("generate", "from_seed_bytes", "from_public_bytes"):
            if hasattr(cls, name):
                monkeypatch.setattr(cls, name, unsupported)
    signer = Signer("ml-dsa-65", "00" * 1952)
    for act in (
        lambda: Identity.generate(post_quantum=True), lambda: signing.public("ml-dsa-65", bytes(32)),
        lambda: signing.verify(signer, signature, b"m"),
    ):  # fmt: skip
        with pytest.raises(UsageError, match="ML-DSA-65, this one is built on OpenSSL") as caught:
            act()
        assert "upgrade cryptography" in caught.value.hint
    Identity.generate(p256=True)


def test_an_old_cryptography_library_without_the_module_is_told_apart(monkeypatch) -> None:
    import sys

    import cryptography.hazmat.primitives.asymmetric as package

    monkeypatch.delattr(package, "mldsa", raising=False)
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric.mldsa", None)
    with pytest.raises(UsageError, match="ML-DSA-65"):
        signing.generate("ml-dsa-65")


# --- the identity file --------------------------


def test_an_open_identity_comes_back_and_is_private(tmp_path) -> None:
    path = tmp_path / "owner.identity"
    identity.save(EVERYTHING, path, None)
    assert identity.load(path) == EVERYTHING
    assert identity.inspect(path) == (EVERYTHING.signers, False)
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(OutputExistsError):
        identity.save(EVERYTHING, path, None)
    assert bytes(range(32)).hex() not in repr(EVERYTHING)


def test_a_changed_header_of_an_open_identity_is_not_shown(tmp_path) -> None:
    path, other = tmp_path / "owner.identity", Identity.generate().signers[0].public
    identity.save(EVERYTHING, path, None)
    path.write_bytes(path.read_bytes().replace(EVERYTHING.signers[0].public.encode(), other.encode()))
    for read in (identity.inspect, identity.load):
        with pytest.raises(MalformedError, match="changed or truncated"):
            read(path)


def test_a_sealed_identity_needs_its_passphrase(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(sealed, "KDF", sealed.KDF | {"m_kib": 8192})  # the real one takes 256 MiB and a second
    path = tmp_path / "owner.identity"
    identity.save(Identity.generate(), path, "correct horse")
    loaded = identity.load(path, "correct horse")
    assert identity.inspect(path) == (loaded.signers, True)
    assert loaded.private[0][1].hex().encode() not in path.read_bytes()
    with pytest.raises(PassphraseError, match="expected a passphrase"):
        identity.load(path)
    with pytest.raises(PassphraseError, match="got another"):
        identity.load(path, "correct horze")
    path.write_bytes(path.read_bytes()[:-1] + bytes([path.read_bytes()[-1] ^ 1]))
    with pytest.raises(MalformedError, match="changed or truncated"):
        identity.load(path, "correct horse")


def test_a_file_does_not_choose_the_key_derivation(tmp_path, monkeypatch) -> None:
    path = tmp_path / "owner.identity"
    with monkeypatch.context() as patch:
        patch.setattr(sealed, "KDF", sealed.KDF | {"m_kib": 8192})
        identity.save(EVERYTHING, path, "correct horse")
    with pytest.raises(MalformedError, match="well-formed fields"):
        identity.load(path, "correct horse")


def test_every_changed_byte_and_every_truncation_of_an_open_identity_is_refused(tmp_path, monkeypatch) -> None:
    path = tmp_path / "owner.identity"
    identity.save(Identity((("ed25519", hashlib.sha256(b"x").digest()),)), path, None)
    good, given = path.read_bytes(), [b""]
    monkeypatch.setattr(identity.files, "read", lambda *_, **__: given[0])
    for position in range(len(good)):
        for bad in (good[:position] + bytes([good[position] ^ 1]) + good[position + 1 :], good[:position]):
            given[0] = bad
            with pytest.raises(MalformedError):
                identity.load(path)
    given[0] = good
    identity.load(path)
