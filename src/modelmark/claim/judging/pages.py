"""A verdict as a page: one HTML file that needs nothing else, no script, no network; every text in it is escaped."""

from pathlib import Path

from markupsafe import Markup

from modelmark.claim.judging import telling
from modelmark.claim.judging.again import Again
from modelmark.claim.papers.claim import Claim
from modelmark.claim.papers.dispute import Challenge
from modelmark.claim.papers.envelope import Signed
from modelmark.claim.papers.verdict import Verdict
from modelmark.templating import templates

_FOLDER = Path(__file__).parent / "templates"
SIGNS = {"holds": "✓", "fails": "✗", "not checked": "○"}
"""What stands before a word, so that nobody has to tell colours apart."""
_DECISIONS = {"dependence-shown": "shown", "no-evidence": "none", "invalid-claim": "void", "not-decidable": "open"}


def page(
    signed: Signed[Verdict],
    claim: Signed[Claim] | None = None,
    challenge: Signed[Challenge] | None = None,
    judge: str = "",
    again: Again | None = None,
) -> str:
    """Return a verdict as HTML; arguments as of ``telling.tell``, and what came out when it was computed again."""
    return _rendered("verdict.html.j2", signed, claim, challenge, judge, again)


def part(
    signed: Signed[Verdict],
    claim: Signed[Claim] | None = None,
    challenge: Signed[Challenge] | None = None,
    judge: str = "",
    again: Again | None = None,
) -> str:
    """Return what ``page`` has in its body, for a page that has a head and a style sheet: its own and ``css``."""
    return _rendered("told.html.j2", signed, claim, challenge, judge, again)


def css() -> str:
    """Return the style sheet."""
    return (_FOLDER / "verdict.css").read_text()


def _rendered(
    name: str,
    signed: Signed[Verdict],
    claim: Signed[Claim] | None,
    challenge: Signed[Challenge] | None,
    judge: str,
    again: Again | None,
) -> str:
    told, template = telling.tell(signed, claim, challenge, judge), templates(_FOLDER).get_template(name)
    return template.render(
        css=Markup(css()),
        told=told,
        case=challenge.document.case if challenge and challenge.digest == signed.document.challenge else "",
        counts=telling.counts(told),
        signs=SIGNS,
        style=_DECISIONS[told.decision],
        again=again,
        repeated={one.name: one for one in again.checks} if again else {},
    )
