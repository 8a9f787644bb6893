"""A verdict for people who have to act on it: what was found, how sure, what was checked, what it does not show.

``tell`` puts it together from the signed verdict and from the claim and the challenge where they are at hand; ``explaining``
writes it as lines, ``pages`` as a page. Nothing is said that the verdict does not say: what is true of dated claims alone, or of
claims older than their suspect, stands only where that was checked.
"""

from dataclasses import dataclass

from modelmark import carriers
from modelmark.claim.judging import strength, wording
from modelmark.claim.papers.claim import Claim
from modelmark.claim.papers.dispute import Challenge
from modelmark.claim.papers.envelope import Signed
from modelmark.claim.papers.verdict import Check, Graded, Verdict, Weighed
from modelmark.suspects.base import access

STATES = {"pass": "holds", "fail": "fails", "skipped": "not checked"}
"""What a check can come to, in words."""


@dataclass(frozen=True)
class Checked:
    """One check, told.

    Args:
        name: of the check.
        state: a word of ``STATES``.
        sentence: what holds or fails, or the question that was not answered; may be empty.
        detail: the verdict's own words.
    """

    name: str
    state: str
    sentence: str
    detail: str


@dataclass(frozen=True)
class Told:
    """A verdict in plain words.

    Args:
        decision: the verdict's word.
        title: the decision for people.
        meaning: what it says, and why where something failed.
        strength: how strong the evidence is, and what that chance is not; empty where nothing was tested.
        about: names and values of case, parties and dates.
        watermark: what a watermark is, and where this one's message comes from.
        compared: what was compared, and how it is counted.
        agreement: bits, before anything is taken off; empty where nothing was tested.
        charges: what the claimant was free to try, and the bits taken off for it.
        left: the bits that are left, and how they stand to the bar; empty where nothing was tested.
        checks: in the order they were made.
        limits: what it does not show.
        papers: names and fingerprints.
    """

    decision: str
    title: str
    meaning: tuple[str, ...]
    strength: tuple[str, ...]
    about: tuple[tuple[str, str], ...]
    watermark: tuple[str, ...]
    compared: tuple[str, ...]
    agreement: str
    charges: tuple[tuple[str, str], ...]
    left: tuple[str, ...]
    checks: tuple[Checked, ...]
    limits: tuple[str, ...]
    papers: tuple[tuple[str, str], ...]


def tell(
    signed: Signed[Verdict],
    claim: Signed[Claim] | None = None,
    challenge: Signed[Challenge] | None = None,
    judge: str = "",
) -> Told:
    """Return what a verdict says.

    Args:
        signed: the verdict.
        claim: the claim it is about, if it is at hand; another one is left aside.
        challenge: the challenge it answers, if it is at hand; another one is left aside.
        judge: the judge's name, by the word of whoever asks.
    """
    verdict = signed.document
    claim = claim if claim is not None and claim.digest == verdict.claim else None
    challenge = challenge if challenge is not None and challenge.digest == verdict.challenge else None
    draw, (weighed,) = _draw(verdict, claim), verdict.weighed or (None,)
    return Told(
        verdict.decision,
        wording.TITLES[verdict.decision],
        _meaning(verdict),
        (strength.sentence(weighed), strength.caution()) if weighed else (),
        _about(verdict, claim, challenge, judge),
        (*wording.WATERMARK, *([wording.DRAWS[draw]] if draw else [])),
        _compared(weighed, _scheme(claim, challenge)),
        strength.down(weighed.gross) if weighed else "",
        tuple((one.reason, strength.up(one.millibits)) for one in weighed.charges) if weighed else (),
        (strength.down(weighed.net), strength.reached(weighed)) if weighed else (),
        tuple(_checked(check, draw, claim) for check in verdict.checks),
        _limits(verdict, draw),
        _papers(signed),
    )


def counts(told: Told) -> str:
    """Return how many checks hold, how many fail, and how many were not made."""
    states = [one.state for one in told.checks]
    return f"{states.count('holds')} hold, {states.count('fails')} fail, {states.count('not checked')} not checked"


def _draw(verdict: Verdict, claim: Signed[Claim] | None) -> str:
    """Return the kind of draw, once the deposit was checked; empty where it was not, or where nothing says the kind."""
    if not any((check.name, check.outcome) == ("deposit", "pass") for check in verdict.checks):
        return ""
    if not verdict.deposit:
        return "offline"
    if claim is not None:
        return claim.document.draw.kind
    reasons = [charge.reason for weighed in verdict.weighed for charge in weighed.charges]
    return next((kind for kind in wording.DRAWS if f"{kind} draw" in reasons), "")


def _meaning(verdict: Verdict) -> tuple[str, ...]:
    lines = [wording.MEANINGS[verdict.decision]]
    if verdict.decision == "dependence-shown":
        lines.append(wording.MEANS_DEPENDENCE)
    for check in verdict.checks:
        if check.outcome == "fail":
            lines.append(f"Reason: {wording.CHECKS[check.name][2] if check.name in wording.CHECKS else check.detail}")
    return tuple(lines)


