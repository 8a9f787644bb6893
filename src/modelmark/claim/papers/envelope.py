"""Signed documents: a DSSE envelope around an in-toto statement whose predicate is the document.

Everything is canonical or refused: the envelope, the base64 in it, the statement, every field. A document is named by the
SHA-256 of its statement's bytes; signatures are no part of that name, as one text can have many valid ones.
"""

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from modelmark import canonical, files
from modelmark.canonical import Json
from modelmark.claim.papers import records, shapes, signing
from modelmark.claim.papers.identity import Identity
from modelmark.claim.papers.records import Subject
from modelmark.claim.papers.signing import MAX_SIGNATURE, Signer
from modelmark.errors import MalformedError, MismatchError
from modelmark.naming import counted

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
MAX_ENVELOPE = 8 * 2**20
"""Bytes. An opening of 16,384 leaves with its proof has under 6 MiB."""
MAX_VALUES = 2**19
"""Members of lists and objects in one document."""
MAX_DEPTH = 16


class Document(Protocol):
    """A frozen dataclass of shaped fields with a ``kind``, ``signers`` and ``subjects``."""

    kind: ClassVar[str]

    @property
    def signers(self) -> tuple[Signer, ...]:
        """Who must sign."""
        ...

    @property
    def subjects(self) -> tuple[Subject, ...]:
        """What it is about."""
        ...


D = TypeVar("D", bound=Document)


@dataclass(frozen=True)
class Signed(Generic[D]):
    """A document that everyone it names has signed.

    Args:
        document: the document.
        payload: its canonical in-toto statement; what is signed, and what a deposit dates.
        data: the envelope, as it is in a file.
    """

    document: D
    payload: bytes
    data: bytes

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the payload, hex: the document's name in all others."""
        return hashlib.sha256(self.payload).hexdigest()


