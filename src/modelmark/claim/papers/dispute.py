"""The papers that go to and fro: deposit, challenge, opening."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from modelmark.carriers.base import MOST_CARRIERS
from modelmark.claim.papers import records, signing
from modelmark.claim.papers.claim import MOST_AUTHORITIES, MOST_LOTS
from modelmark.claim.papers.recipients import Listing
from modelmark.claim.papers.records import Digest, MaybeDigest, Record, Since, Subject, Time
from modelmark.claim.papers.shapes import Base64, Choice, Hex, Integer, Listed, Text
from modelmark.claim.papers.signing import Signer
from modelmark.key.draw import LONGEST_NAME, canonical_name

MAX_TOKEN = 2**15
"""Bytes of a timestamp token; with a chain of certificates a real one has 5,000."""
MOST_LEAVES = 2**14
"""Leaves in one opening."""
MOST_NODES = 20 * MOST_LEAVES

Party = Annotated[tuple[Signer, ...], Listed(Record(Signer), 1, 3)]


@dataclass(frozen=True)
class Deposit:
    """Proof that a claim existed at a time, and with it the randomness that nobody chose.

    Args:
        signers: the claimant's keys, those of the claim.
        issued: the claimant's own clock.
        claim: digest of the claim.
        tokens: one RFC 3161 TimeStampToken (DER) per authority of the claim, in its order.
        beacon: what the beacon's plug-in verifies as the value of the claim's round; empty without a beacon.
    """

    signers: Party
    issued: Time
    claim: Digest
    tokens: Annotated[tuple[bytes, ...], Listed(Base64(MAX_TOKEN), 1, MOST_AUTHORITIES)]
    beacon: Annotated[bytes, Base64(4096, least=0)] = b""

    kind: ClassVar[str] = "deposit"

    def __post_init__(self) -> None:
        records.check(self)
        signing.require_party(self.signers)

    @property
    def subjects(self) -> tuple[Subject, ...]:
        """The claim."""
        return (("claim", "sha256", self.claim),)


@dataclass(frozen=True)
class Frozen:
    """A suspect that can no longer change.

    Args:
        kind: ``weights`` (digest of the tensors) or ``transcript`` (digest of answers that were fixed before any reveal).
        digest: hex.
        tokens: timestamp tokens over the 32 bytes of the digest, where there are any.
    """

    kind: Annotated[str, Choice(("weights", "transcript"))]
    digest: Digest
    tokens: Annotated[tuple[bytes, ...], Listed(Base64(MAX_TOKEN), 0, MOST_AUTHORITIES)] = ()

    def __post_init__(self) -> None:
        records.check(self)

    @property
    def subject(self) -> Subject:
        """The suspect, as a subject."""
        return ("suspect", "modelmarkTensorsV1" if self.kind == "weights" else "sha256", self.digest)


@dataclass(frozen=True)
class Source:
    """Where a nonce comes from that the judge did not make himself: a timestamp over the terms, or a beacon's round.

    Args:
        authority: SHA-256 of the pinned certificate (DER) of the authority that gave ``token``, else empty.
        token: RFC 3161 TimeStampToken (DER) over ``nonce.terms``, else empty.
        beacon: its name, else empty.
        round: the first that was published after the suspect's timestamp, else 0.
        proof: what the beacon's plug-in verifies as the value of the round, else empty.
    """

    authority: MaybeDigest = ""
    token: Annotated[bytes, Base64(MAX_TOKEN, least=0)] = b""
    beacon: Annotated[str, Text(64)] = ""
    round: Annotated[int, Integer(0, 2**53)] = 0
    proof: Annotated[bytes, Base64(4096, least=0)] = b""

    def __post_init__(self) -> None:
        records.check(self)
        stamped, published = (self.authority, self.token), (self.beacon, self.round, self.proof)
        if sorted([(any(stamped), all(stamped)), (any(published), all(published))]) != [(False, False), (True, True)]:
            raise ValueError("expected an authority and its token, or a beacon, its round and the proof, got others")


@dataclass(frozen=True)
class Challenge:
    """The judge freezes a suspect, names lot and test, and asks for an opening.

    Args:
        signers: the judge's keys.
        issued: the judge's clock.
        expires: no opening counts after it.
        case: a name, for people.
        claim: digest of the claim.
        deposit: digest of the deposit; empty for an offline claim.
        suspect: what is judged.
        nonce: 32 random bytes, hex: the judge's own, or what ``source`` gives.
        key: number of the key in the claim.
        lot: number of the lot in the key.
        draws: 0 opens the whole lot; otherwise so many trials of it, drawn from nonce and suspect.
        test: ``exact`` or ``e-process``; one of them, named before any answer is seen.
        bar: net bits; at least the claim's own.
        source: of the nonce, at most one, since version 2; none where it is the judge's own word.
        recipient: whose copy the suspect is said to be made of, since version 3; empty for the key's own message.
    """

    signers: Party
    issued: Time
    expires: Time
    case: Annotated[str, Text(200)]
    claim: Digest
    deposit: MaybeDigest
    suspect: Annotated[Frozen, Record(Frozen)]
    nonce: Digest
    key: Annotated[int, Integer(0, 63)]
    lot: Annotated[int, Integer(0, MOST_LOTS - 1)]
    draws: Annotated[int, Integer(0, MOST_LEAVES)]
    test: Annotated[str, Choice(("exact", "e-process"))]
    bar: Annotated[int, Integer(1, 2**16)]
    source: Annotated[tuple[Source, ...], Listed(Record(Source), 0, 1), Since(2)] = ()
    recipient: Annotated[str, Text(LONGEST_NAME), Since(3)] = ""

    kind: ClassVar[str] = "challenge"

    def __post_init__(self) -> None:
        records.check(self)
        signing.require_party(self.signers)
        if self.expires <= self.issued:
            raise ValueError(f"expected an expiry after {self.issued}, got {self.expires}")
        if self.recipient:
            canonical_name(self.recipient)  # nothing but a space at an end is left to refuse

    @property
    def subjects(self) -> tuple[Subject, ...]:
        """The claim and the suspect."""
        return (("claim", "sha256", self.claim), self.suspect.subject)


@dataclass(frozen=True)
class Leaf:
    """One opened leaf.

    Args:
        index: number of the carrier.
        salt: 32 bytes, hex.
        digest: SHA-256 of the carrier, hex.
        size: bytes of the carrier, which travels beside the document.
    """

    index: Annotated[int, Integer(0, MOST_CARRIERS - 1)]
    salt: Digest
    digest: Digest
    size: Annotated[int, Integer(0, 2**31)]

    def __post_init__(self) -> None:
        records.check(self)


@dataclass(frozen=True)
class Revealed:
    """A concealed value of the statement, shown: its name, its salt (hex), and what it is."""

    name: Annotated[str, Text(64, least=1)]
    salt: Digest
    value: Annotated[str, Text(1024)]

    def __post_init__(self) -> None:
        records.check(self)


@dataclass(frozen=True)
class Opening:
    """The claimant opens what the challenge asked for.

    Args:
        signers: the claimant's keys, those of the claim.
        issued: the claimant's clock.
        claim: digest of the claim.
        challenge: digest of the challenge.
        leaves: ascending by index.
        proof: nodes of the tree that the leaves do not give, hex; see ``merkle``.
        revealed: concealed values that the reading needs.
        listed: where the challenged recipient stands on the claim's list, at most one, since version 2; none of others.
    """

    signers: Party
    issued: Time
    claim: Digest
    challenge: Digest
    leaves: Annotated[tuple[Leaf, ...], Listed(Record(Leaf), 1, MOST_LEAVES)]
    proof: Annotated[tuple[str, ...], Listed(Hex(32), 0, MOST_NODES)] = ()
    revealed: Annotated[tuple[Revealed, ...], Listed(Record(Revealed), 0, 16)] = ()
    listed: Annotated[tuple[Listing, ...], Listed(Record(Listing), 0, 1), Since(2)] = ()

    kind: ClassVar[str] = "opening"

    def __post_init__(self) -> None:
        records.check(self)
        signing.require_party(self.signers)
        indices = [leaf.index for leaf in self.leaves]
        if indices != sorted(set(indices)):
            raise ValueError("expected leaves in ascending order, each once")

    @property
    def subjects(self) -> tuple[Subject, ...]:
        """The claim and the challenge."""
        return (("claim", "sha256", self.claim), ("challenge", "sha256", self.challenge))
