"""``challenge``: the judge fixes suspect, lot, test and bar before anything is shown."""

import secrets as os_random
from collections.abc import Sequence

from modelmark.claim import carriers, deposit, envelope, lots, order, weighing
from modelmark.claim.claim import Claim, Entry
from modelmark.claim.deposit import Dated, Trust
from modelmark.claim.dispute import Challenge, Deposit, Frozen
from modelmark.claim.envelope import Signed
from modelmark.claim.identity import Identity
from modelmark.claim.transcript import Head, Transcript
from modelmark.claim.verdict import Revocation, Verdict
from modelmark.errors import MismatchError, UsageError


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
    record: Transcript | None = None,
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
        record: of a suspect that was recorded; looked through, so that nothing is opened for one that decides nothing.
        verdicts: all that are known of this claim.
        revocations: likewise.

    Raises:
        UsageError: a lower bar than the claim's, a drawn part of a transcript, or trials too few for the bar.
        MismatchError: deposit, key or lot are not the claim's; the record is about others or lacks answers; the lot is spent, the
            claim taken back, its suspects used up, or it is of a scheme that cannot be judged.
        MalformedError: the deposit does not hold, or a token of the suspect's is not of it or of nobody pinned.
    """
    dated = deposit.check(claim, paper, trust)
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
    if record is not None:
        _require_decisive(dated, asked, entry, record)
    return envelope.sign(asked, identity)


def _require_decisive(dated: Dated, asked: Challenge, entry: Entry, record: Transcript) -> None:
    if record.head != Head(asked.claim, asked.key, asked.lot):
        whose = "this claim" if record.head.claim == asked.claim else "another claim"
        raise MismatchError(
            f"expected a transcript about this claim, key {asked.key} and lot {asked.lot}, "
            f"got one about {whose}, key {record.head.key} and lot {record.head.lot}"
        )
    how, trials = carriers.require_asked(entry.statement), lots.drawn(asked, entry)
    message = dated.draw(asked.key).message(entry.statement.alphabet, entry.statement.trials)
    found = carriers.symbols(how, trials, {one.carrier: one.answer for one in record.asked})
    weighing.weigh(dated.claim.document, asked, entry, [int(message[i]) for i in trials], found)
