"""Openings: the claimant shows the carriers that a challenge asks for, and everyone can check that they are the committed ones.

The document holds salts and digests; the carriers' bytes travel beside it, so that one can be filed and the other sealed.
"""

import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from modelmark import hashing
from modelmark.claim.papers import envelope, lots, merkle, recipients
from modelmark.claim.papers.claim import Claim, Entry, copies, require_claimant
from modelmark.claim.papers.dispute import Challenge, Leaf, Opening, Revealed
from modelmark.claim.papers.envelope import Signed
from modelmark.claim.papers.identity import Identity
from modelmark.errors import MalformedError, MismatchError
from modelmark.key import commitment
from modelmark.key.secret import Secret


@dataclass(frozen=True)
class Opened:
    """What a checked opening shows.

    Args:
        entry: the key it belongs to.
        trials: the trials that are judged, ascending.
        leaves: the opened leaves, ascending.
        revealed: concealed values by name.
        listed: whether the recipient that the challenge names is on the claim's list.
    """

    entry: Entry
    trials: tuple[int, ...]
    leaves: tuple[Leaf, ...]
    revealed: Mapping[str, str]
    listed: bool = False


def make(
    claim: Signed[Claim],
    challenge: Signed[Challenge],
    identity: Identity,
    secret: Secret,
    carriers: Sequence[bytes],
    *,
    issued: str,
    concealed: Mapping[str, str] | None = None,
    names: Iterable[str] = (),
) -> tuple[Signed[Opening], bytes]:
    """Return the signed opening that a challenge asks for, and the carriers that travel beside it.

    Args:
        claim: the claim.
        challenge: the judge's challenge to it.
        identity: the claimant.
        secret: of the key that is challenged.
        carriers: all its carriers, as ``Scheme.leaves`` gives them.
        issued: the claimant's clock.
        concealed: values of the statement that the reading needs, such as the layer, by name.
        names: the list that the claim fixed, where the challenge names a recipient that may be on it.

    Raises:
        MismatchError: the challenge is to another claim, or secret and carriers are not those of the claim.
        UsageError: the identity is not the claimant's, or the list is not the claim's.
    """
    entry = _entry(claim, challenge)
    salts = commitment.salts(secret, len(carriers))
    hashed = [commitment.leaf(i, salt, carrier) for i, (salt, carrier) in enumerate(zip(salts, carriers, strict=True))]
    if commitment.root(hashed).hex() != entry.statement.root:
        raise MismatchError("expected the key that was claimed, got another")
    require_claimant(claim.document, identity.signers)
    indices = lots.carriers(challenge.document, entry)
    leaves = tuple(Leaf(i, salts[i].hex(), hashlib.sha256(carriers[i]).hexdigest(), len(carriers[i])) for i in indices)
    proof = tuple(node.hex() for node in merkle.prove(hashed, indices))
    revealed = tuple(
        Revealed(name, secret.bytes(f"conceal/{name}", commitment.SALT_SIZE).hex(), value)
        for name, value in sorted((concealed or {}).items())
    )
    listed = _listing(claim.document, challenge.document, names, secret)
    document = Opening(identity.signers, issued, claim.digest, challenge.digest, leaves, proof, revealed, listed)
    signed = envelope.sign(document, identity)
    check(claim, challenge, signed)
    return signed, b"".join(carriers[i] for i in indices)


def check(claim: Signed[Claim], challenge: Signed[Challenge], opening: Signed[Opening]) -> Opened:
    """Return what an opening shows, if it shows exactly what the challenge asked for of what the claim committed to.

    Raises:
        MismatchError: claim, challenge and opening do not belong together.
        MalformedError: other leaves, or leaves and values that were not committed to; or it came too late.
    """
    entry, paper, asked = _entry(claim, challenge), opening.document, challenge.document
    if (paper.claim, paper.challenge, paper.signers) != (claim.digest, challenge.digest, claim.document.signers):
        raise MismatchError("expected the claimant's opening for this challenge, got another's or for another")
    if paper.issued > asked.expires:
        raise MalformedError(f"expected an opening before {asked.expires}, got one of {paper.issued}")
    trials, indices = lots.drawn(asked, entry), lots.carriers(asked, entry)
    if tuple(leaf.index for leaf in paper.leaves) != indices:
        raise MalformedError(f"expected the {len(indices)} leaves that the challenge asks for, got others")
    hashed = {leaf.index: hash_leaf(leaf) for leaf in paper.leaves}
    root = merkle.root_of(entry.statement.carriers, hashed, [bytes.fromhex(node) for node in paper.proof])
    if not hmac.compare_digest(root.hex(), entry.statement.root):
        raise MalformedError("expected carriers that the claim committed to, got others")
    said = copies(claim.document, asked.key)
    for shown in paper.listed:
        if not asked.recipient or said is None:
            raise MalformedError(
                "expected no place on a list of names, as the challenge names none of this key, got one"
            )
        recipients.require_listed(said, asked.recipient, shown)
    revealed = {one.name: _value(entry, one) for one in paper.revealed}
    return Opened(entry, trials, paper.leaves, revealed, bool(paper.listed))


def hash_leaf(leaf: Leaf) -> bytes:
    """Return the hash of a leaf of which salt and the carrier's digest are known; ``commitment.leaf`` needs the carrier."""
    parts = (leaf.index.to_bytes(8, "big"), bytes.fromhex(leaf.salt), bytes.fromhex(leaf.digest))
    return hashlib.sha256(b"\x00" + hashing.frame("leaf", *parts)).digest()


def unpack(leaves: Sequence[Leaf], beside: bytes) -> list[bytes]:
    """Return the carriers of opened leaves from the bytes that travelled beside the document.

    Raises:
        MalformedError: cut short, too long, or other carriers.
    """
    if sum(leaf.size for leaf in leaves) != len(beside):
        raise MalformedError(f"expected {sum(leaf.size for leaf in leaves)} bytes of carriers, got {len(beside)}")
    out, start = [], 0
    for leaf in leaves:
        carrier = beside[start : start + leaf.size]
        if not hmac.compare_digest(hashlib.sha256(carrier).hexdigest(), leaf.digest):
            raise MalformedError(f"expected the opened carrier {leaf.index}, got other bytes")
        out.append(carrier)
        start += leaf.size
    return out


def _entry(claim: Signed[Claim], challenge: Signed[Challenge]) -> Entry:
    asked = challenge.document
    if asked.claim != claim.digest:
        raise MismatchError("expected a challenge to this claim, got a challenge to another")
    return lots.require(claim.document, asked.key, asked.lot)


def _listing(claim: Claim, asked: Challenge, names: Iterable[str], secret: Secret) -> tuple[recipients.Listing, ...]:
    said, names = copies(claim, asked.key), list(names)
    if said is None or not asked.recipient or not names:
        return ()
    found = recipients.show(said, asked.recipient, names, secret)
    return (found,) if found else ()


def _value(entry: Entry, revealed: Revealed) -> str:
    salt, content = bytes.fromhex(revealed.salt), revealed.value.encode()
    found = hashing.digest("conceal", revealed.name.encode(), salt, content).hex()
    if not hmac.compare_digest(found, entry.statement.concealed.get(revealed.name, "")):
        raise MalformedError(f"expected the {revealed.name} that the claim committed to, got another")
    return revealed.value
