"""Two claims on one model: both keys are tried on both parties' earliest deposited models.

Whoever copied carries the other's mark in the model he calls his own; the other does not carry his. A verdict that could not
be reached says neither, unless the claim is younger than the model: then the model cannot carry its mark.

Source: design notes of the project, protocol section 5.6, step 11.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from modelmark.claim.papers.envelope import Signed
from modelmark.claim.papers.verdict import Verdict
from modelmark.errors import MismatchError

Pair = tuple[int, int]
"""Whose claim, on whose model: 0 or 1 each."""


@dataclass(frozen=True)
class Precedence:
    """Who was first.

    Args:
        first: 0 or 1; None where the papers do not say.
        reason: in one line.
    """

    first: int | None
    reason: str


def rival(verdicts: Mapping[Pair, Signed[Verdict]]) -> Precedence:
    """Return who was first, from one judge's four verdicts.

    Args:
        verdicts: by whose claim was tried on whose earliest deposited model.

    Raises:
        MismatchError: not four verdicts of one judge about two claims and two models, each model with a date.
    """
    if set(verdicts) != {(0, 0), (0, 1), (1, 0), (1, 1)}:
        raise MismatchError("expected both claims on both models, got others")
    papers = {pair: signed.document for pair, signed in verdicts.items()}
    if len({paper.signers for paper in papers.values()}) != 1:
        raise MismatchError("expected verdicts of one judge, got several judges'")
    for side in (0, 1):
        if (
            papers[side, 0].claim != papers[side, 1].claim
            or papers[0, side].suspect.digest != papers[1, side].suspect.digest
        ):
            raise MismatchError("expected both claims on both models, got verdicts about more than two of them")
        if not papers[0, side].suspect_date or papers[0, side].suspect_date != papers[1, side].suspect_date:
            raise MismatchError("expected the deposit date of each model in both verdicts about it, got none or two")
    if papers[0, 0].claim == papers[1, 0].claim or papers[0, 0].suspect.digest == papers[0, 1].suspect.digest:
        raise MismatchError("expected two claims and two models, got one twice")
    if any(paper.decision == "invalid-claim" for paper in papers.values()):
        return Precedence(None, "a claim or its papers do not hold")
    for (who, whose), paper in papers.items():
        if paper.decision == "not-decidable" and paper.order != "suspect-first":  # nothing was tested
            return Precedence(None, f"claim {who} could not be judged on model {whose}")
    found = {pair: paper.decision == "dependence-shown" for pair, paper in papers.items()}
    for side in (0, 1):
        if not found[side, side]:
            return Precedence(None, f"the mark of claim {side} is not in its own claimant's earliest model")
    if found[0, 1] == found[1, 0]:
        word = "both models carry both marks" if found[0, 1] else "neither model carries the other's mark"
        return Precedence(None, word)
    first = 0 if found[0, 1] else 1
    return Precedence(
        first, f"model {1 - first} carries the mark of claim {first}, model {first} not that of claim {1 - first}"
    )
