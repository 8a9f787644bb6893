"""Bytes of proofs and commitments have one spelling; no byte can change, go or come."""

import dataclasses

import numpy as np
import pytest

pytest.importorskip("rbcl", reason="needs rbcl: pip install 'modelmark[zk]'")

from modelmark.carriers.rows import real
from modelmark.claim.dubious import encoding, group, pedersen, proof, quantise
from modelmark.claim.dubious.group import ORDER
from modelmark.claim.dubious.proof import Public
from modelmark.errors import CapacityError, MalformedError
from modelmark.key.secret import Secret
from modelmark.schemes import _projection

SECRET, ROOT = Secret(bytes(range(32))), bytes(32)
POINT = bytes.fromhex("e2f2ae0a6abc4e71a884a961c500515f58e30b6aa582dd8db6a65945e08d2d76")


def made(rows, width, carriers=None):
    carriers = _projection.random(SECRET, rows, width) if carriers is None else carriers
    committed = pedersen.commit(SECRET, carriers, ROOT, "fc1")
    layer = np.random.default_rng(1).normal(size=(2, width))
    message = (real(carriers) @ layer.mean(axis=0) >= 0).astype(np.int64)
    public = Public(*[bytes(32)] * 4, committed, layer, message)
    return public, proof.prove(public, pedersen.witness(SECRET, carriers, ROOT, "fc1"), least=rows)


@pytest.fixture(scope="module")
def case():
    return made(3, 5)


def refused(public, data):
    with pytest.raises(MalformedError, match=r"^expected .*, got .*"):
        proof.verify(public, data)


def changed(proven, **changes):
    return encoding.encode_proof(dataclasses.replace(encoding.parse_proof(proven, 3), **changes))


def test_a_proof_comes_back_byte_for_byte(case) -> None:
    assert encoding.encode_proof(encoding.parse_proof(case[1], 3)) == case[1]
    assert len(case[1]) == 22 + 4 + 1 + 32 * (2 + 3 + 3 * (1 + 4 * 24))


def test_no_byte_of_a_small_proof_can_change(monkeypatch) -> None:
    monkeypatch.setattr(quantise, "RANGE", 3)  # one bit of three digits: all places in seconds
    monkeypatch.setattr(quantise, "length", lambda width: 3)
    public, proven = made(1, 2, np.array([[1024, -1024]], np.int32))
    assert len(proven) == 539
    assert proof.verify(public, proven) == (True,)
    for place in range(len(proven)):
        refused(public, proven[:place] + bytes([proven[place] ^ 1 << place % 8]) + proven[place + 1 :])


def test_sampled_bytes_of_a_larger_proof_cannot_change(case, rng) -> None:
    public, proven = case
    for place in rng.choice(len(proven), 40, replace=False):
        other = bytearray(proven)
        other[place] ^= int(rng.integers(1, 256))
        refused(public, bytes(other))


def test_nothing_can_be_cut_off_or_put_on(case) -> None:
    public, proven = case
    for length in (0, 1, 21, 22, 25, 26, 27, 58, 59, 91, 123, *range(200, len(proven), 307), len(proven) - 1):
        refused(public, proven[:length])
    for more in (b"\0", bytes(32), bytes(group.SIZE * 97), proven):
        refused(public, proven + more)
    refused(public, proven[1:])
    refused(public, bytes(2**24 + 1))


def test_scalars_have_one_spelling(case) -> None:
    public, proven = case
    places = [27, 59, 91, 123, 187, 219 + 32, 219 + 64, 219 + 96, len(proven) - 32]
    for place in places:
        value = int.from_bytes(proven[place : place + 32], "little")
        for other in (value + ORDER, value + 2 * ORDER, value | 2**255):
            with pytest.raises(MalformedError, match="expected reduced scalars"):
                proof.verify(public, proven[:place] + other.to_bytes(32, "little") + proven[place + 32 :])
        refused(public, proven[:place] + (-value % ORDER).to_bytes(32, "little") + proven[place + 32 :])


def test_points_are_valid_and_not_the_identity(case) -> None:
    public, proven = case
    place = 27 + 32 * 5 + 32
    assert group.is_point(proven[place : place + 32])
    for other in (bytes(32), b"\1" + bytes(31), b"\xec" + b"\xff" * 30 + b"\x7f", b"\xff" * 32):
        with pytest.raises(MalformedError, match="expected points of ristretto255"):
            proof.verify(public, proven[:place] + other + proven[place + 32 :])
    refused(public, proven[:place] + group.base(7) + proven[place + 32 :])


