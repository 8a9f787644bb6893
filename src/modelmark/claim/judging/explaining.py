"""A verdict in plain words, for people who have to act on it; as lines, and as a page that stands by itself."""

import html
from collections.abc import Sequence

from modelmark.claim.papers.claim import Claim
from modelmark.claim.papers.envelope import Signed
from modelmark.claim.papers.verdict import Verdict, Weighed

_DECISIONS = {
    "dependence-shown": "The judge finds that the suspect depends on data drawn for this claim.",
    "no-evidence": "The judge finds no evidence that the suspect depends on data drawn for this claim.",
    "invalid-claim": "The judge finds that the claim or its papers do not hold.",
    "not-decidable": "The judge cannot decide on these papers.",
}

_MEANING = {
    "signatures": "Every document was signed by the parties it names, and not changed since.",
    "papers": "The documents belong to one another.",
    "deposit": "Independent timestamp authorities saw the claim before its secret message was drawn from their answer.",
    "nonce": "Which part of the evidence is asked for was left to chance.",
    "revocation": "The claimant has not taken the claim back.",
    "lot": "This portion of the evidence was not shown to anybody before.",
    "opening in time": "The claimant answered the challenge.",
    "expiry": "The answer came before the time was over.",
    "opening": "What was shown is what was committed to when the claim was dated; nothing was picked or left out.",
    "carriers": "The data handed in are those that were shown.",
    "scheme": "The kind of mark can be read from what was shown.",
    "form": "What was shown is of that kind.",
    "suspect": "The model examined is the one that was set aside before anything was shown.",
    "suspect's date": "When the suspect is first known to have existed.",
    "order in time": "The claim is older than the suspect.",
    "class map": "The suspect's answers mean what the claim says they mean.",
    "answers": "The suspect was asked, or read.",
    "test": "The answers were compared with the drawn message.",
}

_OUTCOMES = {"pass": "holds", "fail": "does not hold", "skipped": "not checked"}


def explain(signed: Signed[Verdict], claim: Signed[Claim] | None = None) -> list[str]:
    """Return the verdict's reasoning, a line each; an empty line parts the sections.

    Args:
        signed: the verdict.
        claim: the claim it is about, if it is at hand.
    """
    return [
        line for title, lines in _sections(signed, claim) for line in ([title, *lines, ""] if title else [*lines, ""])
    ][:-1]


def summary(signed: Signed[Verdict]) -> str:
    """Return the verdict in one line."""
    verdict = signed.document
    return "; ".join(
        [
            verdict.decision,
            *(
                f"{weighed.matches}/{weighed.trials} as drawn, {weighed.gross // 100 / 10} bits "
                f"(net {weighed.net // 100 / 10}) at a bar of {weighed.bar}"
                for weighed in verdict.weighed
            ),
        ]
    )


def page(signed: Signed[Verdict], claim: Signed[Claim] | None = None) -> str:
    """Return the same as a page (HTML) without scripts, links or outside parts; everything is escaped."""
    body = []
    for title, lines in _sections(signed, claim):
        body += [f"<h2>{html.escape(title)}</h2>"] if title else []
        body += [f"<p>{html.escape(line)}</p>" for line in lines]
    return (
        '<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8"><title>Verdict</title>\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        "<style>body{font:16px/1.5 serif;max-width:45em;margin:2em auto;padding:0 1em}"
        "h2{font-size:1.1em;margin-top:2em}p{margin:.4em 0;overflow-wrap:anywhere}</style></head>\n"
        f"<body>\n<h1>Verdict: {html.escape(signed.document.decision)}</h1>\n"
        + "\n".join(body)
        + "\n</body>\n</html>\n"
    )


def _sections(signed: Signed[Verdict], claim: Signed[Claim] | None) -> list[tuple[str, Sequence[str]]]:
    verdict = signed.document
    about = [f"Claim {verdict.claim}"]
    if claim is not None and claim.digest == verdict.claim:
        about.append(f"Claimant, by the claim's own word: {claim.document.claimant or 'not named'}")
    about += [
        f"Claim proven to exist: {verdict.claim_date or 'at no time that is proven'}",
        f"Suspect ({verdict.suspect.kind}) {verdict.suspect.digest}",
        f"Suspect first known: {verdict.suspect_date or 'no date is known'}",
        f"Challenge {verdict.challenge}",
        f"Opening {verdict.opening or 'none'}",
        f"Record of questions and answers {verdict.transcript or 'none'}",
        f"Judged {verdict.issued} by key {verdict.signers[0].public}, with {verdict.software}",
    ]
    checks = []
    for number, check in enumerate(verdict.checks, 1):
        meaning = _MEANING.get(check.name, "")
        checks.append(f"{number}. {check.name}: {_OUTCOMES[check.outcome]}. {meaning} [{check.detail}]")
    return [
        ("", [_DECISIONS[verdict.decision], verdict.sentence]),
        ("What it is about", about),
        ("What was checked, in this order", checks),
        *[("How strong the evidence is", _strength(weighed)) for weighed in verdict.weighed],
        ("What it does not show", _limits(verdict)),
    ]


def _strength(weighed: Weighed) -> list[str]:
    gross, net = weighed.gross / 1000, weighed.net / 1000
    test = (
        "asked once, all counted"
        if weighed.test == "exact"
        else "asked one after the other, stopping whenever one likes"
    )
    lines = [
        f"{weighed.matches} of {weighed.trials} answers are those that were drawn ({test}).",
        f"A model that does not depend on the draw hits each with a chance of 1 in {weighed.alphabet}, whatever the data are.",
        f"So many or more hits come about by luck no more often than once in 2^{gross:.1f} cases ({gross:.1f} bits).",
    ]
    lines += [
        f"Subtracted for what the claimant was free to try: {one.millibits / 1000:.1f} bits, {one.reason}."
        for one in weighed.charges
    ]
    reached = "reached" if weighed.net >= 1000 * weighed.bar else "not reached"
    return [
        *lines,
        f"That leaves {net:.1f} bits; the bar, named before anything was shown, is {weighed.bar}: {reached}.",
    ]


def _limits(verdict: Verdict) -> list[str]:
    lines = [
        "It does not say how the dependence came about: by copying, by training on the suspect's or the owner's answers, or on "
        "data into which somebody had put the claimant's pictures.",
        "It does not say who owns the model.",
    ]
    if verdict.order != "claim-first":
        lines.append("It does not say that the claim is older than the suspect.")
    if verdict.suspect.kind == "transcript":
        lines.append("It rests on whoever kept the record of answers: nobody else can repeat it.")
    return lines
