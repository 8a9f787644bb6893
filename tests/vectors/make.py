"""Write the known answers and the two key files anew: ``python tests/vectors/make.py``.

Only for a change of the format that is meant; ``README.md`` says what the files hold.
"""

import hashlib
import json
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from modelmark.carriers.spread import Run
from modelmark.feeds.pictures import PictureFeed
from modelmark.key import commitment, sealed
from modelmark.key.draw import Draw
from modelmark.key.secret import Secret
from modelmark.marks import keyfile
from modelmark.marks.keys import Key
from modelmark.options import make
from modelmark.rendering.noise import render as render_noise
from modelmark.rendering.triggers import render as render_triggers
from modelmark.schemes import _fusion, _patterns, _projection, _signature, scheme_class

HERE = Path(__file__).parent
CREATED = "2026-01-01T00:00:00+00:00"
COUNTING, ZERO, ONES = bytes(range(32)).hex(), bytes(32).hex(), (b"\xff" * 32).hex()
PASSPHRASE = "correct horse"
INTERFACE = {"input_shape": [1, 4, 4], "class_names": ["zero", "one", "two"], "mean": [1307], "std": [3081]}
ADI = {"triggers": 3, "per_hundred": 2, "margin": "0.1", "pictures": "synthetic", "message": "drawn"}
UCHIDA = {
    "layer": "conv2.weight",
    "bits": 8,
    "projection": "random",
    "strength": "0.01",
    "margin": "0.02",
    "message": "drawn",
    "width": 16,
}
DEEPSIGNS = {
    "layer": "fc1,fc2",
    "classes": 2,
    "bits": 3,
    "inputs": 2,
    "centre": "0.01",
    "separation": "0.0",
    "norm": "0.0",
    "strength": "0.3",
    "margin": "2.5",
    "unit": "activation",
    "start": "means",
    "message": "drawn",
    "width": [4, 5],
}
DEEPSIGNS_BLACKBOX = {
    "keys": 3,
    "pool": 20,
    "share": "0.01",
    "per_hundred": 2,
    "margin": "0.1",
    "message": "drawn",
}
COUPLED = {
    "fusion": "direct",
    "ratio": "0.5",
    "symbols": 5,
    "layouts": 2,
    "queries": 2,
    "per_hundred": 16,
    "repeats": 16,
    "margin": "0.1",
    "mask_every": 10,
    "mask_ratio": "0.002",
    "message": "drawn",
    "triggers": 2,
}
NULL = {
    "patterns": 3,
    "side": 2,
    "amplitude": 2000,
    "null_share": "0.25",
    "true_share": "0.25",
    "queries": 2,
    "pictures": 3,
    "margin": "0.4",
    "message": "drawn",
    "signature": "ed25519",
    "owner": "Emmy Noether",
    "timestamp": "2026-01-01",
}

FIELD = {
    "directions": 2,
    "queries": 3,
    "lose": "0.9",
    "strength": "0.0",
    "coordinates": "features",
    "answers": "labels",
    "reference": "attached",
}
SPREAD = {"bits": 24, "strength": "0.1", "margin": "0.1", "weights": 2**26}


def secret_bytes(secret: str, label: str, count: int) -> str:
    """Bytes, hex."""
    return Secret(bytes.fromhex(secret)).bytes(label, count).hex()


def secret_integers(secret: str, label: str, below: int, count: int) -> list[int]:
    """Integers on [0, below)."""
    return Secret(bytes.fromhex(secret)).integers(label, below, count).tolist()


def secret_permutation(secret: str, label: str, size: int) -> list[int]:
    """An order of 0 .. size - 1."""
    return Secret(bytes.fromhex(secret)).permutation(label, size).tolist()


def secret_normals(secret: str, label: str, count: int) -> list[int]:
    """Near-normal numbers in 1/65536."""
    return Secret(bytes.fromhex(secret)).normals(label, count).tolist()


