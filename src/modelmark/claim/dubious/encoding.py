"""Bytes of commitments and proofs: every field has one place and one spelling, and nothing else is read.

Integers are 32-bit big-endian, points and scalars 32 bytes in their canonical encodings (``group``).
"""

from dataclasses import dataclass

from modelmark import hashing
from modelmark.claim.dubious import group, pedersen, quantise
from modelmark.claim.dubious.pedersen import Commitment
from modelmark.claim.dubious.ranges import Bit
from modelmark.errors import MalformedError

COMMITMENT = b"modelmark zk commitment v1\n"
PROOF = b"modelmark zk proof v1\n"
MOST_BYTES = 2**24
"""Of either file; the largest proof allowed, of 4,096 bits, has 12.9 million."""


@dataclass(frozen=True)
class Margin:
    """One claimed bit: the link to its margin, and the margin's range proof.

    Args:
        blinding: response for the margin's blinding.
        bits: lowest first.
    """

    blinding: int
    bits: tuple[Bit, ...]


@dataclass(frozen=True)
class Proof:
    """A proof, read but not verified.

    Args:
        matched: which bits it is about, ``(T,)``.
        challenge: the hash that everything answers to.
        blinding: response for the blinding of S.
        rows: responses for s, ``(T,)``.
        margins: one for each bit it is about.
    """

    matched: tuple[bool, ...]
    challenge: int
    blinding: int
    rows: tuple[int, ...]
    margins: tuple[Margin, ...]


class _Reader:
    def __init__(self, data: bytes, start: bytes, what: str) -> None:
        if len(data) > MOST_BYTES or not data.startswith(start):
            raise MalformedError(f"expected {what} of version 1 and at most {MOST_BYTES} bytes, got something else")
        self._data, self._at, self._what = data, len(start), what

    def take(self, count: int) -> bytes:
        if self._at + count > len(self._data):
            raise MalformedError(f"expected a whole {self._what[2:]}, got {len(self._data)} bytes of one")
        self._at += count
        return self._data[self._at - count : self._at]

    def integer(self) -> int:
        return int.from_bytes(self.take(4), "big")

    def scalar(self) -> int:
        data = self.take(group.SIZE)
        if not group.is_scalar(data):
            raise MalformedError(f"expected reduced scalars in {self._what}, got another spelling of one")
        return int.from_bytes(data, "little")

    def point(self) -> bytes:
        data = self.take(group.SIZE)
        if not group.is_point(data):
            raise MalformedError(
                f"expected points of ristretto255 in {self._what}, not the identity, got something else"
            )
        return data

    def left(self) -> int:
        return len(self._data) - self._at


def encode_commitment(commitment: Commitment) -> bytes:
    """Return the file of a commitment; all of it is public."""
    layer = commitment.layer.encode()
    sizes = (commitment.rows, len(commitment.points), len(layer))
    head = b"".join(size.to_bytes(4, "big") for size in sizes)
    return COMMITMENT + head + layer + commitment.root + b"".join(commitment.points)


def parse_commitment(data: bytes) -> Commitment:
    """Return a commitment.

    Raises:
        MalformedError: the bytes are not what ``encode_commitment`` writes.
    """
    reader = _Reader(data, COMMITMENT, "a commitment")
    rows, width, length = reader.integer(), reader.integer(), reader.integer()
    if reader.left() != length + 32 + group.SIZE * width:
        raise MalformedError(f"expected a commitment to {width} columns, got {reader.left()} bytes of one")
    try:
        layer, root = reader.take(length).decode(), reader.take(32)
        return Commitment(root, layer, rows, tuple(reader.take(group.SIZE) for _ in range(width)))
    except UnicodeDecodeError:
        raise MalformedError("expected the name of a layer in UTF-8, got other bytes") from None
    except ValueError as error:
        raise MalformedError(f"expected a commitment that holds together: {error}"[:200]) from None


def digest(commitment: Commitment) -> bytes:
    """Return the 32 bytes that a claim names as its nonce; nobody can guess the layer from them, as the points are random."""
    return hashing.digest("zk-commitment", encode_commitment(commitment))


def encode_proof(proof: Proof) -> bytes:
    """Return the file of a proof."""
    number = group.scalar_bytes
    parts = [PROOF, len(proof.matched).to_bytes(4, "big"), _bitmap(proof.matched)]
    parts += [number(proof.challenge), number(proof.blinding), *map(number, proof.rows)]
    for margin in proof.margins:
        parts.append(number(margin.blinding))
        for bit in margin.bits:
            parts += [bit.point, number(bit.share), number(bit.zero), number(bit.one)]
    return b"".join(parts)


def parse_proof(data: bytes, rows: int) -> Proof:
    """Return a proof about ``rows`` bits.

    Raises:
        MalformedError: the bytes are not what ``encode_proof`` writes for a proof about at least one of them.
    """
    reader = _Reader(data, PROOF, "a proof")
    count = reader.integer()
    if count != rows or not 1 <= rows <= pedersen.MOST_ROWS:
        raise MalformedError(f"expected a proof about {rows} bits, got one about {count}")
    packed = reader.take(-(-rows // 8))
    matched = tuple(bool(packed[j // 8] >> j % 8 & 1) for j in range(rows))
    wanted = group.SIZE * (2 + rows + sum(matched) * (1 + 4 * quantise.RANGE))
    if _bitmap(matched) != packed or not any(matched) or reader.left() != wanted:
        raise MalformedError(f"expected a proof of {sum(matched)} of {rows} bits, got {reader.left()} bytes of one")
    challenge, blinding, shown = reader.scalar(), reader.scalar(), tuple(reader.scalar() for _ in range(rows))
    margins = tuple(
        Margin(reader.scalar(), tuple(_bit(reader) for _ in range(quantise.RANGE))) for _ in range(sum(matched))
    )
    return Proof(matched, challenge, blinding, shown, margins)


def _bit(reader: _Reader) -> Bit:
    return Bit(reader.point(), reader.scalar(), reader.scalar(), reader.scalar())


def _bitmap(matched: tuple[bool, ...]) -> bytes:
    """Return one bit a row, lowest first, the rest of the last byte zero."""
    number = sum(1 << j for j, match in enumerate(matched) if match)
    return number.to_bytes(-(-len(matched) // 8), "little")
