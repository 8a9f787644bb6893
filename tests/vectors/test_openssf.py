"""OpenSSF's own verifier (model-signing) reads the P-256 signature of a claim; not installed by default."""

import base64
import hashlib
import json
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

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
