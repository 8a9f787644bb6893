"""Verdicts of every kind that a judge can reach: by draw, by what is known of dates, by test, by what became of it."""

import dataclasses
import datetime
from dataclasses import dataclass

import claim_cases as cases
from claim_cases import Fixed, challenged, claimed, laid, leaves

from modelmark.claim.dates import deposit
from modelmark.claim.dates.deposit import Trust
from modelmark.claim.judging.judge import Papers, Recorded
from modelmark.claim.papers import envelope, transcript
from modelmark.claim.papers.claim import Claim, DrawRule
from modelmark.claim.papers.dispute import Challenge
from modelmark.claim.papers.envelope import Signed
from modelmark.claim.papers.statement import Statement
from modelmark.claim.papers.transcript import Head, Transcript
from modelmark.claim.papers.verdict import SENTENCES, Check, Revocation, Verdict
from modelmark.feeds.pictures import PictureFeed
from modelmark.key.secret import Secret
from modelmark.marks.keys import Key
from modelmark.schemes.adi import Adi

KEY = Key(Adi(triggers=128), Secret(bytes(32)), PictureFeed((1, 4, 4), tuple("0123456789")), arch="cnn")
DRAWS = ("offline", "timestamp", "beacon")
ENDS = ("matches", "misses", "silent", "revoked", "swapped", "older")
"""What becomes of a dispute: the suspect gives the message, or misses it; nobody opens; the claim was taken back; another suspect
came; the suspect is known from before the claim (dated claims alone)."""
WAYS = [(draw, end) for draw in DRAWS for end in ENDS if (draw, end) != ("offline", "older")]
DECIDED = {
    "matches": "dependence-shown", "misses": "no-evidence", "silent": "no-evidence", "revoked": "invalid-claim",
    "swapped": "not-decidable", "older": "not-decidable",
}  # fmt: skip
KNOWN = {"older": "2001-01-01T00:00:00Z", True: "2098-01-01T00:00:00Z", False: ""}


@dataclass(frozen=True)
class Case:
    """A judged dispute with the papers that tell about it."""

    draw: str
    signed: Signed[Verdict]
    claim: Signed[Claim]
    challenge: Signed[Challenge]
    papers: Papers
    record: Transcript | None

    @property
    def verdict(self) -> Verdict:
        return self.signed.document

    def outcome(self, name: str) -> str:
        return next(check.outcome for check in self.verdict.checks if check.name == name)


class Lottery:
    """A beacon whose value is its proof."""

    name = "lottery"

    def published(self, round):
        return datetime.datetime(2097, 1, 1, tzinfo=datetime.UTC)

    def verify(self, round, proof):
        return proof


def dated(draw: str, authorities):
    """Return a claim of ``KEY`` drawn in this way, its deposit, and who is trusted."""
    statement = Statement.of(KEY.statement)
    if draw == "offline":
        return claimed(statement, count=2, claimant="Emmy Noether"), None, Trust()
    local, authority = authorities()
    beacon = ("lottery", 77) if draw == "beacon" else ()
    claim = claimed(statement, count=2, claimant="Emmy Noether", draw=DrawRule(draw, (authority.fingerprint,), *beacon))
    asked, trust = deposit.request(claim), Trust([authority], [Lottery()])
    token = deposit.receive(claim, local.answer(asked), asked, authority)
    proof = b"77:value" if draw == "beacon" else b""
    return claim, deposit.make(claim, [token], cases.OWNER, trust, issued=cases.at(1), beacon=proof), trust


def judged(
    held, draw: str, end: str, *, known: bool = False, test: str = "exact", recorded: bool = False, **changes
) -> Case:
    """Return a verdict.

    Args:
        held: of ``dated``.
        draw: its kind.
        end: one of ``ENDS``.
        known: whether a date of the suspect, later than the claim, is known.
        test: ``exact`` or ``e-process``.
        recorded: the suspect is a record of answers.
        changes: to the challenge.
    """
    claim, paper, trust = held
    message = KEY.mark(deposit.draw(claim, paper, trust)).message
    given = (message + (0 if end != "misses" else 1)) % 10
    suspect = Fixed(leaves(KEY), given)
    if recorded:
        opened = dict(enumerate(leaves(KEY)[:64]))
        suspect = Recorded(transcript.of(Head(claim.digest, 0, 0), opened, {i: int(given[i]) for i in range(64)}))
    said = {"issued": "2099-01-01T00:02:00Z", "expires": "2099-01-02T00:00:00Z", "case": "Noether v. Hilbert"}
    asked = challenged(claim, suspect, deposit=paper.digest if paper else "", test=test, **(said | changes))
    papers = laid(claim, asked, KEY.secret, leaves(KEY), shown=cases.concealed(KEY), paper=paper)
    if end == "silent":
        papers = dataclasses.replace(papers, opening=None)
    if end == "revoked":
        gone = Revocation(cases.OWNER.signers, cases.at(1), claim.digest, "mistake", cases.at(1))
        papers = dataclasses.replace(papers, revocations=[envelope.sign(gone, cases.OWNER)])
    if end == "swapped":
        suspect = dataclasses.replace(suspect, digest="ee" * 32)
    first_seen = KNOWN["older" if end == "older" else known]
    now = "2099-01-03T00:00:00Z" if end == "silent" else "2099-01-01T00:03:00Z"  # nobody is silent before the end
    found = cases.verdict(papers, suspect, trust, now=now, first_seen=first_seen)
    return Case(draw, found.verdict, claim, asked, papers, found.record)


def failing(case: Case, name: str, decision: str) -> Case:
    """Return the verdict of a judge for whom the check of this name failed, and none before it."""
    verdict = case.verdict
    place = [check.name for check in verdict.checks].index(name)
    checks = [
        check if number < place else Check(check.name, "fail" if number == place else "skipped", "words of the judge")
        for number, check in enumerate(verdict.checks)
    ]
    names = [check.name for check in verdict.checks[:place]]
    changed = dataclasses.replace(
        verdict, checks=tuple(checks), decision=decision, sentence=SENTENCES[decision], weighed=(), transcript="",
        claim_date=verdict.claim_date if "deposit" in names else "",
        suspect_date=verdict.suspect_date if "suspect's date" in names else "",
        order=verdict.order if {"deposit", "suspect's date"} <= set(names) else "unknown",
    )  # fmt: skip
    return dataclasses.replace(case, signed=envelope.sign(changed, cases.JUDGE))
