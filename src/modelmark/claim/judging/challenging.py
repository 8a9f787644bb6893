"""``challenge``: the judge fixes suspect, lot, test and bar before anything is shown."""

import secrets as os_random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from modelmark.carriers.base import Carriers, complete, plurality, questions, rules_of, shared
from modelmark.claim.dates import deposit, nonce, order
from modelmark.claim.dates.deposit import Dated, Trust
from modelmark.claim.judging import desk, ledger, reading, weighing
from modelmark.claim.judging.ledger import NOTHING, Known
from modelmark.claim.judging.reading import Kinds
from modelmark.claim.papers import envelope, lots, transcript
from modelmark.claim.papers.claim import Claim, Entry
from modelmark.claim.papers.dispute import Challenge, Deposit, Frozen, Source
from modelmark.claim.papers.envelope import Signed
from modelmark.claim.papers.identity import Identity
from modelmark.claim.papers.transcript import Transcript
from modelmark.errors import MismatchError, RefusedError, UsageError
from modelmark.feeds.base import Feed
from modelmark.suspects.base import MISSING, Probe, Weigh, access

__all__ = ["Known", "Terms", "challenge"]


@dataclass(frozen=True)
class Terms:
    """What the judge asks for.

    Args:
        issued: the judge's clock.
        expires: no opening counts after it.
        case: a name, for people.
        key: number of the key in the claim.
        lot: number of its lot, which must be unspent.
        draws: trials of the lot to be drawn, 0 for all; a transcript, which is older than the nonce, has whole lots only, and so
            has a nonce of the judge's own.
        test: ``exact`` or ``e-process``.
        bar: net bits; the claim's own unless higher.
        nonce: 32 bytes from the operating system unless given.
        source: gives the nonce instead, out of the judge's hands.
        recipient: whose copy the suspect is said to be made of, by the claimant's word; empty for the key's own message.
    """

    issued: str
    expires: str
    case: str = ""
    key: int = 0
    lot: int = 0
    draws: int = 0
    test: str = "exact"
    bar: int | None = None
    nonce: bytes | None = None
    source: Source | None = None
    recipient: str = ""


class Look(Protocol):
    """A suspect's weights, at which the judge looks before anything is opened; ``suspects.looking`` has one."""

    def places(self, probe: type[Probe], feed: Feed, widths: Sequence[int], *, aligning: bool) -> int:
        """Return in how many ways they can be read as they are, at most, or raise MismatchError or SuspectError."""
        ...


def challenge(
    claim: Signed[Claim],
    paper: Signed[Deposit] | None,
    suspect: Frozen,
    identity: Identity,
    trust: Trust,
    terms: Terms,
    *,
    known: Known = NOTHING,
    record: Transcript | None = None,
    kinds: Kinds | None = None,
    look: Look | None = None,
    first_seen: str = "",
) -> Signed[Challenge]:
    """Return the signed challenge to a claim.

    Args:
        claim: the claim.
        paper: its deposit; None for an offline claim.
        suspect: frozen; nothing may have been shown before.
        identity: the judge.
        trust: whom the judge believes.
        terms: what is asked for.
        known: about the claim.
        record: of a suspect that was recorded; looked through, so that nothing is opened for one that decides nothing.
        kinds: of carriers, for schemes outside the table.
        look: at the weights of a suspect that is at hand; looked through for the same reason.
        first_seen: when the suspect is first known to the judge from elsewhere than its tokens; may be empty.

    Raises:
        UsageError: a lower bar than the claim's, a drawn part of a transcript, or trials too few for the bar.
        MismatchError: a recipient is named, and the claim says of no copies; deposit, key or lot are not the claim's; the
            record is about others or lacks answers; the lot is spent or pending, the claim taken back, its suspects used up,
            or it is of a scheme that cannot be judged; the suspect is older than the claim, or its weights cannot be read.
        SuspectError: what its weights answer is no number.
        MalformedError: the deposit does not hold, or a token of the suspect's is not of it or of nobody pinned.
    """
    dated = deposit.check(claim, paper, trust)
    seen = order.first_seen(
        suspect, trust, first_seen
    )  # a token that dates nothing is found out before a lot is spent on it
    if order.order(dated.date, seen) == "suspect-first":
        raise MismatchError(
            f"expected a suspect younger than the claim, it is known since {seen}",
            hint="nothing was opened, and no lot is spent",
        )
    bar = claim.document.policy.bar if terms.bar is None else terms.bar
    if bar < claim.document.policy.bar:
        raise UsageError(f"expected a bar of at least the claim's {claim.document.policy.bar} bits, got {bar}")
    if terms.draws and suspect.kind == "transcript":
        raise UsageError(f"expected the whole lot where answers are recorded already, got a draw of {terms.draws}")
    entry = lots.require(claim.document, terms.key, terms.lot)
    asked = termed(claim, paper, suspect, identity, terms)
    desk.require_copies(claim.document, asked)
    if terms.source is not None:
        asked = nonce.drawn(asked, terms.source, trust)
    ledger.require_room(claim, asked, known)
    ledger.require_standing(claim, asked, known)
    kind = reading.kind(entry.statement, kinds, recorded=record is not None, test=asked.test)
    late = record is not None and not record.head.test
    ways = rules_of(kind, beside_host=False) if access(kind.probe) == "black-box" else 1
    weighing.require_reach(claim.document, asked, entry, ways, late=late)
    if look is not None:
        weighing.require_reach(claim.document, asked, entry, _readings(claim.document, entry, kind, look))
    if record is not None:
        _require_decisive(dated, asked, entry, record, kind)
    if terms.draws and terms.source is None:
        raise UsageError(
            f"expected a nonce out of your hands for a draw of {terms.draws}, got your own: you could try several",
            hint="ask for the whole lot, or have the terms stamped: --nonce-request",
        )
    return envelope.sign(asked, identity)


