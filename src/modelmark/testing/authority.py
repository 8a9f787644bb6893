"""A throwaway RFC 3161 timestamp authority on this machine, made with ``openssl ts``; for tests and demonstrations only."""

import datetime
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from modelmark.errors import UsageError

_CONFIG = """
[tsa]
default_tsa = authority
[authority]
serial = {folder}/serial
signer_cert = {folder}/signer.pem
signer_key = {folder}/signer.key
{chain}
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha384, sha512
accuracy = secs:1
ordering = no
tsa_name = no
ess_cert_id_chain = no
ess_cert_id_alg = sha256
"""


@dataclass(frozen=True)
class LocalAuthority:
    """A root certificate and a signer below it, in a folder.

    Args:
        folder: holds ``root.pem``, to be pinned, and what ``openssl ts`` needs.
    """

    folder: Path

    @classmethod
    def make(
        cls, folder: Path, *, name: str = "throwaway", rsa_key: bool = False, chain: bool = False, middle: bool = False
    ) -> "LocalAuthority":
        """Return a new authority in an empty folder.

        Args:
            folder: exists.
            name: of root and signer.
            rsa_key: sign with RSA rather than with ECDSA on P-256.
            chain: put the root into every token too, in an order that is not DER's, as some authorities do.
            middle: put a certificate between root and signer, ``middle.pem``, that tokens leave out.

        Raises:
            UsageError: openssl is not installed.
        """
        if shutil.which("openssl") is None:
            raise UsageError("expected the program openssl, found none")
        root_key = ec.generate_private_key(ec.SECP256R1())
        signer_key = rsa.generate_private_key(65537, 2048) if rsa_key else ec.generate_private_key(ec.SECP256R1())
        root = _certificate(f"{name} root", root_key.public_key(), f"{name} root", root_key, authority=True)
        issuer, issuer_key = f"{name} root", root_key
        if middle:
            issuer, issuer_key = f"{name} middle", ec.generate_private_key(ec.SECP256R1())
            between = _certificate(issuer, issuer_key.public_key(), f"{name} root", root_key, authority=True)
            (folder / "middle.pem").write_bytes(between.public_bytes(Encoding.PEM))
        signer = _certificate(f"{name} signer", signer_key.public_key(), issuer, issuer_key, stamps=True)
        pem = root.public_bytes(Encoding.PEM)
        (folder / "root.pem").write_bytes(pem)
        (folder / "signer.pem").write_bytes(signer.public_bytes(Encoding.PEM))
        ours = signer.public_bytes(Encoding.DER) < root.public_bytes(Encoding.DER)
        extra = [signer.public_bytes(Encoding.PEM), pem] if not ours else [pem, signer.public_bytes(Encoding.PEM)]
        (folder / "chain.pem").write_bytes(b"".join(extra))
        for name, key in (("root.key", root_key), ("signer.key", signer_key)):
            (folder / name).write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        (folder / "serial").write_text("01")
        line = f"certs = {folder}/chain.pem" if chain else ""
        (folder / "tsa.cnf").write_text(_CONFIG.format(folder=folder, chain=line))
        return cls(folder)

    @property
    def root(self) -> Path:
        """The certificate to pin (PEM)."""
        return self.folder / "root.pem"

    def answer(self, request: bytes) -> bytes:
        """Return the response (DER) to a request (DER)."""
        (self.folder / "request.tsq").write_bytes(request)
        command = [
            "openssl",
            "ts",
            "-reply",
            "-config",
            f"{self.folder}/tsa.cnf",
            "-queryfile",
            f"{self.folder}/request.tsq",
        ]
        done = subprocess.run([*command, "-out", f"{self.folder}/response.tsr"], capture_output=True, check=False)
        if done.returncode:
            raise UsageError(f"expected openssl to answer, got: {done.stderr.decode(errors='replace').strip()[-300:]}")
        return (self.folder / "response.tsr").read_bytes()


def _certificate(
    name: str,
    public: ec.EllipticCurvePublicKey | rsa.RSAPublicKey,
    issuer: str,
    key: ec.EllipticCurvePrivateKey,
    *,
    authority: bool = False,
    stamps: bool = False,
) -> x509.Certificate:
    def named(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    now = datetime.datetime.now(datetime.UTC)
    usage = x509.KeyUsage(not authority, not authority, False, False, False, authority, authority, False, False)
    builder = (
        x509.CertificateBuilder()
        .subject_name(named(name))
        .issuer_name(named(issuer))
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=3650))
        .add_extension(x509.BasicConstraints(authority, None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
    )
    if stamps:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
    return builder.sign(key, hashes.SHA256())
