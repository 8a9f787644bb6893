#!/bin/sh
# model-signing 1.1.1 orders the files of a manifest by the components of their paths, not by their names as texts.
#
# Version:  model-signing 1.1.1 (with pyOpenSSL, which it imports), the newest on PyPI in November 2026.
# Expected: OpenSSF Model Signing 1.0, sections 5.2.1 and 6.4: resources in the order of the code points of "name". "-" (45) stands
#           before "/" (47), so "sub-x/a" before "sub/a".
# Seen:     "sub/a" before "sub-x/a". The root digest is over that order: who sorts the names of these two files as texts and
#           digests them computes another root than the one in the signed statement.
# So we read resources in the order in which they stand, and sort nothing (src/modelmark/claim/papers/manifest.py).
#
# Run by hand, not in CI: sh findings/model_signing_order.sh. It installs into a temporary folder and fails if any of this changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet model-signing==1.1.1 pyOpenSSL
cd "$folder"
mkdir -p model/sub model/sub-x
printf one >model/sub/a
printf two >model/sub-x/a
openssl ecparam -name prime256v1 -genkey -noout -out key.pem
openssl ec -in key.pem -pubout -out key.pub 2>/dev/null
venv/bin/model_signing sign key model --private_key key.pem --signature model.sig
venv/bin/model_signing verify key model --public_key key.pub --signature model.sig
venv/bin/python - <<'PYTHON'
import base64, hashlib, json

payload = json.load(open("model.sig"))["dsseEnvelope"]["payload"]
statement = json.loads(base64.b64decode(payload))
resources = statement["predicate"]["resources"]
names = [one["name"] for one in resources]
root = lambda listed: hashlib.sha256(b"".join(bytes.fromhex(one["digest"]) for one in listed)).hexdigest()
signed, written, sorted_ = (
    statement["subject"][0]["digest"]["sha256"], root(resources), root(sorted(resources, key=lambda one: one["name"]))
)
print("written:", names, "sorted as texts:", sorted(names))
print("root as signed: ", signed)
print("root as written:", written)
print("root as sorted: ", sorted_)
assert names == ["sub/a", "sub-x/a"] != sorted(names) and signed == written != sorted_, "it behaves otherwise now"
PYTHON
