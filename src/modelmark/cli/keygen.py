"""``modelmark keygen``: a new key, or the key of a mark made with the papers' own releases."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from modelmark.cli.brought import Brought
from modelmark.cli.options import Arch, Bits, Data, Mean, Output, PassphraseFile, Settings, Std
from modelmark.cli.terminal import passphrase, plain_warnings, say
from modelmark.errors import UsageError
from modelmark.evidence.evidence import BAR
from modelmark.naming import counted

if TYPE_CHECKING:
    from modelmark.marks.keys import Key


def run(
    scheme: Annotated[str, typer.Argument(help="a name that modelmark schemes lists, or module:Class")],
    output: Output,
    data: Data = "",
    arch: Arch = "",
    file: Annotated[
        Path | None,
        typer.Option("--weights", metavar="FILE", help="spread: the unmarked file, instead of --data and --arch"),
    ] = None,
    settings: Settings = None,
    bits: Bits = BAR,
    mean: Mean = "",
    std: Std = "",
    host: Annotated[
        Path | None, typer.Option("--host", metavar="WEIGHTS", help="commit to this unmarked model before the draw")
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(
            "--images",
            metavar="PATH",
            help="adi: folder of your own pictures; deepsigns-blackbox: FILE.npy of older keys",
        ),
    ] = None,
    labels: Annotated[
        Path | None, typer.Option("--labels", metavar="FILE", help="with --images: labels of an older mark")
    ] = None,
    fit: Annotated[str, typer.Option("--fit", metavar="HOW", help="adi: crop (centre) or resize the pictures")] = "",
    matrix: Annotated[
        Path | None,
        typer.Option("--matrix", metavar="FILE.npy", help="of an older mark: M x T of uchida, N x M of deepsigns"),
    ] = None,
    message: Annotated[
        Path | None, typer.Option("--message", metavar="FILE.npy", help="with --matrix: its bits")
    ] = None,
    axes: Annotated[
        str, typer.Option("--axes", metavar="ORDER", help="uchida: order of M in --matrix, keras (default) or pytorch")
    ] = "",
    records: Annotated[
        list[Path] | None,
        typer.Option(
            "--records",
            metavar="FILE",
            help="twins, choice, order: .jsonl of texts (may be repeated), or .npz; dawn: .npz",
        ),
    ] = None,
    reference: Annotated[
        Path | None,
        typer.Option(
            "--reference", metavar="MODEL", help="with --records: any model, asked now how likely each record is"
        ),
    ] = None,
    tokenizer: Annotated[
        Path | None,
        typer.Option(
            "--tokenizer",
            metavar="PATH",
            help="answers: tokenizer.json or its folder, to keep texts; default: the model's",
        ),
    ] = None,
    rehearsals: Annotated[
        Path | None,
        typer.Option(
            "--rehearsals", metavar="FOLDER", help="field: students of the host, as modelmark rehearse made them"
        ),
    ] = None,
    queries: Annotated[
        str,
        typer.Option("--queries", metavar="SPEC", help="field: data to choose queries from; default: the test data"),
    ] = "",
    along: Annotated[
        str,
        typer.Option("--along", metavar="MODULE:FUNCTION", help="field, with --set coordinates=own: what says them"),
    ] = "",
    draw: Annotated[
        str, typer.Option("--draw", help="offline, or timestamp: no message before the claim is deposited")
    ] = "offline",
    self_check: Annotated[bool, typer.Option("--self-check", help="a key that is never evidence, of any size")] = False,
    unencrypted: Annotated[bool, typer.Option("--unencrypted", help="anyone who can read the file can use it")] = False,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Make a key for models of one architecture and one kind of data.

    The key holds the architecture and how inputs are fed, so that verify needs a suspect's weights and nothing else. A spread key
    can be made for a weight file alone, to which it commits as its host.

    Marks in data are made of records: pairs for twins and choice, single ones for order. No model is needed, and any model
    may be the reference.

    Architectures: mlp, cnn, lenet5, vgg16, resnet8, resnet18, preact-resnet18, wrn-10-4, hf:FOLDER of transformers, or
    module:factory of your own.
    """
    from modelmark import models, options
    from modelmark.cli import in_data
    from modelmark.cli.loading import (
        build_model,
        folder_of,
        load_task,
        load_weights,
        require_bar,
        require_new,
        tokenizer_of,
    )
    from modelmark.marks.keys import KeyPolicy, Provenance, keygen
    from modelmark.schemes import scheme_class
    from modelmark.schemes.base import Cautious

    require_new(output)
    require_bar(bits)
    if unencrypted and passphrase_file:
        raise UsageError("expected --unencrypted or --passphrase-file, got both")
    cls = scheme_class(scheme, trusted=True)
    brought = Brought(images, labels, fit, matrix, message, axes)
    brought.require(cls.name)
    chosen: dict[str, object] = dict(options.parse(settings or []))
    options.refuse_derived(cls, chosen)
    if cls.name != "field" and (rehearsals or queries or along):
        raise UsageError(f"expected --rehearsals, --queries and --along with field, got {scheme}")
    if cls.name == "field" and host is None:
        raise UsageError(
            "expected the trained model with field, whose answers are to lean, got none", hint="--host WEIGHTS"
        )
    if in_data.is_in_data(scheme):
        if data or file or host or mean or std:
            raise UsageError(f"expected --records for {scheme}, got --data, --weights, --host, --mean or --std")
        policy = KeyPolicy(bar=bits, self_check=self_check, draw=draw)
        marked = in_data.keygen(scheme, chosen, records or [], reference, arch, policy)
        _write(marked, output, bits, unencrypted, passphrase_file)
        return
    if records or reference:
        raise UsageError(f"expected --records and --reference with twins, choice, order or dawn, got {scheme}")
    if file is not None:
        if cls is not scheme_class("spread") or data or arch or mean or std or host:
            raise UsageError("expected --weights with spread and without --data, --arch, --mean, --std and --host")
        from modelmark.marks.onfiles import keygen_for_file
        from modelmark.suspects.files import open_weights

        made: Any = options.make(cls, chosen)
        key = keygen_for_file(made, open_weights(file), policy=KeyPolicy(bar=bits, self_check=self_check, draw=draw))
        _write(key, output, bits, unencrypted, passphrase_file)
        there = list(dict.fromkeys(run.layer for run in key.carriers.runs))  # type: ignore[attr-defined]
        say(f"{counted(len(there), 'layer')} to mark, {there[0]} to {there[-1]}")
        return
    from modelmark.align import committed
    from modelmark.suspects import weights

    task = load_task(data, mean, std, folder=folder_of(arch, host))
    feed = task.feed
    model = build_model(arch, "", feed)
    attachments, implied = brought.attached(cls.name, chosen, model, feed)
    trained = load_weights(model, host, feed) if host else model
    if cls.name == "field":
        from modelmark.cli import fields
        from modelmark.key.draw import CHARGES

        attachments = fields.attached(
            chosen, trained, task, rehearsals=rehearsals, queries=queries, arch=arch, along=along,
            needed=0.0 if self_check else bits + CHARGES[draw],
        )  # fmt: skip
        chosen.pop("directions", None), chosen.pop("queries", None)
    for name, value in implied.items():
        if chosen.get(name, value) != value:
            raise UsageError(f"expected {name}={value} with what is imported, got {name}={chosen[name]}")
    digest = weights.digest(trained.state_dict()) if host else ""
    with plain_warnings():
        key = keygen(
            options.make(cls, {**chosen, **implied}),
            model,
            feed,
            task=task,
            attachments=attachments,
            owner=Provenance(arch=models.recorded(arch), data=data, host=digest),
            policy=KeyPolicy(bar=bits, self_check=self_check, draw=draw),
            tokenizer=tokenizer_of(cls, tokenizer, arch, host),
        )
    own = key.scheme.cautions(model, feed, host=bool(host)) if isinstance(key.scheme, Cautious) else []
    if host and key.access == "white-box" and (why := committed.obstacle(trained)):
        own.append(f"suspects cannot be aligned to this host, and whoever reorders its channels hides the mark: {why}")
    for caution in own:
        say(f"warning: {caution}")
    _write(key, output, bits, unencrypted, passphrase_file)


def _write(key: "Key", output: Path, bits: float, unencrypted: bool, passphrase_file: Path | None) -> None:
    """Save a key and say what it is worth."""
    from modelmark.cli import worth
    from modelmark.marks import keyfile

    for caution in worth.slack(key, bits):
        say(f"warning: {caution}")
    keyfile.save(key, output, None if unencrypted else passphrase(passphrase_file, confirm=True))
    say(f"{output}: {worth.described(key, bits)}" + (", not encrypted" if unencrypted else ""))
