"""The fuzzer's targets, in a short run that is the same every time: each kind of document and each reader is reached."""

import importlib.util
import json
import random
import sys
from pathlib import Path
from typing import Any

import pytest

from modelmark import canonical, carriers
from modelmark.claim.papers import schemas

pytest.importorskip("rfc3161_client", reason="pip install 'modelmark[evidence]'")
PATH = Path(__file__).parents[2] / "benchmarks" / "fuzz_targets.py"
TRIES = 20


def loaded():
    spec = importlib.util.spec_from_file_location("fuzz_targets", PATH)
    module = importlib.util.module_from_spec(spec)
    sys.modules["fuzz_targets"] = module
    spec.loader.exec_module(module)
    return module


FUZZ = loaded()
SEEDS = FUZZ.seeds()


def changed(data: bytes, rng: random.Random) -> bytes:
    """Return data with one thing changed: a bit, a number, a piece left out, doubled, or moved."""
    at, size = rng.randrange(len(data)), rng.choice((1, 1, 2, 8, 64))
    digits = [i for i, byte in enumerate(data) if 48 <= byte <= 57]
    kind = rng.randrange(5)
    if kind == 0:
        return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]
    if kind == 1 and digits:
        at = rng.choice(digits)
        return data[:at] + rng.choice((b"0", b"1", b"2", b"9", b"10", b"999999", b"-1")) + data[at + 1 :]
    if kind == 2:
        return data[:at] + data[at + size :]
    if kind == 3:
        return data[:at] + data[at : at + size] + data[at:]
    return data[:at] + data[at + size :] + data[at : at + size]


def altered(payload: bytes, rng: random.Random) -> bytes:
    """Return a statement with one of its values replaced, in the form that readers want."""
    value = json.loads(payload)
    places: list[tuple[Any, Any]] = []

    def walk(node: Any) -> None:
        for name in node if isinstance(node, dict) else range(len(node)):
            if isinstance(node[name], dict | list):
                walk(node[name])
            else:
                places.append((node, name))

    walk(value["predicate"])
    node, name = rng.choice(places)
    node[name] = rng.choice((0, 1, 2, 3, 7, 64, 2**14, 2**20, "", "adi", "null", "ab" * 32, True, [], [4], [1, 1]))
    return canonical.encode(value)


def test_there_is_a_target_for_every_kind_of_document_and_of_carriers() -> None:
    assert sorted(SEEDS) == sorted(FUZZ.NAMES)
    assert len(FUZZ.NAMES) < 256  # the first byte of an input
    for kind in schemas.DOCUMENTS:
        assert {f"envelope of {kind}", f"payload of {kind}"} <= SEEDS.keys()
    judged = set(carriers.KINDS) - {"order"}  # its grades stand for no symbols: refused before anything is opened
    assert {name.split()[0] for name in FUZZ.DISPUTES} == judged
    for name in ("transcript", "carriers handed over", "identity", "token", "response", "request", "authority"):
        assert name in SEEDS


@pytest.mark.parametrize("name", FUZZ.NAMES)
def test_every_target_takes_its_seed_and_survives_what_becomes_of_it(name) -> None:
    """Accepted whole, so the whole reader is behind it; changed, it is refused in a line or read as it is written."""
    FUZZ.accepted.clear()
    first = bytes([FUZZ.NAMES.index(name)])
    FUZZ.one_input(first + SEEDS[name])
    assert FUZZ.accepted[name] == 1
    if name.startswith("judge"):
        assert FUZZ.accepted[f"{name}, up to the end"] == 1
    rng = random.Random(name)
    for _ in range(TRIES):
        FUZZ.one_input(first + changed(SEEDS[name], rng))
        FUZZ.one_input(first + changed(changed(SEEDS[name], rng), rng))


def test_the_judge_is_reached_check_by_check() -> None:
    """Changed papers fail at every check that one paper alone can fail, not all at the first."""
    FUZZ.accepted.clear()
    rng = random.Random(0)
    for name in (name for name in FUZZ.NAMES if name.startswith("judge")):
        for _ in range(2 * TRIES):
            data = altered(SEEDS[name], rng) if not name.endswith("carriers") else changed(SEEDS[name], rng)
            FUZZ.one_input(bytes([FUZZ.NAMES.index(name)]) + data)
    ends = {name.partition(", up to ")[2] for name in FUZZ.accepted} - {""}
    assert {"papers", "opening", "carriers", "scheme", "form", "suspect", "the end"} <= ends, ends


def test_a_crash_would_be_seen() -> None:
    """An error of any other kind, and a document that comes back in other words, end the run."""
    broken = dict(FUZZ.TARGETS)
    try:
        FUZZ.TARGETS["kind"] = lambda given: 1 // 0
        with pytest.raises(ZeroDivisionError):
            FUZZ.one_input(bytes([FUZZ.NAMES.index("kind")]) + b"x")
    finally:
        FUZZ.TARGETS.update(broken)
