"""``modelmark issue``: a recipient's own copy of a weight file."""

from pathlib import Path
from typing import Annotated

import typer

from modelmark.cli.options import Output, PassphraseFile
from modelmark.cli.papers import Authorities, ClaimOption, DepositFile
from modelmark.cli.registries import Database, RegistryFile
from modelmark.cli.terminal import say, stopped_by_signals


def run(
    key: Annotated[Path, typer.Argument(metavar="KEY", help="a spread key")],
    to: Annotated[str, typer.Option("--to", metavar="NAME", help="the recipient")],
    weights: Annotated[
        Path,
        typer.Option(
            "--weights", metavar="FILE", help="what the key was made for: safetensors, an index of shards or a folder"
        ),
    ],
    output: Output,
    again: Annotated[bool, typer.Option("--again", help="write once more what this recipient has got")] = False,
    registry: RegistryFile = None,
    database: Database = "",
    deposit: DepositFile = None,
    claim: ClaimOption = None,
    authority: Authorities = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="use a key that waits for a deposit without one; no copies of its claim")
    ] = False,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Write a recipient's copy of a weight file, in one pass, and enter it in the registry of the key's copies.

    The message follows from the key's draw (with --deposit: that of its claim) and the name, so one deposit dates all copies.
    The first copy makes the registry.
    """
    from modelmark.cli import papers, registries
    from modelmark.cli.loading import load_key, require_new
    from modelmark.copies.issuing import issue
    from modelmark.copies.reading import require_spread

    require_new(output)
    opened = load_key(key, passphrase_file)
    (mark,) = papers.marks([opened], papers.claimed(claim, deposit, authority), offline=offline)
    require_spread(mark)
    known = registries.opened(key, registry, database, make=True)
    with stopped_by_signals():
        done = issue(mark, to, weights, output, known, again=again)
    say(f"{output}: copy for {done.recipient}, SHA-256 {done.digest}; {known.count()} in {known.name}")
