"""``modelmark verify``: whether marks are in a model, and how strong the evidence is."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from modelmark.cli import asked
from modelmark.cli.arguments import reached
from modelmark.cli.options import Arch, Base, Bits, Json, PassphraseFile, SchemeModule, Suspect, Tried
from modelmark.cli.papers import Authorities, ClaimOption, DepositFile
from modelmark.cli.terminal import say, show
from modelmark.cli.views import View
from modelmark.errors import UsageError
from modelmark.evidence.evidence import BAR

if TYPE_CHECKING:
    from modelmark.marks.keys import Key


def run(
    named: Annotated[
        list[str],
        typer.Argument(metavar="KEY... SUSPECT", help="key files, and the suspect: a file, a folder or an address"),
    ],
    weights: Suspect = None,
    base: Base = None,
    arch: Arch = "",
    bits: Bits = BAR,
    suspects: Tried = 1,
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
    recipient: Annotated[
        str | None,
        typer.Option("--recipient", metavar="NAME", help="weigh this recipient's copy (spread); the name is charged"),
    ] = None,
    scheme: SchemeModule = "",
    passphrase_file: PassphraseFile = None,
    json: Json = False,
    template: asked.TemplateName = "",
    labels: asked.Labels = None,
    via: asked.Via = None,
    ordinary: Annotated[
        str,
        typer.Option("--ordinary", metavar="SPEC", help="labelled data to ask first: how many a suspect gets right"),
    ] = "",
    answers: Annotated[
        Path | None,
        typer.Option(
            "--answers", metavar="FILE", help="where answers of an address are written; one that exists is gone on with"
        ),
    ] = None,
    budget: Annotated[
        int | None,
        typer.Option(
            "--budget",
            min=1,
            help="field: queries at most, and no more than it takes: looks after an eighth, a quarter, a half and all of them "
            "are charged",
        ),
    ] = None,
    secret_file: asked.SecretFile = None,
    secret_env: asked.SecretEnv = "",
    tokenizer: Annotated[
        Path | None,
        typer.Option(
            "--tokenizer",
            metavar="PATH",
            help="answers: the suspect's tokenizer.json, or its folder: must be the key's",
        ),
    ] = None,
) -> None:
    """Read a suspect and say whether the marks are established. Exit status 0 if they are, 1 if not.

    A black-box key asks ONNX, OpenVINO IR and TFLite as they are, through their runtimes, unless --arch names the code that
    their weights are put into; and an address, one query at a time, each answer written down before the next query is sent.

    Several keys, named beforehand, count together; a mark among them that cannot be read from the suspect counts as one that
    matches nowhere. With --head-from or --align-to the evidence counts only if those weights
    are the host committed by keygen --host: any other model may know the message, and then even an unmarked one can match.

    An adapter of peft is read as it is merged into its base: --base, or the folder that it names itself.
    """
    from contextlib import ExitStack
    from json import dumps

    from modelmark import models
    from modelmark.cli import papers
    from modelmark.cli.loading import load_key, require_bar
    from modelmark.evidence.evidence import Evidence
    from modelmark.suspects.base import Read, ReadEach
    from modelmark.suspects.files import open_weights

    require_bar(bits)
    arch = models.recorded(arch)
    keys, suspect = reached(named, weights, "modelmark verify KEY... SUSPECT")
    opened = [load_key(path, passphrase_file, scheme=scheme) for path in keys]
    _require_access(opened, "--head-from", head_from, "black-box")
    _require_access(opened, "--align-to", align_to, "white-box")
    if budget and len(opened) > 1:
        raise UsageError(f"expected one key with --budget, got {len(opened)}: what is enough is known of each alone")
    if tokenizer:
        _require_tokenizer(opened, tokenizer)
    marks = papers.marks(opened, papers.claimed(claim, deposit, authority), offline=offline)
    if recipient is not None:
        from modelmark.copies.reading import for_recipient

        marks = [for_recipient(mark, recipient) for mark in marks]
    asking = asked.Asking(labels, via or (), template, secret_file, secret_env)
    if isinstance(suspect, str) and (arch or head_from or align_to or base):
        raise UsageError("expected a file with --arch, --base, --head-from and --align-to, got an address")
    others = [open_weights(path) for path in unmarked or ()]
    with ExitStack() as stack:
        way = asked.Way(asking, suspect, stack, answers, ordinary, by_code=bool(arch or head_from))
        file = None if isinstance(suspect, str) else open_weights(suspect, base)
        view = View(file, arch, align_to, head_from, others, way.suspect, base=base)
        if budget:
            found = [view.looked(marks[0], budget, bar=bits, suspects=suspects)]
        else:
            readings = view.readings(marks)
            found = [
                mark.weigh(read, bar=bits, suspects=suspects, references=view.references(mark))
                for mark, read in zip(marks, readings, strict=True)
            ]
    evidence = [part for part in found if isinstance(part, Evidence)]
    together = None
    if len(evidence) > 1:
        from modelmark.evidence.combined import combine

        together = combine(evidence)
    if json:
        parts = [{**part.to_json(), "arch": arch or key.arch} for part, key in zip(found, opened, strict=True)]
        summary = together.to_json() if together else {"type": "modelmark.readings", "v": 1}
        show(dumps(parts[0] if len(parts) == 1 else {**summary, "parts": parts}))
    else:
        for part in (*found, together) if together else found:
            show(str(part))
        if arch and any(arch != key.arch for key in opened if key.scheme.reads.probe not in (Read, ReadEach)):
            made_for = models.shown(opened[0].arch)
            say(f"read with the code of {models.shown(arch)}, which is not what the key was made for ({made_for})")
        if unmarked and all(isinstance(part, Evidence) for part in found):
            say("--unmarked was not used: drawn messages have an exact test, which needs no models to compare with")
        if head_from and any(isinstance(part, Evidence) and part.queries for part in found):
            say("read through the head of the host that was committed before the draw")
    established = together.established if together else any(part.established for part in found)
    if not established and not json:
        way.tell_of_tries()
    raise typer.Exit(0 if established else 1)


def _require_access(opened: "list[Key]", option: str, given: Path | None, access: str) -> None:
    if given is not None and not any(key.access == access for key in opened):
        names = ", ".join(key.scheme.name for key in opened)
        raise UsageError(f"expected {option} with a {access} scheme, got {names}")


def _require_tokenizer(opened: "list[Key]", path: Path) -> None:
    """Refuse a suspect whose tokenizer is not the one that keys were made with."""
    from modelmark.carriers.prompts import Prompted
    from modelmark.feeds.tokenizer import Tokenizer

    found = Tokenizer.load(path)
    asked = [carriers.prompts for key in opened if isinstance(carriers := key.carriers, Prompted)]
    if not any(prompts.texts for prompts in asked):
        raise UsageError("expected --tokenizer with a key of answers that keeps texts, got none")
    for prompts in asked:
        found.require(prompts)
