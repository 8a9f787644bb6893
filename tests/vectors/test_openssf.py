"""OpenSSF's own software (model-signing) reads the P-256 signature of a claim, and we what it signs; not installed by default."""

import base64
import datetime
import hashlib
import json
import shutil
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from modelmark.claim.papers import release
from modelmark.errors import MalformedError, MismatchError, UsageError

theirs = pytest.importorskip("model_signing._signing.sign_ec_key", reason="pip install model-signing pyOpenSSL")
KNOWN = json.loads((Path(__file__).parent / "claims.json").read_text(encoding="utf-8"))


def test_their_verifier_reads_our_signature(tmp_path):
    ours = json.loads(KNOWN["lasting"])
    public = ec.derive_private_key(int.from_bytes(bytes(range(32)), "big"), ec.SECP256R1()).public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "pub.pem").write_bytes(pem)

    def verified(payload):
        bundle = {
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": {"publicKey": {"hint": hashlib.sha256(pem).hexdigest()}},
            "dsseEnvelope": ours | {"payload": payload, "signatures": [ours["signatures"][2]]},
        }
        (tmp_path / "sig").write_text(json.dumps(bundle))
        read = theirs.sigstore_pb.Signature.read(tmp_path / "sig")
        return theirs.Verifier(tmp_path / "pub.pem")._verify_bundle(read.bundle)

    payload = base64.b64decode(ours["payload"])
    assert verified(ours["payload"]) == (ours["payloadType"], payload)
    with pytest.raises(InvalidSignature):
        verified(base64.b64encode(payload + b" ").decode())


def private_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """Write a fresh private key to ``path`` and the public one beside it, as ``.pub``."""
    key = ec.generate_private_key(ec.SECP256R1())
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    path.with_suffix(".pub").write_bytes(public)
    return key


def certificate(
    name: str, key: ec.EllipticCurvePrivateKey, issuer: str, by: ec.EllipticCurvePrivateKey, path: Path
) -> None:
    """Write a certificate of ``key`` that ``by`` signed; where both are one, a root."""
    now, names = datetime.datetime.now(datetime.UTC), [
        x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, one)]) for one in (name, issuer)
    ]  # fmt: skip
    built = x509.CertificateBuilder(names[1], names[0], key.public_key(), x509.random_serial_number())
    built = built.not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
    built = built.add_extension(x509.BasicConstraints(ca=key is by, path_length=None), critical=True)
    usage = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "crl_sign", "encipher_only",
         "decipher_only"), False,
    )  # fmt: skip
    built = built.add_extension(x509.KeyUsage(digital_signature=True, key_cert_sign=key is by, **usage), critical=True)
    path.write_bytes(built.sign(by, hashes.SHA256()).public_bytes(Encoding.PEM))


@pytest.fixture
def signed(tmp_path):
    """Return a function that signs a copy of the known release with their software, and returns the folder."""
    from model_signing import hashing, signing

    def make(name: str, configure, **rules) -> Path:
        folder = Path(shutil.copytree(Path(__file__).parent / "release", tmp_path / name))
        (folder / "model.sig").unlink()
        hashed = hashing.Config().use_file_serialization(**rules).set_ignored_paths(paths=["model.sig"])
        configure(signing.Config()).set_hashing_config(hashed).sign(folder, folder / "model.sig")
        return folder

    return make


def test_their_verifier_holds_the_recorded_release():
    here = Path(__file__).parent
    said = release.verify(release.check(here / "release"), str(here / "release.pem"))
    assert said.startswith("signature verified by the public key in ")


def test_what_they_sign_with_a_key_is_read_and_verified(tmp_path, signed):
    private_key(tmp_path / "own.pem")
    private_key(tmp_path / "other.pem")
    folder = signed("new", lambda config: config.use_elliptic_key_signer(private_key=tmp_path / "own.pem"))
    found = release.check(folder)
    assert found.root == release.check(Path(__file__).parent / "release").root  # names and folder are no part of it
    assert "model-signing" in release.verify(found, str(tmp_path / "own.pub"))
    with pytest.raises(
        MismatchError, match=r"expected a signature of .*other.pub under the release, model-signing says"
    ):
        release.verify(found, str(tmp_path / "other.pub"))
    with pytest.raises(UsageError, match="expected a signer for a release signed by key, got one by sigstore"):
        release.verify(found, "owner@example.org,https://accounts.example.org")
    with pytest.raises(UsageError, match="expected a public key or certificates"):
        release.verify(found, str(tmp_path / "own.pem"))


def test_a_predicate_rewritten_after_signing_is_refused_although_folder_and_root_agree(tmp_path, signed):
    private_key(tmp_path / "own.pem")
    folder = signed("new", lambda config: config.use_elliptic_key_signer(private_key=tmp_path / "own.pem"))
    bundle = json.loads((folder / "model.sig").read_bytes())
    statement = json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"]))
    before = release.check(folder).root
    first, second, *_ = statement["predicate"]["resources"]
    first["name"], second["name"] = second["name"], first["name"]
    bundle["dsseEnvelope"]["payload"] = base64.b64encode(json.dumps(statement).encode()).decode()
    (folder / "model.sig").write_text(json.dumps(bundle))
    for name, other in ((first["name"], "away"), (second["name"], first["name"]), ("away", second["name"])):
        (folder / name).rename(folder / other)  # the folder follows the predicate
    found = release.check(folder)
    assert found.root == before  # all that a root, or the files against a manifest, can say
    with pytest.raises(MismatchError, match="model-signing says InvalidSignature"):
        release.verify(found, str(tmp_path / "own.pub"))


def test_what_they_sign_with_a_certificate_is_verified_under_its_root(tmp_path, signed):
    key, root, stranger = (private_key(tmp_path / f"{name}.pem") for name in ("own", "root", "stranger"))
    certificate("root", root, "root", root, tmp_path / "root.crt")
    certificate("stranger", stranger, "stranger", stranger, tmp_path / "stranger.crt")
    certificate("owner", key, "root", root, tmp_path / "own.crt")
    folder = signed(
        "new",
        lambda config: config.use_certificate_signer(
            private_key=tmp_path / "own.pem",
            signing_certificate=tmp_path / "own.crt",
            certificate_chain=[tmp_path / "root.crt"],
        ),
    )
    found = release.check(folder)
    assert found.manifest.method == "certificate"
    assert "neither its expiry nor its revocation" in release.verify(found, str(tmp_path / "root.crt"))
    with pytest.raises(MismatchError, match="model-signing says"):
        release.verify(found, str(tmp_path / "stranger.crt"))


def test_their_other_digests_and_shards_are_refused_by_name(tmp_path, signed):
    from model_signing import hashing, signing

    private_key(tmp_path / "own.pem")
    signer = lambda config: config.use_elliptic_key_signer(private_key=tmp_path / "own.pem")  # noqa: E731
    with pytest.raises(MalformedError, match="got hash type 'blake3'"):
        release.check(signed("blake3", signer, hashing_algorithm="blake3"))
    folder = signed("shards", signer)
    (folder / "model.sig").unlink()
    signer(signing.Config()).set_hashing_config(hashing.Config().use_shard_serialization()).sign(
        folder, folder / "model.sig"
    )
    with pytest.raises(MalformedError, match="got shards"):
        release.check(folder)