def termed(
    claim: Signed[Claim], paper: Signed[Deposit] | None, suspect: Frozen, identity: Identity, terms: Terms
) -> Challenge:
    """Return the challenge that these terms make, nothing checked; ``nonce.terms`` of it is what an authority may stamp."""
    return Challenge(
        identity.signers, terms.issued, terms.expires, terms.case, claim.digest, paper.digest if paper else "", suspect,
        (terms.nonce or os_random.token_bytes(32)).hex(), terms.key, terms.lot, terms.draws, terms.test,
        claim.document.policy.bar if terms.bar is None else terms.bar, recipient=terms.recipient,
    )  # fmt: skip


def _readings(claim: Claim, entry: Entry, kind: type[Carriers], look: Look) -> int:
    """Return in how many ways the suspect will be read; it can be, or this refuses."""
    public = entry.statement
    width = public.parameters.get("width", ())
    widths = [each for each in (width if isinstance(width, tuple) else (width,)) if isinstance(each, int)]
    aligning = bool(public.host) and claim.policy.readings > 1 and access(kind.probe) == "white-box"
    try:
        ways = look.places(kind.probe, public.feed, widths, aligning=aligning) + aligning
        return ways * rules_of(kind, beside_host=aligning)
    except RefusedError as error:
        error.hint = error.hint or "nothing was opened, and no lot is spent"
        raise


def _require_decisive(dated: Dated, asked: Challenge, entry: Entry, record: Transcript, kind: type[Carriers]) -> None:
    each = kind.queries_per_trial(entry.statement)
    head, about = record.head, (asked.claim, asked.key, asked.lot)
    if head.about != about:
        whose = "this claim" if head.claim == asked.claim else "another claim"
        raise MismatchError(
            f"expected a transcript about this claim, key {asked.key} and lot {asked.lot}, "
            f"got one about {whose}, key {head.key} and lot {head.lot}"
        )
    if head.test not in ("", asked.test):
        raise MismatchError(
            f"expected the {head.test} test, which the transcript named before anything was asked, got {asked.test}"
        )
    if shared(kind):  # what each says of a trial is seen when they are opened
        queries = list(range(questions(kind, entry.statement)))
        transcript.require_order(record, queries)
        if lacking := len(set(queries) - {one.carrier for one in record.asked}):
            raise MismatchError(
                f"expected answers to all {len(queries)} queries in the transcript, got {len(queries) - lacking}"
            )
        return
    alphabet, drawn = entry.statement.alphabet, lots.drawn(asked, entry)
    queries = [trial * each + i for trial in drawn for i in range(each)]
    transcript.require_order(record, queries)
    trials = transcript.completed(head, queries, each)
    given = {one.carrier: one.answer for one in record.asked}
    answers = np.array([[given.get(trial * each + i, MISSING) for i in range(each)] for trial in trials], np.int64)
    whole = complete(answers, each)
    if issubclass(kind.probe, Weigh):  # what these mean is seen when the records are opened
        if whole < len(trials):
            raise MismatchError(f"expected what all {len(trials)} pairs surprise by in the transcript, got {whole}")
        return
    found = plurality(answers[:whole], alphabet).tolist()
    draw = dated.draw(asked.key)
    expected = (draw.of(asked.recipient) if asked.recipient else draw).symbols(alphabet, trials).tolist()
    weighing.weigh(dated.claim.document, asked, entry, expected, found, late=not head.test)
