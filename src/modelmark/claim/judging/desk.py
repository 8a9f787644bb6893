"""What lies before the judge, and the checks of papers alone: signed, belonging together, answered in time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from modelmark.claim.judging.ledger import Known
from modelmark.claim.papers import envelope
from modelmark.claim.papers.claim import Claim, copies, of_one_secret
from modelmark.claim.papers.dispute import Challenge, Deposit, Opening
from modelmark.claim.papers.envelope import Signed
from modelmark.claim.papers.shapes import instant
from modelmark.claim.papers.transcript import Head
from modelmark.claim.papers.verdict import Revocation, Verdict
from modelmark.errors import MismatchError
from modelmark.evidence.evidence import BAR


@dataclass(frozen=True)
class Papers:
    """What lies before the judge.

    Args:
        claim, deposit, challenge, opening: the deposit is None for an offline claim, the opening where none came.
        beside: the carriers that travelled beside the opening.
        verdicts: all that are known of the claim and its keys, of judges that this one believes.
        revocations: all that are known; those that the claimant did not sign count for nothing.
        challenges: this judge's own others on the claim and its keys, judged or not.
        claims: others of the same keys; see ``ledger.Known``.
    """

    claim: Signed[Claim]
    deposit: Signed[Deposit] | None
    challenge: Signed[Challenge]
    opening: Signed[Opening] | None
    beside: bytes = b""
    verdicts: Sequence[Signed[Verdict]] = ()
    revocations: Sequence[Signed[Revocation]] = ()
    challenges: Sequence[Signed[Challenge]] = ()
    claims: Sequence[Signed[Claim]] = ()

    @property
    def known(self) -> Known:
        """What was tried before."""
        return Known(self.verdicts, self.revocations, self.challenges, self.claims)

    @property
    def answered(self) -> bool:
        """Whether the claimant answered this challenge; what others send, or answers to others, is no answer."""
        found = self.opening
        whose = found is not None and found.document.signers == self.claim.document.signers
        return whose and found is not None and found.document.challenge == self.challenge.digest


def signatures(papers: Papers) -> tuple[bool, str]:
    """Verify every envelope again, whoever read it before."""
    whole: list[Signed[Any]] = [papers.claim, papers.challenge, *papers.verdicts, *papers.revocations]
    whole += [*papers.challenges, *papers.claims]
    whole += [paper for paper in (papers.deposit, papers.opening) if paper is not None]
    for paper in whole:
        envelope.verify(paper)
    return True, f"all {len(whole)} documents are signed by everyone they name"


def together(papers: Papers) -> tuple[bool, str]:
    """Check that the challenge names these papers and asks for no more than it may."""
    asked = papers.challenge.document
    if asked.claim != papers.claim.digest or asked.deposit != (papers.deposit.digest if papers.deposit else ""):
        raise MismatchError("expected a challenge that names this claim and this deposit, got one that names others")
    if asked.bar < papers.claim.document.policy.bar:
        raise MismatchError(
            f"expected a bar of at least the claim's {papers.claim.document.policy.bar}, got {asked.bar}"
        )
    if asked.draws and asked.suspect.kind == "transcript":
        raise MismatchError("expected a whole lot where answers were recorded before the nonce, got a part of it")
    require_copies(papers.claim.document, asked)
    remarks = [f"bar {asked.bar} bits", f"lot {asked.lot} of key {asked.key}"]
    remarks += [f"message of the copy for {asked.recipient}"] if asked.recipient else []
    if asked.bar < BAR:
        remarks[0] += f", below the usual {BAR}"
    remarks += [f"keys {a} and {b} were made from one secret" for a, b in of_one_secret(papers.claim.document)]
    return True, f"the challenge names them; {asked.test} test, {', '.join(remarks)}"


def require_copies(claim: Claim, asked: Challenge) -> None:
    """Raise MismatchError where a challenge names a recipient of a key of which the claim says no copies."""
    if asked.recipient and copies(claim, asked.key) is None:
        raise MismatchError(
            f"expected a claim that says beforehand that key {asked.key} has copies, got one that does not",
            hint="a name found for a suspect afterwards is a free choice, and this claim pays for none: claim --copies",
        )


def present(papers: Papers) -> tuple[bool, str]:
    """Check that an opening came."""
    if papers.opening is None:
        raise MismatchError(f"expected an opening before {papers.challenge.document.expires}, none came")
    return True, "there is one"


def in_time(papers: Papers, received: str) -> tuple[bool, str]:
    """Check that it came in time, by the judge's clock."""
    asked = papers.challenge.document
    if instant(received) > instant(asked.expires):
        raise MismatchError(f"expected an opening before {asked.expires}, this one came at {received}")
    if instant(received) < instant(asked.issued):
        raise MismatchError(f"expected an opening after the challenge of {asked.issued}, this one came at {received}")
    return True, f"it came at {received}, before {asked.expires}"


def head(papers: Papers) -> Head:
    """Return what a record in this dispute is about."""
    return Head(papers.claim.digest, papers.challenge.document.key, papers.challenge.document.lot)
