"""Options that several commands share, each written once."""

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[
    str, typer.Option("--data", metavar="SPEC", help="digits, idx:DIR, images:DIR, images:FILE.tar.xz or npz:FILE")
]
Arch = Annotated[
    str, typer.Option("--arch", metavar="NAME", help="mlp, cnn, lenet5, resnet8, ... or module:factory (runs its code)")
]
Settings = Annotated[list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="a setting; may be repeated")]
Weights = Annotated[Path, typer.Option("--weights", metavar="FILE", help="safetensors, or a state dict in .pt")]
Output = Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="a file that does not exist yet")]
PassphraseFile = Annotated[
    Path | None, typer.Option("--passphrase-file", metavar="FILE", help="its first line is the passphrase")
]
Seed = Annotated[int, typer.Option("--seed", help="of everything random but keys")]
Json = Annotated[bool, typer.Option("--json", help="for machines, on stdout")]
SchemeModule = Annotated[
    str, typer.Option("--scheme", metavar="MODULE:CLASS", help="repeat a scheme that is not modelmark's own")
]
