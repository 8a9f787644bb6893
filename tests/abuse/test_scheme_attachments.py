"""Hostile content under a right check, scheme by scheme: attachments and settings that belong to no key.

Each is refused on one line, on purpose, within five seconds and before much memory is asked for.
"""

import copy
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from modelmark.errors import MalformedError, ModelmarkError
from modelmark.feeds.pictures import PictureFeed
from modelmark.key.secret import Secret
from modelmark.marks import keyfile
from modelmark.marks.keys import Key
from modelmark.schemes import _signature
from modelmark.schemes.certified import Certified
from modelmark.schemes.composite import Composite
from modelmark.schemes.coupled import Coupled
from modelmark.schemes.deepmarks import DeepMarks
from modelmark.schemes.deepsigns import DeepSigns
from modelmark.schemes.deepsigns_blackbox import DeepSignsBlackBox
from modelmark.schemes.entangled import Entangled
from modelmark.schemes.frontier import Frontier
from modelmark.schemes.margin import Margin
from modelmark.schemes.neuralmark import NeuralMark
from modelmark.schemes.null_embedding import NullEmbedding
from modelmark.schemes.passports import Passports
from modelmark.schemes.riga import Riga
from modelmark.schemes.zhang import Zhang
from spending import at_most
from trying import failing

Array = np.ndarray[Any, Any]

CALLS = 2_000_000
BYTES = 2**28
SECRET = Secret(bytes(range(32)))
THREE = PictureFeed((1, 4, 4), ("zero", "one", "two"))
SIGNED = _signature.sign_ed25519(SECRET, "Emmy Noether", "2026-01-01")


def counting(*shape: int) -> Array:
    return (np.arange(np.prod(shape)) % 256).astype(np.uint8).reshape(shape)


def text(data: bytes) -> Array:
    return np.frombuffer(data, np.uint8)


PICTURES = {"pictures": counting(3, 1, 4, 4), "labels": np.array([0, 1, 2])}
COUPLED = Coupled(symbols=5, layouts=2, queries=2, repeats=16, triggers=2)
NULL = NullEmbedding(patterns=3, side=2, queries=2, pictures=3, owner="Emmy Noether", timestamp="2026-01-01")
KEYS = {
    "deepsigns": Key(
        DeepSigns(layer="fc1,fc2", classes=2, bits=3, inputs=2, width=(4, 5)),
        SECRET,
        THREE,
        {"inputs": counting(2, 2, 1, 4, 4)},
    ),
    "deepsigns-imported": Key(
        DeepSigns(layer="fc1", classes=2, bits=3, inputs=2, width=(4,), message="imported", carrying="0,2"),
        SECRET,
        THREE,
        {
            "inputs": counting(2, 2, 1, 4, 4),
            "matrix": np.arange(12, dtype=np.float32).reshape(3, 4),
            "bits": np.array([[0, 1, 1], [1, 0, 0]], np.uint8),
        },
    ),
    "deepsigns-blackbox": Key(DeepSignsBlackBox(keys=3), SECRET, THREE, {"kept": np.array([0, 7, 14])}),
    "deepsigns-blackbox-imported": Key(
        DeepSignsBlackBox(keys=3, message="imported"),
        SECRET,
        THREE,
        {"keys": counting(3, 1, 4, 4), "labels": np.array([0, 1, 2])},
    ),
    "deepmarks": Key(DeepMarks(layer="fc1", bits=3, width=4), SECRET, THREE),
    "neuralmark": Key(NeuralMark(layer="fc1", bits=8, pooled=2, rounds=1, width=4, filters=9), SECRET, THREE),
    "passports": Key(Passports(layer="fc1", bits=3, width=4), SECRET, THREE),
    "riga": Key(Riga(layer="fc1", bits=3, hidden=4, width=4), SECRET, THREE),
    "coupled": Key(COUPLED, SECRET, THREE, {"sources": counting(3, 2, 1, 4, 4)}),
    "coupled-literal": Key(
        replace(COUPLED, message="literal", symbols=2, layouts=1),
        SECRET,
        THREE,
        {"sources": counting(2, 2, 1, 4, 4)},
    ),
    "coupled-autoencoder": Key(
        replace(COUPLED, fusion="autoencoder", symbols=3, layouts=1),
        SECRET,
        THREE,
        {"fused": counting(6, 1, 4, 4)},
    ),
    "certified": Key(Certified(triggers=3, kind="content", side=2), SECRET, THREE, {"sources": counting(3, 1, 4, 4)}),
    "composite": Key(Composite(symbols=5, layouts=2, queries=2), SECRET, THREE, {"sources": counting(3, 2, 1, 4, 4)}),
    "entangled": Key(Entangled(triggers=3, queries=2, side=2), SECRET, THREE, {"sources": counting(6, 1, 4, 4)}),
    "frontier": Key(
        Frontier(triggers=3),
        SECRET,
        THREE,
        {"pictures": counting(3, 1, 4, 4), "sides": np.array([[0, 1], [1, 2], [2, 0]])},
    ),
    "zhang": Key(Zhang(triggers=3, side=2), SECRET, THREE, {"sources": counting(3, 1, 4, 4)}),
    "zhang-noise": Key(
        Zhang(triggers=3, kind="noise", message="secret"), SECRET, THREE, {"sources": counting(3, 1, 4, 4)}
    ),
    "margin": Key(Margin(triggers=3), SECRET, THREE, {"pictures": counting(3, 1, 4, 4)}),
    "margin-literal": Key(Margin(triggers=3, message="secret"), SECRET, THREE, PICTURES),
    "null": Key(NULL, SECRET, THREE, PICTURES),
    "null-literal": Key(
        replace(NULL, message="signature", patterns=1),
        SECRET,
        THREE,
        PICTURES | {"public_key": text(SIGNED.public_key), "signature": text(SIGNED.signature)},
    ),
}


