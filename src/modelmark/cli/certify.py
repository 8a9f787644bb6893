"""``modelmark certify``: how far a network's weights may be moved until a mark is no longer proved to be there."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from modelmark.cli.options import Arch, Bits, Json, PassphraseFile, SchemeModule, Seed
from modelmark.cli.papers import Authorities, ClaimOption, DepositFile
from modelmark.cli.terminal import say, show
from modelmark.evidence.evidence import BAR

if TYPE_CHECKING:
    from torch import nn

_BEYOND = (
    "said of the median under this noise, for networks of the same form and running statistics: nothing of what one of them "
    "answers without noise, and nothing of networks farther away, as fine-tuned, pruned or re-ordered ones mostly are"
)


def run(
    key_file: Annotated[Path, typer.Argument(metavar="KEY", help="a key whose mark has an exact test")],
    marked: Annotated[Path, typer.Argument(metavar="MARKED", help="weights that carry the mark")],
    arch: Arch = "",
    sigma: Annotated[
        float, typer.Option("--sigma", help="deviation of the noise on each weight; 0: that of a certified key")
    ] = 0.0,
    draws: Annotated[int, typer.Option("--draws", min=1, max=10**6, help="of the noise")] = 1000,
    confidence: Annotated[
        float, typer.Option("--confidence", help="of all that is said together, between 0.5 and 1")
    ] = 0.99,
    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="WEIGHTS", help="say how far this network is from the marked one"),
    ] = None,
    seed: Seed = 0,
    bits: Bits = BAR,
    deposit: DepositFile = None,
    claim: ClaimOption = None,
    authority: Authorities = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="read a key that waits for a deposit as embed --offline left it")
    ] = False,
    scheme: SchemeModule = "",
    passphrase_file: PassphraseFile = None,
    json: Json = False,
) -> None:
    """Prove within which l2 distance of a network's weights its mark stays, read under noise.

    The network is read under many draws of noise. Every network within the distance, read under such noise, has the mark in
    the median: randomized smoothing, with an exact interval. Keys of certified say what noise they were trained under.

    Exit status 0 if the mark is proved to stay established within some distance, 1 if not.
    """
    from json import dumps

    from modelmark.cli import papers
    from modelmark.cli.loading import load_key, require_bar
    from modelmark.marks.certifying import apart, certify
    from modelmark.suspects.files import open_weights
    from modelmark.suspects.state import State

    require_bar(bits)
    key = load_key(key_file, passphrase_file, scheme=scheme)
    (mark,) = papers.marks([key], papers.claimed(claim, deposit, authority), offline=offline)

    def network(path: Path) -> "nn.Module":
        return State(open_weights(path), arch or key.arch, trusted=bool(arch)).network(key.feed)

    model = network(marked)
    away = None if to is None else apart(model, network(to))
    found = certify(mark, model, sigma=sigma or None, draws=draws, confidence=confidence, seed=seed, bar=bits)
    if json:
        show(dumps(found.to_json() | ({} if away is None else {"to": away})))
    else:
        show(str(found))
        if away is not None:
            within = "within" if away <= found.distance else "beyond"
            show(f"{to} is {away:.4g} away, {within} the distance at which the mark is established")
        say(_BEYOND)
    raise typer.Exit(0 if found.distance else 1)
