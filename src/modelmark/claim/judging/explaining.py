"""A verdict in plain words, as lines; ``modelmark.claim.judging.telling`` says what they are."""

from modelmark.claim.judging import strength, telling
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
) -> list[str]:
    """Return the verdict's reasoning, a line each; an empty line parts the sections. Arguments as of ``telling.tell``."""
    told = telling.tell(signed, claim, challenge, judge)
    checks = [
        f"{SIGNS[one.state]} {number}. {one.name}: {one.state}. {f'{one.sentence} ' if one.sentence else ''}[{one.detail}]"
        for number, one in enumerate(told.checks, 1)
    ]
    taken = [
        f"Taken off for what the claimant was free to try: {bits} bits, {reason}." for reason, bits in told.charges
    ]
    sums = [f"The agreement is worth {told.agreement} bits.", *taken, told.left[1]] if told.left else []
    sections = [
        (f"{told.title} ({told.decision})", [*told.meaning, *told.strength]),
        ("What it is about", [f"{name}: {value}" for name, value in told.about]),
        ("What it does not show", list(told.limits)),
        ("What a watermark is", list(told.watermark)),
        ("What was compared", [*told.compared, *sums]),
        (f"What was checked, in this order: {telling.counts(told)}", checks),
        ("Fingerprints", [f"{name} {value}" for name, value in told.papers]),
    ]
    return [line for title, lines in sections for line in [title, *lines, ""]][:-1]


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
