#!/bin/sh
# httpx 0.28.1 gives no answer where an answer redirects to no address, also if it was told not to follow redirects.
#
# Version:  httpx 0.28.1, the newest on PyPI in November 2026.
# Expected: with follow_redirects=False (the default) an answer of status 307 with any Location comes back, so that its status and
#           headers can be looked at.
# Seen:     a Location that cannot be read as an address raises RemoteProtocolError, "Invalid URL in location header", as if the
#           connection had been broken: whoever tries broken connections again asks such a server over and over.
# So we say what httpx says and stop after the tries (src/modelmark/suspects/http/client.py).
#
# Run by hand, not in CI: sh findings/httpx_unfollowed_location.sh. It installs into a temporary folder and fails if this changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet httpx==0.28.1
cd "$folder"
venv/bin/python - <<'PYTHON'
import httpx


def served(location):
    transport = httpx.MockTransport(lambda request: httpx.Response(307, headers={"Location": location}))
    with httpx.Client(transport=transport, follow_redirects=False) as client:
        return client.get("http://host/")


print("a Location that can be read:", served("http://elsewhere/").status_code)
try:
    print("one that cannot:", served("http://[::1/").status_code)
except httpx.RemoteProtocolError as error:
    print("one that cannot:", type(error).__name__, error)
else:
    raise SystemExit("it behaves otherwise now")
PYTHON
