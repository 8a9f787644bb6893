"""From a dated claim to the message: which randomness a draw binds, and that it came after the claim.

A timestamp draw binds the digests of what the authorities signed, in ascending order; a beacon draw binds the value of the
round that the claim named, and the tokens only prove that the claim is older than the round.
"""

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from modelmark import hashing
from modelmark.claim.dates import timestamp
from modelmark.claim.dates.timestamp import Authority, Stamp
from modelmark.claim.papers import envelope
from modelmark.claim.papers.claim import Claim, Entry, require_claimant
from modelmark.claim.papers.dispute import Deposit
from modelmark.claim.papers.envelope import Signed
from modelmark.claim.papers.identity import Identity
from modelmark.errors import MalformedError, MismatchError, UsageError
from modelmark.key.draw import Draw
from modelmark.naming import counted


class Beacon(Protocol):
    """A plug-in for a public source of randomness, such as drand; modelmark brings none."""

    name: str

    def published(self, round: int) -> datetime.datetime:
        """Return when the value of ``round`` becomes known, with its zone."""
        ...

    def verify(self, round: int, proof: bytes) -> bytes:
        """Return the one value of ``round``, the same for every proof that is accepted.

        Raises:
            RefusedError: the proof is not the beacon's.
        """
        ...


@dataclass(frozen=True)
class Trust:
    """Whom the reader of a deposit believes.

    Args:
        authorities: pinned timestamp authorities.
        beacons: plug-ins.
    """

    authorities: Sequence[Authority] = ()
    beacons: Sequence[Beacon] = field(default=())

    def authority(self, fingerprint: str) -> Authority:
        """Return the authority with this fingerprint.

        Raises:
            UsageError: it is not pinned.
        """
        known: Mapping[str, Authority] = {one.fingerprint: one for one in self.authorities}
        if fingerprint not in known:
            raise UsageError(
                f"expected a pinned certificate for authority {fingerprint[:16]}, which the claim names, got none",
                hint="pin the root certificate of that SHA-256 if you trust it; certificates below a root are never pinned",
            )
        return known[fingerprint]

    def beacon(self, name: str) -> Beacon:
        """Return the beacon of this name.

        Raises:
            UsageError: there is no plug-in for it.
        """
        known = {one.name: one for one in self.beacons}
        if name not in known:
            raise UsageError(f"expected a plug-in for beacon {name!r}, which the claim names, got none")
        return known[name]


@dataclass(frozen=True)
class Dated:
    """A claim whose deposit checks out (or that needs none, being offline).

    Args:
        claim: the claim.
        stamps: one per authority, in the claim's order.
        token: what the draws bind; empty for an offline claim.
        deposit: digest of the deposit, which a challenge names; empty for an offline claim.
    """

    claim: Signed[Claim]
    stamps: tuple[Stamp, ...]
    token: bytes
    deposit: str = ""

    @property
    def date(self) -> datetime.datetime | None:
        """When the claim is proven to have existed: the latest of its stamps, so that all authorities stand for it."""
        return max((stamp.latest for stamp in self.stamps), default=None)

    def draw(self, key: int = 0) -> Draw:
        """Return the draw of the claim's key number ``key``; ``Key.mark`` takes it.

        Raises:
            UsageError: the claim has no such key.
        """
        entries = self.claim.document.keys
        if not 0 <= key < len(entries):
            raise UsageError(f"expected a key from 0 to {len(entries) - 1} of the claim, got {key}")
        return Draw(entries[key].statement.digest, self.claim.document.draw.kind, self.token)

    def entry(self, statement: bytes) -> tuple[int, Entry]:
        """Return number and entry of the key whose statement has this digest.

        Raises:
            MismatchError: the claim is about other keys.
        """
        for number, entry in enumerate(self.claim.document.keys):
            if entry.statement.digest == statement:
                return number, entry
        raise MismatchError(f"expected a claim of key {statement.hex()[:16]}, got a claim of other keys")

    def draw_of(self, statement: bytes, kind: str) -> Draw | None:
        """Return the draw of the key whose statement has this digest; None of an offline one that is no part of the claim.

        Such a key may be a second mark in the same model, and draws its own message.

        Raises:
            MismatchError: the claim is about other keys, and this one waits for a deposit.
        """
        try:
            return self.draw(self.entry(statement)[0])
        except MismatchError:
            if kind == "offline":
                return None
            raise


