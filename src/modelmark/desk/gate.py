"""Who is let in: requests to the address that was shown, with its token, from the desk's own pages or from a person.

Other pages in the same browser can send requests to this machine. They do not know the token; a name of theirs that leads here
(DNS rebinding) is refused by the ``Host`` that it brings, and what a browser says of where a request comes from is heeded, too.
There is no cookie, so there is nothing that a browser would add by itself.
"""

import secrets
from collections.abc import Collection
from typing import Any, TypeAlias

Asgi: TypeAlias = Any  # of the framework: an application, receive, send, a scope

POLICY = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
"""What a page of the desk may do: show itself in its own style sheet, and send its forms back here."""
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",  # with none at all, browsers would send forms without saying where they come from
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
METHODS = ("GET", "HEAD", "POST")


class Gate:
    """Stands before an application.

    Args:
        app: that is reached through it.
        token: the first part of every path.
        hosts: what a request may call this machine, with the port.
    """

    def __init__(self, app: Asgi, token: str, hosts: Collection[str]) -> None:
        self._app, self._token, self._hosts = app, token, frozenset(hosts)

    async def __call__(self, scope: Asgi, receive: Asgi, send: Asgi) -> None:
        """Answer a request, or have it answered."""
        if scope["type"] != "http":
            return
        refused = self._refused(scope)
        if refused:
            await _say(send, *refused)
            return

        async def with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                there = {name for name, _ in message["headers"]}
                added = [(k.encode(), v.encode()) for k, v in HEADERS.items() if k.encode() not in there]
                message = {**message, "headers": [*message["headers"], *added]}
            await send(message)

        await self._app({**scope, "root_path": f"/{self._token}"}, receive, with_headers)

    def _refused(self, scope: Asgi) -> tuple[int, str] | None:
        headers: dict[str, list[str]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
        if len(hosts := headers.get("host", [])) != 1 or hosts[0].lower() not in self._hosts:
            return 421, "expected the address that modelmark desk showed, got another name for this machine"
        if scope["method"] not in METHODS:
            return 405, f"expected one of {', '.join(METHODS)}, got another method"
        given = scope["path"].split("/")[1].encode()
        if not secrets.compare_digest(given, self._token.encode()):
            return 403, "expected the whole address that modelmark desk showed, got one without its token"
        came = headers.get("sec-fetch-site", ["none"])
        own = headers.get("origin", [f"http://{hosts[0]}"])
        if not set(came) <= {"none", "same-origin"} or (scope["method"] == "POST" and own != [f"http://{hosts[0]}"]):
            return 403, "expected a request of the desk's own pages, got one of another page"
        return None


async def _say(send: Asgi, status: int, text: str) -> None:
    headers = {**HEADERS, "content-type": "text/plain; charset=utf-8", "connection": "close"}
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": f"{text}\n".encode()})
