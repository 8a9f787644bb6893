"""Options that several commands share, each written once."""

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[
    str,
    typer.Option(
        "--data", metavar="SPEC", help="digits, idx:DIR, images:DIR, npz:FILE; texts:FILE, corpus:FILE, tokens:FILE"
    ),
]
Arch = Annotated[
    str,
    typer.Option(
        "--arch", metavar="NAME", help="mlp, cnn, lenet5, resnet8, ...; hf:FOLDER; or module:factory (runs its code)"
    ),
]
Settings = Annotated[list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="a setting; may be repeated")]
Weights = Annotated[Path, typer.Option("--weights", metavar="FILE", help="safetensors, or a state dict in .pt")]
Suspect = Annotated[Path | None, typer.Option("--weights", metavar="FILE", help="the suspect, if not named above")]
Base = Annotated[
    Path | None,
    typer.Option("--base", metavar="BASE", help="the network that an adapter belongs to, a file or a folder"),
]
Tried = Annotated[int, typer.Option("--suspects", min=1, max=10**12, help="how many models were tried; charged")]
Output = Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="a file that does not exist yet")]
PassphraseFile = Annotated[
    Path | None, typer.Option("--passphrase-file", metavar="FILE", help="its first line is the passphrase")
]
Seed = Annotated[int, typer.Option("--seed", min=0, max=2**32 - 1, help="of everything random but keys")]
Epochs = Annotated[int, typer.Option("--epochs", min=0, max=100_000, help="of one training; 0: decide for me")]
Bits = Annotated[float, typer.Option("--bits", help="net bits from which a mark is established")]
Mean = Annotated[
    str,
    typer.Option("--mean", metavar="M[,M,M]", help="how inputs are fed, of values in 0..1; default: the data's own"),
]
Std = Annotated[str, typer.Option("--std", metavar="S[,S,S]", help="likewise, what they are divided by")]
Device = Annotated[str, typer.Option("--device", metavar="NAME", help="where to compute: cpu, cuda, cuda:1, mps, ...")]
Json = Annotated[bool, typer.Option("--json", help="for machines, on stdout")]
SchemeModule = Annotated[
    str, typer.Option("--scheme", metavar="MODULE:CLASS", help="repeat a scheme that is not modelmark's own")
]