def request(claim: Signed[Claim]) -> bytes:
    """Return a request (DER) to any authority to stamp the claim: its payload is what is stamped."""
    return timestamp.request(claim.payload)


def receive(claim: Signed[Claim], response: bytes, asked: bytes, authority: Authority) -> bytes:
    """Return the token in an authority's response, checked.

    Raises:
        MalformedError: it is not the authority's answer to this request about this claim.
    """
    return timestamp.receive(response, asked, claim.payload, authority)


def make(
    claim: Signed[Claim], tokens: Sequence[bytes], identity: Identity, trust: Trust, *, issued: str, beacon: bytes = b""
) -> Signed[Deposit]:
    """Return the signed deposit of a claim.

    Args:
        claim: the claim.
        tokens: one per authority, in the claim's order.
        identity: the claimant.
        trust: the authorities and the beacon that the claim names.
        issued: the claimant's clock.
        beacon: proof of the value of the round, where the claim names one.

    Raises:
        MalformedError: a token or the proof is not what the claim asks for.
        UsageError: the identity is not the claimant's.
    """
    require_claimant(claim.document, identity.signers)
    signed = envelope.sign(Deposit(identity.signers, issued, claim.digest, tuple(tokens), beacon), identity)
    check(claim, signed, trust)
    return signed


def check(claim: Signed[Claim], deposit: Signed[Deposit] | None, trust: Trust) -> Dated:
    """Return the dated claim, every token and the beacon's value verified offline.

    Args:
        claim: the claim.
        deposit: its deposit; None for an offline claim.
        trust: whom the reader believes.

    Raises:
        MalformedError: a token or a value does not hold.
        MismatchError: claim and deposit do not belong together.
        UsageError: the claim names an authority or a beacon that is not trusted here.
    """
    rule = claim.document.draw
    if (rule.kind == "offline") != (deposit is None):
        raise MismatchError(f"expected a deposit exactly when a claim is not offline, this one is drawn by {rule.kind}")
    if deposit is None:
        return Dated(claim, (), b"")
    paper = deposit.document
    if paper.claim != claim.digest or paper.signers != claim.document.signers:
        raise MismatchError("expected the claimant's deposit of this claim, got another's or of another")
    if len(paper.tokens) != len(rule.authorities) or bool(paper.beacon) != (rule.kind == "beacon"):
        raise MalformedError(
            f"expected {counted(len(rule.authorities), 'token')}{' and a beacon' * (rule.kind == 'beacon')}, "
            f"got {len(paper.tokens)}"
        )
    stamps = tuple(
        timestamp.verify(token, claim.payload, trust.authority(fingerprint))
        for token, fingerprint in zip(paper.tokens, rule.authorities, strict=True)
    )
    if rule.kind == "timestamp":
        return Dated(claim, stamps, hashing.frame("tokens", *sorted(stamp.binding for stamp in stamps)), deposit.digest)
    source = trust.beacon(rule.beacon)
    value = source.verify(rule.round, paper.beacon)
    late = max(stamp.latest for stamp in stamps)
    if late >= source.published(rule.round):
        raise MalformedError(f"expected all stamps before round {rule.round} of {rule.beacon}, got one of {late}")
    place = (bytes.fromhex(claim.digest), rule.beacon.encode(), rule.round.to_bytes(8, "big"))
    return Dated(claim, stamps, hashing.frame("beacon", *place, value), deposit.digest)


def draw(claim: Signed[Claim], deposit: Signed[Deposit] | None, trust: Trust, *, key: int = 0) -> Draw:
    """Return the draw of one key of a claim, its deposit checked; see ``check``."""
    return check(claim, deposit, trust).draw(key)
