"""Key files of other content whose check is right, which anybody can compute: each is refused on one line."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from key_bytes import WEIGHTS, Read, bytes_of, content_of, forged, header_of, refused, spelled
from safetensors.numpy import save as save_arrays

from modelmark.errors import MalformedError, MismatchError, ModelmarkError, UsageError
from trying import failing


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


FORMS: list[Callable[[Any], Any]] = [
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
]


def test_content_that_describes_no_key_is_refused(opened: bytes, read: Read) -> None:
    def tried(number: int) -> None:
        line, _, blob = content_of(opened).partition(b"\n")
        value = FORMS[number](json.loads(line))
        error = refused(read, forged(header_of(opened), spelled(value) + b"\n" + blob))
        assert isinstance(error, (MalformedError, MismatchError))

    assert failing(tried, ((number,) for number in range(len(FORMS)))) == []


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


BLOBS = [
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
]


def test_attachments_that_do_not_belong_are_refused(opened: bytes, read: Read) -> None:
    def tried(blob: bytes) -> None:
        line = content_of(opened).partition(b"\n")[0]
        error = refused(read, forged(header_of(opened), line + b"\n" + blob))
        assert isinstance(error, (MalformedError, MismatchError))

    assert failing(tried, ((blob,) for blob in BLOBS)) == []


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_under_a_right_check_is_refused(data: st.DataObject, opened: bytes, read: Read) -> None:
    content = bytearray(content_of(opened))
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] = data.draw(st.integers(0, 255).filter(lambda value: value != content[place]))
    refused(read, forged(header_of(opened), bytes(content)))
