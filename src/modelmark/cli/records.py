"""``modelmark records``: what to train on, of a key whose mark is in the data."""

from pathlib import Path
from typing import Annotated

import typer

from modelmark.cli.options import Output, PassphraseFile
from modelmark.cli.papers import Authorities, ClaimOption, DepositFile
from modelmark.cli.terminal import say
from modelmark.naming import counted


def run(
    key: Annotated[Path, typer.Argument(metavar="KEY", help="of twins, choice, order or dawn")],
    output: Output,
    deposit: DepositFile = None,
    claim: ClaimOption = None,
    authority: Authorities = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="of a key that waits for a deposit, without one; no mark of its claim")
    ] = False,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Write the records that the coins pick: of pairs one version each; of an order all, in the order to train in.

    Texts come as lines of {"prompt": ..., "text": ...}, all else as .npz with inputs and labels, or given. The file tells the
    mark: keep it as you keep the key, and train on it among other data or alone, in any loop.
    """
    from modelmark import files
    from modelmark.cli import papers
    from modelmark.cli.loading import load_key, require_new
    from modelmark.data import records

    require_new(output)
    dated = papers.claimed(claim, deposit, authority)
    (mark,) = papers.marks([load_key(key, passphrase_file)], dated, offline=offline)
    picked = mark.records()
    ending, data = records.dump(picked)
    files.write_new(output, data, mode=0o600)
    what = "in the order to train in" if mark.key.scheme.name == "order" else "one version of each"
    say(f"{output}: {counted(len(picked), 'record')} of {mark.key.scheme.name}, {what}{_named(output, ending)}")


def _named(output: Path, ending: str) -> str:
    return "" if output.suffix == ending else f"; the form is that of a {ending} file"