def test_components_cannot_be_swapped(case) -> None:
    public, proven = case
    read = encoding.parse_proof(proven, 3)
    first, second, third = read.margins
    zero, one, *rest = first.bits
    for margins in (
        (second, first, third),
        (dataclasses.replace(first, bits=(one, zero, *rest)), second, third),
        (dataclasses.replace(first, bits=(zero._replace(zero=zero.one, one=zero.zero), one, *rest)), second, third),
        (dataclasses.replace(first, bits=(zero._replace(point=one.point), one, *rest)), second, third),
        (
            dataclasses.replace(first, bits=(zero._replace(share=(read.challenge - zero.share) % ORDER), one, *rest)),
            second,
            third,
        ),
        (dataclasses.replace(first, bits=second.bits), second, third),
        (dataclasses.replace(first, blinding=second.blinding), second, third),
    ):
        refused(public, changed(proven, margins=margins))
    refused(public, changed(proven, rows=read.rows[::-1]))
    refused(public, changed(proven, challenge=read.blinding, blinding=read.challenge))


def test_claimed_bits_cannot_be_named_otherwise(case) -> None:
    public, proven = case
    read = encoding.parse_proof(proven, 3)
    refused(public, changed(proven, matched=(True, True, False), margins=read.margins[:2]))
    refused(public, changed(proven, matched=(False,) * 3, margins=()))
    refused(public, changed(proven, matched=(True, True, False)))
    assert proven[26] == 0b111
    refused(public, proven[:26] + bytes([0b1111]) + proven[27:])  # a bit that there is not
    for count in (0, 2, 4, 2**32 - 1):
        with pytest.raises(MalformedError, match="expected a proof about 3 bits"):
            proof.verify(public, proven[:22] + count.to_bytes(4, "big") + proven[26:])


def test_a_commitment_comes_back_and_no_byte_of_it_can_change_unnoticed(case) -> None:
    committed = case[0].commitment
    data = encoding.encode_commitment(committed)
    assert encoding.parse_commitment(data) == committed
    assert encoding.encode_commitment(encoding.parse_commitment(data)) == data
    for place in range(len(data)):
        other = data[:place] + bytes([data[place] ^ 1 << place % 8]) + data[place + 1 :]
        try:
            read = encoding.parse_commitment(other)
        except MalformedError:
            continue
        assert encoding.encode_commitment(read) == other
        assert encoding.digest(read) != encoding.digest(committed)


@pytest.mark.parametrize("length", [0, 5, 27, 30, 39, 42, 74, 105, 233])
def test_a_commitment_is_whole(length, case) -> None:
    data = encoding.encode_commitment(case[0].commitment)
    assert len(data) == 234
    for other in (data[:length], data + bytes(length + 1)):
        with pytest.raises(MalformedError, match=r"^expected .*, got .*"):
            encoding.parse_commitment(other)


def head(rows, width, layer=b"fc1", points=b""):
    sizes = b"".join(n.to_bytes(4, "big") for n in (rows, width, len(layer)))
    return encoding.COMMITMENT + sizes + layer + bytes(32) + points


@pytest.mark.parametrize(
    "data",
    [
        head(3, 0),
        head(0, 1, points=POINT),
        head(4097, 1, points=POINT),
        head(3, 1, points=bytes(32)),
        head(3, 1, points=b"\1" + bytes(31)),
        head(3, 1, b"", points=POINT),
        head(3, 1, b"\xff", points=POINT),
        head(3, 1, b"a\nb", points=POINT),
        head(3, 2**32 - 1),
        head(3, 2**18 + 1, points=POINT * (2**18 + 1)),
    ],
    ids=[
        "no columns",
        "no rows",
        "many rows",
        "identity",
        "no point",
        "no layer",
        "no text",
        "two lines",
        "a lie",
        "many columns",
    ],
)
def test_commitments_that_are_none(data) -> None:
    with pytest.raises(MalformedError, match=r"^expected .*, got .*"):
        encoding.parse_commitment(data)


def test_what_is_too_large_is_not_committed_to() -> None:
    with pytest.raises(CapacityError, match="got 4097 x 1"):
        pedersen.witness(SECRET, np.ones((4097, 1), np.int32), ROOT, "fc1")
    with pytest.raises(CapacityError, match="got 1 x 65537"):
        pedersen.commit(SECRET, np.ones((1, 65537), np.int32), ROOT, "fc1")


def test_a_commitment_hides_and_binds(case) -> None:
    """Other keys, layers, roots and matrices give points that share nothing; each opens with its own witness."""
    carriers = _projection.random(SECRET, 3, 5)
    other = carriers.copy()
    other[0, 0] += 2048
    variants = [
        (SECRET, carriers, ROOT, "fc1"),
        (SECRET, other, ROOT, "fc1"),
        (SECRET, carriers, ROOT, "fc2"),
        (SECRET, carriers, bytes([1]) * 32, "fc1"),
        (Secret(bytes(32)), carriers, ROOT, "fc1"),
    ]
    points = []
    for variant in variants:
        committed, witness = pedersen.commit(*variant), pedersen.witness(*variant)
        for k, point in enumerate(committed.points):
            column = [*witness.matrix[:, k].tolist(), witness.blinding[k]]
            bases = [*(pedersen.generator(j) for j in range(3)), group.base(1)]
            assert point == group.combine(column, bases)
        points += committed.points
    assert len(set(points)) == 25
    assert committed.points == pedersen.commit(*variant).points
