"""Hostile key files: cut, changed, forged, outsized, in other words. Each is refused on one line; none is accepted."""

import functools
import hashlib
import json
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save as save_arrays

from modelmark.errors import (
    MalformedError,
    MismatchError,
    ModelmarkError,
    OutputExistsError,
    PassphraseError,
    UsageError,
)
from modelmark.feeds.pictures import PictureFeed
from modelmark.key import sealed as sealing
from modelmark.key.secret import Secret
from modelmark.marks import keyfile
from modelmark.marks.keys import Key
from modelmark.schemes.adi import Adi
from modelmark.schemes.uchida import Uchida

MAGIC = b"modelmark-key\n"
PASSPHRASE = "correct horse"
CHEAP = sealing.KDF | {"m_kib": 32, "t": 1}
"""Argon2id at its least, so that files which need a derivation can be tried by the thousand."""
CREATED = "2026-01-01T00:00:00+00:00"
SECRET = Secret(bytes(range(32)))
PICTURES = PictureFeed((1, 2, 2), ("zero", "one"))
OWN = Key(
    Adi(triggers=2, pictures="own"),
    SECRET,
    PICTURES,
    {"triggers": np.arange(8, dtype=np.uint8).reshape(2, 1, 2, 2)},
    created=CREATED,
)
WEIGHTS = Key(Uchida(layer="conv.weight", bits=4, width=8), SECRET, PICTURES, created=CREATED)

Read = Callable[[bytes], Key]


def bytes_of(key: Key, folder: Path, passphrase: str | None) -> bytes:
    path = folder / "made.key"
    keyfile.save(key, path, passphrase)
    return path.read_bytes()


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return bytes_of(OWN, tmp_path_factory.mktemp("open"), None)


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return bytes_of(OWN, tmp_path_factory.mktemp("sealed"), PASSPHRASE)


@pytest.fixture
def cheap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    monkeypatch.setattr(sealing, "KDF", CHEAP)
    monkeypatch.setattr(sealing, "derive", functools.lru_cache(sealing.derive))
    (tmp_path / "cheap").mkdir()
    return bytes_of(OWN, tmp_path / "cheap", PASSPHRASE)


@pytest.fixture
def read(tmp_path: Path) -> Read:
    path = tmp_path / "tried.key"

    def write_and_load(data: bytes) -> Key:
        path.write_bytes(data)
        return keyfile.load(path, PASSPHRASE)

    return write_and_load


