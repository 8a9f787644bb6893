"""What OpenSSF Model Signing signs: the files of a release, by name and digest, in an in-toto statement in a DSSE envelope.

::

    {"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json", "verificationMaterial": {"publicKey": {...}},
     "dsseEnvelope": {"payload": "ewogIC...", "payloadType": "application/vnd.in-toto+json", "signatures": [{...}]}}

The statement's subject is the release's root digest: SHA-256 of the files' digests in their order, without their names. So the
root alone says nothing about which file is which; ``release.check`` compares the whole predicate. Reading verifies no
signature: that is ``release.verify``. Specification: OpenSSF Model Signing 1.0, https://github.com/ossf/model-signing-spec.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from modelmark import files
from modelmark.claim.papers import foreign, shapes
from modelmark.claim.papers.envelope import PAYLOAD_TYPE, STATEMENT_TYPE
from modelmark.errors import MalformedError
from modelmark.naming import counted

PREDICATE = "https://model_signing/signature/v1.0"
MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
METHODS = {"publicKey": "key", "x509CertificateChain": "certificate", "certificate": "sigstore"}
"""How a bundle was signed, by the field of its verification material that says so."""
MAX_BUNDLE = 2**24
"""Bytes."""
MAX_FILES = 2**16
_WHAT = "a release's signature by OpenSSF Model Signing"


@dataclass(frozen=True)
class Manifest:
    """The files of a release as its signer lists them.

    Args:
        root: SHA-256 over the files' digests, hex; the statement's subject.
        files: SHA-256 of every file, hex, by its name: a path from the release's folder, with slashes.
        ignored: paths in the folder that are no part of the release.
        symlinks: whether the signer followed symbolic links.
        method: ``key``, ``certificate`` or ``sigstore``: how it says that it was signed.
        data: the bundle, as it is in its file.
    """

    root: str
    files: Mapping[str, str]
    ignored: tuple[str, ...]
    symlinks: bool
    method: str
    data: bytes = field(repr=False)


def load(path: Path) -> Manifest:
    """Return the manifest in the file of a signature.

    Raises:
        MalformedError: missing, too large, or not a bundle that ``parse`` reads.
    """
    return parse(files.read(path, limit=MAX_BUNDLE, what=_WHAT))


def parse(data: bytes) -> Manifest:
    """Return the manifest in a Sigstore bundle; no signature is verified.

    Raises:
        MalformedError: another document; digests other than SHA-256 of whole files; a root that is not the files' own; a name
            that leaves the folder, or stands there twice.
    """
    bundle = _object(
        foreign.parse(data, _WHAT), "a Sigstore bundle", {"mediaType", "verificationMaterial", "dsseEnvelope"}
    )
    if bundle["mediaType"] != MEDIA_TYPE:
        raise _other(f"a Sigstore bundle of type {MEDIA_TYPE}", bundle["mediaType"])
    material = bundle["verificationMaterial"]
    methods = [name for field_, name in METHODS.items() if isinstance(material, dict) and field_ in material]
    if len(methods) != 1:
        raise _other(f"verification material with one of {', '.join(METHODS)}", f"{len(methods)} of them")
    if methods == ["sigstore"] and not material.get("tlogEntries"):
        raise _other("an entry of a transparency log, as Sigstore's have", "none")
    envelope = _object(bundle["dsseEnvelope"], "a DSSE envelope", {"payload", "payloadType", "signatures"})
    if envelope["payloadType"] != PAYLOAD_TYPE:
        raise _other(f"a payload of type {PAYLOAD_TYPE}", envelope["payloadType"])
    if not isinstance(envelope["signatures"], list) or len(envelope["signatures"]) != 1:
        raise _other("one signature", "another number")
    try:
        payload = shapes.decode_base64(envelope["payload"])
    except (ValueError, AttributeError):
        raise _other("a payload in base64", "something else") from None
    return _statement(foreign.parse(payload, f"{_WHAT} with a statement"), methods[0], data)


def _statement(value: Any, method: str, data: bytes) -> Manifest:
    statement = _object(value, "an in-toto statement", {"_type", "subject", "predicateType", "predicate"})
    for name, wanted in (("_type", STATEMENT_TYPE), ("predicateType", PREDICATE)):
        if statement[name] != wanted:
            raise _other(f"{name} {wanted}", statement[name])
    predicate = statement["predicate"]
    if not isinstance(predicate, dict) or not {"resources", "serialization"} <= predicate.keys():
        raise _other("a predicate of resources and their serialization", "something else")
    how = predicate["serialization"]
    if not isinstance(how, dict) or how.get("method") != "files":
        raise _other("whole files (serialization method 'files')", how.get("method") if isinstance(how, dict) else how)
    if how.get("hash_type") != "sha256":
        raise _other("files by their SHA-256, the only digest read here", f"hash type {how.get('hash_type')!r}")
    ignored, symlinks = how.get("ignore_paths", []), how.get("allow_symlinks")
    if (
        not isinstance(ignored, list)
        or not all(isinstance(path, str) for path in ignored)
        or type(symlinks) is not bool
    ):
        raise _other("ignored paths as texts, and whether symbolic links count", "something else")
    listed = _files(predicate["resources"])
    root = hashlib.sha256(b"".join(map(bytes.fromhex, listed.values()))).hexdigest()
    if _subject(statement["subject"]) != root:
        raise _other(
            f"the root digest of its own {counted(len(listed), 'file')}, {root[:16]}, as its subject", "another"
        )
    return Manifest(root, listed, tuple(ignored), symlinks, method, data)


def _files(resources: Any) -> dict[str, str]:
    """Return digests by name, in the order in which they stand: the root is over that order, whichever it is."""
    if not isinstance(resources, list) or not 1 <= len(resources) <= MAX_FILES:
        raise _other(f"a list of 1 to {MAX_FILES} files", "something else")
    found: dict[str, str] = {}
    for one in resources:
        name, digest = (one.get("name"), one.get("digest")) if isinstance(one, dict) else (None, None)
        if not isinstance(name, str) or not _inside(name):
            raise _other("names of files inside the release", name)
        if name in found:
            raise _other("every file once", f"{name} twice")
        if one.get("algorithm") != "sha256" or not isinstance(digest, str) or not _SHA256.fullmatch(digest):
            raise _other(f"{name} by its SHA-256, the only digest read here", f"one by {one.get('algorithm')!r}")
        found[name] = digest
    return found


def _inside(name: str) -> bool:
    return "\0" not in name and not {"", ".", ".."} & set(name.split("/"))


def _subject(value: Any) -> Any:
    if not isinstance(value, list) or len(value) != 1 or not isinstance(value[0], dict):
        raise _other("one subject, the release", "something else")
    digest = value[0].get("digest")
    return digest.get("sha256") if isinstance(digest, dict) else None


def _object(value: Any, what: str, names: set[str]) -> dict[str, Any]:
    if not isinstance(value, dict) or value.keys() != names:
        raise _other(f"{what} with the fields {', '.join(sorted(names))}", "something else")
    return value


def _other(wanted: str, found: Any) -> MalformedError:
    return MalformedError(f"expected {_WHAT} with {wanted}, got {found}"[:300])


_SHA256 = re.compile("[0-9a-f]{64}")