def draw_message(statement: str, kind: str, token: str, alphabet: int, count: int) -> list[int]:
    """Symbols of the message."""
    return Draw(bytes.fromhex(statement), kind, bytes.fromhex(token)).message(alphabet, count).tolist()


def draw_copy(statement: str, kind: str, token: str, recipient: str, count: int) -> dict[str, Any]:
    """The seed of a recipient's copy, and its bits."""
    draw = Draw(bytes.fromhex(statement), kind, bytes.fromhex(token)).of(recipient)
    return {"seed": draw.seed.hex(), "message": draw.message(2, count).tolist()}


def merkle_root(secret: str, carriers: list[str]) -> str:
    """Root over salted carriers, hex."""
    return commitment.commit(Secret(bytes.fromhex(secret)), [bytes.fromhex(carrier) for carrier in carriers]).hex()


def triggers(secret: str, count: int, shape: list[int]) -> str:
    """SHA-256 of the pixels in row-major order."""
    return hashlib.sha256(render_triggers(Secret(bytes.fromhex(secret)), count, shape).tobytes()).hexdigest()


def projection(secret: str, kind: str, rows: int, width: int) -> str:
    """SHA-256 of the matrix as big-endian 32-bit integers in row-major order."""
    matrix = getattr(_projection, kind)(Secret(bytes.fromhex(secret)), rows, width)
    return hashlib.sha256(matrix.astype(">i4").tobytes()).hexdigest()


def statement(secret: str, scheme: str, settings: dict[str, Any], interface: dict[str, Any]) -> dict[str, Any]:
    """The public statement, its digest and the message of the offline draw."""
    key = Key(make(scheme_class(scheme), settings), Secret(bytes.fromhex(secret)), PictureFeed.from_json(interface))
    return {"statement": key.statement, "digest": key.fingerprint, "message": key.mark().message.tolist()}


def noise(secret: str, indices: list[int], shape: list[int]) -> str:
    """SHA-256 of the pixels in row-major order."""
    return hashlib.sha256(render_noise(Secret(bytes.fromhex(secret)), np.array(indices), shape).tobytes()).hexdigest()


def fused(shape: list[int], layouts: list[int] | None, ratio: float) -> str:
    """SHA-256 of the pixels, in row-major order, of pictures that count up and of their squares modulo 256."""
    first = np.array(counting(*shape), np.uint8)
    arranged = None if layouts is None else np.array(layouts)
    return hashlib.sha256(_fusion.fuse_bytes(first, first * first, arranged, ratio).tobytes()).hexdigest()


def filters(secret: str, count: int, side: int, shape: list[int]) -> list[str]:
    """Each filter with its place and its bits."""
    interface = PictureFeed(tuple(shape), ("zero", "one"))
    return [leaf.decode() for leaf in _patterns.draw(Secret(bytes.fromhex(secret)), count, side, interface).leaves()]


def signature(secret: str, owner: str, timestamp: str) -> dict[str, str]:
    """Public key and signature, hex, and the text between them."""
    signed = _signature.sign_ed25519(Secret(bytes.fromhex(secret)), owner, timestamp)
    return {
        "public_key": signed.public_key.hex(),
        "verifier": signed.verifier.decode(),
        "signature": signed.signature.hex(),
    }


def signed_filter(signature: str, classes: int, side: int, height: int, width: int) -> dict[str, Any]:
    """The label and the null filter that a signature gives."""
    label, null = _signature.derive(bytes.fromhex(signature), classes, side, height, width)
    return {"label": label, "filter": null.leaves()[0].decode()}


def attached_statement(
    secret: str, scheme: str, settings: dict[str, Any], interface: dict[str, Any], attachments: dict[str, list[Any]]
) -> dict[str, Any]:
    """As ``statement``, of a key with attachments: type and values of each."""
    arrays = {name: np.array(values, kind) for name, (kind, values) in attachments.items()}
    made = make(scheme_class(scheme), settings)
    key = Key(made, Secret(bytes.fromhex(secret)), PictureFeed.from_json(interface), arrays)
    return {"statement": key.statement, "digest": key.fingerprint, "message": key.mark().message.tolist()}


