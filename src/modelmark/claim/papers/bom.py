"""A line in a CycloneDX bill of materials (ML-BOM) that points from a model to the claim about it.

::

    {"type": "machine-learning-model", "name": "digits", "hashes": [{"alg": "SHA-256", "content": "80a4bc33..."}],
     "externalReferences": [{"type": "attestation", "url": "owner.claim", "comment": "modelmark claim 3e3adaac...",
                             "hashes": [{"alg": "SHA-256", "content": "<SHA-256 of the file owner.claim>"}]}]}

The library ``cyclonedx-python-lib`` (``pip install 'modelmark[bom]'``) makes the component, and checks the whole against the
schema that it ships. A bill that exists is changed as JSON, one list of one component: the library knows no model cards, and
would leave them out (``findings/cyclonedx_model_card.sh``).
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from modelmark.claim.papers import foreign
from modelmark.claim.papers.claim import Claim
from modelmark.claim.papers.envelope import Signed
from modelmark.errors import MalformedError, MissingPackageError, UsageError

VERSION = "1.7"
VERSIONS = ("1.6", "1.7")
"""Of bills that can be extended; before 1.6 a reference could not say that it is a signature."""
MAX_BOM = 2**19
"""Bytes. The validator takes time with the square of the components: half a minute at 4,000 in 400 kB."""
KIND = "machine-learning-model"


@dataclass(frozen=True)
class Line:
    """What a bill says about one model.

    Args:
        claim: the claim.
        url: where its file is, as the reader of the bill will find it.
        name: of the model, where the bill is new.
        weights: SHA-256 of the marked weights, hex, or empty.
        signature: the release's signature by OpenSSF Model Signing, or empty.
        signature_url: where its file is.
    """

    claim: Signed[Claim]
    url: str
    name: str
    weights: str = ""
    signature: bytes = b""
    signature_url: str = ""

    @property
    def references(self) -> list[dict[str, Any]]:
        """External references of the model: the claim, and the release's signature if there is one."""
        said = f"modelmark claim {self.claim.digest}"
        found = [_reference("attestation", self.url, self.claim.data, said)]
        if self.signature:
            said = f"OpenSSF Model Signing, root digest {self.claim.document.release}"
            found.append(_reference("digital-signature", self.signature_url, self.signature, said))
        return found


def new(line: Line) -> str:
    """Return a bill of version 1.7 with one component, the model.

    Raises:
        MissingPackageError: the library is not installed.
    """
    _library()
    from cyclonedx.model import HashAlgorithm, HashType
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.output import make_outputter
    from cyclonedx.schema import OutputFormat, SchemaVersion

    hashes = [HashType(alg=HashAlgorithm.SHA_256, content=line.weights)] if line.weights else []
    model = Component(
        type=ComponentType.MACHINE_LEARNING_MODEL,
        name=line.name,
        hashes=hashes,
        bom_ref=f"model-{line.claim.digest[:16]}",
    )
    written = make_outputter(Bom(components=[model]), OutputFormat.JSON, SchemaVersion.from_version(VERSION))
    bill = json.loads(written.output_as_string())
    bill["components"][0]["externalReferences"] = line.references
    return _checked(bill, "the new bill of materials")


def extended(data: bytes, line: Line, component: str = "") -> str:
    """Return a bill with references added to one of its models, its version one higher, and nothing else changed.

    Args:
        data: the bill, JSON of CycloneDX 1.6 or 1.7.
        line: what to add.
        component: reference (``bom-ref``) or name of the model; may be empty where there is one.

    Raises:
        MalformedError: no such bill, or one that its schema refuses.
        UsageError: it has no such model, or several; it points to the claim already; it is signed, which a change would break.
        MissingPackageError: the library is not installed.
    """
    _library()
    bill = foreign.parse(data, "a bill of materials")
    if not isinstance(bill, dict) or bill.get("bomFormat") != "CycloneDX" or bill.get("specVersion") not in VERSIONS:
        raise MalformedError(f"expected a CycloneDX bill of materials of version {' or '.join(VERSIONS)}, got another")
    if "signature" in bill:
        raise UsageError("expected a bill of materials that is not signed yet, got one whose signature would break")
    model = _model(bill, component)
    before, version = model.get("externalReferences", []), bill.get("version", 1)
    if not isinstance(before, list) or type(version) is not int:
        raise MalformedError("expected a bill of materials with a list of references and a whole version, got another")
    if any(one.get("type") == "attestation" and one.get("url") == line.url for one in _objects(before)):
        raise UsageError(f"expected a model without an attestation at {line.url}, got one that has it")
    model["externalReferences"] = before + line.references
    bill["version"] = version + 1
    return _checked(bill, "the extended bill of materials")


def _model(bill: dict[str, Any], wanted: str) -> dict[str, Any]:
    (metadata,) = _objects([bill.get("metadata")]) or [{}]
    waiting = _objects([metadata.get("component")]) + _objects(bill.get("components"))
    models: list[dict[str, Any]] = []
    while waiting:
        one = waiting.pop()
        waiting += _objects(one.get("components"))
        if one.get("type") == KIND and wanted in ("", one.get("bom-ref"), one.get("name")):
            models.append(one)
    if len(models) != 1:
        raise UsageError(
            f"expected one component of type {KIND}{f' called {wanted}' if wanted else ''} in the bill, got {len(models)}",
            hint="name it by its bom-ref: --component REF" if models else "",
        )
    return models[0]


def _objects(value: Any) -> list[dict[str, Any]]:
    """Return the objects in what should be a list of them; its schema has not been asked yet."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _reference(kind: str, url: str, data: bytes, comment: str) -> dict[str, Any]:
    digest = hashlib.sha256(data).hexdigest()
    return {"type": kind, "url": url, "comment": comment, "hashes": [{"alg": "SHA-256", "content": digest}]}


def _checked(bill: dict[str, Any], what: str) -> str:
    """Return a bill as text after its schema took it."""
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    text = json.dumps(bill, indent=2, ensure_ascii=False, allow_nan=False)
    try:
        error = JsonStrictValidator(SchemaVersion.from_version(bill["specVersion"])).validate_str(text)
    except RecursionError:
        raise MalformedError(f"expected {what} that a validator can walk, got a deeper one") from None
    if error is not None:
        said = " ".join(str(getattr(error.data, "message", error)).split())
        raise MalformedError(f"expected {what} that the schema of CycloneDX {bill['specVersion']} takes: {said}"[:400])
    return text


def _library() -> None:
    try:
        import cyclonedx.validation.json  # noqa: F401
        import jsonschema  # noqa: F401
    except ImportError:
        raise MissingPackageError(
            "expected cyclonedx-python-lib to be installed", hint="pip install 'modelmark[bom]'"
        ) from None
