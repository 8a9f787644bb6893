"""``modelmark inspect``: what a file says openly: a key, an identity, a document of a dispute, a transcript, weights."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from modelmark.cli.options import Base, Json, PassphraseFile
from modelmark.cli.terminal import passphrase, plain, say, show
from modelmark.errors import MalformedError, UsageError

if TYPE_CHECKING:
    from modelmark.marks.keyfile import Locked


def run(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="a key, an identity, a document of a dispute, or weights")
    ],
    base: Base = None,
    passphrase_file: PassphraseFile = None,
    labels: Annotated[
        bool, typer.Option("--labels", help="a key's class names alone, one a line, as --labels of verify takes them")
    ] = False,
    json: Json = False,
) -> None:
    """Show what a file says openly; of weights the layers, their shapes and types, without a key.

    Of a key it shows settings, how its model is fed and how many symbols must match, too, where no passphrase seals that or one
    is given. Documents are shown only if
    everyone they name has signed them.
    """
    from json import dumps

    from modelmark.suspects.files import sized

    found = _read(file, base, passphrase_file)
    if labels:
        _show_labels(found, file)
        return
    if json:
        show(dumps(found))
        return
    if found.pop("encrypted", False):
        say("shown as it stands: only the passphrase proves that the header was not changed")
        found["encrypted"] = True
    elif found["type"] in ("modelmark.key", "modelmark.identity"):
        found["encrypted"] = False
    shown = _typed({name: value for name, value in found.items() if name not in ("type", "v")})
    tensors = shown.pop("tensors", {})
    if found["type"] != "modelmark.key":
        shown = {"type": found["type"], **shown}
    for name, value in _flat(shown):
        show(plain(f"{name:12} {value}"))
    for name, tensor in tensors.items():
        sizes = sized(tensor["shape"])
        turned = f", read as {sized(tensor['read_as'])}" if "read_as" in tensor else ""
        show(plain(f"{name} {sizes} {tensor['kind']}{turned}"))


def _read(path: Path, base: Path | None, passphrase_file: Path | None) -> dict[str, Any]:
    from dataclasses import asdict

    from modelmark import files
    from modelmark.claim.papers import envelope, identity, records, schemas, transcript
    from modelmark.marks import keyfile

    if path.is_dir():
        return _weights(path, base)
    with_magic = files.head(path, 32, what="a file of modelmark or of weights")
    if with_magic.startswith(identity.MAGIC):
        signers, sealed = identity.inspect(path)
        public = {signer.algorithm: signer.public for signer in signers}
        return {"type": "modelmark.identity", "v": identity.VERSION, "signers": public, "encrypted": sealed}
    if with_magic.startswith(b'{"payload"'):
        data = files.read(path, limit=envelope.MAX_ENVELOPE, what="a document")
        kind = envelope.kind(data)
        if kind in schemas.DOCUMENTS:
            signed = envelope.parse(data, schemas.DOCUMENTS[kind])
            fields = records.dump(signed.document)
            return {
                "type": f"modelmark.{kind}",
                "v": records.version(signed.document),
                "digest": signed.digest,
                **fields,
            }
    if with_magic.startswith(b'{"claim"'):
        record = transcript.load(path)
        count = {"queries": len(record.asked), "ordinary": sum(one.carrier < 0 for one in record.asked)}
        version = records.version(record.head)
        known = {"type": "modelmark.transcript", "v": version, "digest": record.digest}
        return known | records.dump(record.head) | count
    if not with_magic.startswith(keyfile.MAGIC):
        return _weights(path, base)
    locked = keyfile.read(path)
    known = {"type": "modelmark.key", "v": keyfile.VERSION, **asdict(locked.header)}
    if locked.header.encrypted and passphrase_file is None:
        return known
    typed = passphrase(passphrase_file, confirm=False) if locked.header.encrypted else None
    fed = locked.feed(typed).to_json()
    said = {name: part for name, part in locked.said(typed).items() if part != ""}
    return {**known, **_worth(locked, typed), "draw": "offline", **said, "interface": fed}


def _worth(locked: "Locked", passphrase: str | None) -> dict[str, Any]:
    """Return what a key can be worth; nothing of one whose scheme is code outside the table, which is not run for this."""
    from modelmark.cli import worth
    from modelmark.evidence.evidence import BAR
    from modelmark.schemes import IN_DATA, SCHEMES

    if locked.header.scheme not in SCHEMES | IN_DATA:
        return {}
    key = locked.unlock(passphrase)
    trials, alphabet = key.scheme.size(key.feed)
    return {"symbols": trials, "alphabet": alphabet, "worth": worth.worth(key, BAR)}


def _show_labels(found: dict[str, Any], path: Path) -> None:
    if "interface" not in found:
        raise UsageError(
            f"expected a key whose class names can be seen, got {path.name}",
            hint="--passphrase-file FILE opens a sealed key" if found["type"] == "modelmark.key" else "",
        )
    for name in found["interface"]["class_names"]:
        show(plain(name))


def _typed(value: Any) -> Any:
    """Return what is shown, with the constants of pictures as --mean and --std take them."""
    if isinstance(value, list):
        return [_typed(item) for item in value]
    if not isinstance(value, dict):
        return value
    from modelmark.feeds.pictures import decimal

    constants = {
        name: decimal(value[name]) for name in ("mean", "std") if {"mean", "std", "input_shape"} <= value.keys()
    }
    sizes = {"input_shape": "x".join(map(str, value["input_shape"]))} if "input_shape" in value else {}
    return {name: _typed(item) for name, item in (value | constants | sizes).items()}


def _weights(path: Path, base: Path | None) -> dict[str, Any]:
    """Return the container and every tensor with the shape and the type that the container gives it."""
    from modelmark.suspects.files import open_weights

    try:
        file = open_weights(path, base)
    except MalformedError as error:
        raise MalformedError(str(error).replace("expected weights in", _EXPECTED, 1), hint=error.hint) from None
    tensors: dict[str, dict[str, Any]] = {}
    for name in file.shapes if file.in_order else file.names:
        stored, read_as = file.stored.get(name, file.shapes[name]), file.shapes[name]
        turned = {} if stored == read_as else {"read_as": list(read_as)}
        tensors[name] = {"shape": list(stored), "kind": file.types.get(name, ""), **turned}
    lines = {"notes": list(file.notes)} if file.notes else {}
    return {"type": "weights", "container": file.what, "count": len(tensors), **lines, "tensors": tensors}


def _flat(value: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Return names and short texts, what is nested with its path; long lists as their length and first entry."""
    found: list[tuple[str, str]] = []
    for name, item in value.items():
        if isinstance(item, dict):
            found += _flat(item, f"{prefix}{name}.")
        elif isinstance(item, list):
            found += _listed(item, prefix + name)
        else:
            text = str(item).lower() if isinstance(item, bool) else str(item)
            found.append((prefix + name, text if len(text) <= 200 else f"{text[:200]}... ({len(text)} characters)"))
    return found


def _listed(items: list[Any], name: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for number, item in enumerate(items[:_SHOWN]):
        found += _flat(item, f"{name}.{number}.") if isinstance(item, dict) else _flat({f"{name}.{number}": item})
    if len(items) > _SHOWN or not items:
        found.append((name, f"{len(items)} in all"))
    return found


_EXPECTED = "expected a key, an identity, a document of a dispute, a transcript or weights in"
_SHOWN = 20
"""Entries of a list that are shown; --json shows all."""
