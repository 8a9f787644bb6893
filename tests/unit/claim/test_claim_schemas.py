"""The schemas in the docs are those of the code, admit every known document, and refuse what the reader refuses on sight."""

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest

from modelmark.claim.papers import schemas

ROOT = Path(__file__).resolve().parents[3]
SCHEMAS = ROOT / "docs" / "spec" / "schemas"
KNOWN = json.loads((ROOT / "tests" / "vectors" / "claims.json").read_text(encoding="utf-8"))
PAYLOADS = {  # a document says its version itself
    f"{entry['kind']}{version}": payload
    for entry in [*KNOWN["documents"], *KNOWN["later"], *KNOWN["copies"], *KNOWN["inputs"], *KNOWN["graded"]]
    for payload in [json.loads(base64.b64decode(json.loads(entry["envelope"])["payload"]))]
    for version in [f".v{payload['predicate']['v']}" if payload["predicate"]["v"] > 1 else ""]
}
NAMES = schemas.names()
TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,), "array": (list,), "string": (str,), "integer": (int,), "boolean": (bool,),
}  # fmt: skip
UNDERSTOOD = {
    *("$schema", "title", "type", "properties", "required", "additionalProperties", "items", "minItems", "maxItems"),
    *("enum", "const", "pattern", "minLength", "maxLength", "minimum", "maximum", "anyOf", "propertyNames"),
    *("minProperties", "maxProperties", "contentEncoding"),
}


def _searched(pattern: str, value: str) -> bool:
    """As JSON schema means it: there ``$`` is the very end, in Python also the place before a last line feed."""
    return re.search(re.sub(r"\$$", r"\\Z", pattern), value) is not None


def admits(schema: dict[str, Any], value: Any) -> bool:
    """As much of JSON schema 2020-12 as these schemas use."""
    assert schema.keys() <= UNDERSTOOD
    kind = schema.get("type")
    if kind and (not isinstance(value, TYPES[kind]) or (kind == "integer" and isinstance(value, bool))):
        return False
    if "const" in schema and (type(value), value) != (type(schema["const"]), schema["const"]):
        return False
    if "enum" in schema and not any((type(value), value) == (type(known), known) for known in schema["enum"]):
        return False
    if "anyOf" in schema and not any(admits(other, value) for other in schema["anyOf"]):
        return False
    if isinstance(value, str):
        fits = schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", 2**60)
        return fits and _searched(schema.get("pattern", ""), value)
    if isinstance(value, list):
        fits = schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", 2**60)
        return fits and all(admits(schema.get("items", {}), item) for item in value)
    if isinstance(value, dict):
        known, more = schema.get("properties", {}), schema.get("additionalProperties", True)
        fits = set(schema.get("required", ())) <= value.keys()
        fits = fits and schema.get("minProperties", 0) <= len(value) <= schema.get("maxProperties", 2**60)
        fits = fits and all(admits(schema.get("propertyNames", {}), name) for name in value)
        fits = fits and (more is not False or value.keys() <= known.keys())
        extra = more if isinstance(more, dict) else {}
        return fits and all(admits(known.get(name, extra), item) for name, item in value.items())
    if isinstance(value, int):
        return bool(schema.get("minimum", value) <= value <= schema.get("maximum", value))
    return True


@pytest.mark.parametrize("name", NAMES)
def test_the_schema_in_the_docs_is_that_of_the_code(name) -> None:
    """``python tests/vectors/make_claims.py`` writes them."""
    assert json.loads((SCHEMAS / f"{name}.json").read_text(encoding="utf-8")) == schemas.schema(*NAMES[name])


def test_no_schema_is_left_over() -> None:
    assert {path.stem for path in SCHEMAS.iterdir()} == set(NAMES)


def test_every_known_document_is_admitted_by_its_schema_and_by_no_other() -> None:
    for entry in [*KNOWN["documents"], *KNOWN["later"], *KNOWN["copies"], *KNOWN["inputs"], *KNOWN["graded"]]:
        assert admits(schemas.schema("envelope"), json.loads(entry["envelope"]))
    assert PAYLOADS.keys() == NAMES.keys() - {"envelope"}
    for name in PAYLOADS:
        assert [other for other in PAYLOADS if admits(schemas.schema(*NAMES[name]), PAYLOADS[other])] == [name]


@pytest.mark.parametrize("kind", list(PAYLOADS))
def test_a_missing_an_added_and_a_wrong_field_are_not_admitted(kind) -> None:
    schema, predicate = schemas.schema(*NAMES[kind]), PAYLOADS[kind]["predicate"]
    for name in predicate:
        wrong = [None, {}, -1, 2**60, [None]] + ["\n"] * (name not in ("claimant", "case", "software", "recipient"))
        missing = {other: item for other, item in predicate.items() if other != name}
        for changed in (missing, *(predicate | {name: new} for new in wrong)):
            assert not admits(schema, PAYLOADS[kind] | {"predicate": changed}), name
    assert not admits(schema, PAYLOADS[kind] | {"predicate": predicate | {"more": 1}})
    assert not admits(schema, PAYLOADS[kind] | {"more": 1})