def tampered(key: Key, *, feed: PictureFeed | None = None, attachments: Any = None, **settings: Any) -> Key:
    """The key with other content under the old digest, as whoever writes a file can have it; nothing is checked."""
    scheme = copy.copy(key.scheme)
    for name, value in settings.items():
        assert hasattr(scheme, name)
        object.__setattr__(scheme, name, value)
    attachments = key.attachments if attachments is None else attachments
    other = replace(key, scheme=scheme, feed=feed or key.feed, attachments=attachments)
    vars(other)["digest"] = key.digest
    return other


@contextmanager
def holding_at_most(most: int) -> Iterator[None]:
    """Deny this process more than ``most`` bytes beside what it has; count them, which costs more, where it cannot be."""
    if sys.platform == "linux":
        import resource

        now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        before = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (now + most, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_AS, before)
        return
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < most
    finally:
        tracemalloc.stop()


def refused(key: Key, folder: Path) -> None:
    """Loading the file of ``key`` is refused; had it been taken for a key, its digest would be complained of."""
    path = folder / "tried.key"
    path.unlink(missing_ok=True)
    keyfile.save(key, path, None)
    says = "its content does not describe one"
    with holding_at_most(BYTES), at_most(CALLS), pytest.raises(MalformedError, match=says) as caught:
        keyfile.load(path, None)
    assert len(str(caught.value).splitlines()) == 1
    assert isinstance(caught.value.__context__, (ModelmarkError, ValueError, LookupError))  # not for want of memory