@pytest.fixture
def underived(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a key was derived for a file that can be refused without")

    monkeypatch.setattr(sealing, "derive", refuse)


def refused(read: Read, data: bytes) -> ModelmarkError:
    """Loading ``data`` is refused as the outside input that it is, on one line."""
    with pytest.raises((MalformedError, PassphraseError, MismatchError, UsageError)) as caught:
        read(data)
    assert len(str(caught.value).splitlines()) == 1
    return caught.value


def header_of(data: bytes) -> dict[str, Any]:
    return json.loads(data[len(MAGIC) :].split(b"\n", 1)[0])


def content_of(data: bytes) -> bytes:
    return data[len(MAGIC) :].split(b"\n", 1)[1]


def spelled(header: dict[str, Any]) -> bytes:
    return json.dumps(header, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def forged(header: dict[str, Any], content: bytes) -> bytes:
    """An open key file whose check is right: anybody can compute it."""
    check = hashlib.sha256(MAGIC + spelled(header | {"check": ""}) + b"\n" + content).hexdigest()
    return MAGIC + spelled(header | {"check": check}) + b"\n" + content


def same(one: Key, other: Key) -> bool:
    names = ("scheme", "secret", "feed", "arch", "data", "host", "created", "self_check", "fingerprint")
    arrays = {name: (array.dtype, array.shape, array.tobytes()) for name, array in one.attachments.items()}
    return all(getattr(one, name) == getattr(other, name) for name in names) and arrays == {
        name: (array.dtype, array.shape, array.tobytes()) for name, array in other.attachments.items()
    }


# What is written comes back


@pytest.mark.parametrize(
    "key",
    [
        OWN,
        WEIGHTS,
        Key(Adi(triggers=2), SECRET, PICTURES, arch="a:b", data="där", host="ab", created=CREATED, self_check=True),
        Key(Adi(triggers=2, margin=1), SECRET, PICTURES, created=CREATED),
        Key(Uchida(layer="fc", bits=2, width=8, strength=np.float64(1e-3)), SECRET, PICTURES, created=CREATED),
        Key(
            Adi(triggers=2, pictures="own", message="imported"),
            SECRET,
            PICTURES,
            {
                "triggers": np.arange(16, dtype=np.uint8).reshape(2, 2, 2, 2)[:, :1].transpose(0, 1, 3, 2),
                "labels": np.array([1, 0]),
            },
            created=CREATED,
        ),
        Key(
            Uchida(layer="fc", bits=2, width=3, message="imported"),
            SECRET,
            PICTURES,
            {"matrix": np.arange(6, dtype=np.float32).reshape(2, 3) / 7, "bits": np.array([1, 0])},
            created=CREATED,
        ),
    ],
    ids=["own", "weights", "all-texts", "integer-margin", "numpy-strength", "imported-labels", "imported-matrix"],
)
def test_a_key_comes_back_as_it_was(key: Key, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "KDF", CHEAP)
    for passphrase in (None, PASSPHRASE, ""):
        path = tmp_path / f"{passphrase}.key"
        keyfile.save(key, path, passphrase)
        assert same(keyfile.load(path, passphrase), key)


@pytest.mark.parametrize(("passphrase", "encrypted"), [(None, False), (PASSPHRASE, True)])
def test_what_shows_without_the_passphrase_is_the_header_alone(
    passphrase: str | None, encrypted: bool, tmp_path: Path, quick_seal: None
) -> None:
    keyfile.save(WEIGHTS, tmp_path / "a.key", passphrase)
    shown = keyfile.inspect(tmp_path / "a.key")
    assert shown == keyfile.Header("uchida", WEIGHTS.fingerprint, CREATED, False, encrypted)
    assert (b"conv.weight" in (tmp_path / "a.key").read_bytes()) is not encrypted


@pytest.mark.parametrize("passphrase", [None, PASSPHRASE])
def test_a_key_is_its_owners_alone_and_never_overwritten(
    passphrase: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealing, "KDF", CHEAP)
    path = tmp_path / "a.key"
    keyfile.save(OWN, path, passphrase)
    before = path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(OutputExistsError):
        keyfile.save(WEIGHTS, path, passphrase)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["a.key"]


def test_two_sealed_files_of_one_key_share_neither_salt_nor_nonce(cheap: bytes, tmp_path: Path) -> None:
    one, other = header_of(cheap), header_of(bytes_of(OWN, tmp_path, PASSPHRASE))
    assert [name for name in one if one[name] != other[name]] == ["check", "nonce", "salt"]


# Cut and changed


@pytest.mark.parametrize("kind", ["opened", "cheap"])
def test_every_truncation_is_refused(kind: str, read: Read, request: pytest.FixtureRequest) -> None:
    data = request.getfixturevalue(kind)
    assert same(read(data), OWN)
    for size in range(len(data)):
        refused(read, data[:size])


@pytest.mark.parametrize("kind", ["opened", "cheap"])
@pytest.mark.parametrize("flip", [0x01, 0x20, 0x80])
def test_every_change_of_a_single_byte_is_refused(
    kind: str, flip: int, read: Read, request: pytest.FixtureRequest
) -> None:
    data = request.getfixturevalue(kind)
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= flip
        refused(read, bytes(changed))


@pytest.mark.parametrize("kind", ["opened", "cheap"])
def test_bytes_appended_or_put_in_are_refused(kind: str, read: Read, request: pytest.FixtureRequest) -> None:
    data = request.getfixturevalue(kind)
    for place in (0, 5, len(MAGIC), len(MAGIC) + 1, data.index(b"}\n"), data.index(b"}\n") + 2, len(data)):
        for extra in (b"\0", b"\n", b" "):
            refused(read, data[:place] + extra + data[place:])


@pytest.mark.parametrize(
    ("field", "expected"),
    [("salt", PassphraseError), ("nonce", MalformedError), ("created", MalformedError)],
)
def test_a_changed_header_is_refused_after_the_derivation(
    field: str, expected: type[ModelmarkError], cheap: bytes, read: Read
) -> None:
    header = header_of(cheap)
    last = header[field][-1]
    header[field] = header[field][:-1] + ("1" if last != "1" else "2")
    assert type(refused(read, MAGIC + spelled(header) + b"\n" + content_of(cheap))) is expected


def test_the_body_of_another_key_is_refused(opened: bytes, cheap: bytes, read: Read, tmp_path: Path) -> None:
    other = bytes_of(WEIGHTS, tmp_path, PASSPHRASE)
    refused(read, MAGIC + spelled(header_of(cheap)) + b"\n" + content_of(other))
    refused(read, MAGIC + spelled(header_of(opened)) + b"\n" + content_of(cheap))


@pytest.mark.usefixtures("underived")
def test_no_passphrase_is_refused(sealed: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.key"
    path.write_bytes(sealed)
    with pytest.raises(PassphraseError, match="got none"):
        keyfile.load(path, None)


def test_a_wrong_passphrase_is_refused_and_the_right_one_opens(sealed: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.key"
    path.write_bytes(sealed)
    with pytest.raises(PassphraseError, match="got another"):
        keyfile.load(path, PASSPHRASE + " ")
    assert same(keyfile.load(path, PASSPHRASE), OWN)


# Headers that nobody wrote


@pytest.mark.parametrize(
    "kdf",
    [
        sealing.KDF | {"m_kib": 8},
        sealing.KDF | {"m_kib": 2**31},
        sealing.KDF | {"m_kib": "262144"},
        sealing.KDF | {"t": 1},
        sealing.KDF | {"t": 10**9},
        sealing.KDF | {"lanes": 1},
        sealing.KDF | {"name": "scrypt"},
        sealing.KDF | {"more": 1},
        {"name": "argon2id"},
        {},
        [],
        "argon2id",
    ],
    ids=str,
)
@pytest.mark.usefixtures("underived")
def test_other_derivation_parameters_are_refused_before_a_derivation(kdf: Any, sealed: bytes, read: Read) -> None:
    data = MAGIC + spelled(header_of(sealed) | {"kdf": kdf}) + b"\n" + content_of(sealed)
    assert "key derivation" in str(refused(read, data))


@pytest.mark.parametrize("version", [0, 2, -1, "1", True, None, [1], 10**40], ids=str)
@pytest.mark.usefixtures("underived")
def test_another_version_is_refused(version: Any, opened: bytes, sealed: bytes, read: Read) -> None:
    assert isinstance(refused(read, forged(header_of(opened) | {"v": version}, content_of(opened))), MalformedError)
    refused(read, MAGIC + spelled(header_of(sealed) | {"v": version}) + b"\n" + content_of(sealed))


@pytest.mark.parametrize(
    "respell",
    [
        lambda line: line.replace(b":", b": "),
        lambda line: b" " + line,
        lambda line: line + b"\r",
        lambda line: line.replace(b'"v":1', b'"v":1.0'),
        lambda line: line.replace(b'"v":1', b'"v":1,"v":1'),
        lambda line: line.replace(b'"v":1', b'"v":2,"v":1'),
        lambda line: line.replace(b'"adi"', b'"\\u0061di"'),
        lambda line: b'{"v":1,' + line[1:].replace(b',"v":1', b""),
        lambda line: line.replace(b'"self_check":false', b'"self_check":0'),
        lambda line: line.replace(b',"self_check":false', b""),
        lambda line: line.replace(b'"v":1', b'"v":1,"w":1'),
        lambda line: line.replace(b'"modelmark.key"', b'"modelmark.claim"'),
        lambda line: line.replace(CREATED.encode(), b"NaN").replace(b'"NaN"', b"NaN"),
        lambda line: b"[" + line + b"]",
        lambda line: b"[" * 2000 + b"]" * 2000,
        lambda line: b"null",
        lambda line: b"",
    ],
)
@pytest.mark.usefixtures("underived")
def test_another_spelling_of_the_header_is_refused(
    respell: Callable[[bytes], bytes], opened: bytes, sealed: bytes, read: Read
) -> None:
    for data in (opened, sealed):
        line = spelled(header_of(data))
        assert respell(line) != line
        assert isinstance(refused(read, MAGIC + respell(line) + b"\n" + content_of(data)), MalformedError)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *((name, value) for name in ("fingerprint", "check", "salt", "nonce") for value in ("", "00", "AB" * 32, 5)),
        *((name, value) for name in ("scheme", "created", "aead") for value in (5, ["adi"], {})),
        ("aead", "AES-GCM"),
        ("self_check", "false"),
    ],
)
@pytest.mark.usefixtures("underived")
def test_a_header_field_of_another_form_is_refused(field: str, value: Any, sealed: bytes, read: Read) -> None:
    refused(read, MAGIC + spelled(header_of(sealed) | {field: value}) + b"\n" + content_of(sealed))


@pytest.mark.parametrize("tail", [b"", b"\n"])
def test_a_huge_header_is_refused(tail: bytes, opened: bytes, read: Read) -> None:
    assert "header line" in str(refused(read, MAGIC + b"x" * keyfile.MAX_HEADER + tail))
    assert "header line" in str(refused(read, forged(header_of(opened) | {"created": "x" * 5000}, content_of(opened))))


def test_a_huge_file_is_refused_unread(opened: bytes, read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyfile, "MAX_FILE", len(opened) - 1)
    assert f"at most {len(opened) - 1} bytes" in str(refused(read, opened))


@pytest.mark.parametrize(
    "data", [b"", b"\0" * 100, b"\x89PNG\r\n\x1a\n" + b"\0" * 50, b"modelmark-key", MAGIC, MAGIC + b"\n", b"{}\n"]
)
def test_something_else_is_refused(data: bytes, read: Read) -> None:
    assert isinstance(refused(read, data), MalformedError)


# Forgeries whose check is right


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"fingerprint": "00" * 32}, MismatchError),
        ({"self_check": True}, MismatchError),
        ({"scheme": "uchida"}, MalformedError),
        ({"scheme": "uchidda"}, UsageError),
    ],
)
def test_a_header_that_does_not_describe_its_key_is_refused(
    change: dict[str, Any], expected: type[ModelmarkError], opened: bytes, read: Read
) -> None:
    assert type(refused(read, forged(header_of(opened) | change, content_of(opened)))) is expected


