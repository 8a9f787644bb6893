"""Range proofs: a committed number lies in ``[0, 2**RANGE)``, shown bit by bit without showing a bit.

Each bit b is committed to as ``B = b G + rho H``, and proven to be 0 or 1: the prover knows the logarithm to the base H of B or
of ``B - G``. The branch it does not know is simulated with a share of the challenge that it chose; the other share is what is
left. All bits of a proof answer to one challenge.

Source: Cramer, Damgard, Schoenmakers, CRYPTO 1994 (proofs of "or"); Schnorr, J. Cryptology 1991.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from modelmark.claim.dubious import group, pedersen
from modelmark.claim.dubious.group import ORDER


class Bit(NamedTuple):
    """The proof of one bit.

    Args:
        point: B.
        share: of the challenge, for the branch "zero"; the branch "one" has the rest.
        zero: response of the branch "zero".
        one: response of the branch "one".
    """

    point: bytes
    share: int
    zero: int
    one: int


class Begun(NamedTuple):
    """A bit's proof before the challenge; ``announced`` is what is hashed. Secret."""

    value: int
    blinding: int
    point: bytes
    nonce: int
    share: int
    response: int
    announced: bytes


def begin(value: int, randomness: Iterator[int]) -> Begun:
    """Return the first half of the proof that ``value`` is 0 or 1, with four fresh scalars of ``randomness``."""
    blinding, nonce, share, response = (next(randomness) for _ in range(4))
    unit = pedersen.generator(-1)
    point = group.base(blinding)
    if value:
        point = group.add(point, unit)
    real = group.base(nonce)
    # The simulated branch is z H - e (B - c G) with c the other bit; the logarithms of B are known, which saves work.
    shifted, part = group.base(response - share * blinding), group.multiply(share, unit)
    announced = group.subtract(shifted, part) + real if value else real + group.add(shifted, part)
    return Begun(value, blinding, point, nonce, share, response, announced)


def finish(begun: Begun, challenge: int) -> Bit:
    """Return the proof."""
    rest = (challenge - begun.share) % ORDER
    answer = (begun.nonce + rest * begun.blinding) % ORDER
    if begun.value:
        return Bit(begun.point, begun.share, begun.response, answer)
    return Bit(begun.point, rest, answer, begun.response)


def announced(bit: Bit, challenge: int) -> bytes:
    """Return what the prover must have announced for this proof to hold, 64 bytes; ``bit.point`` is valid."""
    zero = group.subtract(group.base(bit.zero), group.multiply(bit.share, bit.point))
    shifted = group.subtract(bit.point, pedersen.generator(-1))
    return zero + group.subtract(group.base(bit.one), group.multiply(challenge - bit.share, shifted))


def total(points: Sequence[bytes]) -> bytes:
    """Return ``sum_i 2**i B_i``: a commitment to the number whose bits, lowest first, are committed to."""
    out = group.IDENTITY
    for point in reversed(points):
        out = group.add(group.add(out, out), point)
    return out


def total_blinding(blindings: Sequence[int]) -> int:
    """Return the blinding of ``total``."""
    return sum(blinding << place for place, blinding in enumerate(blindings)) % ORDER