def test_what_takes_more_is_seen() -> None:
    with pytest.raises((MemoryError, AssertionError)), holding_at_most(BYTES):
        np.zeros(2 * BYTES, np.uint8)
    with holding_at_most(BYTES):
        np.zeros(BYTES // 4, np.uint8)


def test_what_is_not_tampered_with_loads(tmp_path: Path) -> None:
    def tried(name: str) -> None:
        keyfile.save(tampered(KEYS[name]), tmp_path / f"{name}.key", None)
        assert keyfile.load(tmp_path / f"{name}.key", None).fingerprint == KEYS[name].fingerprint

    assert failing(tried, ((name,) for name in KEYS)) == []


# Attachments

IMPORTED = ("deepsigns-imported", "deepsigns-blackbox-imported")
"""Tried without an attachment; of other types and shapes in ``tests/unit/test_imported_deepsigns.py``."""
ALL = [(key, name) for key in KEYS for name in KEYS[key].attachments]
EACH = [(key, name) for key, name in ALL if key not in IMPORTED]


def test_a_missing_attachment_is_refused(tmp_path: Path) -> None:
    def tried(key: str, name: str) -> None:
        others = {other: array for other, array in KEYS[key].attachments.items() if other != name}
        refused(tampered(KEYS[key], attachments=others), tmp_path)
        refused(tampered(KEYS[key], attachments=others | {"else": KEYS[key].attachments[name]}), tmp_path)

    assert failing(tried, ALL) == []


CHANGES: list[Callable[[Array], Array]] = [
    lambda array: array.astype(np.float64),
    lambda array: np.full(array.shape, np.nan),
    lambda array: np.full(array.shape, np.inf, np.float32),
    lambda array: array.astype(np.int32),
    lambda array: array.astype(np.uint64),
    lambda array: array.astype(bool),
    lambda array: array[None],
    lambda array: array[..., None],
    lambda array: array[:0],
    lambda array: array[..., :0],
    lambda array: array[0],
    lambda array: array[:-1],
    lambda array: array[..., :-1],
    lambda array: np.concatenate([array, array[:1]]),
    lambda array: np.concatenate([array] * 1000),
    lambda array: np.empty(0, array.dtype),
    lambda array: np.zeros((), array.dtype),
    lambda array: np.zeros((1,) * 40, array.dtype),
]


def test_an_attachment_of_another_type_or_shape_is_refused(tmp_path: Path) -> None:
    def tried(key: str, name: str, change: int) -> None:
        attachments = KEYS[key].attachments
        refused(tampered(KEYS[key], attachments={**attachments, name: CHANGES[change](attachments[name])}), tmp_path)

    assert failing(tried, ((*each, change) for each in EACH for change in range(len(CHANGES)))) == []


KEPT = [[-1, 0, 1], [0, 1, 2**24], [0, 1, 2**62], [-(2**63), 0, 1], [7, 0, 14], [0, 7, 7], [7, 7, 7], [2, 1, 0]]


@pytest.mark.parametrize("message", ["drawn", "secret"])
def test_kept_candidates_that_keygen_would_not_keep_are_refused(message: str, tmp_path: Path) -> None:
    def tried(*kept: int) -> None:
        attachments = {"kept": np.array(kept)}
        refused(tampered(KEYS["deepsigns-blackbox"], attachments=attachments, message=message), tmp_path)

    assert failing(tried, map(tuple, KEPT)) == []


def test_sides_of_no_two_classes_are_refused(tmp_path: Path) -> None:
    def tried(*side: int) -> None:
        key = KEYS["frontier"]
        refused(tampered(key, attachments={**key.attachments, "sides": np.array([side, [1, 2], [2, 0]])}), tmp_path)

    assert failing(tried, [(-1, 1), (0, 3), (1, 1), (2**62, 0), (-(2**63), 0)]) == []


@pytest.mark.parametrize("key", ["margin-literal", "null", "null-literal"])
def test_labels_of_no_class_are_refused(key: str, tmp_path: Path) -> None:
    def tried(*labels: int) -> None:
        refused(tampered(KEYS[key], attachments={**KEYS[key].attachments, "labels": np.array(labels)}), tmp_path)

    assert failing(tried, [(0, 1, -1), (0, 1, 3), (0, 1, 2**62), (-(2**63), 0, 0)]) == []


def elliptic() -> bytes:
    public = generate_private_key(SECP256R1()).public_key()
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def flipped(data: bytes, place: int) -> bytes:
    changed = bytearray(data)
    changed[place] ^= 1
    return bytes(changed)


OTHERS: list[dict[str, bytes]] = [
    {"signature": b""},
    {"signature": bytes(64)},
    {"signature": SIGNED.signature + b"\0"},
    {"signature": SIGNED.signature[:32]},
    *({"signature": flipped(SIGNED.signature, place)} for place in (0, 31, 32, 63)),
    *({"public_key": flipped(SIGNED.public_key, place)} for place in range(len(SIGNED.public_key))),
    {"public_key": b""},
    {"public_key": SIGNED.public_key[:-1]},
    {"public_key": SIGNED.public_key + b"\0"},
    {"public_key": b"\x30" * 2**20},
    {"public_key": elliptic()},
    {"public_key": _signature.sign_ed25519(Secret(bytes(32)), "", "").public_key},
]


def test_another_signature_or_public_key_is_refused(tmp_path: Path) -> None:
    def tried(given: dict[str, bytes]) -> None:
        key = KEYS["null-literal"]
        others = {name: text(data) for name, data in given.items()}
        refused(tampered(key, attachments={**key.attachments, **others}), tmp_path)

    assert failing(tried, ((given,) for given in OTHERS)) == []


# Settings


SETTINGS: list[tuple[str, dict[str, Any]]] = [
    *(("deepsigns", {"bits": bits}) for bits in (None, 0, -1, 5, 2**20, 2**20 + 1, 10**30)),
    *(("deepsigns", {"classes": classes}) for classes in (None, 0, 1, 3, 2**20, 10**30)),
    *(
        ("deepsigns", {"width": width})
        for width in [(), (4,), (4, 5, 6), (4, 0), (4, -5), (-4, 2**40), (2**40, 2**40), (4, 10**30), (5,) * 10**5]
    ),
    ("deepsigns", {"bits": 2**20, "width": (2**20, 2**20)}),
    ("deepsigns", {"bits": 2**15, "width": (2**15, 2**15)}),
    ("deepsigns", {"layer": ",".join(map(str, range(2**15))), "width": (4,) * 2**15}),
    *(("deepsigns", {"layer": layer}) for layer in ("", "fc1", "fc1,fc1", "fc1,", ",fc2", ",", "fc1,fc2,fc3")),
    *(("deepsigns", {"inputs": inputs}) for inputs in (0, 10**30)),
    *(("deepsigns", {"strength": value}) for value in (0.0, float("nan"), float("inf"))),
    *(("deepsigns-imported", {"carrying": value}) for value in ("", "0", "2,0", "0,0", "0,3", "0,x", "0,2,1", 5)),
    *(("deepsigns-imported", {"message": message}) for message in ("drawn", "secret", "chosen")),
    *(("deepmarks", {"bits": bits}) for bits in (None, 0, 5, 10**30)),
    *(("deepmarks", {"width": width}) for width in (None, 0, 2, 2**28 + 1, 10**30)),
    *(("deepmarks", {"message": "code", "order": order}) for order in (0, 4, 5, 10**30)),
    *(("neuralmark", {"bits": bits}) for bits in (None, 0, 37, 2**16, 10**30)),
    *(("neuralmark", {"pooled": pooled}) for pooled in (None, 0, 36, 2**28, 10**30)),
    *(("neuralmark", {"rounds": rounds}) for rounds in (0, 9, 33, 10**30)),
    *(("neuralmark", {"filters": filters}) for filters in (None, 0, 1, 10**30)),
    *(("passports", {"width": width}) for width in (None, 0, 2**28, 10**30)),
    *(("passports", {"bits": bits}) for bits in (None, 0, 2**16 + 1, 10**30)),
    *(("passports", {"message": "text", "text": text}) for text in ("", "a", "\u00e4", 7)),
    *(("riga", {"hidden": hidden}) for hidden in (None, 0, 2**14 + 1, 10**30)),
    *(("riga", {"width": width}) for width in (None, 0, 2**28, 10**30)),
    *(("deepsigns-blackbox", {"keys": keys}) for keys in (None, 0, 2, 4, 16384, 16385, 10**30)),
    *(("deepsigns-blackbox", {"share": share}) for share in (0.0, float("nan"))),
    *(("coupled", {"symbols": symbols}) for symbols in (None, 0, 13, 16384, 16385, 10**30)),
    *(("coupled", {"layouts": layouts}) for layouts in (None, 0, -1, 25, 10**30)),
    *(("coupled", {"queries": queries}) for queries in (0, 1, 3, 1000, 1001, 10**30)),
    *(("coupled", {"ratio": ratio}) for ratio in (0.0, 1.0, 2.0, 1e-9, float("nan"), float("inf"), 1e308)),
    *(("composite", {"symbols": symbols}) for symbols in (None, 0, 13, 16384, 16385, 10**30)),
    *(("composite", {"layouts": layouts}) for layouts in (None, 0, 3, 10**30)),
    *(("composite", {"queries": queries}) for queries in (0, 1, 3, 1001, 10**30)),
    ("composite", {"message": "secret"}),
    *(("entangled", {"triggers": triggers}) for triggers in (None, 0, 2, 4, 16384, 16385, 10**30)),
    *(("entangled", {"queries": queries}) for queries in (0, 1, 3, 1001, 10**30)),
    *(("entangled", {"side": side}) for side in (0, 5, 1024, 10**30)),
    *(("entangled", {"temperature": value}) for value in (0.0, float("nan"), float("inf"))),
    *(("frontier", {"triggers": triggers}) for triggers in (None, 0, 2, 4, 16385)),
    *(("frontier", {"amount": amount}) for amount in (0, 256, 10**30)),
    *((key, {"triggers": triggers}) for key in ("zhang", "zhang-noise") for triggers in (None, 0, 2, 4, 16385)),
    *(("zhang", {"side": side}) for side in (0, 5, 1024, 10**30)),
    *(("zhang-noise", {"amount": amount}) for amount in (0, 256, 10**30)),
    *(("certified", {"sigma": value}) for value in (0.0, -1.0, float("nan"), float("inf"))),
    *(("certified", {"draws": draws}) for draws in (0, 1001, 10**30)),
    *(("margin", {"triggers": triggers}) for triggers in (None, 0, 2, 4, 16384, 16385, 10**30)),
    *(("margin", {"step": value}) for value in (0.0, 256.0, float("nan"))),
    ("coupled", {"fusion": "autoencoder"}),
    ("coupled", {"fusion": "overlay"}),  # has one layout
    ("coupled", {"message": "literal"}),
    ("coupled", {"repeats": None}),
    *(("coupled-literal", {"symbols": symbols}) for symbols in (None, 1, 3, 16384)),
    *(("coupled-literal", {"triggers": triggers}) for triggers in (0, 1, 3, 16384, 10**30)),
    ("coupled-literal", {"layouts": 2}),
    ("coupled-literal", {"fusion": "overlay", "symbols": 1}),
    ("coupled-literal", {"fusion": "autoencoder", "symbols": 1}),
    *(("coupled-autoencoder", {"symbols": symbols}) for symbols in (2, 4, 16384)),
    *(("null", {"patterns": patterns}) for patterns in (None, 0, 4096, 4097, 10**30)),
    *(("null", {"side": side}) for side in (None, 0, 5, 16, 17, 10**30)),
    *(("null", {"pictures": pictures}) for pictures in (0, 2, 4, 16384, 16385, 10**30)),
    *(("null", {"queries": queries}) for queries in (0, 1001, 10**30)),
    ("null", {"patterns": 2048, "side": 4, "queries": 1000}),
    ("null", {"message": "signature", "patterns": 1}),
    ("null", {"patterns": 32, "side": 1}),  # one more with the null pattern; there are 32
    *(("null-literal", {"side": side}) for side in (5, 16)),
    ("null-literal", {"patterns": 2}),
    *(("null-literal", {"owner": owner}) for owner in ("", "Emmy", "Emmy Noether\n")),
    ("null-literal", {"timestamp": "2026-01-02"}),
]


def test_settings_that_belong_to_no_key_are_refused(tmp_path: Path) -> None:
    def tried(key: str, settings: dict[str, Any]) -> None:
        refused(tampered(KEYS[key], **settings), tmp_path)

    assert failing(tried, SETTINGS) == []


MANY = tuple(map(str, range(20000)))
PIXEL = PictureFeed((1, 1, 1), MANY[:200])
WIDE = PictureFeed((3, 10**5, 10**5), ("zero", "one", "two"))


INTERFACES: list[tuple[str, dict[str, Any]]] = [
    *((key, {"feed": PictureFeed((1, 4, 4), ("zero", "one"))}) for key in ("coupled", "coupled-literal")),
    ("deepsigns", {"feed": PictureFeed((1, 4, 4), MANY), "classes": 20000}),
    ("deepsigns", {"feed": PIXEL, "attachments": {"inputs": counting(2, 2**19, 1, 1, 1)}}),
    ("deepsigns-blackbox", {"feed": WIDE}),
    ("deepsigns-blackbox", {"feed": PictureFeed((2**31,), ("zero", "one"))}),
    ("coupled", {"feed": PictureFeed((1, 4, 4), MANY)}),
    ("coupled", {"feed": PictureFeed((1, 4, 4), MANY), "symbols": 16384, "layouts": 24}),
    ("coupled", {"feed": PictureFeed((1, 4, 4), MANY), "fusion": "overlay", "layouts": 1}),
    (
        "coupled",
        {
            "feed": PIXEL,
            "symbols": 16384,
            "layouts": 1,
            "queries": 1000,
            "attachments": {"sources": counting(200, 1000, 1, 1, 1)},
        },
    ),
    ("coupled", {"feed": WIDE}),
    (
        "frontier",
        {
            "feed": PictureFeed((1, 1, 1), MANY),
            "triggers": 16384,
            "attachments": {"pictures": counting(16384, 1, 1, 1), "sides": np.tile([0, 1], (16384, 1))},
        },
    ),
    ("coupled", {"feed": PictureFeed((16,), THREE.class_names)}),
    ("null", {"feed": WIDE}),
    ("null", {"feed": PictureFeed((16,), THREE.class_names)}),
    ("null", {"feed": PictureFeed((1, 1, 16), THREE.class_names)}),
    (
        "null",
        {
            "feed": PictureFeed((3, 224, 224), THREE.class_names),
            "attachments": PICTURES | {"pictures": counting(3, 3, 224, 224)},
            "patterns": 64,
            "queries": 1000,
        },
    ),
    ("null-literal", {"feed": PictureFeed((16,), THREE.class_names)}),
    ("null-literal", {"feed": PictureFeed((1, 4, 4), ("zero", "one"))}),
]


def test_an_interface_that_the_rest_does_not_fit_is_refused(tmp_path: Path) -> None:
    def tried(key: str, changes: dict[str, Any]) -> None:
        refused(tampered(KEYS[key], **changes), tmp_path)

    assert failing(tried, INTERFACES) == []
