#!/bin/sh
# model-signing 1.1.1 calls the chain of certificates optional and signs nothing without one.
#
# Version:  model-signing 1.1.1 (with pyOpenSSL, which it imports), the newest on PyPI in November 2026.
# Expected: the help of "sign certificate" says that a chain may be passed optionally, so leaving it out signs with the certificate alone.
# Seen:     "Signing failed with error: Unable to load PEM file ... MalformedFraming": no PEM file is at fault, the empty chain is read as
#           one. With the certificate itself as the chain it signs.
# So our tests name a chain (tests/vectors/test_openssf.py).
#
# Run by hand, not in CI: sh findings/model_signing_certificate_chain.sh. It installs into a temporary folder and fails if this changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet model-signing==1.1.1 pyOpenSSL
cd "$folder"
mkdir model
printf one >model/a
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout key.pem -out own.crt -days 1 -subj /CN=owner \
    -addext keyUsage=critical,digitalSignature 2>/dev/null
sign="venv/bin/model_signing sign certificate model --private_key key.pem --signing_certificate own.crt"
said=$($sign --signature without.sig 2>&1) && { echo "it signs without a chain now"; exit 1; }
echo "$said" | grep MalformedFraming || { echo "it says something else now: $said"; exit 1; }
$sign --signature with.sig --certificate_chain own.crt
test ! -e without.sig
test -s with.sig
