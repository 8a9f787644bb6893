"""A verdict with its papers: every check made again, and explained beside what the judge signed."""

from pathlib import Path

from modelmark import files
from modelmark.align.handed import Handed
from modelmark.claim.judging import bundle, pages
from modelmark.claim.papers import envelope
from modelmark.claim.papers.envelope import MAX_ENVELOPE, Signed
from modelmark.claim.papers.verdict import Verdict
from modelmark.desk.given import Given
from modelmark.desk.work import Result, Step, keys, weights
from modelmark.errors import MalformedError
from modelmark.suspects.state import State


def run(given: Given, step: Step) -> Result:
    """Return the verdict explained.

    Raises:
        RefusedError: a file is not what it should be.
    """
    step("reading the papers and their signatures")
    (path,) = given.every("verdict")
    signed = _verdict(path)
    for paper in given.every("papers"):
        _require_no_secret(paper)
    found = bundle.sort(given.every("papers"))
    claim, challenge = (found.named(kind, getattr(signed.document, kind)) for kind in ("claim", "challenge"))
    step("making every check again")
    came = bundle.repeat(
        signed, found, keys.trust(given),
        suspect=State(weights.opened(given.every("suspect"))) if given.every("suspect") else None,
        host=Handed(weights.opened(given.every("host"))) if given.every("host") else None,
    )  # fmt: skip
    words = (signed, claim, challenge, "", came)
    return Result("A verdict, computed again", pages.part(*words), pages.page(*words), "verdict", "verdict")


def _verdict(path: Path) -> Signed[Verdict]:
    _require_no_secret(path)
    kind = envelope.kind(files.read(path, limit=MAX_ENVELOPE, what="a verdict"))
    if kind != "verdict":
        raise MalformedError(f"expected a verdict, got a {kind}: {path.name}", hint="drop it among the papers")
    return envelope.load(path, Verdict)


def _require_no_secret(path: Path) -> None:
    if bundle.is_secret(path):
        raise MalformedError(
            f"expected papers, got a key or an identity: {path.name}",
            hint="that is a secret; whoever sent it to you should know that",
        )
