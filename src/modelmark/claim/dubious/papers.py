"""A proof in a dispute: which claim names the commitment, and what the judge's challenge asks.

A claim's nonce is the commitment's digest. So the commitment is dated with the claim, and a draw that binds the claim comes
after it; no other field is needed, and nothing outside this package knows of it. An offline draw binds the key's statement
alone: whoever computes it can commit afterwards, to a matrix that fits. It is refused.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

import numpy.typing as npt

from modelmark.claim.dates.deposit import Dated
from modelmark.claim.dubious import encoding, proof
from modelmark.claim.dubious.pedersen import Commitment
from modelmark.claim.dubious.proof import Public, Witness
from modelmark.claim.judging import desk, weighing
from modelmark.claim.papers.claim import Entry
from modelmark.claim.papers.dispute import Challenge
from modelmark.claim.papers.envelope import Signed
from modelmark.claim.papers.shapes import instant
from modelmark.claim.papers.verdict import Weighed
from modelmark.errors import MalformedError, MismatchError
from modelmark.evidence import stats


@dataclass(frozen=True)
class Case:
    """What a proof in a dispute is about.

    Args:
        dated: the claim, its deposit checked (``deposit.check``).
        challenge: the judge's, to this claim, for the whole lot of a key that has one, by the exact test.
        commitment: the file whose digest is the claim's nonce.
        weights: of the suspect's layer ``commitment.layer``, ``(filters, *kernel)``, read by each side from the model whose
            digest the challenge froze.
    """

    dated: Dated
    challenge: Signed[Challenge]
    commitment: Commitment
    weights: npt.NDArray[Any]

    scheme: ClassVar[str] = "uchida"

    def public(self) -> Public:
        """Return what the proof binds.

        Raises:
            MismatchError: the papers do not belong together, or are of a kind that no proof can be about.
        """
        claim, asked = self.dated.claim, self.challenge.document
        entry, draw = self._entry(), self.dated.draw(asked.key)
        return Public(
            bytes.fromhex(claim.digest),
            bytes.fromhex(self.challenge.digest),
            bytes.fromhex(asked.suspect.digest),
            bytes.fromhex(asked.nonce),
            self.commitment,
            self.weights,
            (draw.of(asked.recipient) if asked.recipient else draw).message(2, entry.statement.trials),
        )

    def _entry(self) -> Entry:
        claim, asked, committed = self.dated.claim.document, self.challenge.document, self.commitment
        if asked.claim != self.dated.claim.digest or asked.key >= len(claim.keys):
            raise MismatchError("expected a challenge to a key of this claim, got another")
        if asked.deposit != self.dated.deposit:
            raise MismatchError("expected the deposit that the challenge names, got another: each is a draw of its own")
        if claim.draw.kind == "offline":
            raise MismatchError("expected a draw that binds the claim, got an offline one: a commitment could be later")
        if claim.nonce != encoding.digest(committed).hex():
            raise MismatchError("expected the commitment whose digest is the claim's nonce, got another")
        entry = claim.keys[asked.key]
        said = entry.statement
        if said.scheme != self.scheme or said.alphabet != 2 or said.parameters.get("message", "drawn") != "drawn":
            raise MismatchError(f"expected a key of {self.scheme} whose message was drawn, got another kind of key")
        if said.root != committed.root.hex():
            raise MismatchError("expected the commitment to the challenged key, got one to another")
        self._require_sizes(entry)
        desk.require_copies(claim, asked)
        if asked.suspect.kind != "weights":
            raise MismatchError(f"expected a suspect frozen by its weights, got {asked.suspect.kind}")
        if len(entry.lots) != 1 or asked.lot or asked.draws or asked.test != "exact":
            raise MismatchError("expected a challenge by the exact test for the whole of one lot, got another")
        return entry

    def _require_sizes(self, entry: Entry) -> None:
        committed, said = self.commitment, entry.statement
        if (said.trials, said.parameters.get("width")) != (committed.rows, len(committed.points)):
            raise MismatchError("expected the commitment to the challenged key, got one to another")


def prove(case: Case, witness: Witness) -> bytes:
    """Return the claimant's proof.

    Raises:
        MismatchError: the papers do not belong together, the witness is not the key's, or the suspect stays below the bar.
        SuspectError: its weights cannot be scaled.
    """
    public, claim, asked = case.public(), case.dated.claim.document, case.challenge.document
    key, whose = asked.key, asked.recipient
    due = sum(charge.millibits for charge in weighing.charged(claim, key=key, recipient=whose)) / 1000
    least = stats.minimum_matches(asked.bar + due, case.commitment.rows, Fraction(1, 2))
    if least is None:
        raise MismatchError(
            f"expected a key that can reach {asked.bar} bits after {due:.1f} of charges, got a smaller one"
        )
    return proof.prove(public, witness, least=least)


def weigh(case: Case, data: bytes, *, received: str) -> Weighed:
    """Return the exact test over all T bits, less the claim's charges, as a verdict lists it.

    Who signed what, the order in time and revocations are judged as for every claim; nothing of that is done here.

    Args:
        case: the papers and the suspect's weights.
        data: the proof.
        received: when it came, by the judge's clock.

    Raises:
        MalformedError: it does not hold, or came too late.
        MismatchError: the papers do not belong together.
        SuspectError: the suspect's weights cannot be read.
    """
    asked = case.challenge.document
    if instant(received) > instant(asked.expires):
        raise MalformedError(f"expected a proof before {asked.expires}, got one at {received}")
    public = case.public()
    matched = proof.verify(public, data)
    expected = public.message.tolist()
    found = [bit if match else 1 - bit for bit, match in zip(expected, matched, strict=True)]
    return weighing.weigh(case.dated.claim.document, asked, case._entry(), expected, found)
