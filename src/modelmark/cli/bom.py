"""``modelmark bom``: point from a model's bill of materials to the claim about it."""

from pathlib import Path
from typing import Annotated

import typer

from modelmark.cli.options import Output
from modelmark.cli.papers import ClaimFile
from modelmark.cli.releases import ReleasedWeights, ReleaseFolder, ReleaseSignature, ReleaseSigner
from modelmark.cli.terminal import say


def run(
    claim: ClaimFile,
    output: Output,
    extend: Annotated[
        Path | None,
        typer.Option(
            "--extend", metavar="BOM", help="a bill to add to (CycloneDX 1.6 or 1.7, JSON); it stays as it is"
        ),
    ] = None,
    component: Annotated[
        str, typer.Option("--component", metavar="REF", help="which model of that bill: its bom-ref or name")
    ] = "",
    name: Annotated[
        str, typer.Option("--name", help="of the model, in a new bill; default: the release's folder")
    ] = "",
    url: Annotated[str, typer.Option("--url", help="where the claim will be found; default: its file's name")] = "",
    release: ReleaseFolder = "",
    weights: ReleasedWeights = None,
    signature: ReleaseSignature = None,
    signer: ReleaseSigner = "",
) -> None:
    """Write a CycloneDX 1.7 bill of materials with a model and a reference to its claim, or add the reference to a bill.

    With --release FOLDER the release is checked as by modelmark claim, must be the one that the claim names, and the model gets
    the digest of its weights and a reference to the release's signature.
    """
    from modelmark import files
    from modelmark.claim.papers import bom
    from modelmark.claim.papers.claim import Claim
    from modelmark.cli import papers, releases
    from modelmark.cli.loading import require_new
    from modelmark.errors import MismatchError, UsageError

    require_new(output)
    if name if extend else component:
        raise UsageError("expected --name for a new bill and --component for one to --extend, got the other")
    signed = papers.load(claim, Claim)
    found = releases.checked(release, weights, signature, signer)
    if found and found.root != signed.document.release:
        raise MismatchError(f"expected the release that the claim names, got {found.root[:16]}")
    line = bom.Line(
        signed, url or claim.name, name or (Path(release).resolve().name if found else "model"),
        found.digest if found else "", found.data if found else b"", found.signature.name if found else "",
    )  # fmt: skip
    if extend:
        text = bom.extended(files.read(extend, limit=bom.MAX_BOM, what="a bill of materials"), line, component)
    else:
        text = bom.new(line)
    files.write_new(output, (text + "\n").encode())
    for told in found.lines if found else ():
        say(told)
    say(f"{output}: points to claim {signed.digest[:16]} as {line.url}")
