"""A proof holds for what it was made for and for nothing else; and what it shows of the matrix is which bits match."""

import dataclasses
import hashlib
import itertools
import re
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rbcl", reason="needs rbcl: pip install 'modelmark[zk]'")

from modelmark.carriers.rows import real
from modelmark.claim.dubious import encoding, group, pedersen, proof, quantise, ranges
from modelmark.claim.dubious.proof import Public
from modelmark.errors import MalformedError, MismatchError
from modelmark.key.secret import Secret
from modelmark.schemes import _projection

SECRET, ROOT, LAYER = Secret(bytes(range(32))), bytes(range(32, 64)), "conv1"


def made(rows, width, mismatches=0, seed=0):
    """Return public values of a marked layer and the witness; the first ``mismatches`` drawn bits are the wrong ones."""
    carriers = _projection.random(SECRET, rows, width)
    committed = pedersen.commit(SECRET, carriers, ROOT, LAYER)
    layer = np.random.default_rng(seed).normal(size=(4, width)).astype(np.float32).astype(np.float64)
    message = (real(carriers) @ layer.mean(axis=0) >= 0).astype(np.int64)
    message[:mismatches] ^= 1
    public = Public(*(bytes([n]) * 32 for n in range(4)), committed, layer, message)
    return public, pedersen.witness(SECRET, carriers, ROOT, LAYER)


@pytest.fixture(scope="module")
def case():
    return made(6, 10, mismatches=2)


@pytest.fixture(scope="module")
def proven(case):
    return proof.prove(*case, least=4)


def refused(public, data):
    with pytest.raises(MalformedError, match=r"^expected .*, got .*"):
        proof.verify(public, data)


@pytest.mark.parametrize("mismatches", [0, 1, 3])
def test_matching_bits_are_proven_and_no_others(mismatches) -> None:
    public, witness = made(6, 10, mismatches)
    found = proof.verify(public, proof.prove(public, witness, least=1))
    assert found == tuple(j >= mismatches for j in range(6))
    assert set(public.message.tolist()) == {0, 1}


def test_an_exact_zero_reads_as_one() -> None:
    carriers = np.array([[65536, 65536], [65536, -65536]], np.int32)
    committed, witness = (make(SECRET, carriers, ROOT, LAYER) for make in (pedersen.commit, pedersen.witness))
    public = Public(*[bytes(32)] * 4, committed, np.ones((3, 2)), np.array([1, 1]))
    assert proof.verify(public, proof.prove(public, witness, least=2)) == (True, True)
    other = dataclasses.replace(public, message=np.array([1, 0]))
    assert proof.verify(other, proof.prove(other, witness, least=1)) == (True, False)


def test_one_input_one_proof_and_fresh_randomness_for_every_other(case, proven) -> None:
    public, witness = case
    assert proof.prove(public, witness, least=1) == proven
    again = proof.prove(dataclasses.replace(public, nonce=bytes(32)), witness, least=1)
    first, second = (encoding.parse_proof(data, 6) for data in (proven, again))
    seen = [bit.point for one in (first, second) for margin in one.margins for bit in margin.bits]
    assert len(set(seen)) == len(seen) == 2 * 4 * quantise.RANGE
    assert not set(first.rows) & set(second.rows)


@pytest.mark.parametrize("name", ["claim", "challenge", "suspect", "nonce"])
def test_a_proof_cannot_be_replayed(name, case, proven) -> None:
    refused(dataclasses.replace(case[0], **{name: hashlib.sha256(name.encode()).digest()}), proven)


@pytest.mark.parametrize("bit", range(6))
def test_every_drawn_bit_is_bound_matched_or_not(bit, case, proven) -> None:
    message = case[0].message.copy()
    message[bit] ^= 1
    refused(dataclasses.replace(case[0], message=message), proven)


