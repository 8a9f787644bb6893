"""``modelmark verify``: whether marks are in a model, and how strong the evidence is."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from modelmark.cli.options import Arch, Bits, Json, PassphraseFile, SchemeModule, Weights
from modelmark.cli.papers import Authorities, ClaimOption, DepositFile
from modelmark.cli.terminal import say, show
from modelmark.errors import MismatchError, UsageError
from modelmark.evidence import BAR

if TYPE_CHECKING:
    from torch import nn

    from modelmark.evidence import Observation
    from modelmark.keys import Key
    from modelmark.suspects.files import WeightFile

_HEAD = "this head was not committed before the draw (keygen --host) and may have been trained with the message"


def run(
    keys: Annotated[list[Path], typer.Argument(metavar="KEY...", help="one or several key files")],
    weights: Weights,
    arch: Arch = "",
    bits: Bits = BAR,
    suspects: Annotated[int, typer.Option("--suspects", min=1, help="how many models were tried; charged")] = 1,
    head_from: Annotated[
        Path | None,
        typer.Option("--head-from", metavar="WEIGHTS", help="read through this model's head, after a replaced one"),
    ] = None,
    align_to: Annotated[
        Path | None,
        typer.Option(
            "--align-to", metavar="WEIGHTS", help="undo re-ordered or rescaled channels: the host of keygen --host"
        ),
    ] = None,
    unmarked: Annotated[
        list[Path] | None,
        typer.Option(
            "--unmarked", metavar="WEIGHTS", help="to compare with where there is no exact test; may be repeated"
        ),
    ] = None,
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
    """Read a suspect and say whether the marks are established. Exit status 0 if they are, 1 if not.

    Several keys, named beforehand, count together; a white-box mark among them that has no place to be read from counts as
    one that matches nowhere. With --head-from or --align-to the evidence counts only if those weights
    are the host committed by keygen --host: any other model may know the message, and then even an unmarked one can match.
    """
    from json import dumps

    from modelmark.cli import papers
    from modelmark.cli.loading import build_model, load_key, load_weights, require_bar
    from modelmark.combined import combine
    from modelmark.evidence import Evidence
    from modelmark.suspect import WhiteBox
    from modelmark.suspects.files import open_weights

    require_bar(bits)
    opened = [load_key(path, passphrase_file, scheme=scheme) for path in keys]
    _require_access(opened, "--head-from", head_from, "black-box")
    _require_access(opened, "--align-to", align_to, "white-box")
    suspect, said = open_weights(weights), set[str]()
    found: list[Evidence | Observation] = []
    for mark in papers.marks(opened, papers.claimed(claim, deposit, authority), offline=offline):
        key = mark.key
        aligning = align_to if key.scheme.access == "white-box" else None
        host = _host(key, aligning, arch) if aligning else None
        others = [load_weights(build_model(arch, key.arch, key.interface), path) for path in unmarked or ()]
        objection, readings = "", 1
        try:
            with _of(weights, aligning):
                model = _suspect(key, suspect, arch, aligning, said)
                if head_from is not None and key.scheme.access == "black-box":
                    model, objection = _through(model, key, head_from, arch)
                    readings = 2
                reading = mark.evidence(
                    WhiteBox(model, key.interface.classes), bar=bits, suspects=suspects, readings=readings,
                    objection=objection, align_to=host, references=[WhiteBox(m, key.interface.classes) for m in others],
                )  # fmt: skip
        except MismatchError as error:
            if key.scheme.access != "white-box" or all(other.scheme.access == "white-box" for other in opened):
                raise
            reading = mark.unread(str(error), bar=bits, suspects=suspects)
        found.append(reading)
    evidence = [part for part in found if isinstance(part, Evidence)]
    together = combine(evidence) if len(evidence) > 1 else None
    if json:
        parts = [{**part.to_json(), "arch": arch or key.arch} for part, key in zip(found, opened, strict=True)]
        summary = together.to_json() if together else {"type": "modelmark.readings", "v": 1}
        show(dumps(parts[0] if len(parts) == 1 else {**summary, "parts": parts}))
    else:
        for part in (*found, together) if together else found:
            show(str(part))
        if arch and any(arch != key.arch for key in opened):
            say(f"read with the code of {arch}, which is not what the key was made for ({opened[0].arch})")
        if unmarked and all(isinstance(part, Evidence) for part in found):
            say("--unmarked was not used: drawn messages have an exact test, which needs no models to compare with")
        if head_from and any(isinstance(part, Evidence) and part.queries for part in found):
            say("read through the head of the host that was committed before the draw")
    established = together.established if together else any(part.established for part in found)
    raise typer.Exit(0 if established else 1)


def _require_access(opened: "list[Key]", option: str, given: Path | None, access: str) -> None:
    if given is not None and not any(key.scheme.access == access for key in opened):
        names = ", ".join(key.scheme.name for key in opened)
        raise UsageError(f"expected {option} with a {access} scheme, got {names}")


@contextlib.contextmanager
def _of(weights: Path, host: Path | None) -> Iterator[None]:
    """Say of which files it was that they do not belong together, where a suspect is to be aligned to a host."""
    try:
        yield
    except MismatchError as error:
        if host is not None:
            error.args = (f"{error} ({weights.name}, to be aligned to {host.name})",)
        raise


def _host(key: "Key", path: Path, arch: str) -> "nn.Module":
    """Return the host that the key committed to, which is of the key's architecture whatever the suspect is of."""
    from modelmark.align.committed import OTHER_HOST, require
    from modelmark.cli.loading import build_model, load_weights

    fresh = build_model("" if key.arch and ":" not in key.arch else arch, key.arch, key.interface)
    try:
        host = load_weights(fresh, path)
    except MismatchError as error:
        raise MismatchError(f"{OTHER_HOST} in {path.name}", hint=str(error)) from None
    require(host, committed=key.host, scheme=key.scheme.name)
    return host


