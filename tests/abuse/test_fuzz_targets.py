"""The fuzzer's targets, in a short run that is the same every time: each kind of document and each reader is reached."""

import importlib.util
import json
import random
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from modelmark import canonical, carriers
from modelmark.claim.papers import schemas
from trying import failing

pytest.importorskip("rfc3161_client", reason="pip install 'modelmark[evidence]'")
PATH = Path(__file__).parents[2] / "benchmarks" / "fuzz_targets.py"
TRIES = [2, pytest.param(20, marks=pytest.mark.slow)]
"""Changes of each input, every day and where it may take longer."""


@pytest.fixture(scope="module")
def fuzz() -> ModuleType:
    """The fuzzer, which makes papers of every kind as it is imported; its seeds beside."""
    spec = importlib.util.spec_from_file_location("fuzz_targets", PATH)
    module = importlib.util.module_from_spec(spec)
    sys.modules["fuzz_targets"] = module
    spec.loader.exec_module(module)
    module.SEEDS = module.seeds()
    return module


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


VALUES = (0, 1, 2, 3, 7, 64, 2**14, 2**20, "", "adi", "null", "ab" * 32, True, [], [4], [1, 1])
"""What is put in the place of a value."""
ENDS = {"papers", "opening", "carriers", "scheme", "form", "suspect", "the end"}
"""How far the judge comes with changed papers: every check that one paper alone can fail."""


def places(node: Any) -> Iterator[tuple[Any, Any]]:
    """Yield where the values of a document stand, as what holds them and their name there; of a long list, the first two."""
    for name in node if isinstance(node, dict) else range(len(node))[:2]:
        if isinstance(node[name], dict | list):
            yield from places(node[name])
        else:
            yield node, name


def altered(payload: bytes) -> Iterator[bytes]:
    """Yield a statement with one of its values replaced, every one by every other, in the form that readers want."""
    value = json.loads(payload)
    for node, name in places(value["predicate"]):
        before = node[name]
        for other in VALUES:
            node[name] = other
            yield canonical.encode(value)
        node[name] = before


def test_there_is_a_target_for_every_kind_of_document_and_of_carriers(fuzz) -> None:
    assert sorted(fuzz.SEEDS) == sorted(fuzz.NAMES)
    assert len(fuzz.NAMES) < 256  # the first byte of an input
    for kind in schemas.DOCUMENTS:
        assert {f"envelope of {kind}", f"payload of {kind}"} <= fuzz.SEEDS.keys()
    judged = set(carriers.KINDS) - {"order"}  # its grades stand for no symbols: refused before anything is opened
    assert {name.split()[0] for name in fuzz.DISPUTES} == judged
    for name in ("transcript", "carriers handed over", "identity", "token", "response", "request", "authority"):
        assert name in fuzz.SEEDS


@pytest.mark.parametrize("tries", TRIES)
def test_every_target_takes_its_seed_and_survives_what_becomes_of_it(tries, fuzz) -> None:
    """Accepted whole, so the whole reader is behind it; changed, it is refused in a line or read as it is written."""

    def tried(name: str) -> None:
        fuzz.accepted.clear()
        first, seed = bytes([fuzz.NAMES.index(name)]), fuzz.SEEDS[name]
        fuzz.one_input(first + seed)
        assert fuzz.accepted[name] == 1
        if name.startswith("judge"):
            assert fuzz.accepted[f"{name}, up to the end"] == 1
        rng = random.Random(name)
        for _ in range(tries):
            fuzz.one_input(first + changed(seed, rng))
            fuzz.one_input(first + changed(changed(seed, rng), rng))

    assert failing(tried, ((name,) for name in fuzz.NAMES)) == []


def ends(fuzz: ModuleType, inputs: Iterable[tuple[str, bytes]]) -> set[str]:
    """Return how far the judge came with some papers, each given with the name of its target."""
    fuzz.accepted.clear()
    for name, data in inputs:
        fuzz.one_input(bytes([fuzz.NAMES.index(name)]) + data)
    return {name.partition(", up to ")[2] for name in fuzz.accepted} - {""}


@pytest.mark.parametrize("every", [3, pytest.param(1, marks=pytest.mark.slow)])
def test_the_judge_is_reached_check_by_check(every, fuzz) -> None:
    """Changed papers fail at every check that one paper alone can fail, not all at the first; a third of the values each day."""
    papers = (f"judge adi transcript, {part}" for part in ("claim", "opening"))
    reached = ends(
        fuzz, ((name, data) for name in papers for data in islice(altered(fuzz.SEEDS[name]), 0, None, every))
    )
    carriers_ = "judge adi transcript, carriers"
    reached |= ends(fuzz, [(carriers_, fuzz.SEEDS[carriers_][:at]) for at in range(40)])
    assert reached >= ENDS


@pytest.mark.slow
def test_the_judge_of_every_kind_of_mark_is_reached_check_by_check(fuzz) -> None:
    """Of every dispute forty changes of each paper, by chance."""
    rng = random.Random(0)

    def inputs() -> Iterator[tuple[str, bytes]]:
        for name in (name for name in fuzz.NAMES if name.startswith("judge")):
            seed = fuzz.SEEDS[name]
            tried = [changed(seed, rng) for _ in range(40)] if name.endswith("carriers") else [*altered(seed)]
            yield from ((name, data) for data in (tried if len(tried) <= 40 else rng.sample(tried, 40)))

    assert ends(fuzz, inputs()) >= ENDS


def test_a_crash_would_be_seen(fuzz) -> None:
    """An error of any other kind, and a document that comes back in other words, end the run."""
    broken = dict(fuzz.TARGETS)
    try:
        fuzz.TARGETS["kind"] = lambda given: 1 // 0
        with pytest.raises(ZeroDivisionError):
            fuzz.one_input(bytes([fuzz.NAMES.index("kind")]) + b"x")
    finally:
        fuzz.TARGETS.update(broken)
