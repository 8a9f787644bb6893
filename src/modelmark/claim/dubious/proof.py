"""That a public suspect's weights, projected by a committed matrix, have the signs that were drawn, without showing the matrix.

With public integers w (the suspect) and b (the drawn message), and D the commitment of ``pedersen``, everybody computes
``S = sum_k w_k D_k``, a commitment to ``s = X w``. For each bit that it claims to match, the prover shows that a number v
lies in ``[0, 2**24)``, where ``s_j = v`` if b_j is 1 and ``s_j = -v - 1`` if it is 0 (zero reads as one, as in ``uchida``);
and, in one linked Schnorr proof, that these are the numbers in S. All other bits count as mismatches.

One challenge answers for all of it: the hash of claim, challenge, suspect, nonce, commitment, weights, message, claimed bits,
all points and all announcements (Fiat and Shamir, CRYPTO 1986). The protocol is our own and has had no outside review.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from modelmark import hashing
from modelmark.claim.dubious import encoding, group, pedersen, quantise, ranges
from modelmark.claim.dubious.encoding import Margin, Proof
from modelmark.claim.dubious.group import ORDER
from modelmark.claim.dubious.pedersen import Commitment
from modelmark.errors import MalformedError, MismatchError


class Witness(Protocol):
    """What opens a commitment; ``pedersen.Witness``, or that of ``scattered``."""

    @property
    def blinding(self) -> tuple[int, ...]:
        """r_1 .. r_M."""
        ...

    @property
    def seed(self) -> bytes:
        """32 bytes from which provers derive their randomness."""
        ...

    @property
    def shape(self) -> tuple[int, ...]:
        """T and M."""
        ...

    def project(self, weights: Sequence[int]) -> list[int]:
        """Return X w."""
        ...


@dataclass(frozen=True)
class Public:
    """What both sides know; a proof holds for exactly one of these.

    Args:
        claim: 32 bytes, the digest of the claim that binds commitment and draw.
        challenge: 32 bytes, the digest of the judge's challenge.
        suspect: 32 bytes, the digest of the suspect's weights; that ``weights`` are its, the judge sees to.
        nonce: 32 bytes of the judge's.
        commitment: that the claim names.
        weights: of the suspect's layer, ``(filters, *kernel)``, as ``Suspect.weight`` gives them.
        message: the drawn bits, ``(T,)``.
    """

    claim: bytes
    challenge: bytes
    suspect: bytes
    nonce: bytes
    commitment: Commitment
    weights: npt.NDArray[Any]
    message: npt.NDArray[np.int64]

    def __post_init__(self) -> None:
        for name in ("claim", "challenge", "suspect", "nonce"):
            if len(getattr(self, name)) != 32:
                raise ValueError(f"expected 32 bytes for {name}, got {len(getattr(self, name))}")
        if self.message.shape != (self.commitment.rows,) or not np.isin(self.message, (0, 1)).all():
            raise ValueError(f"expected {self.commitment.rows} bits, got a message of shape {self.message.shape}")

    def integers(self) -> list[int]:
        """Return w.

        Raises:
            MismatchError: the layer has another width than the commitment.
            SuspectError: its weights cannot be scaled.
        """
        scaled = quantise.weights(self.weights)
        if len(scaled) != len(self.commitment.points):
            raise MismatchError(
                f"expected a layer of {len(self.commitment.points)} averaged weights, got {len(scaled)}"
            )
        return [int(value) for value in scaled]

    def digest(self, weights: Sequence[int]) -> bytes:
        """Return what a proof binds; ``weights`` are ``integers()``."""
        return hashing.digest(
            "zk-public",
            self.claim,
            self.challenge,
            self.suspect,
            self.nonce,
            encoding.digest(self.commitment),
            np.array(weights, ">i8").tobytes(),
            self.message.astype(np.uint8).tobytes(),
            quantise.RANGE.to_bytes(8, "big"),
        )


def prove(public: Public, witness: Witness, *, least: int) -> bytes:
    """Return a proof of every bit that matches; the same arguments give the same bytes.

    Which bits match is shown, and with it, for bits that do not, the sign of a projection that the prover did not plan. A
    suspect made for the purpose asks about X that way, so do not prove what is no evidence.

    Args:
        public: what the verifier knows.
        witness: ``pedersen.witness`` of the key.
        least: matches without which there will be no proof, at least 1.

    Raises:
        MismatchError: witness or suspect do not belong to the commitment, or fewer bits match.
        SuspectError: the suspect's weights cannot be scaled.
    """
    weights, committed = public.integers(), public.commitment
    if witness.shape != (committed.rows, len(committed.points)):
        raise MismatchError(f"expected the key that was committed to, got a matrix of {witness.shape}")
    margins, blinding = _opening(witness, weights)
    if _open(margins, blinding) != group.combine(weights, committed.points):
        raise MismatchError("expected the key that was committed to, got another")
    claimed = tuple(0 <= _value(s, int(b)) < 2**quantise.RANGE for s, b in zip(margins, public.message, strict=True))
    if sum(claimed) < max(least, 1):
        raise MismatchError(
            f"expected a suspect that matches in {max(least, 1)} bits, got {sum(claimed)}: nothing to prove"
        )
    return encoding.encode_proof(_answer(public, witness, weights, margins, blinding, claimed))


def verify(public: Public, data: bytes) -> tuple[bool, ...]:
    """Return which of the T bits are proven to match; the others count as mismatches.

    Raises:
        MalformedError: the bytes are no proof, or it does not hold for these public values.
        MismatchError: the suspect's layer has another width than the commitment.
        SuspectError: the suspect's weights cannot be scaled.
    """
    proof, weights = encoding.parse_proof(data, public.commitment.rows), public.integers()
    challenge, claimed = proof.challenge, [j for j, match in enumerate(proof.matched) if match]
    seen = group.combine(weights, public.commitment.points)
    linked = [group.subtract(_open(proof.rows, proof.blinding), group.multiply(challenge, seen))]
    bits = []
    for j, margin in zip(claimed, proof.margins, strict=True):
        value = ranges.total([bit.point for bit in margin.bits])
        if not public.message[j]:
            value = group.subtract(group.subtract(group.IDENTITY, value), pedersen.generator(-1))
        single = group.add(group.base(margin.blinding), group.multiply(proof.rows[j], pedersen.generator(-1)))
        linked.append(group.subtract(single, group.multiply(challenge, value)))
        bits += [ranges.announced(bit, challenge) for bit in margin.bits]
    points = [bit.point for margin in proof.margins for bit in margin.bits]
    if _challenge(public.digest(weights), proof.matched, points, linked, bits) != challenge:
        raise MalformedError(
            "expected a proof for this claim, challenge, suspect and message, got one that does not hold"
        )
    return proof.matched


def _answer(
    public: Public,
    witness: Witness,
    weights: Sequence[int],
    margins: Sequence[int],
    blinding: int,
    claimed: tuple[bool, ...],
) -> Proof:
    """Return the proof about the ``claimed`` bits; it holds only if they match."""
    bound, rows, width = public.digest(weights), [j for j, match in enumerate(claimed) if match], quantise.RANGE
    fresh = _randomness(witness, bound, claimed, len(margins) + 1 + len(rows) * (4 * width + 1))
    hidden, hider = [next(fresh) for _ in margins], next(fresh)
    linked, begun, hiders = [_open(hidden, hider)], [], []
    for j in rows:
        value = _value(margins[j], int(public.message[j]))
        begun.append([ranges.begin(value >> place & 1, fresh) for place in range(width)])
        hiders.append(next(fresh))
        linked.append(group.add(group.base(hiders[-1]), group.multiply(hidden[j], pedersen.generator(-1))))
    flat = [one for margin in begun for one in margin]
    challenge = _challenge(bound, claimed, [one.point for one in flat], linked, [one.announced for one in flat])
    answers = []
    for j, opened, extra in zip(rows, begun, hiders, strict=True):
        sign = 1 if public.message[j] else -1
        secret = sign * ranges.total_blinding([one.blinding for one in opened])
        bits = tuple(ranges.finish(one, challenge) for one in opened)
        answers.append(Margin((extra + challenge * secret) % ORDER, bits))
    shown = tuple((nonce + challenge * s) % ORDER for nonce, s in zip(hidden, margins, strict=True))
    return Proof(claimed, challenge, (hider + challenge * blinding) % ORDER, shown, tuple(answers))


def _opening(witness: Witness, weights: Sequence[int]) -> tuple[list[int], int]:
    """Return s = X w and the blinding of S."""
    return witness.project(weights), sum(w * r for w, r in zip(weights, witness.blinding, strict=True)) % ORDER


def _open(rows: Sequence[int], blinding: int) -> bytes:
    """Return ``sum_j rows_j G_j + blinding H``."""
    return group.add(group.base(blinding), group.combine(rows, [pedersen.generator(j) for j in range(len(rows))]))


def _value(margin: int, bit: int) -> int:
    """Return v: at least 0 exactly if the margin's sign is the bit's."""
    return margin if bit else -margin - 1


def _challenge(
    bound: bytes, claimed: Sequence[bool], points: Sequence[bytes], linked: Sequence[bytes], bits: Sequence[bytes]
) -> int:
    parts = (bytes(claimed), b"".join(points), b"".join(linked), b"".join(bits))
    return group.hash_to_scalar("zk-challenge", bound, *parts)


def _randomness(witness: Witness, bound: bytes, claimed: Sequence[bool], count: int) -> Iterator[int]:
    """Return ``count`` scalars that depend on all that the challenge depends on, so that none ever meets two challenges."""
    return iter(group.scalars(hashing.expand(64 * count, "zk-prover", witness.seed, bound, bytes(claimed))))
