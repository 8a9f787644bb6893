"""A verdict in plain words, as lines; ``modelmark.claim.judging.telling`` says what they are."""

from modelmark.claim.judging import strength, telling
from modelmark.claim.judging.again import OTHER, SAME, Again
from modelmark.claim.judging.telling import STATES
from modelmark.claim.papers.claim import Claim
from modelmark.claim.papers.dispute import Challenge
from modelmark.claim.papers.envelope import Signed
from modelmark.claim.papers.verdict import Graded, Verdict, Weighed

SIGNS = {"holds": "[+]", "fails": "[x]", "not checked": "[ ]"}
"""What stands before a check, by what it came to."""


def explain(
    signed: Signed[Verdict],
    claim: Signed[Claim] | None = None,
    challenge: Signed[Challenge] | None = None,
    judge: str = "",
    came: Again | None = None,
) -> list[str]:
    """Return the verdict's reasoning, a line each; an empty line parts the sections.

    Arguments as of ``telling.tell``, and what came out when it was computed again.
    """
    told = telling.tell(signed, claim, challenge, judge)
    checks = [
        f"{SIGNS[one.state]} {number}. {one.name}: {one.state}. {f'{one.sentence} ' if one.sentence else ''}[{one.detail}]"
        + _second(came, one.name)
        for number, one in enumerate(told.checks, 1)
    ]
    taken = [
        f"Taken off for what the claimant was free to try: {bits} bits, {reason}." for reason, bits in told.charges
    ]
    sums = [f"The agreement is worth {told.agreement} bits.", *taken, told.left[1]] if told.left else []
    sections = [
        *([("Computed again", _again(came))] if came else []),
        (f"{told.title} ({told.decision})", [*told.meaning, *told.strength]),
        ("What it is about", [f"{name}: {value}" for name, value in told.about]),
        ("What it does not show", list(told.limits)),
        ("What a watermark is", list(told.watermark)),
        ("What was compared", [*told.compared, *sums]),
        (f"What was checked, in this order: {telling.counts(told)}", checks),
        ("Fingerprints", [f"{name} {value}" for name, value in told.papers]),
    ]
    return [line for title, lines in sections for line in [title, *lines, ""]][:-1]


def _again(came: Again) -> list[str]:
    """Return what is said first of a verdict that was computed again."""
    return [
        came.summary,
        *([] if came.agrees else ["Ask the judge why. Until that is answered, do not rely on this verdict."]),
        *(f"Taken on the judge's word: {what}." for what in came.on_trust),
        *(f"Not at hand: {what}." for what in came.lacking),
        *([f"It was refused: {came.stopped}."] if came.stopped else []),
    ]


def _second(came: Again | None, name: str) -> str:
    """Return what a check came to when it was made again."""
    found = next((one for one in came.checks if one.name == name), None) if came else None
    if found is None:
        return ""
    other = f", it {_became(found.here)}" if found.came == OTHER else ""
    return f" Made again: {found.came}{other}" + (f": {found.detail}" if found.came != SAME else "") + "."


def _became(state: str) -> str:
    return f"is {state}" if state == STATES["skipped"] else state


def _graded(weighed: Weighed) -> str:
    return f"graded {weighed.score:,} of {weighed.highest:,}, " if isinstance(weighed, Graded) else ""


def summary(signed: Signed[Verdict]) -> str:
    """Return the verdict in one line."""
    verdict = signed.document
    return "; ".join(
        [
            verdict.decision,
            *([f"copy of {verdict.recipient}"] if verdict.recipient else []),
            *(
                f"{weighed.matches}/{weighed.trials} as drawn, {_graded(weighed)}{strength.down(weighed.gross)} bits "
                f"(net {strength.down(weighed.net)}) at a bar of {weighed.bar}"
                for weighed in verdict.weighed
            ),
        ]
    )
