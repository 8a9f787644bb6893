"""``modelmark open``: the claimant shows what a challenge asks for."""

from pathlib import Path
from typing import Annotated

import typer

from modelmark.cli.options import Output, PassphraseFile, SchemeModule
from modelmark.cli.papers import ClaimFile, IdentityFile, Names
from modelmark.cli.terminal import say
from modelmark.naming import counted

BESIDE = ".carriers"
"""What is added to the name of an opening for the carriers beside it."""


def run(
    claim: ClaimFile,
    challenge: Annotated[Path, typer.Argument(metavar="CHALLENGE", help="the judge's challenge")],
    key: Annotated[Path, typer.Option("--key", metavar="KEY", help="the key that is challenged")],
    identity: IdentityFile,
    output: Output,
    names: Names = None,
    scheme: SchemeModule = "",
    passphrase_file: PassphraseFile = None,
) -> None:
    """Write the signed opening, and the carriers beside it as FILE.carriers.

    Whoever sees them can train them away: the lot is spent, for this claim and for good.
    """
    from modelmark import files
    from modelmark.claim.papers import envelope, opening
    from modelmark.claim.papers.claim import Claim
    from modelmark.claim.papers.dispute import Challenge
    from modelmark.cli import papers
    from modelmark.cli.loading import load_key, require_new
    from modelmark.errors import UsageError

    beside = output.with_name(output.name + BESIDE)
    require_new(output, beside)
    asked = papers.load(challenge, Challenge)
    if papers.now() > asked.document.expires:
        raise UsageError(f"expected to open before {asked.document.expires}, it is too late", hint="nothing was shown")
    opened = load_key(key, passphrase_file, scheme=scheme)
    private = opened.private
    claimed = papers.load(claim, Claim)
    signed, carriers = opening.make(
        claimed, asked, papers.load_identity(identity, passphrase_file), opened.secret,
        opened.carriers.leaves(),
        issued=papers.now(), concealed=private, names=papers.load_names(names),
    )  # fmt: skip
    files.write_new(beside, carriers)
    envelope.save(signed, output)
    shown = f" and {', '.join(sorted(private))}" if private else ""
    say(f"{output}: {counted(len(signed.document.leaves), 'carrier')}{shown} shown; they travel as {beside.name}")
    if asked.document.recipient and not signed.document.listed:
        fixes = any(said.count for said in claimed.document.recipients)
        say(f"the name is charged by its length{': --names shows that the claim fixed it' if fixes else ''}")
    if opened.access == "white-box" and opened.host and claimed.document.policy.readings > 1:
        say(
            f"hand over the weights of the host as well, {opened.host[:16]}: judge --host reads re-ordered channels by them"
        )