def assigned(seed: str, first: int, count: int, width: int, start: int, bits: int) -> dict[str, list[int]]:
    """The bit and the sign of every weight of a run's filters from ``start`` on."""
    run = Run("layer", first + count, width, first, count, bytes.fromhex(seed))
    where, sign = run.assigned(slice(start, first + count), bits)
    return {"bits": where.tolist(), "signs": sign.astype(int).tolist()}


def counting(*shape: int) -> list[Any]:
    """Bytes that count up, from the start again after 255, in this shape."""
    return (np.arange(np.prod(shape)) % 256).reshape(shape).tolist()


def key_file(file: str, passphrase: str | None) -> dict[str, Any]:
    """What a key file of this folder holds."""
    key = keyfile.load(HERE / file, passphrase)
    return {
        "encrypted": keyfile.inspect(HERE / file).encrypted,
        "scheme": key.scheme.name,
        "secret": key.secret.value.hex(),
        "fingerprint": key.fingerprint,
        "created": key.created,
        "arch": key.arch,
        "data": key.data,
        "attachments": {name: hashlib.sha256(array.tobytes()).hexdigest() for name, array in key.attachments.items()},
        "message": key.mark().message.tolist(),
    }


FUNCTIONS = (
    *(secret_bytes, secret_integers, secret_permutation, secret_normals, draw_message, draw_copy),
    *(merkle_root, triggers, projection, statement, key_file),
    *(noise, fused, filters, signature, signed_filter, attached_statement, assigned),
)
SIGNED = signature(COUNTING, NULL["owner"], NULL["timestamp"])
PICTURES = {"pictures": ["uint8", counting(3, 1, 4, 4)], "labels": ["int64", [0, 1, 2]]}
SIGNATURE = {name: ["uint8", list(bytes.fromhex(SIGNED[name]))] for name in ("public_key", "signature")}
CARRIED: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    *(
        ("deepsigns", DEEPSIGNS | {"message": message}, {"inputs": ["uint8", counting(2, 2, 1, 4, 4)]})
        for message in ("drawn", "secret")
    ),
    *(
        ("deepsigns-blackbox", DEEPSIGNS_BLACKBOX | {"message": message}, {"kept": ["int64", [0, 7, 14]]})
        for message in ("drawn", "secret")
    ),
    ("coupled", COUPLED, {"sources": ["uint8", counting(3, 2, 1, 4, 4)]}),
    (
        "coupled",
        COUPLED | {"fusion": "overlay", "ratio": "0.25", "layouts": 1},
        {"sources": ["uint8", counting(3, 2, 1, 4, 4)]},
    ),
    (
        "coupled",
        COUPLED | {"message": "literal", "symbols": 2, "layouts": 1, "repeats": 8},
        {"sources": ["uint8", counting(2, 2, 1, 4, 4)]},
    ),
    ("null", NULL, PICTURES),
    ("null", NULL | {"message": "signature", "patterns": 1}, PICTURES | SIGNATURE),
    (
        "field",
        FIELD,
        {
            "queries": ["uint8", counting(3, 1, 4, 4)],
            "coordinates": ["int16", [[256, -768], [0, 1], [-1, 768]]],
            "references": ["uint16", [[[16384, 0, 0], [1, 2, 16381]]] * 3],
            "edit": ["float32", [[0] * 5] * 2],
        },
    ),
    ("spread", SPREAD, {"layers": ["uint8", list(b'[["first", 4, 6, 1, 3], ["second@1.0", 5, 4, 0, 5]]')]}),
]
INPUTS: list[tuple[Any, ...]] = [
    (secret_bytes, ZERO, "", 16),
    (secret_bytes, COUNTING, "label", 48),
    (secret_bytes, ONES, "étiquette", 32),
    (secret_integers, COUNTING, "label", 10, 32),
    (secret_integers, COUNTING, "label", 3 * 2**60, 12),
    (secret_permutation, COUNTING, "label", 16),
    (secret_normals, COUNTING, "label", 12),
    (draw_message, COUNTING, "offline", "", 2, 64),
    (draw_message, COUNTING, "offline", "", 1000, 16),
    (draw_message, COUNTING, "timestamp", "746f6b656e", 10, 32),
    (draw_message, COUNTING, "beacon", "746f6b656e", 10, 32),
    (draw_copy, COUNTING, "offline", "", "Emmy Noether", 64),
    (draw_copy, COUNTING, "timestamp", "746f6b656e", "Université de Göttingen", 20),
    (merkle_root, COUNTING, [""]),
    (merkle_root, COUNTING, ["6669727374", "7365636f6e64", "", "00ff", "6669727374"]),
    *((triggers, COUNTING, 3, shape) for shape in ([3, 32, 32], [1, 28, 28], [1, 8, 8], [16], [2, 5])),
    *((projection, COUNTING, kind, 8, 18) for kind in ("random", "direct", "difference")),
    (statement, COUNTING, "adi", ADI, INTERFACE),
    (statement, COUNTING, "uchida", UCHIDA, INTERFACE),
    (key_file, "adi-open.key", None),
    (key_file, "uchida-sealed.key", PASSPHRASE),
    *((noise, COUNTING, [0, 1, 2**24 - 1], shape) for shape in ([3, 32, 32], [1, 8, 8], [16])),
    *((fused, [24, 3, 5, 6], layouts, 0.5) for layouts in ([0] * 24, list(range(24)), None)),
    (fused, [24, 3, 5, 6], None, 0.3),
    *((filters, COUNTING, 4, side, shape) for side, shape in ((6, [3, 32, 32]), (3, [1, 8, 8]), (1, [1, 2, 3]))),
    (signature, COUNTING, "", "2026-01-01"),
    (signature, COUNTING, "Emmy Noether", "2026-01-01"),
    *((signed_filter, signed, 10, 6, 28, 28) for signed in ("", SIGNED["signature"])),
    (signed_filter, SIGNED["signature"], 3, 16, 16, 20),
    *((attached_statement, COUNTING, scheme, settings, INTERFACE, given) for scheme, settings, given in CARRIED),
    *((assigned, COUNTING, 2, 3, 5, start, 1000) for start in (2, 4)),
    (projection, COUNTING, "centred", 8, 18),
]


