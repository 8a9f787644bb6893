"""ristretto255 as RFC 9496 has it, and the range proofs on it."""

import hashlib

import pytest

pytest.importorskip("rbcl", reason="needs rbcl: pip install 'modelmark[zk]'")

from modelmark.claim.dubious import group, pedersen, ranges
from modelmark.claim.dubious.group import ORDER

# RFC 9496, appendix A.1: 1, 2 and 3 times the generator
MULTIPLES = (
    "e2f2ae0a6abc4e71a884a961c500515f58e30b6aa582dd8db6a65945e08d2d76",
    "6a493210f7499cd17fecb510ae0cea23a110e8d5b901f8acadd3095c73a3b919",
    "94741f5d5d52755ece4f23f044ee27d5d1ea1e2bd196b462166b16152a9d0259",
)
# RFC 9496, appendix A.2: not reduced, negative, not a square, negative product, y = 0
BAD = (
    "00" + "ff" * 31,
    "ff" * 31 + "7f",
    "f3" + "ff" * 30 + "7f",
    "ed" + "ff" * 30 + "7f",
    "01" + "00" * 31,
    "01" + "ff" * 30 + "7f",
    "26948d35ca62e643e26a83177332e6b6afeb9d08e4268b650f1f5bbd8d81d371",
    "4eac077a713c57b4f4397629a4145982c661f48044dd3f96427d40b147d9742f",
    "ec" + "ff" * 30 + "7f",
)


def test_known_points() -> None:
    assert [group.base(k).hex() for k in (1, 2, 3)] == list(MULTIPLES)
    wide = hashlib.sha512(b"Ristretto is traditionally a short shot of espresso coffee").digest()  # appendix A.3
    found = group.library().crypto_core_ristretto255_from_hash(wide)
    assert found.hex() == "3066f82a1a747d45120d1740f14358531a8f04bbffe6a819f86dfe50f44a0a46"


@pytest.mark.parametrize("encoding", [*BAD, "00" * 32, MULTIPLES[0][:-2], MULTIPLES[0] + "00", ""])
def test_what_is_no_point(encoding) -> None:
    assert not group.is_point(bytes.fromhex(encoding))


def test_what_is_a_scalar() -> None:
    assert group.is_scalar(bytes(32))
    assert group.is_scalar((ORDER - 1).to_bytes(32, "little"))
    for value in (ORDER, ORDER + 1, 2**255, 2**256 - 1):
        assert not group.is_scalar(value.to_bytes(32, "little"))
    assert not group.is_scalar(bytes(31))
    assert not group.is_scalar(bytes(33))


def test_arithmetic_is_that_of_a_group_of_prime_order() -> None:
    point = pedersen.generator(0)
    assert group.is_point(point)
    assert group.multiply(ORDER, point) == group.IDENTITY == group.multiply(5, group.IDENTITY) == group.base(0)
    assert group.multiply(-3, point) == group.subtract(group.IDENTITY, group.combine([1, 2], [point, point]))
    assert group.add(group.base(2), group.base(ORDER - 1)) == group.base(1)
    assert group.multiply(2**256 + 7, group.base(1)) == group.base(2**256 + 7)


def test_generators_are_all_different() -> None:
    made = [pedersen.generator(j) for j in range(-1, 300)]
    assert len({group.base(1), *made}) == 302


@pytest.mark.parametrize("value", [0, 1])
def test_a_bit_holds_for_its_challenge_alone(value) -> None:
    begun = ranges.begin(value, iter([3, 5, 7, 11]))
    bit = ranges.finish(begun, 1234567)
    assert ranges.announced(bit, 1234567) == begun.announced
    assert ranges.announced(bit, 1234568) != begun.announced
    assert begun.point == group.add(group.base(3), group.multiply(value, pedersen.generator(-1)))
    for changed in (bit._replace(share=bit.share + 1), bit._replace(zero=0), bit._replace(one=0)):
        assert ranges.announced(changed, 1234567) != begun.announced


@pytest.mark.parametrize("claimed", [0, 1])
def test_a_two_is_no_bit(claimed) -> None:
    begun = ranges.begin(claimed, iter([3, 5, 7, 11]))
    two = group.add(group.base(3), group.multiply(2, pedersen.generator(-1)))
    lie = ranges.finish(begun._replace(point=two), 99)
    assert ranges.announced(lie, 99) != begun.announced


def test_bits_add_up() -> None:
    blindings, value = [2, 3, 5, 7], 0b1011
    points = [
        group.add(group.base(r), group.multiply(value >> i & 1, pedersen.generator(-1)))
        for i, r in enumerate(blindings)
    ]
    expected = group.add(group.base(ranges.total_blinding(blindings)), group.multiply(value, pedersen.generator(-1)))
    assert ranges.total(points) == expected
