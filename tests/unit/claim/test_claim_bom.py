"""Bills of materials that point to a claim; the schema that cyclonedx-python-lib ships judges each."""

import hashlib
import json

import pytest

from modelmark.claim.papers import bom
from modelmark.errors import MalformedError, UsageError

validation = pytest.importorskip("cyclonedx.validation.json", reason="pip install 'modelmark[bom]'")
pytest.importorskip("jsonschema", reason="pip install 'modelmark[bom]'")

CARD = {"modelParameters": {"task": "classification"}}


@pytest.fixture
def claim(case):
    return case.claim("")


def bill(**more):
    model = {"type": "machine-learning-model", "name": "digits", "bom-ref": "m", "modelCard": CARD}
    return {"bomFormat": "CycloneDX", "specVersion": "1.7", "version": 3, "components": [model], **more}


def valid(text: str) -> bool:
    from cyclonedx.schema import SchemaVersion

    version = SchemaVersion.from_version(json.loads(text)["specVersion"])
    return validation.JsonStrictValidator(version).validate_str(text) is None


def test_a_new_bill_has_the_model_and_points_to_the_claim_by_its_files_digest(claim):
    text = bom.new(bom.Line(claim, "owner.claim", "digits", "ab" * 32, b"signature", "model.sig"))
    told = json.loads(text)
    (model,) = told["components"]
    assert valid(text)
    assert (told["specVersion"], model["type"], model["name"]) == ("1.7", "machine-learning-model", "digits")
    assert model["hashes"] == [{"alg": "SHA-256", "content": "ab" * 32}]
    attested, signed = model["externalReferences"]
    assert attested == {
        "type": "attestation",
        "url": "owner.claim",
        "comment": f"modelmark claim {claim.digest}",
        "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(claim.data).hexdigest()}],
    }
    assert (signed["type"], signed["url"]) == ("digital-signature", "model.sig")
    assert claim.document.release in signed["comment"]


@pytest.mark.parametrize("version", bom.VERSIONS)
def test_a_bill_is_extended_and_keeps_its_model_card(claim, version):
    before = bill(specVersion=version)
    text = bom.extended(json.dumps(before).encode(), bom.Line(claim, "owner.claim", ""))
    told = json.loads(text)
    assert valid(text)
    assert told["components"][0].pop("externalReferences")[0]["url"] == "owner.claim"
    assert (told.pop("version"), before.pop("version")) == (4, 3)
    assert told == before
    again = bom.extended(text.encode(), bom.Line(claim, "other.claim", ""))
    assert [one["url"] for one in json.loads(again)["components"][0]["externalReferences"]] == [
        "owner.claim",
        "other.claim",
    ]
    with pytest.raises(UsageError, match=r"without an attestation at owner\.claim"):
        bom.extended(text.encode(), bom.Line(claim, "owner.claim", ""))


def test_the_model_may_stand_inside_another_component_and_is_named_where_there_are_several(claim):
    line = bom.Line(claim, "owner.claim", "")
    other = {"type": "machine-learning-model", "name": "other", "bom-ref": "o"}
    app = {"type": "application", "name": "app", "components": [other]}
    two = json.dumps(bill(metadata={"component": app})).encode()
    with pytest.raises(UsageError, match="expected one component of type machine-learning-model in the bill, got 2"):
        bom.extended(two, line)
    told = json.loads(bom.extended(two, line, "o"))
    assert "externalReferences" in told["metadata"]["component"]["components"][0]
    assert "externalReferences" not in told["components"][0]
    with pytest.raises(UsageError, match="called nobody in the bill, got 0"):
        bom.extended(two, line, "nobody")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"bill", "a bill of materials in JSON"),
        (b"[]", "a CycloneDX bill of materials of version 1.6 or 1.7"),
        (json.dumps(bill(specVersion="1.4")).encode(), "a CycloneDX bill of materials of version 1.6 or 1.7"),
        (json.dumps(bill(services=[{"group": "no name"}])).encode(), "the schema of CycloneDX 1.7 takes"),
        (json.dumps(bill(version="3")).encode(), "a whole version"),
        (json.dumps(bill()).encode().replace(b'"version": 3', b'"version": 3, "version": 4'), "a name stands twice"),
        (json.dumps(bill()).encode().replace(b'"version": 3', b'"version": NaN'), "NaN is no number"),
    ],
)
def test_what_is_no_bill_is_refused(claim, data, said):
    with pytest.raises(MalformedError, match=said):
        bom.extended(data, bom.Line(claim, "owner.claim", ""))


@pytest.mark.parametrize("odd", [[1], {"a": 1}, "text", None, [None, {"components": 3, "type": 4}]])
def test_a_bill_of_odd_parts_has_no_model(claim, odd):
    data = json.dumps(bill(components=odd, metadata=odd)).encode()
    with pytest.raises(UsageError, match="in the bill, got 0"):
        bom.extended(data, bom.Line(claim, "owner.claim", ""))


def test_a_signed_bill_is_left_alone(claim):
    signature = {"algorithm": "ES256", "value": "AA"}
    with pytest.raises(UsageError, match="whose signature would break"):
        bom.extended(json.dumps(bill(signature=signature)).encode(), bom.Line(claim, "owner.claim", ""))


def test_an_address_that_is_none_is_refused_by_the_schema(claim):
    with pytest.raises(
        MalformedError, match=r"expected the new bill of materials that the schema of CycloneDX 1\.7 takes"
    ):
        bom.new(bom.Line(claim, "not an address", "digits"))