def answer(function: str, given: dict[str, Any]) -> Any:
    """Return what this version answers."""
    return {known.__name__: known for known in FUNCTIONS}[function](**given)


def write_keys() -> None:
    """Write both key files, with a fixed salt and nonce so that only a change of the format changes them."""
    interface, secret = PictureFeed.from_json(INTERFACE), Secret(bytes.fromhex(COUNTING))
    own = {"triggers": np.arange(48, dtype=np.uint8).reshape(3, 1, 4, 4)}
    adi = make(scheme_class("adi"), ADI | {"pictures": "own"})
    uchida = make(scheme_class("uchida"), UCHIDA)
    keys = {
        "adi-open.key": (Key(adi, secret, interface, own, "lenet5", "mnist", "", CREATED), None),
        "uchida-sealed.key": (Key(uchida, secret, interface, {}, "resnet18", "cifar10", "", CREATED), PASSPHRASE),
    }
    for name, (key, passphrase) in keys.items():
        (HERE / name).unlink(missing_ok=True)
        with patch.object(sealed.os_random, "token_bytes", lambda count: bytes(range(count))):
            keyfile.save(key, HERE / name, passphrase)


def write_answers() -> None:
    """Write the answers to all inputs."""
    vectors = []
    for function, *values in INPUTS:
        names = function.__code__.co_varnames[: function.__code__.co_argcount]
        given = dict(zip(names, values, strict=True))
        vectors.append({"function": function.__name__, "given": given, "answer": function(**given)})
    entries = ",\n".join(json.dumps(vector, ensure_ascii=False) for vector in vectors)
    (HERE / "known-answers.json").write_text(f"[\n{entries}\n]\n", encoding="utf-8")


if __name__ == "__main__":
    write_keys()
    write_answers()