def test_the_weights_are_bound_up_to_their_scale(case, proven) -> None:
    public = case[0]
    assert sum(proof.verify(dataclasses.replace(public, weights=2 * public.weights), proven)) == 4
    moved = public.weights.copy()
    moved[0, 0] += 0.1
    refused(dataclasses.replace(public, weights=moved), proven)
    refused(dataclasses.replace(public, weights=public.weights[:, ::-1]), proven)
    with pytest.raises(MismatchError, match="expected a layer of 10 averaged weights, got 9"):
        proof.verify(dataclasses.replace(public, weights=public.weights[:, :9]), proven)


def test_every_part_of_the_commitment_is_bound(case, proven) -> None:
    public = case[0]
    points = public.commitment.points
    for changes in (
        {"root": bytes(32)},
        {"layer": "conv2"},
        {"points": (group.add(points[0], group.base(1)), *points[1:])},
        {"points": (points[1], points[0], *points[2:])},
    ):
        refused(dataclasses.replace(public, commitment=dataclasses.replace(public.commitment, **changes)), proven)


def test_a_matrix_that_was_not_committed_proves_nothing(case) -> None:
    public, witness = case
    fitted = np.sign(public.integers()) * (2 * public.message[:, None] - 1) * np.ones((6, 1), np.int64)
    forged = dataclasses.replace(witness, matrix=fitted.astype(np.int64))
    weights = public.integers()
    assert ((fitted @ weights >= 0) == public.message).all()
    with pytest.raises(MismatchError, match="expected the key that was committed to"):
        proof.prove(public, forged, least=1)
    margins, blinding = proof._opening(forged, weights)
    refused(public, encoding.encode_proof(proof._answer(public, forged, weights, margins, blinding, (True,) * 6)))
    with pytest.raises(MismatchError, match="got a matrix of"):
        proof.prove(public, dataclasses.replace(witness, matrix=fitted[:5]), least=1)


def test_another_secret_does_not_open_the_commitment(case) -> None:
    other = pedersen.witness(Secret(bytes(32)), _projection.random(SECRET, 6, 10), ROOT, LAYER)
    with pytest.raises(MismatchError, match="expected the key that was committed to"):
        proof.prove(case[0], other, least=1)


def test_a_wrong_bit_is_never_claimed_and_cannot_be(case) -> None:
    public, witness = case
    weights = public.integers()
    margins, blinding = proof._opening(witness, weights)
    for claimed in ((True,) * 6, (True, False, *[True] * 4), (True, *[False] * 5)):
        refused(public, encoding.encode_proof(proof._answer(public, witness, weights, margins, blinding, claimed)))
    # with a margin of the right sign, the range proof is right and the link is wrong
    lied = [-s if j < 2 else s for j, s in enumerate(margins)]
    refused(public, encoding.encode_proof(proof._answer(public, witness, weights, lied, blinding, (True,) * 6)))


def test_fewer_bits_may_be_claimed_and_then_fewer_count(case) -> None:
    public, witness = case
    weights = public.integers()
    some = (False, False, True, False, True, False)
    data = encoding.encode_proof(proof._answer(public, witness, weights, *proof._opening(witness, weights), some))
    assert proof.verify(public, data) == some


def test_a_margin_outside_its_range_is_not_claimed_and_cannot_be() -> None:
    carriers = np.full((1, 4), 2**28, np.int32)
    committed, witness = (make(SECRET, carriers >> 20, ROOT, LAYER) for make in (pedersen.commit, pedersen.witness))
    wide = dataclasses.replace(witness, matrix=witness.matrix + 2**20)
    points = [group.add(p, group.multiply(2**20, pedersen.generator(0))) for p in committed.points]
    public = Public(
        *[bytes(32)] * 4, dataclasses.replace(committed, points=tuple(points)), np.ones((1, 4)), np.ones(1, np.int64)
    )
    margins, blinding = proof._opening(wide, public.integers())
    assert margins[0] >= 2**quantise.RANGE
    with pytest.raises(MismatchError, match="in 1 bits, got 0"):
        proof.prove(public, wide, least=1)
    refused(public, encoding.encode_proof(proof._answer(public, wide, public.integers(), margins, blinding, (True,))))


