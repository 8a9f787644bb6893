"""``modelmark claim``: say what is claimed, sign it, and have it dated before there is a message."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from modelmark.cli.options import Output, PassphraseFile, SchemeModule
from modelmark.cli.papers import Authorities, IdentityFile, Names
from modelmark.cli.releases import ReleasedWeights, ReleaseFolder, ReleaseSignature, ReleaseSigner
from modelmark.cli.terminal import say
from modelmark.evidence.evidence import BAR
from modelmark.naming import counted

if TYPE_CHECKING:
    from modelmark.marks.keys import Key


def run(
    keys: Annotated[
        list[Path], typer.Argument(metavar="KEY...", help="key files; several are several trigger families")
    ],
    identity: IdentityFile,
    output: Output,
    authority: Authorities = None,
    claimant: Annotated[str, typer.Option("--name", help="the claimant, for people")] = "",
    lots: Annotated[int, typer.Option("--lots", min=1, help="portions of each key; each is shown in one dispute")] = 1,
    bar: Annotated[int, typer.Option("--bits", min=1, help="net bits from which evidence counts")] = BAR,
    suspects: Annotated[int, typer.Option("--suspects", min=1, help="how many may ever be tried; charged")] = 1,
    readings: Annotated[
        int,
        typer.Option(
            "--readings",
            min=0,
            help="ways of reading a suspect, charged; 0: 2 where a key's host can undo re-ordering, else 1",
        ),
    ] = 0,
    prior: Annotated[
        list[Path] | None, typer.Option("--prior", metavar="CLAIM", help="an earlier claim of yours on this; charged")
    ] = None,
    release: ReleaseFolder = "",
    weights: ReleasedWeights = None,
    signature: ReleaseSignature = None,
    released_by: ReleaseSigner = "",
    copies: Annotated[
        bool, typer.Option("--copies", help="recipients of copies of spread keys may be named in a dispute; charged")
    ] = False,
    names: Names = None,
    scheme: SchemeModule = "",
    passphrase_file: PassphraseFile = None,
) -> None:
    """Write the signed claim of one or several keys.

    With --authority the claim is to be deposited there, and only the deposit gives the message: the keys must have been made
    with keygen --draw timestamp. Without one the claim is offline, and 80 bits are charged.
    """
    import secrets

    from modelmark.claim.papers import envelope, recipients
    from modelmark.claim.papers import lots as portions
    from modelmark.claim.papers.claim import Claim, DrawRule, Entry, Policy
    from modelmark.claim.papers.statement import Statement
    from modelmark.cli import papers, releases
    from modelmark.cli.loading import load_key, require_new
    from modelmark.errors import UsageError
    from modelmark.marks.keys import require_own_secrets

    require_new(output)
    trust = papers.load_trust(authority)
    kind = "timestamp" if authority else "offline"
    opened = [load_key(path, passphrase_file, scheme=scheme) for path in keys]
    for path, key in zip(keys, opened, strict=True):
        if key.draw_kind != kind:
            raise UsageError(
                f"expected keys for a draw by {kind}, {path.name} was made for {key.draw_kind}",
                hint="name the authority: --authority PEM" if kind == "offline" else "keygen --draw timestamp",
            )
    release, told = releases.root(release, weights, signature, released_by)
    if weights and kind == "timestamp":
        told += releases.hosts(weights, opened)
    for line in told:
        say(line)
    signer = papers.load_identity(identity, passphrase_file)
    copied = [number for number, key in enumerate(opened) if key.scheme.name in recipients.SCHEMES]
    if (copies or names) and not copied:
        raise UsageError(f"expected a key of {', '.join(recipients.SCHEMES)} for --copies, got none")
    listed = papers.load_names(names)
    earlier = {papers.load(path, Claim).digest for path in prior or ()}
    try:
        entries = tuple(
            Entry(Statement.of(key.statement), portions.split(key.scheme.size(key.feed)[0], lots)) for key in opened
        )
        document = Claim(
            signer.signers, claimant, papers.now(), secrets.token_hex(32), entries,
            DrawRule(kind, tuple(sorted(one.fingerprint for one in trust.authorities))),
            Policy(bar, suspects, readings or _ways(opened)), tuple(sorted(earlier)), release,
            tuple(recipients.fix(i, listed, opened[i].secret) for i in copied) if copies or names else (),
        )  # fmt: skip
    except ValueError as error:
        raise papers.refused(error) from None
    require_own_secrets(opened)
    signed = envelope.sign(portions.require_reach(document), signer)
    envelope.save(signed, output)
    charged = max(sum(charge.bits for charge in portions.charges(document, key=i)) for i in range(len(opened)))
    size = f"{counted(len(opened), 'key')}, lots of each: {lots}"
    say(f"{output}: claim {signed.digest[:16]} of {size}; {charged:.1f} bits charged")
    if document.policy.readings > 1 and _aligned(opened):
        say("a suspect is read aligned to the key's host, too: hand the host over with each opening (judge --host)")
    if document.recipients:
        there = counted(len(set(listed)), "name")
        fixed = f"the {there} of {names.name}: keep it" if names else "any name, charged by its length"
        say(f"copies may be judged of {fixed}")
    if authority:
        say("deposit it next; there is no message before that")


def _ways(keys: "list[Key]") -> int:
    """Return how many readings a claim of these keys needs: as it is and aligned; of answers, by each rule."""
    from modelmark.carriers.base import rules_of

    rules = [rules_of(type(key.carriers), beside_host=False) for key in keys if key.access == "black-box"]
    return max(2 if _aligned(keys) else 1, *rules, 1)


def _aligned(keys: "list[Key]") -> bool:
    """Return whether a suspect is read aligned, too: a free re-ordering of weights is undone by a committed host alone."""
    return any(key.access == "white-box" and key.host for key in keys)