def pae(payload: bytes, payload_type: str = PAYLOAD_TYPE) -> bytes:
    """Return what is signed: DSSE v1's pre-authentication encoding."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def sign(document: D, identity: Identity) -> Signed[D]:
    """Return the document signed by all keys of ``identity``.

    Raises:
        MismatchError: the document names other signers.
    """
    if document.signers != identity.signers:
        raise MismatchError(f"expected the identity that the {document.kind} names as its signer, got another")
    payload = _payload(document)
    signatures: list[Json] = [
        {"keyid": signer.keyid, "sig": base64.b64encode(signature).decode()}
        for signer, signature in zip(identity.signers, identity.sign(pae(payload)), strict=True)
    ]
    text = base64.b64encode(payload).decode()
    data = canonical.encode({"payload": text, "payloadType": PAYLOAD_TYPE, "signatures": signatures})
    return parse(data, type(document))


def parse(data: bytes, cls: type[D]) -> Signed[D]:
    """Return the document in an envelope, every signature verified.

    Args:
        data: the envelope.
        cls: the type of document that is expected.

    Raises:
        MalformedError: anything about it is not as it must be.
    """
    payload, signatures = _unwrap(data, cls.kind)
    document = _document(payload, cls)
    _require_signed(document, payload, signatures)
    return Signed(document, payload, data)


def verify(signed: Signed[D]) -> Signed[D]:
    """Return a document whose envelope holds it, and every signature: whoever made the object may have verified nothing.

    Raises:
        MalformedError: the envelope holds another, or it is not signed by everyone that it names.
    """
    document = signed.document
    payload, signatures = _unwrap(signed.data, document.kind)
    if not payload == signed.payload == _payload(document):  # its fields were checked when it was made
        raise MalformedError(f"expected the {document.kind} that was signed, got another")
    _require_signed(document, payload, signatures)
    return signed


def _require_signed(document: Document, payload: bytes, signatures: list[tuple[str, bytes]]) -> None:
    if len(signatures) != len(document.signers):
        raise MalformedError(
            f"expected {counted(len(document.signers), 'signature')} of the {document.kind}, got {len(signatures)}"
        )
    message = pae(payload)
    for signer, (keyid, signature) in zip(document.signers, signatures, strict=True):
        if not hmac.compare_digest(keyid.encode(), signer.keyid.encode()):
            raise MalformedError(f"expected the signature of {signer.keyid[:16]} in the {document.kind}, got another's")
        signing.verify(signer, signature, message)


def kind(data: bytes) -> str:
    """Return what kind of document an envelope says it holds; nothing is verified.

    Raises:
        MalformedError: it is no envelope of ours.
    """
    statement = _statement(_unwrap(data, "document")[0], "document")
    found = _said(statement)
    if not found:
        raise MalformedError("expected a modelmark document, got a statement of another type")
    return found


def save(signed: Signed[Any], path: Path) -> None:
    """Write an envelope to a new file.

    Raises:
        OutputExistsError: the file exists.
    """
    files.write_new(path, signed.data)


def load(path: Path | str, cls: type[D]) -> Signed[D]:
    """Return the document in a file, every signature verified.

    Raises:
        MalformedError: missing, too large, or not as it must be.
    """
    return parse(files.read(Path(path), limit=MAX_ENVELOPE, what=_a(cls.kind)), cls)


def _a(what: str) -> str:
    return f"{'an' if what[0] in 'aeiou' else 'a'} {what}"


def _payload(document: Document) -> bytes:
    version = records.version(document)
    return canonical.encode(
        {
            "_type": STATEMENT_TYPE,
            "subject": [{"name": name, "digest": {method: digest}} for name, method, digest in document.subjects],
            "predicateType": f"urn:modelmark:{document.kind}:v{version}",
            "predicate": records.dump(document) | {"type": f"modelmark.{document.kind}", "v": version},
        }
    )


def _unwrap(data: bytes, what: str) -> tuple[bytes, list[tuple[str, bytes]]]:
    """Return payload and signatures of a canonical envelope."""
    if len(data) > MAX_ENVELOPE:
        raise MalformedError(f"expected {_a(what)} of at most {MAX_ENVELOPE} bytes, got {len(data)}")
    if not data.startswith(b"{") and (other := files.told(data[:64])):
        raise MalformedError(f"expected {_a(what)}, got {other}")
    value = _decode(data, f"the envelope of {_a(what)}", 64)
    try:
        if value.keys() != {"payload", "payloadType", "signatures"} or value["payloadType"] != PAYLOAD_TYPE:
            raise ValueError("other fields")
        signatures = []
        for entry in value["signatures"]:
            if entry.keys() != {"keyid", "sig"} or len(entry["sig"]) > 2 * MAX_SIGNATURE:
                raise ValueError("other fields")
            signatures.append((str(entry["keyid"]), shapes.decode_base64(entry["sig"])))
        return shapes.decode_base64(value["payload"]), signatures
    except (ValueError, TypeError, AttributeError):
        raise MalformedError(f"expected a DSSE envelope of {_a(what)}, got something else") from None


def _statement(payload: bytes, what: str) -> dict[str, Any]:
    value = _decode(payload, f"the statement of {_a(what)}", MAX_VALUES)
    if not isinstance(value, dict) or value.keys() != {"_type", "subject", "predicateType", "predicate"}:
        raise MalformedError(f"expected an in-toto statement of {_a(what)}, got something else")
    return value


def _said(statement: dict[str, Any]) -> str:
    """Return the kind of document that a statement says it is, or nothing."""
    found = re.fullmatch(r"urn:modelmark:([a-z]+):v[1-9]", str(statement["predicateType"]))
    return found[1] if found else ""


def _document(payload: bytes, cls: type[D]) -> D:
    value = _statement(payload, cls.kind)
    predicate, found = value["predicate"], _said(value)
    if found not in ("", cls.kind):
        raise MalformedError(f"expected a document of kind {cls.kind}, got one of kind {found}")
    known = {f"urn:modelmark:{cls.kind}:v{number}": number for number in records.versions(cls)}
    version = known.get(str(value["predicateType"]))
    if version is None or not isinstance(predicate, dict):
        said = " or ".join(map(str, known.values()))
        raise MalformedError(f"expected {_a(cls.kind)} of version {said}, got another document")
    try:
        fields = {name: item for name, item in predicate.items() if name not in ("type", "v")}
        document = records.load(cls, fields, version)
    except ValueError as error:
        raise MalformedError(f"expected a well-formed {cls.kind}: {error}") from None
    if _payload(document) != payload:  # type and v, the subjects, the statement's type
        raise MalformedError(f"expected the statement that belongs to this {cls.kind}, got another")
    return document


def _decode(data: bytes, what: str, most: int) -> Any:
    """Return canonical JSON of bounded size and depth; the bounds are checked before anything is built."""
    if data.count(b",") + data.count(b"[") + data.count(b"{") > most:
        raise MalformedError(f"expected {what} with at most {most} values, got more")
    brackets = _STRING.sub(b"", data).translate(_ALIKE, _REST)
    for _ in range(MAX_DEPTH):
        brackets = brackets.replace(b"[]", b"")  # the innermost, all at once
    if brackets.count(b"[") > brackets.count(b"]"):
        raise MalformedError(f"expected a whole document, got {what} without its end")
    if b"[]" in brackets:
        raise MalformedError(f"expected {what} at most {MAX_DEPTH} deep, got a deeper one")
    return canonical.decode(data, what=what)


_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
"""A string to step over. It never gives back what it took, and takes a string without an end too: linear time."""
_ALIKE = bytes.maketrans(b"{}", b"[]")
_REST = bytes(set(range(256)) - set(b"[]{}"))
