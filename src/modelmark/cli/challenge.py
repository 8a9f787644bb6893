"""``modelmark challenge``: the judge freezes a suspect and asks for one lot."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from modelmark.cli.ledger import Challenges, Claims, Ledger, Revocations, Verdicts
from modelmark.cli.options import Arch, Output, PassphraseFile, SchemeModule
from modelmark.cli.papers import Authorities, ClaimFile, DepositFile, IdentityFile
from modelmark.cli.terminal import say
from modelmark.errors import MalformedError, UsageError

if TYPE_CHECKING:
    from modelmark.claim.dates.deposit import Trust
    from modelmark.claim.papers.dispute import Source


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
    test: Annotated[
        str, typer.Option("--test", help="exact or e-process; default: what the transcript names, else exact")
    ] = "",
    bar: Annotated[int, typer.Option("--bits", min=0, help="net bits; 0: the claim's own bar")] = 0,
    days: Annotated[float, typer.Option("--days", min=0, help="until it expires")] = 30.0,
    recipient: Annotated[
        str,
        typer.Option("--recipient", metavar="NAME", help="whose copy it is said to be (spread); the name is charged"),
    ] = "",
    verdict: Verdicts = None,
    revocation: Revocations = None,
    challenge_record: Challenges = None,
    other_claim: Claims = None,
    ledger: Ledger = None,
    nonce_request: Annotated[
        bool, typer.Option("--nonce-request", help="write a request to stamp these terms, and nothing else")
    ] = False,
    nonce_query: Annotated[
        Path | None, typer.Option("--nonce-query", metavar="FILE", help="that request; the nonce comes from its answer")
    ] = None,
    nonce_response: Annotated[
        Path | None, typer.Option("--nonce-response", metavar="FILE", help="the answer of an --authority to it")
    ] = None,
    scheme: SchemeModule = "",
    passphrase_file: PassphraseFile = None,
) -> None:
    """Write the signed challenge: suspect, lot, test and bar are fixed before anything is shown.

    It takes its lot and counts its suspect from now on, whatever becomes of it. So name what was asked before, or keep a ledger.
    Weights are looked through first: for a suspect that cannot be read nothing is asked, and no lot is spent.
    """
    from dataclasses import replace

    from modelmark import files
    from modelmark.claim.dates import nonce as nonces
    from modelmark.claim.dates import timestamp
    from modelmark.claim.judging.challenging import Terms, challenge, termed
    from modelmark.claim.papers import envelope
    from modelmark.claim.papers import transcript as records
    from modelmark.claim.papers.claim import Claim
    from modelmark.claim.papers.dispute import MAX_TOKEN, Frozen
    from modelmark.cli import ledger as ledgers
    from modelmark.cli import papers
    from modelmark.cli.loading import require_new

    require_new(output)
    if (weights is None) == (transcript is None):
        raise UsageError("expected --weights or --transcript, one of them")
    raw = (files.read(path, limit=MAX_TOKEN, what="a timestamp token") for path in token or ())
    tokens = tuple(timestamp.normalise(one) for one in raw)  # authorities often order certificates as readers refuse
    record, look = None, None
    if weights is not None:
        from modelmark import models
        from modelmark.suspects.files import open_weights
        from modelmark.suspects.looking import Look

        file = open_weights(weights)
        suspect, look = Frozen("weights", file.digest, tokens), Look(file, models.recorded(arch), trusted=bool(arch))
    else:
        assert transcript is not None
        record = records.load(transcript)
        suspect = Frozen("transcript", record.digest, tokens)
    named = test or (record.head.test if record else "") or "exact"
    signer = papers.load_identity(identity, passphrase_file)
    claimed = papers.load(claim, Claim)
    paper = papers.load_deposit(deposit, claimed)
    trust = papers.load_trust(authority)
    try:
        terms = Terms(papers.now(), papers.later(days), case, key, lot, draws, named, bar or None, recipient=recipient)
        over = nonces.terms(termed(claimed, paper, suspect, signer, terms))
        if nonce_request:
            files.write_new(output, timestamp.request(over))
            say(f"{output}: request for a timestamp over these terms; name the answer with --nonce-response")
            return
        terms = replace(terms, source=_source(nonce_query, nonce_response, over, trust))
        signed = challenge(
            claimed, paper, suspect, signer, trust, terms, record=record, look=look, kinds=papers.kinds(scheme),
            first_seen=papers.moment(first_seen, "--first-seen"),
            known=ledgers.known(claimed, verdict, revocation, challenge_record, other_claim, ledger),
        )  # fmt: skip
    except ValueError as error:
        raise papers.refused(error) from None
    if ledger is not None:
        ledgers.keep_challenge(ledger, claimed, signed)
    envelope.save(signed, output)
    whose = f" for the copy of {signed.document.recipient}" if recipient else ""
    frozen = f"{suspect.kind} {suspect.digest[:16]} frozen"
    say(f"{output}: {frozen}; lot {lot} of key {key}{whose}, open by {signed.document.expires}")


def _source(query: Path | None, response: Path | None, over: bytes, trust: "Trust") -> "Source | None":
    """Return where the nonce comes from: the answer of one pinned authority, or nothing where none was named."""
    from modelmark import files
    from modelmark.claim.dates import timestamp
    from modelmark.claim.papers.dispute import MAX_TOKEN, Source

    if query is None and response is None:
        return None
    if query is None or response is None or len(trust.authorities) == 0:
        raise UsageError("expected --nonce-query, --nonce-response and --authority together, got fewer")
    asked = files.read(query, limit=MAX_TOKEN, what="a timestamp request")
    answer = files.read(response, limit=2 * MAX_TOKEN, what="a timestamp response")
    refused: MalformedError | None = None
    for one in trust.authorities:
        try:
            return Source(one.fingerprint, timestamp.receive(answer, asked, over, one))
        except MalformedError as error:
            refused = refused or error
    raise MalformedError(f"{refused} ({response}, to {query})")