def test_a_named_module_is_not_imported(
    opened: bytes, read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "planted_module.py").write_text("raise SystemExit('imported')\n")
    monkeypatch.syspath_prepend(tmp_path)
    error = refused(read, forged(header_of(opened) | {"scheme": "planted_module:Scheme"}, content_of(opened)))
    assert isinstance(error, UsageError)
    assert "--scheme planted_module:Scheme" in error.hint
    assert "planted_module" not in sys.modules


def changed(**parts: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda value: value | parts


def with_settings(**parts: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda value: value | {"settings": value["settings"] | parts}


def with_interface(**parts: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda value: value | {"interface": value["interface"] | parts}


@pytest.mark.parametrize(
    "change",
    [
        lambda value: [],
        lambda value: "key",
        lambda value: {name: value[name] for name in value if name != "host"},
        changed(more=1),
        changed(secret="00" * 31),
        changed(secret="AB" * 32),
        changed(secret=5),
        changed(settings=[]),
        changed(feed=None),
        changed(arch=5),
        changed(data=None),
        changed(host=["a"]),
        with_settings(triggers=0),
        with_settings(triggers=-1),
        with_settings(triggers=10**30),
        with_settings(triggers="2"),
        with_settings(triggers=3),
        with_settings(triggers=1),
        with_settings(margin="0.10"),
        with_settings(margin="nan"),
        with_settings(pictures="stolen"),
        with_settings(pictures="synthetic"),
        with_settings(message="imported"),
        with_settings(unknown=1),
        with_interface(input_shape=[]),
        with_interface(input_shape=[10**30]),
        with_interface(input_shape=[1, 2, "2"]),
        with_interface(input_shape=[1, 2, True]),
        with_interface(class_names=["zero"]),
        with_interface(class_names=[0, 1]),
        with_interface(class_names="01"),
        with_interface(mean=[10**400]),
        with_interface(std=[0]),
        with_interface(more=[1]),
    ],
)
def test_content_that_describes_no_key_is_refused(change: Callable[[Any], Any], opened: bytes, read: Read) -> None:
    line, _, blob = content_of(opened).partition(b"\n")
    value = change(json.loads(line))
    error = refused(read, forged(header_of(opened), spelled(value) + b"\n" + blob))
    assert isinstance(error, (MalformedError, MismatchError))


@pytest.mark.parametrize(
    "settings",
    [
        {"bits": 0},
        {"bits": 10**30},
        {"width": 0},
        {"width": 10**13},
        {"width": 10**30},
        {"bits": 9, "projection": "direct"},
        {"message": "imported"},
        {"layer": 5},
    ],
    ids=str,
)
def test_a_projection_that_cannot_be_is_refused(settings: dict[str, Any], read: Read, tmp_path: Path) -> None:
    data = bytes_of(WEIGHTS, tmp_path, None)
    value = json.loads(content_of(data))
    content = spelled(value | {"settings": value["settings"] | settings}) + b"\n"
    assert isinstance(refused(read, forged(header_of(data), content)), (MalformedError, MismatchError))


@pytest.mark.parametrize(
    "blob",
    [
        b"",
        b"\0",
        b"\xff" * 8,
        b"\xff" * 100,
        (2).to_bytes(8, "little") + b"{}",
        save_arrays({"others": np.zeros(3, np.uint8)}),
        save_arrays({"triggers": np.zeros((), np.uint8)}),
        save_arrays({"triggers": np.zeros((0, 1, 2, 2), np.uint8)}),
        save_arrays({"triggers": np.zeros((2, 1, 2, 2), np.float32)}),
        save_arrays({"triggers": np.arange(8, dtype=np.uint8).reshape(2, 1, 2, 2)}) + b"\0",
        save_arrays({"triggers": np.arange(8, dtype=np.uint8).reshape(2, 1, 2, 2)}).replace(b'"U8"', b'"F8"'),
        save_arrays({"triggers": np.arange(8, dtype=np.uint8).reshape(2, 1, 2, 2)}).replace(b"[2,1,2,2]", b"[9,9,9,9]"),
    ],
    ids=range(12),
)
def test_attachments_that_do_not_belong_are_refused(blob: bytes, opened: bytes, read: Read) -> None:
    line = content_of(opened).partition(b"\n")[0]
    error = refused(read, forged(header_of(opened), line + b"\n" + blob))
    assert isinstance(error, (MalformedError, MismatchError))


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_under_a_right_check_is_refused(data: st.DataObject, opened: bytes, read: Read) -> None:
    content = bytearray(content_of(opened))
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] = data.draw(st.integers(0, 255).filter(lambda value: value != content[place]))
    refused(read, forged(header_of(opened), bytes(content)))