def _suspect(key: "Key", file: "WeightFile", arch: str, align_to: Path | None, said: set[str]) -> "nn.Module":
    """Return the suspect; asked for answers, or aligned, its layers may have other widths than the architecture says."""
    from modelmark import align
    from modelmark.cli.loading import build_model, load_weights
    from modelmark.suspects.files import fitted

    plain, asked = build_model(arch, key.arch, key.interface), key.scheme.access == "black-box"
    own = plain.state_dict()
    fit = fitted(file, {name: tuple(tensor.shape) for name, tensor in own.items()})
    other_widths = bool(fit.unfit)
    if align_to is not None or (asked and other_widths):
        state = {name: own[name] for name in fit.missing if name not in fit.lacks} | fit.any_shape
        try:
            model = align.resized(plain, state)
            if align_to is None:
                key.scheme.check(model, key.interface)
        except MismatchError:
            if align_to is not None:
                raise
        else:
            return model  # where it is no network either, what loading says is clearer
    try:
        model = load_weights(plain, file, said=said)
    except MismatchError as error:
        if other_widths and not asked:
            error.hint = "channels that were added or cut are undone by --align-to HOST, if the key has a host"
        if asked and not arch:
            error.hint = "a suspect of another architecture is asked with --arch NAME"
        raise
    key.scheme.check(model, key.interface)
    return model


def _through(model: "nn.Module", key: "Key", head_from: Path, arch: str) -> "tuple[nn.Module, str]":
    """Return the model with the head of other weights, and the objection to it unless they are the committed host's."""
    from modelmark import layers
    from modelmark import weights as weight_files
    from modelmark.cli.loading import build_model, load_weights

    donor = load_weights(build_model(arch, key.arch, key.interface), head_from).state_dict()
    return layers.with_head(model, donor), "" if key.host == weight_files.digest(donor) else _HEAD
