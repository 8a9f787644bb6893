#!/bin/sh
# starlette 1.10.0 takes a form of parts that breaks off, and leaves the part out that was not whole.
#
# Version:  starlette 1.10.0 with python-multipart 0.0.34, the newest on PyPI in November 2026.
# Expected: RFC 2046, 5.1.1: the last part is followed by a delimiter with two more hyphens; a body without it is not whole, and
#           Request.form() says so as it does of other forms that are none ("Invalid multipart data.").
# Seen:     parts before the break are returned, the broken one is missing, nothing is raised. MultipartParser.finalize() of
#           python-multipart does nothing; its docstring says that it will verify the end "in the future".
# So the desk looks for the end itself (src/modelmark/desk/dropped.py): of a model in parts a shard would be missing.
#
# Run by hand, not in CI: sh findings/starlette_form_without_end.sh. It installs into a temporary folder and fails if this changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet starlette==1.10.0 python-multipart==0.0.34
cd "$folder"
cat >look.py <<'PYTHON'
import anyio
from starlette.requests import Request

PART = '--b\r\nContent-Disposition: form-data; name="{0}"; filename="{0}"\r\n\r\nwhole'
WHOLE = PART.format("one") + "\r\n" + PART.format("two") + "\r\n--b--\r\n"


async def names(body):
    async def receive():
        return {"type": "http.request", "body": body.encode(), "more_body": False}

    headers = [(b"content-type", b"multipart/form-data; boundary=b")]
    form = await Request({"type": "http", "method": "POST", "headers": headers}, receive).form()
    return list(form)


whole, broken = anyio.run(names, WHOLE), anyio.run(names, WHOLE[:-14])
print(f"whole: {whole}; without its last {14} bytes: {broken}")
assert whole == ["one", "two"]
assert broken == ["one"]
PYTHON
"$folder/venv/bin/python" look.py