def test_nothing_is_proven_below_the_least(case) -> None:
    with pytest.raises(MismatchError, match="in 5 bits, got 4"):
        proof.prove(*case, least=5)


def test_without_the_hash_anybody_can_write_a_proof_so_it_shows_nothing_else(case, monkeypatch) -> None:
    """The simulator of the zero-knowledge argument: choose the challenge first, then answers, then what was announced."""
    public, challenge = case[0], 2**200 + 1
    fresh = iter(group.scalars(hashlib.shake_256(b"simulator").digest(64 * 2000)))
    claimed = (True, False, True, True, False, True)
    margins = tuple(
        encoding.Margin(
            next(fresh),
            tuple(ranges.Bit(group.base(next(fresh)), next(fresh), next(fresh), next(fresh)) for _ in range(24)),
        )
        for _ in range(4)
    )
    data = encoding.encode_proof(
        encoding.Proof(claimed, challenge, next(fresh), tuple(itertools.islice(fresh, 6)), margins)
    )
    refused(public, data)
    monkeypatch.setattr(proof, "_challenge", lambda *parts: challenge)
    assert proof.verify(public, data) == claimed


def test_an_unmarked_layer_matches_by_chance(case) -> None:
    public, witness = made(6, 10)
    other = np.random.default_rng(7).normal(size=(4, 10))
    moved = dataclasses.replace(public, weights=other)
    expected = (witness.matrix @ quantise.weights(other) >= 0) == public.message
    assert 0 < expected.sum() < 6
    assert proof.verify(moved, proof.prove(moved, witness, least=1)) == tuple(expected.tolist())


def test_known_bytes(case) -> None:
    """The format is fixed: a change shows here."""
    public, witness = case
    layer = (np.arange(40).reshape(4, 10) * 7919 % 101 - 50) / 64
    data = proof.prove(dataclasses.replace(public, weights=layer), witness, least=1)
    assert hashlib.sha256(encoding.encode_commitment(public.commitment)).hexdigest()[:16] == "a561416447158e28"
    assert hashlib.sha256(data).hexdigest()[:16] == "689082e2e779bd94"


def test_the_example_of_the_page() -> None:
    public, witness = made(3, 5)
    layer = (np.arange(20).reshape(4, 5) * 7919 % 101 - 50) / 64
    message = (witness.matrix @ quantise.weights(layer) >= 0).astype(np.int64)
    message[1] ^= 1
    data = proof.prove(dataclasses.replace(public, weights=layer, message=message), witness, least=2)
    page = (Path(__file__).resolve().parents[3] / "docs" / "spec" / "zero-knowledge.md").read_text()
    lines = page.split("```")[1].splitlines()
    shown = [cell for line in lines for cell in line.split() if re.fullmatch(r"[0-9a-f]{4}\.\.[0-9a-f]{2}", cell)]
    fields = [data[at : at + 32].hex() for at in range(27, 27 + 32 * 10, 32)]
    assert shown == [f"{field[:4]}..{field[-2:]}" for field in fields]
    assert f"{len(data):,} bytes" in page
    assert [line.split()[0] for line in lines[1:4]] == [data[:22].hex(), data[22:26].hex(), data[26:27].hex()]


@pytest.mark.parametrize(
    "changes",
    [
        {"claim": b""},
        {"nonce": bytes(33)},
        {"message": np.array([0, 1, 0, 1, 0])},
        {"message": np.array([0, 1, 0, 1, 0, 2])},
    ],
)
def test_public_values_that_are_none(changes, case) -> None:
    with pytest.raises(ValueError, match=r"^expected .*, got "):
        dataclasses.replace(case[0], **changes)


def test_a_secret_is_not_shown(case) -> None:
    assert repr(case[1]) == "Witness()"
