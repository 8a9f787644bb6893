"""``modelmark identity``: the keys with which a party signs, apart from the watermark key."""

from typing import Annotated

import typer

from modelmark.cli.options import Output, PassphraseFile
from modelmark.cli.terminal import passphrase, say
from modelmark.errors import UsageError


def run(
    output: Output,
    post_quantum: Annotated[bool, typer.Option("--post-quantum", help="sign with ML-DSA-65 too")] = False,
    p256: Annotated[bool, typer.Option("--p256", help="sign with P-256 too, as OpenSSF model signing does")] = False,
    unencrypted: Annotated[bool, typer.Option("--unencrypted", help="anyone who can read the file can sign")] = False,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Make an identity: who finds the watermark key cannot sign with it."""
    from modelmark.claim.papers import identity
    from modelmark.cli.loading import require_new

    require_new(output)
    if unencrypted and passphrase_file:
        raise UsageError("expected --unencrypted or --passphrase-file, got both")
    made = identity.Identity.generate(post_quantum=post_quantum, p256=p256)
    identity.save(made, output, None if unencrypted else passphrase(passphrase_file, confirm=True))
    names = ", ".join(signer.algorithm for signer in made.signers)
    say(f"{output}: signs as {made.signers[0].public} ({names})" + (", not encrypted" if unencrypted else ""))
