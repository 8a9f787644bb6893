"""``modelmark revoke``: take a claim back, or say which of its lots are burned."""

from pathlib import Path
from typing import Annotated

import typer

from modelmark.cli.options import Output, PassphraseFile
from modelmark.cli.papers import ClaimFile, IdentityFile
from modelmark.cli.terminal import say
from modelmark.errors import UsageError


def run(
    claim: ClaimFile,
    reason: Annotated[str, typer.Option("--reason", help="key-leaked, superseded, mistake or lots-burned")],
    identity: IdentityFile,
    output: Output,
    effective: Annotated[str, typer.Option("--effective", metavar="TIME", help="from when on; default: now")] = "",
    successor: Annotated[
        Path | None, typer.Option("--successor", metavar="CLAIM", help="the claim that takes its place")
    ] = None,
    lot: Annotated[
        list[str] | None, typer.Option("--lot", metavar="KEY/LOT", help="a burned lot, such as 0/3; may be repeated")
    ] = None,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Write the signed revocation. After key-leaked the claim still holds for suspects that were frozen before."""
    from modelmark.claim.papers import envelope, lots
    from modelmark.claim.papers.claim import Claim, require_claimant
    from modelmark.claim.papers.verdict import Revocation, Spent
    from modelmark.cli import papers
    from modelmark.cli.loading import require_new

    require_new(output)
    if successor is not None and reason != "superseded":
        raise UsageError(f"expected --successor with --reason superseded, got {reason}")
    claimed, signer = papers.load(claim, Claim), papers.load_identity(identity, passphrase_file)
    require_claimant(claimed.document, signer.signers)
    try:
        spent = tuple(Spent(*map(int, text.split("/"))) for text in lot or ())
        for one in spent:
            lots.require(claimed.document, one.key, one.lot)
        document = Revocation(
            signer.signers, papers.now(), claimed.digest, reason, papers.moment(effective, "--effective") or papers.now(),
            papers.load(successor, Claim).digest if successor else "", spent,
        )  # fmt: skip
    except (ValueError, TypeError) as error:
        if "expected" in str(error):
            raise papers.refused(error) from None
        raise UsageError(f"expected lots such as 0/3, got {', '.join(lot or ())}") from None
    envelope.save(envelope.sign(document, signer), output)
    say(f"{output}: claim {claimed.digest[:16]} revoked ({reason}) from {document.effective} on")
