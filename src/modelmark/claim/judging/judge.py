"""``judge``: everything is derived again from the papers, check by check, and the outcome is signed.

The first check that fails decides; those after it are skipped. Only one step touches the suspect, and it is given as an
object, so that this file needs no torch.
"""

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from modelmark.claim.dates import nonce, order
from modelmark.claim.dates.deposit import Trust
from modelmark.claim.judging import checks, desk, ledger
from modelmark.claim.judging.checks import Host, Recorded, Suspect
from modelmark.claim.judging.desk import Papers
from modelmark.claim.judging.reading import Answered, Kinds
from modelmark.claim.judging.software import software
from modelmark.claim.papers import envelope, transcript
from modelmark.claim.papers.envelope import Signed
from modelmark.claim.papers.identity import Identity
from modelmark.claim.papers.shapes import instant
from modelmark.claim.papers.transcript import Transcript
from modelmark.claim.papers.verdict import SENTENCES, Check, Spent, Verdict, Weighed
from modelmark.errors import MismatchError, RefusedError, UsageError

__all__ = ["Host", "Judgement", "Papers", "Recorded", "Suspect", "judge"]

T = TypeVar("T")


@dataclass(frozen=True)
class Judgement:
    """The verdict, and the record of the suspect's answers whose digest it names (None where nothing was asked)."""

    verdict: Signed[Verdict]
    record: Transcript | None


@dataclass
class _Docket:
    """Checks made so far, and what the first failure decided."""

    checks: list[Check] = field(default_factory=list)
    decision: str = ""

    def check(self, name: str, failing: str, step: Callable[[], tuple[T, str]]) -> T | None:
        """Take one step, which returns what it found and a word about it, unless a check before it failed."""
        if self.decision:
            self.checks.append(Check(name, "skipped", "an earlier check failed"))
            return None
        try:
            found, detail = step()
        except RefusedError as error:
            self.checks.append(Check(name, "fail", _line(str(error))))
            self.decision = failing
            return None
        self.checks.append(Check(name, "skipped" if found is None else "pass", _line(detail)))
        return found


def judge(
    papers: Papers,
    suspect: Suspect,
    identity: Identity,
    trust: Trust,
    *,
    now: str,
    received: str = "",
    first_seen: str = "",
    class_names: Sequence[str] = (),
    kinds: Kinds | None = None,
    host: Host | None = None,
) -> Judgement:
    """Return the signed verdict on a suspect.

    Args:
        papers: claim, deposit, challenge, opening, and what is known beside them.
        suspect: answers what was opened.
        identity: the judge, who signed the challenge.
        trust: whom the judge believes.
        now: the judge's clock, as documents write a time.
        received: when the opening came, by the judge's clock; now, if left out.
        first_seen: when the suspect is first known to the judge from elsewhere than its tokens; may be empty.
        class_names: the suspect's own class map, in the order of its outputs, where it is known.
        kinds: of carriers, for schemes outside the table, by their name in statements.
        host: that the claimant handed over, so that weights are read aligned too, where the claim pays for it.

    Raises:
        MismatchError: the challenge is not this judge's.
        UsageError: the claim names an authority or a beacon that is not trusted here; the time for an opening is not over; the
            host is not the key's.
    """
    if papers.challenge.document.signers != identity.signers:
        raise MismatchError("expected a challenge of this judge's own, got another's")
    verdict, record = examine(
        papers, suspect, trust, now=now, received=received, first_seen=first_seen, class_names=class_names,
        kinds=kinds, host=host,
    )  # fmt: skip
    return Judgement(envelope.sign(verdict, identity), record)


