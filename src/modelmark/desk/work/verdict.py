"""A verdict with its papers: every check made again, and explained beside what the judge signed."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from modelmark import files
from modelmark.align.handed import Handed
from modelmark.claim.judging import again, pages
from modelmark.claim.judging.again import Again
from modelmark.claim.judging.judge import Papers
from modelmark.claim.papers import envelope, transcript
from modelmark.claim.papers.envelope import MAX_ENVELOPE, Signed
from modelmark.claim.papers.schemas import DOCUMENTS
from modelmark.claim.papers.transcript import Transcript
from modelmark.claim.papers.verdict import Verdict
from modelmark.desk.given import Given
from modelmark.desk.work import Result, Step, keys, weights
from modelmark.errors import MalformedError
from modelmark.marks import keyfile
from modelmark.suspects.state import State

MOST_BESIDE = 2**31
"""Bytes of carriers."""


@dataclass
class Found:
    """What the papers are, by what is in them.

    Args:
        signed: documents by kind, every signature verified.
        records: of answers.
        others: files that are neither, such as the carriers beside an opening.
    """

    signed: dict[str, list[Signed[Any]]] = field(default_factory=lambda: {kind: [] for kind in DOCUMENTS})
    records: list[Transcript] = field(default_factory=list)
    others: list[Path] = field(default_factory=list)

    def named(self, kind: str, digest: str) -> Signed[Any] | None:
        """Return the document of this kind and digest."""
        return next((one for one in self.signed[kind] if one.digest == digest), None)


def run(given: Given, step: Step) -> Result:
    """Return the verdict explained.

    Raises:
        RefusedError: a file is not what it should be.
    """
    step("reading the papers and their signatures")
    (path,) = given.every("verdict")
    signed = _verdict(path)
    found = sort(given.every("papers"))
    claim, challenge = (found.named(kind, getattr(signed.document, kind)) for kind in ("claim", "challenge"))
    step("making every check again")
    came = repeat(signed, found, given)
    words = (signed, claim, challenge, "", came)
    return Result("A verdict, computed again", pages.part(*words), pages.page(*words), "verdict", "verdict")


def _verdict(path: Path) -> Signed[Verdict]:
    _require_no_secret(path)
    kind = envelope.kind(files.read(path, limit=MAX_ENVELOPE, what="a verdict"))
    if kind != "verdict":
        raise MalformedError(f"expected a verdict, got a {kind}: {path.name}", hint="drop it among the papers")
    return envelope.load(path, Verdict)


def sort(paths: Sequence[Path]) -> Found:
    """Return which paper is which; names say nothing.

    Raises:
        MalformedError: a document that is not as it was signed, a record that is damaged, or a key, which is nobody else's.
    """
    found = Found()
    for path in paths:
        _require_no_secret(path)
        head = files.head(path, 32, what="a paper")
        if head.startswith(b'{"payload"'):
            data = files.read(path, limit=MAX_ENVELOPE, what="a document")
            kind = envelope.kind(data)
            if kind not in DOCUMENTS:
                raise MalformedError(f"expected a paper of a dispute, got a {kind}: {path.name}")
            found.signed[kind].append(envelope.parse(data, DOCUMENTS[kind]))
        elif head.startswith(b'{"claim"'):
            found.records.append(transcript.load(path))
        else:
            found.others.append(path)
    return found


def _require_no_secret(path: Path) -> None:
    if files.head(path, 32, what="a paper").startswith(keyfile.MAGIC):
        raise MalformedError(
            f"expected papers, got a key: {path.name}",
            hint="a key is a secret; whoever sent it to you should know that",
        )


def repeat(signed: Signed[Verdict], found: Found, given: Given) -> Again:
    """Return what comes out of the papers, or what is lacking."""
    verdict = signed.document
    lacking = again.lacking(signed, [one for every in found.signed.values() for one in every])
    shown = found.named("opening", verdict.opening)
    beside = b""
    if shown is not None and (size := sum(leaf.size for leaf in shown.document.leaves)):
        fitting = next((path for path in found.others if path.stat().st_size == size), None)
        if fitting is not None:
            beside = files.read(fitting, limit=min(size, MOST_BESIDE), what="carriers beside the opening")
        else:
            lacking += (f"the carriers beside the opening, a file of {size:,} bytes (its name ends in .carriers)",)
    if lacking:
        return Again(again.NOTHING, lacking=lacking)
    papers = Papers(
        found.named("claim", verdict.claim), found.named("deposit", verdict.deposit),  # type: ignore[arg-type]
        found.named("challenge", verdict.challenge), shown, beside,  # type: ignore[arg-type]
        [one for one in found.signed["verdict"] if one.digest != signed.digest],
        found.signed["revocation"],
        [one for one in found.signed["challenge"] if one.digest != verdict.challenge],
        [one for one in found.signed["claim"] if one.digest != verdict.claim],
    )  # fmt: skip
    kept = (verdict.transcript, verdict.suspect.digest)
    record = next((one for one in found.records if one.digest in kept), None)
    return again.again(
        signed, papers, keys.trust(given),
        suspect=State(weights.opened(given.every("suspect"))) if given.every("suspect") else None,
        record=record,
        host=Handed(weights.opened(given.every("host"))) if given.every("host") else None,
    )  # fmt: skip
