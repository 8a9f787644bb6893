#!/bin/sh
# cyclonedx-python-lib 11.12.0 reads a model card, says nothing, and writes the bill of materials without it.
#
# Version:  cyclonedx-python-lib 11.12.0, the newest on PyPI in November 2026; it ships the schemas up to CycloneDX 1.7.
# Expected: a bill that its own validator takes comes back with what was in it, or the reader says what it does not know.
# Seen:     a component of type machine-learning-model with a modelCard passes the strict validator of 1.7; Bom.from_json and the
#           outputter of 1.7 give the component back without modelCard, without a warning (also with python -W error).
# So we change bills as JSON and use the library to make references and to validate (src/modelmark/claim/papers/bom.py).
#
# Run by hand, not in CI: sh findings/cyclonedx_model_card.sh. It installs into a temporary folder and fails if any of this changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'cyclonedx-python-lib[json-validation]==11.12.0'
"$folder/venv/bin/python" -W error - <<'PYTHON'
import json

from cyclonedx.model.bom import Bom
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

model = {"type": "machine-learning-model", "name": "m", "bom-ref": "m", "modelCard": {"modelParameters": {"task": "classification"}}}
bill = {"bomFormat": "CycloneDX", "specVersion": "1.7", "version": 1, "components": [model]}
refused = JsonStrictValidator(SchemaVersion.V1_7).validate_str(json.dumps(bill))
back = json.loads(make_outputter(Bom.from_json(bill), OutputFormat.JSON, SchemaVersion.V1_7).output_as_string())
print("its validator refuses:", refused)
print("in: ", model)
print("out:", back["components"][0])
assert refused is None and back["components"][0] == {k: v for k, v in model.items() if k != "modelCard"}, "it behaves otherwise now"
PYTHON
