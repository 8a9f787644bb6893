"""``challenge``: the judge fixes suspect, lot, test and bar before anything is shown."""

import secrets as os_random
from collections.abc import Sequence

from modelmark.claim import carriers, deposit, envelope, lots, order, weighing
from modelmark.claim.claim import Claim
from modelmark.claim.deposit import Trust
from modelmark.claim.dispute import Challenge, Deposit, Frozen
from modelmark.claim.envelope import Signed
from modelmark.claim.identity import Identity
from modelmark.claim.verdict import Revocation, Verdict
from modelmark.errors import UsageError


def challenge(
    claim: Signed[Claim],
    paper: Signed[Deposit] | None,
    suspect: Frozen,
    identity: Identity,
    trust: Trust,
    *,
    issued: str,
    expires: str,
    case: str = "",
    key: int = 0,
    lot: int = 0,
    draws: int = 0,
    test: str = "exact",
    bar: int | None = None,
    nonce: bytes | None = None,
    verdicts: Sequence[Signed[Verdict]] = (),
    revocations: Sequence[Signed[Revocation]] = (),
) -> Signed[Challenge]:
    """Return the signed challenge to a claim.

    Args:
        claim: the claim.
        paper: its deposit; None for an offline claim.
        suspect: frozen; nothing may have been shown before.
        identity: the judge.
        trust: whom the judge believes.
        issued: the judge's clock.
        expires: no opening counts after it.
        case: a name, for people.
        key: number of the key in the claim.
        lot: number of its lot, which must be unspent.
        draws: trials of the lot to be drawn, 0 for all; a transcript, which is older than the nonce, has whole lots only.
        test: ``exact`` or ``e-process``.
        bar: net bits; the claim's own unless higher.
        nonce: 32 bytes from the operating system unless given.
        verdicts: all that are known of this claim.
        revocations: likewise.

    Raises:
        UsageError: a lower bar than the claim's, a drawn part of a transcript, or trials too few for the bar.
        MismatchError: deposit, key or lot are not the claim's; the lot is spent, the claim taken back, its suspects used up, or
            it is of a scheme that cannot be judged.
        MalformedError: the deposit does not hold, or a token of the suspect's is not of it or of nobody pinned.
    """
    deposit.check(claim, paper, trust)
    order.first_seen(suspect, trust, "")  # a token that dates nothing is found out before a lot is spent on it
    bar = claim.document.policy.bar if bar is None else bar
    if bar < claim.document.policy.bar:
        raise UsageError(f"expected a bar of at least the claim's {claim.document.policy.bar} bits, got {bar}")
    if draws and suspect.kind == "transcript":
        raise UsageError(f"expected the whole lot where answers are recorded already, got a draw of {draws}")
    entry = lots.require(claim.document, key, lot)
    asked = Challenge(
        identity.signers, issued, expires, case, claim.digest, paper.digest if paper else "", suspect,
        (nonce or os_random.token_bytes(32)).hex(), key, lot, draws, test, bar,
    )  # fmt: skip
    order.require_unspent(claim.digest, asked, claim.document.policy.suspects, verdicts)
    order.require_standing(claim, asked, revocations)
    carriers.reading(entry.statement)
    weighing.require_reach(claim.document, asked, entry)
    return envelope.sign(asked, identity)
