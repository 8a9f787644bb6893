"""JSON schemas of the documents, generated from the shapes of their fields.

They describe what is signed: the in-toto statement. A document that a schema admits can still be refused: the reader also
compares fields with one another, wants one spelling, and verifies the signatures.
"""

from typing import Any

from modelmark.claim.papers import envelope, records
from modelmark.claim.papers.claim import Claim
from modelmark.claim.papers.dispute import Challenge, Deposit, Opening
from modelmark.claim.papers.envelope import PAYLOAD_TYPE, STATEMENT_TYPE
from modelmark.claim.papers.records import Record
from modelmark.claim.papers.shapes import Base64, Hex
from modelmark.claim.papers.signing import MAX_SIGNATURE
from modelmark.claim.papers.verdict import Revocation, Verdict

DOCUMENTS: dict[str, type[Any]] = {
    "claim": Claim,
    "deposit": Deposit,
    "challenge": Challenge,
    "opening": Opening,
    "verdict": Verdict,
    "revocation": Revocation,
}
"""Every kind of document."""

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def names() -> dict[str, tuple[str, int]]:
    """Return kind and version by the name of each schema: ``verdict``, ``verdict.v2``; ``envelope`` has one version."""
    found = {kind: records.versions(cls) for kind, cls in DOCUMENTS.items()}
    every = {f"{kind}.v{number}" if number > 1 else kind: (kind, number) for kind in found for number in found[kind]}
    return every | {"envelope": ("envelope", 1)}


def schema(kind: str, version: int = 1) -> dict[str, Any]:
    """Return the schema of the statement around a document of this kind, or of ``envelope``."""
    if kind == "envelope":
        return _envelope()
    cls = DOCUMENTS[kind]
    predicate = Record(cls).schema(version)
    predicate["properties"] |= {"type": {"const": f"modelmark.{kind}"}, "v": {"const": version}}
    predicate["required"] = sorted(predicate["properties"])
    subject = _object(
        name={"type": "string"},
        digest={"type": "object", "additionalProperties": Hex(32).schema(), "minProperties": 1, "maxProperties": 1},
    )
    return _titled(
        f"modelmark {kind}, version {version}: the signed in-toto statement",
        _object(
            _type={"const": STATEMENT_TYPE},
            subject={"type": "array", "items": subject, "minItems": 1},
            predicateType={"const": f"urn:modelmark:{kind}:v{version}"},
            predicate=predicate,
        ),
    )


def _envelope() -> dict[str, Any]:
    signature = _object(keyid=Hex(32).schema(), sig=Base64(MAX_SIGNATURE).schema())
    return _titled(
        "DSSE envelope of a modelmark document",
        _object(
            payload=Base64(envelope.MAX_ENVELOPE // 4 * 3).schema(),
            payloadType={"const": PAYLOAD_TYPE},
            signatures={"type": "array", "items": signature, "minItems": 1, "maxItems": 3},
        ),
    )


def _titled(title: str, body: dict[str, Any]) -> dict[str, Any]:
    return {"$schema": _DIALECT, "title": title} | body


def _object(**fields: Any) -> dict[str, Any]:
    return {"type": "object", "properties": fields, "required": sorted(fields), "additionalProperties": False}