def examine(
    papers: Papers,
    suspect: Suspect,
    trust: Trust,
    *,
    now: str,
    received: str = "",
    first_seen: str = "",
    class_names: Sequence[str] = (),
    kinds: Kinds | None = None,
    host: Host | None = None,
    replay: checks.Replay | None = None,
) -> tuple[Verdict, Transcript | None]:
    """Return what the judge of the challenge finds, unsigned, and the record of the suspect's answers.

    Anybody who has the papers can do so: ``again`` compares it with what the judge signed. Arguments and errors as of ``judge``,
    and ``replay``: what a record says of carriers, trials and what is expected of them, in place of asking the suspect.
    """
    asked = papers.challenge.document
    if papers.opening is None and instant(now) <= instant(asked.expires):
        raise UsageError(f"expected an opening, or to wait for one until {asked.expires}, got none")
    docket = _Docket()
    docket.check("signatures", "invalid-claim", lambda: desk.signatures(papers))
    docket.check("papers", "invalid-claim", lambda: desk.together(papers))
    dated = docket.check("deposit", "invalid-claim", lambda: checks.dated(papers, trust))
    docket.check("nonce", "not-decidable", lambda: nonce.check(asked, trust))
    known = papers.known
    docket.check(
        "revocation", "invalid-claim", lambda: checks.said(ledger.require_standing(papers.claim, asked, known))
    )
    docket.check(
        "lot", "not-decidable",
        lambda: checks.said(ledger.require_room(papers.claim, asked, known, own=papers.challenge.digest)),
    )  # fmt: skip
    docket.check("opening in time", "no-evidence", lambda: desk.present(papers))
    docket.check("expiry", "invalid-claim", lambda: desk.in_time(papers, received or now))
    opened = docket.check("opening", "invalid-claim", lambda: checks.opened(papers))
    shown = docket.check("carriers", "invalid-claim", lambda: checks.unpacked(opened, papers.beside))
    kind = docket.check("scheme", "not-decidable", lambda: checks.readable(opened, asked, kinds))
    made = docket.check("form", "invalid-claim", lambda: checks.formed(kind, opened, shown))
    docket.check("suspect", "not-decidable", lambda: checks.frozen(suspect, papers, made))
    opened = checks.as_asked(suspect, opened, made)
    seen = docket.check("suspect's date", "not-decidable", lambda: checks.seen(asked, trust, first_seen))
    docket.check("order in time", "not-decidable", lambda: checks.in_order(dated, seen))
    docket.check("class map", "not-decidable", lambda: checks.class_map(opened, class_names))
    answers = docket.check(
        "answers",
        "not-decidable",
        lambda: (
            checks.replayed(replay, papers, dated, opened, made)
            if replay
            else checks.answered(papers, suspect, dated, opened, made, host)
        ),
    )
    weighed = docket.check("test", "not-decidable", lambda: checks.weigh(papers, suspect, dated, opened, answers))
    record = _record(suspect, papers, answers)
    decision = docket.decision or _decide(weighed)
    over = papers.opening is None or papers.answered
    burned = ledger.taken(papers.claim, asked) if over else ()
    verdict = Verdict(
        asked.signers, now, papers.claim.digest, papers.deposit.digest if papers.deposit else "",
        papers.challenge.digest, papers.opening.digest if papers.opening else "", asked.suspect,
        record.digest if record else "",
        claim_date=checks.date(dated), suspect_date=seen or "",
        order=order.order(dated.date if dated else None, seen or ""), checks=tuple(docket.checks),
        weighed=(weighed,) if weighed else (), decision=decision, sentence=SENTENCES[decision],
        spent=tuple(Spent(asked.key, asked.lot) for _ in burned),
        software=software(), burned=burned, release=papers.claim.document.release, recipient=asked.recipient,
    )  # fmt: skip
    return verdict, record


def _decide(weighed: Weighed | None) -> str:
    return "dependence-shown" if weighed and weighed.net >= 1000 * weighed.bar else "no-evidence"


def _record(suspect: Suspect, papers: Papers, found: Answered | None) -> Transcript | None:
    if isinstance(suspect, Recorded):
        return suspect.record
    if found is None:
        return None
    answers = zip(found.queries, found.answers.tolist(), strict=True)
    return transcript.of(desk.head(papers), found.queries, dict(answers))


def _line(text: str) -> str:
    """Return text as a document may hold it."""
    plain = "".join(character if character.isprintable() else " " for character in text)
    return unicodedata.normalize("NFC", plain)[:1000]
