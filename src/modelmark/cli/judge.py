"""``modelmark judge``: everything is derived again from the papers, and the verdict is signed."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from modelmark.cli.ledger import Challenges, Claims, Ledger, Revocations, Verdicts
from modelmark.cli.open import BESIDE
from modelmark.cli.options import Arch, Output, PassphraseFile, SchemeModule
from modelmark.cli.papers import Authorities, ClaimFile, DepositFile, IdentityFile, JudgeName
from modelmark.cli.terminal import say, show
from modelmark.errors import UsageError

if TYPE_CHECKING:
    from modelmark.claim.judging.judge import Host, Suspect

MOST_BESIDE = 2**31
"""Bytes of carriers, whatever an opening says."""
STATUS = {"dependence-shown": 0, "no-evidence": 1, "not-decidable": 1, "invalid-claim": 3}


def run(
    claim: ClaimFile,
    challenge: Annotated[Path, typer.Argument(metavar="CHALLENGE", help="the challenge that you signed")],
    identity: IdentityFile,
    output: Output,
    opening: Annotated[
        Path | None, typer.Option("--opening", metavar="FILE", help="the claimant's, with FILE.carriers beside it")
    ] = None,
    deposit: DepositFile = None,
    authority: Authorities = None,
    weights: Annotated[Path | None, typer.Option("--weights", metavar="FILE", help="the frozen suspect")] = None,
    arch: Arch = "",
    host: Annotated[
        Path | None,
        typer.Option(
            "--host", metavar="WEIGHTS", help="the key's host, from the claimant: re-ordered weights are read too"
        ),
    ] = None,
    transcript: Annotated[
        Path | None, typer.Option("--transcript", metavar="FILE", help="or the frozen record of an API's answers")
    ] = None,
    first_seen: Annotated[
        str, typer.Option("--first-seen", metavar="TIME", help="when the suspect is first known, 2026-11-25T17:31:59Z")
    ] = "",
    received: Annotated[
        str, typer.Option("--received", metavar="TIME", help="when the opening came, by your clock; default: now")
    ] = "",
    verdict: Verdicts = None,
    revocation: Revocations = None,
    challenge_record: Challenges = None,
    other_claim: Claims = None,
    ledger: Ledger = None,
    explain: Annotated[bool, typer.Option("--explain", help="show the reasoning in plain words")] = False,
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="write it as a page")] = None,
    name: JudgeName = "",
    scheme: SchemeModule = "",
    passphrase_file: PassphraseFile = None,
) -> None:
    """Write the signed verdict, and the record of the suspect's answers as FILE.transcript.

    Exit status 0 where dependence is shown, 1 for no evidence or not decidable, 3 for an invalid claim.
    """
    from modelmark import files
    from modelmark.claim.judging import explaining, pages, wording
    from modelmark.claim.judging.judge import Papers, judge
    from modelmark.claim.papers import envelope
    from modelmark.claim.papers.claim import Claim
    from modelmark.claim.papers.dispute import Challenge, Opening
    from modelmark.cli import ledger as ledgers
    from modelmark.cli import papers
    from modelmark.cli.loading import require_new

    judge_name, record = papers.named(name, "--name"), output.with_name(output.name + ".transcript")
    require_new(output, record, *([html] if html else []))
    shown = papers.load(opening, Opening) if opening else None
    beside = _beside(opening, sum(leaf.size for leaf in shown.document.leaves)) if opening and shown else b""
    claimed = papers.load(claim, Claim)
    asked, now = papers.load(challenge, Challenge), papers.now()
    came = papers.moment(received, "--received") or now
    if not asked.document.issued <= came <= now:
        raise UsageError(f"expected --received between the challenge of {asked.document.issued} and now, got {came}")
    known = ledgers.known(claimed, verdict, revocation, challenge_record, other_claim, ledger)
    laid = Papers(
        claimed, papers.load_deposit(deposit, claimed), asked, shown, beside,
        known.verdicts, known.revocations, known.challenges, known.claims,
    )  # fmt: skip
    judged = judge(
        laid, _suspect(weights, transcript, arch), papers.load_identity(identity, passphrase_file),
        papers.load_trust(authority), now=now, received=came,
        first_seen=papers.moment(first_seen, "--first-seen"), kinds=papers.kinds(scheme), host=_handed(host, arch),
    )  # fmt: skip
    if judged.record is not None:
        files.write_new(record, judged.record.data)
    envelope.save(judged.verdict, output)
    if ledger is not None:
        ledgers.keep(ledger, claimed, asked, judged.verdict)
    if html is not None:
        files.write_new(html, pages.page(judged.verdict, claimed, asked, judge_name).encode())
    found = judged.verdict.document
    lines = explaining.explain(judged.verdict, claimed, asked, judge_name)
    for line in lines if explain else [explaining.summary(judged.verdict)]:
        show(line)
    failed = [check for check in found.checks if check.outcome == "fail"]
    for check in failed:
        say(f"{check.name}: {check.detail}")
    say(f"{output}: {wording.MEANINGS[found.decision]}")
    raise typer.Exit(STATUS[found.decision])


def _handed(host: Path | None, arch: str) -> "Host | None":
    if host is None:
        return None
    from modelmark import models
    from modelmark.align.handed import Handed
    from modelmark.suspects.files import open_weights

    return Handed(open_weights(host), models.recorded(arch))


def _beside(opening: Path, size: int) -> bytes:
    """Return the carriers beside an opening, which says how many bytes they have; of a longer file one byte more, which tells."""
    from modelmark import files

    path, most = opening.with_name(opening.name + BESIDE), min(size, MOST_BESIDE)
    if path.is_file() and path.stat().st_size > most:
        with path.open("rb") as stream:
            return stream.read(most + 1)
    return files.read(path, limit=most, what="carriers beside the opening")


def _suspect(weights: Path | None, transcript: Path | None, arch: str) -> "Suspect":
    if (weights is None) == (transcript is None):
        raise UsageError("expected --weights or --transcript, one of them")
    if transcript is not None:
        from modelmark.claim.judging.judge import Recorded
        from modelmark.claim.papers import transcript as records

        return Recorded(records.load(transcript))
    from modelmark import models
    from modelmark.suspects.files import open_weights
    from modelmark.suspects.state import State

    assert weights is not None
    return State(open_weights(weights), models.recorded(arch), trusted=bool(arch))
