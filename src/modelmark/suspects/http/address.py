"""Where a suspect answers: what an address may hold, how it is shown, and which redirects stay with it."""

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, urljoin, urlsplit

from modelmark.errors import SuspectError, UsageError

_PORTS = {"http": 80, "https": 443}
_KEPT = (307, 308)
"""Redirects after which the same is sent again; browsers make a GET of others."""


def is_address(text: str) -> bool:
    """Return whether a word of the command line is an address and no file."""
    return bool(re.match(r"[a-z][a-z0-9+.-]*://", text, re.IGNORECASE))


@dataclass(frozen=True)
class Address:
    """An address without a password; ``str`` shows it without what follows its path, where keys are at times.

    Args:
        url: whole.
    """

    url: str

    def __post_init__(self) -> None:
        parts = _split(self.url)
        if parts.scheme not in _PORTS or not parts.hostname:
            raise UsageError(f"expected an address of http or https, got one of {parts.scheme or 'nothing'}"[:200])
        if parts.username is not None or parts.password is not None:
            raise UsageError(
                "expected an address without a name or password in it, got one with",
                hint="--secret-file FILE or --secret-env NAME; what is typed stays in the shell's history",
            )

    def __str__(self) -> str:
        parts = _split(self.url)
        port = f":{parts.port}" if parts.port else ""
        return f"{parts.scheme}://{_bracketed(parts.hostname or '')}{port}{parts.path}"

    @property
    def host(self) -> str:
        """Its host."""
        return _split(self.url).hostname or ""

    @property
    def is_private(self) -> bool:
        """Whether what is sent can be read on the way by nobody: over TLS, or within this machine."""
        return _split(self.url).scheme == "https" or self.host in ("localhost", "::1") or self.host.startswith("127.")

    def redirected(self, url: str, location: str, status: int) -> str:
        """Return where a redirect of this host leads.

        Raises:
            SuspectError: to another host or port, from https to http, or one after which nothing would be sent.
        """
        try:
            old, new = _split(url), _split(urljoin(url, location))
        except (UsageError, ValueError):
            raise SuspectError(f"expected an answer from {self}, got a redirect to no address") from None
        same = (old.hostname, _port(old)) == (new.hostname, _port(new)) and old.scheme == new.scheme
        upgraded = old.hostname == new.hostname and (old.scheme, new.scheme) == ("http", "https")
        if not (same or (upgraded and _port(new) == _PORTS["https"])) or new.username is not None:
            where = f"{new.scheme}://{new.hostname}"[:100]
            raise SuspectError(
                f"expected an answer from {self}, got a redirect to {where}", hint="name that address, if you trust it"
            )
        if status not in _KEPT:
            raise SuspectError(
                f"expected an answer from {self}, got a redirect of status {status} to {new.path[:100]}",
                hint="name the new address",
            )
        return new.geturl()


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise UsageError("expected an address, got one that cannot be read") from None
    return parts


def _port(parts: SplitResult) -> int | None:
    return parts.port or _PORTS.get(parts.scheme)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
