"""``modelmark carriers``: a lot's carriers for the judge alone, with which an API is asked before anything is public."""

from pathlib import Path
from typing import Annotated

import typer

from modelmark.cli.options import Output, PassphraseFile, SchemeModule
from modelmark.cli.papers import ClaimFile
from modelmark.cli.terminal import say
from modelmark.errors import MismatchError
from modelmark.naming import counted


def run(
    claim: ClaimFile,
    key: Annotated[Path, typer.Option("--key", metavar="KEY", help="one that is claimed")],
    output: Output,
    lot: Annotated[int, typer.Option("--lot", min=0, help="number of its lot; one that nobody has seen")] = 0,
    scheme: SchemeModule = "",
    passphrase_file: PassphraseFile = None,
) -> None:
    """Write the carriers of one lot, to be handed to the judge under seal.

    Whoever else sees them can refuse them or train them away: the file is as secret as the key.
    """
    from modelmark import files
    from modelmark.claim.judging import reading
    from modelmark.claim.papers import handed, lots
    from modelmark.claim.papers.claim import Claim
    from modelmark.claim.papers.transcript import Head
    from modelmark.cli import papers
    from modelmark.cli.loading import load_key, require_new

    require_new(output)
    signed, opened = papers.load(claim, Claim), load_key(key, passphrase_file, scheme=scheme)
    claimed = signed.document
    roots = [entry.statement.root for entry in claimed.keys]
    if opened.statement["root"] not in roots:
        raise MismatchError(f"expected a key of this claim, got another: {key.name}")
    number = roots.index(opened.statement["root"])
    leaves = opened.carriers.leaves()
    indices = lots.whole(lots.require(claimed, number, lot), lot)
    shown = [leaves[i] for i in indices]
    reading.cut(claimed.keys[number].statement, shown, indices)
    files.write_new(output, handed.write(Head(signed.digest, number, lot), shown), mode=0o600)
    say(
        f"{output}: {counted(len(shown), 'carrier')} of lot {lot}, key {number} of the claim; "
        "for the judge alone, who asks with them"
    )
