"""``modelmark verify``: whether a mark is in a model, and how strong the evidence is."""

from pathlib import Path
from typing import Annotated

import typer

from modelmark.cli.options import Arch, Bits, Json, PassphraseFile, SchemeModule, Weights
from modelmark.cli.terminal import say, show
from modelmark.errors import UsageError
from modelmark.evidence import BAR

_HEAD = "this head was not committed before the draw (keygen --host) and may have been trained with the message"


def run(
    key: Annotated[Path, typer.Argument(metavar="KEY", help="a key file")],
    weights: Weights,
    arch: Arch = "",
    bits: Bits = BAR,
    suspects: Annotated[int, typer.Option("--suspects", min=1, help="how many models were tried; charged")] = 1,
    head_from: Annotated[
        Path | None,
        typer.Option("--head-from", metavar="WEIGHTS", help="read through this model's head, after a replaced one"),
    ] = None,
    scheme: SchemeModule = "",
    passphrase_file: PassphraseFile = None,
    json: Json = False,
) -> None:
    """Read a suspect and say whether the mark is established. Exit status 0 if it is, 1 if not.

    With --head-from the evidence counts only if those weights are the host committed by keygen --host: any other head
    may have been trained with the message, and then even an unmarked model can match.
    """
    from json import dumps

    from modelmark import layers
    from modelmark import weights as weight_files
    from modelmark.cli.loading import build_model, load_key, load_weights, require_bar
    from modelmark.suspect import WhiteBox

    require_bar(bits)
    opened = load_key(key, passphrase_file, scheme=scheme)
    model = load_weights(build_model(arch, opened.arch, opened.interface), weights)
    opened.scheme.check(model, opened.interface)
    objection = ""
    if head_from is not None:
        if opened.scheme.access != "black-box":
            raise UsageError(
                f"expected --head-from with a black-box scheme, {opened.scheme.name} does not read the head"
            )
        donor = load_weights(build_model(arch, opened.arch, opened.interface), head_from).state_dict()
        model = layers.with_head(model, donor)
        objection = "" if opened.host == weight_files.digest(donor) else _HEAD
    found = opened.mark().evidence(
        WhiteBox(model, opened.interface.classes),
        bar=bits,
        suspects=suspects,
        readings=2 if head_from else 1,
        objection=objection,
    )
    if json:
        show(dumps({**found.to_json(), "arch": arch or opened.arch}))
    else:
        show(str(found))
        if arch and arch != opened.arch:
            say(f"read with the code of {arch}, which is not what the key was made for ({opened.arch})")
        if head_from and not objection:
            say("read through the head of the host that was committed before the draw")
    raise typer.Exit(0 if found.established else 1)
