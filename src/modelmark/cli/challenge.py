"""``modelmark challenge``: the judge freezes a suspect and asks for one lot."""

from pathlib import Path
from typing import Annotated

import typer

from modelmark.cli.options import Arch, Output, PassphraseFile, SchemeModule
from modelmark.cli.papers import Authorities, ClaimFile, DepositFile, IdentityFile, Revocations, Verdicts
from modelmark.cli.terminal import say
from modelmark.errors import UsageError


def run(
    claim: ClaimFile,
    identity: IdentityFile,
    output: Output,
    deposit: DepositFile = None,
    authority: Authorities = None,
    weights: Annotated[
        Path | None, typer.Option("--weights", metavar="FILE", help="the suspect, in your hands")
    ] = None,
    arch: Arch = "",
    transcript: Annotated[
        Path | None, typer.Option("--transcript", metavar="FILE", help="or the record of an API's answers")
    ] = None,
    token: Annotated[
        list[Path] | None,
        typer.Option("--token", metavar="FILE", help="timestamp token (DER) over the suspect's digest"),
    ] = None,
    first_seen: Annotated[
        str, typer.Option("--first-seen", metavar="TIME", help="when the suspect is first known, 2026-11-25T17:31:59Z")
    ] = "",
    case: Annotated[str, typer.Option("--case", help="a name, for people")] = "",
    key: Annotated[int, typer.Option("--key", min=0, help="number of the key in the claim")] = 0,
    lot: Annotated[int, typer.Option("--lot", min=0, help="number of its lot; one that nobody has seen")] = 0,
    draws: Annotated[int, typer.Option("--draws", min=0, help="so many trials of the lot, drawn; 0: all")] = 0,
    test: Annotated[str, typer.Option("--test", help="exact or e-process")] = "exact",
    bar: Annotated[int, typer.Option("--bits", min=0, help="net bits; 0: the claim's own bar")] = 0,
    days: Annotated[float, typer.Option("--days", min=0, help="until it expires")] = 30.0,
    verdict: Verdicts = None,
    revocation: Revocations = None,
    scheme: SchemeModule = "",
    passphrase_file: PassphraseFile = None,
) -> None:
    """Write the signed challenge: suspect, lot, test and bar are fixed before anything is shown.

    Weights are looked through: for a suspect that cannot be read nothing is asked, and no lot is spent.
    """
    from modelmark import files
    from modelmark.claim.judging.challenging import Known, Terms, challenge
    from modelmark.claim.papers import envelope
    from modelmark.claim.papers import transcript as records
    from modelmark.claim.papers.claim import Claim
    from modelmark.claim.papers.dispute import MAX_TOKEN, Frozen
    from modelmark.claim.papers.verdict import Revocation, Verdict
    from modelmark.cli import papers
    from modelmark.cli.loading import require_new

    require_new(output)
    if (weights is None) == (transcript is None):
        raise UsageError("expected --weights or --transcript, one of them")
    tokens = tuple(files.read(path, limit=MAX_TOKEN, what="a timestamp token") for path in token or ())
    record, look = None, None
    if weights is not None:
        from modelmark.suspects.files import open_weights
        from modelmark.suspects.looking import Look

        file = open_weights(weights)
        suspect, look = Frozen("weights", file.digest, tokens), Look(file, arch, trusted=bool(arch))
    else:
        assert transcript is not None
        record = records.load(transcript)
        suspect = Frozen("transcript", record.digest, tokens)
    signer = papers.load_identity(identity, passphrase_file)
    claimed = papers.load(claim, Claim)
    paper = papers.load_deposit(deposit, claimed)
    try:
        signed = challenge(
            claimed, paper, suspect, signer, papers.load_trust(authority),
            Terms(papers.now(), papers.later(days), case, key, lot, draws, test, bar or None), record=record, look=look,
            kinds=papers.kinds(scheme), first_seen=papers.moment(first_seen, "--first-seen"),
            known=Known(papers.load_all(verdict, Verdict, claimed), papers.load_all(revocation, Revocation, claimed)),
        )  # fmt: skip
    except ValueError as error:
        raise papers.refused(error) from None
    envelope.save(signed, output)
    say(
        f"{output}: {suspect.kind} {suspect.digest[:16]} frozen; lot {lot} of key {key}, open by {signed.document.expires}"
    )
