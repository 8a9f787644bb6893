"""Releases signed by OpenSSF Model Signing, as commands name them; what was checked of one, and what was not."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from modelmark.errors import MismatchError, UsageError
from modelmark.naming import counted

if TYPE_CHECKING:
    from modelmark.marks.keys import Key

ReleaseFolder = Annotated[
    str,
    typer.Option(
        "--release", metavar="FOLDER", help="a release signed by OpenSSF Model Signing; or its root digest, hex"
    ),
]
ReleasedWeights = Annotated[
    Path | None,
    typer.Option(
        "--weights", metavar="FILE", help="with a release: its marked weights; of a claim to be deposited, the host"
    ),
]
ReleaseSignature = Annotated[
    Path | None, typer.Option("--release-signature", metavar="FILE", help="default: model.sig in the release's folder")
]
ReleaseSigner = Annotated[
    str,
    typer.Option(
        "--release-signer",
        metavar="WHO",
        help="whose signature is verified: a PEM file (public key, or root certificates), or IDENTITY,ISSUER of Sigstore",
    ),
]


@dataclass(frozen=True)
class Checked:
    """A release that was found to be what its signature lists.

    Args:
        root: its root digest.
        digest: SHA-256 of the marked weights in it.
        signature: the file of its signature.
        data: the signature as it was read.
        lines: what was checked and what was not.
    """

    root: str
    digest: str
    signature: Path
    data: bytes
    lines: list[str]


def root(release: str, weights: Path | None, signature: Path | None, signer: str) -> tuple[str, list[str]]:
    """Return the root digest of a release, and lines that say what was checked of it and what was not.

    Args:
        release: a folder, or a root digest in hex, which is taken as it was typed; empty: there is none.
        weights: as for ``checked``.
        signature: likewise.
        signer: likewise.
    """
    if re.fullmatch("[0-9a-f]{64}", release) and not (weights or signature or signer):
        return release, ["release: its root digest was taken as typed; nothing of it was checked"]
    found = checked(release, weights, signature, signer)
    return (found.root, found.lines) if found else ("", [])


def checked(release: str, weights: Path | None, signature: Path | None, signer: str) -> Checked | None:
    """Return a release after comparing its files with what was signed; None where no folder was named.

    Args:
        release: its folder; empty: there is none.
        weights: a file that must be one of its files.
        signature: the file of its signature; default: ``model.sig`` in the folder.
        signer: whose signature it must be; empty: that is not verified.

    Raises:
        UsageError: options that need a folder without one, or a folder without weights.
        RefusedError: the release is not what its signature says.
    """
    if not release or re.fullmatch("[0-9a-f]{64}", release):
        if release or weights or signature or signer:
            raise UsageError(f"expected --release FOLDER with options about a release, got {release or 'none'}")
        return None
    if weights is None:
        raise UsageError(
            "expected --weights with --release FOLDER, got none", hint="the file of the release that is claimed"
        )
    from modelmark.claim.papers import release as releases

    found = releases.check(Path(release), signature)
    name = releases.belonging(found, weights)
    said = releases.verify(found, signer) if signer else "signature NOT verified, as no --release-signer was named"
    start, files = f"release {found.root[:16]}", counted(len(found.manifest.files), "file")
    return Checked(
        found.root, found.manifest.files[name], found.signature, found.manifest.data,
        [f"{start}: {files}, each as its manifest says; {name} is one of them", f"{start}: {said}"],
    )  # fmt: skip


def hosts(weights: Path, keys: "Sequence[Key]") -> list[str]:
    """Return lines about the release of a claim that is deposited before there is a mark: it can only hold the host.

    Raises:
        MismatchError: a key commits another host.
    """
    from modelmark.cli.loading import build_model, load_weights
    from modelmark.suspects import weights as weight_files

    for key in keys:
        if committed := key.statement["host"]:
            model = load_weights(build_model("", key.arch, key.feed), weights, key.feed)
            if weight_files.digest(model.state_dict()) != committed:
                raise MismatchError(
                    f"expected {weights.name} to be the host that the {key.scheme.name} key commits, as there is no mark before "
                    "the deposit, got another"
                )
    if not any(key.statement["host"] for key in keys):
        return ["release: no key commits a host, so nothing ties the release to the keys but the claim's word"]
    return [f"release: {weights.name} is the host that the keys commit; a mark can only come after the deposit"]