def _about(
    verdict: Verdict, claim: Signed[Claim] | None, challenge: Signed[Challenge] | None, judge: str
) -> tuple[tuple[str, str], ...]:
    suspect = {"weights": "the weights of a network", "transcript": "a record of somebody's questions and its answers"}
    rows = []
    if challenge is not None:
        rows.append(("Case, as the judge calls it", challenge.document.case or "not named"))
    rows.append(("Judge", judge or "known here by a key alone"))
    if claim is not None:
        rows.append(("Claimant, by the claim's own word", claim.document.claimant or "not named"))
    return (
        *rows,
        ("Suspect", suspect[verdict.suspect.kind]),
        ("Claim proven to exist", verdict.claim_date or "at no time that is proven"),
        *([("Message", f"that of the copy for {verdict.recipient}")] if verdict.recipient else []),
        ("Suspect first known", verdict.suspect_date or "no date is known"),
        ("Judged, by the judge's clock", verdict.issued),
    )


def _scheme(claim: Signed[Claim] | None, challenge: Signed[Challenge] | None) -> str:
    """Return the scheme of the challenged key, as far as the papers at hand say it."""
    schemes = [entry.statement.scheme for entry in claim.document.keys] if claim is not None else []
    if challenge is not None:
        schemes = schemes[challenge.document.key :][:1]
    return schemes[0] if len(set(schemes)) == 1 else ""


def _compared(weighed: Weighed | None, scheme: str) -> tuple[str, ...]:
    if weighed is None:
        return ("Nothing was compared.",)
    lines, noun, graded = [], "symbols", []
    if scheme in wording.SCHEMES:
        lines.append(f"The test points of this kind of watermark ({scheme}): {wording.SCHEMES[scheme]}.")
        noun = wording.NOUNS.get(scheme) or ("answers" if _asked(scheme) else "bits")
    if isinstance(weighed, Graded):
        graded.append(wording.GRADED.format(score=f"{weighed.score:,}", highest=f"{weighed.highest:,}"))
    how = (
        "all were counted, once"
        if weighed.test == "exact"
        else "they were taken one after the other, and counted in a way that allows for stopping at any time"
    )
    return (
        *lines,
        f"{weighed.matches} of {weighed.trials} {noun} are those that were drawn; {how}.",
        *graded,
        f"A model that does not depend on the message gives each with a chance of 1 in {weighed.alphabet}.",
        "One bit of evidence is one more head in a row with a fair coin.",
    )


def _asked(scheme: str) -> bool:
    kind = carriers.kind(scheme)
    return kind is not None and access(kind.probe) == "black-box"


def _checked(check: Check, draw: str, claim: Signed[Claim] | None) -> Checked:
    question, holds, fails = wording.CHECKS.get(check.name, ("", "", ""))
    state = STATES[check.outcome]
    if check.name == "deposit" and draw:
        holds = wording.DATED[draw].format(authorities=_authorities(claim))
        state = "not checked" if draw == "offline" else state
        question = holds if draw == "offline" else question
    return Checked(check.name, state, {"holds": holds, "fails": fails, "not checked": question}[state], check.detail)


def _authorities(claim: Signed[Claim] | None) -> str:
    count = len(claim.document.draw.authorities) if claim is not None else 0
    number = {0: "The timestamp authorities", 1: "The one timestamp authority"}.get(
        count, f"All {count} timestamp authorities"
    )
    return f"{number} that the claim names, and the judge trusts"


def _limits(verdict: Verdict, draw: str) -> tuple[str, ...]:
    lines = [*wording.LIMITS[verdict.decision]]
    if verdict.order == "claim-first":
        lines.append(
            "It does not say that the suspect was made after the claim: only that the judge knows no older trace of it."
        )
    elif verdict.order == "unknown":
        lines.append("It does not say which is older, the claim or the suspect.")
    if verdict.recipient and verdict.decision == "dependence-shown":
        lines.append(wording.NOT_THE_RECIPIENT)
    if draw == "offline":
        lines.append("It does not say when the claim was made.")
    if verdict.suspect.kind == "transcript":
        lines.append(
            "It rests on whoever kept the record of answers: nobody else can repeat it, and its keeper could invent it."
        )
    return tuple(lines)


def _papers(signed: Signed[Verdict]) -> tuple[tuple[str, str], ...]:
    verdict = signed.document
    suspect = {"weights": "Suspect, its tensors", "transcript": "Suspect, its record of answers"}[verdict.suspect.kind]
    return (
        (suspect, verdict.suspect.digest),
        ("Claim", verdict.claim),
        ("Deposit", verdict.deposit or "none"),
        ("Challenge", verdict.challenge),
        ("Opening", verdict.opening or "none"),
        ("Record of questions and answers", verdict.transcript or "none"),
        ("Verdict", signed.digest),
        *((f"Judge's key, {signer.algorithm}", signer.public) for signer in verdict.signers),
        ("Made with", verdict.software),
    )
