"""Sign a small release anew: ``python tests/vectors/make_release.py``, where model-signing 1.1.1 and pyOpenSSL are installed.

Only for a change that is meant. The private key is thrown away; the public one stays beside the folder.
"""

import shutil
from pathlib import Path

import numpy as np
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from model_signing import hashing, signing
from safetensors.numpy import save

HERE = Path(__file__).parent
FOLDER = HERE / "release"
FILES = {
    "config.json": b'{"arch": "linear"}\n',
    "model.safetensors": save({"weight": np.arange(6, dtype=np.float32).reshape(2, 3)}),
    "tokens/a.txt": b"in a folder\n",  # their order is by parts of the path: before tokens-x, which "-" < "/" would put first
    "tokens-x/a.txt": b"in its neighbour\n",
}


def main() -> None:
    """Write files, sign them, keep the public key."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    for name, data in FILES.items():
        (FOLDER / name).parent.mkdir(parents=True, exist_ok=True)
        (FOLDER / name).write_bytes(data)
    private = ec.generate_private_key(ec.SECP256R1())
    pem = HERE / "release.pem.private"
    pem.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (HERE / "release.pem").write_bytes(public)
    rules = hashing.Config().set_ignored_paths(paths=["model.sig"])
    signing.Config().use_elliptic_key_signer(private_key=pem).set_hashing_config(rules).sign(
        FOLDER, FOLDER / "model.sig"
    )
    pem.unlink()


if __name__ == "__main__":
    main()
