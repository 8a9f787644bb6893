"""The papers of a verdict as somebody got them, in a heap: which is which, what is lacking, and what comes out of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from modelmark import files
from modelmark.claim.dates.deposit import Trust
from modelmark.claim.judging import again
from modelmark.claim.judging.again import Again
from modelmark.claim.judging.judge import Host, Papers, Suspect
from modelmark.claim.papers import envelope, opening, transcript
from modelmark.claim.papers.dispute import Leaf
from modelmark.claim.papers.envelope import MAX_ENVELOPE, Signed
from modelmark.claim.papers.schemas import DOCUMENTS
from modelmark.claim.papers.transcript import Transcript
from modelmark.claim.papers.verdict import Verdict
from modelmark.errors import MalformedError

MOST_BESIDE = 2**31
"""Bytes of carriers."""
_LINE, _SECRET = 4096, b"modelmark-"


@dataclass
class Bundle:
    """What the papers are, by what is in them; names of files say nothing.

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


def is_secret(path: Path) -> bool:
    """Return whether a file is a key or an identity, neither of which is a paper, nor anybody else's."""
    return files.head(path, len(_SECRET), what="a paper") == _SECRET


def sort(paths: Sequence[Path]) -> Bundle:
    """Return which paper is which.

    Args:
        paths: none of them a secret.

    Raises:
        MalformedError: a document that is not as it was signed, or a record that is damaged.
    """
    found = Bundle()
    for path in paths:
        head = files.head(path, 32, what="a paper")
        if head.startswith(b'{"payload"'):
            data = files.read(path, limit=MAX_ENVELOPE, what="a document")
            kind = envelope.kind(data)
            if kind not in DOCUMENTS:
                raise MalformedError(f"expected a paper of a dispute, got a {kind}: {path.name}")
            found.signed[kind].append(envelope.parse(data, DOCUMENTS[kind]))
        elif head.startswith(b'{"claim"') and not _are_carriers(path):
            found.records.append(transcript.load(path))
        else:
            found.others.append(path)
    return found


def _beside(leaves: Sequence[Leaf], paths: Sequence[Path], size: int, *, any_bytes: bool) -> bytes | None:
    """Return what is in the file of the opened carriers: of several that long the one of their digests.

    Args:
        leaves: that were opened.
        paths: of files that are no documents.
        size: of the carriers together.
        any_bytes: take others where none fits, since the judge got such.
    """
    long = [path for path in paths if path.stat().st_size == size <= MOST_BESIDE]
    found = [files.read(path, limit=size, what="carriers beside the opening") for path in long]
    for data in found:
        try:
            opening.unpack(leaves, data)
        except MalformedError:
            continue
        return data
    return found[0] if found and any_bytes else None


def _are_carriers(path: Path) -> bool:
    """Return whether these are carriers that were handed to whoever asks; they lie about, and no verdict needs them."""
    return b'"type":"modelmark.carriers"' in files.head(path, _LINE, what="a paper").partition(b"\n")[0]


def repeat(
    signed: Signed[Verdict],
    found: Bundle,
    trust: Trust,
    *,
    suspect: Suspect | None = None,
    host: Host | None = None,
) -> Again:
    """Return what comes out of a verdict's papers, or what of them is lacking; arguments as of ``again.again``."""
    verdict = signed.document
    lacking = again.lacking(signed, [one for every in found.signed.values() for one in every])
    shown = found.named("opening", verdict.opening)
    beside = b""
    bad = any(check.name == "carriers" and check.outcome == "fail" for check in verdict.checks)
    if shown is not None and (size := sum(leaf.size for leaf in shown.document.leaves)):
        fitting = _beside(shown.document.leaves, found.others, size, any_bytes=bad)
        if fitting is None:
            lacking += (f"the carriers beside the opening, a file of {size:,} bytes (its name ends in .carriers)",)
        beside = fitting or b""
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
    return again.again(signed, papers, trust, suspect=suspect, record=record, host=host)
