"""One request at a time to one host: paced, bounded, tried again where that can help, and never sent elsewhere."""

import functools
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Annotated, Any, TypeVar

from pydantic import Field

from modelmark.errors import SuspectError, UsageError
from modelmark.naming import counted, library
from modelmark.suspects.http.address import Address

T = TypeVar("T")
AGAIN = (408, 425, 429, 500, 502, 503, 504)
"""Statuses after which the same request may be answered."""
_HOPS, _STRANGE = 3, 3
_HINTS = {
    401: "--secret-file FILE or --secret-env NAME", 403: "--secret-file FILE or --secret-env NAME",
    404: "the whole address is needed, such as https://HOST/v1/models/NAME:predict",
    405: "the whole address is needed, such as https://HOST/v1/models/NAME:predict",
    415: "another --template", 422: "another --template, or --via input=NAME",
}  # fmt: skip


@dataclass(frozen=True)
class Patience:
    """How a server is waited for.

    Args:
        rate: queries a second at most; 0: as it answers.
        tries: of one query, one after the other.
        timeout: seconds for one answer, from the first byte that is sent to the last that comes.
        longest: seconds that a server may ask to wait.
        most: bytes of an answer.
    """

    rate: Annotated[float, Field(ge=0, le=1e6)] = 0.0
    tries: Annotated[int, Field(ge=1, le=100)] = 8
    timeout: Annotated[float, Field(gt=0, le=86400)] = 60.0
    longest: Annotated[float, Field(ge=0, le=86400)] = 600.0
    most: Annotated[int, Field(ge=1, le=2**30)] = 2**22

    def pause(self, failures: int) -> float:
        """Return seconds to wait after so many failures in a row: half a second, doubled each time, 30 at most."""
        return float(min(30.0, 0.5 * 2 ** (failures - 1)))


@dataclass(frozen=True)
class Clock:
    """What tells the time and waits; tests bring their own."""

    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], float] = time.monotonic
    date: Callable[[], float] = time.time


class _Passing(Exception):  # noqa: N818
    """Something that may be over at the next try."""

    def __init__(self, problem: str, hint: str = "", after: float | None = None, *, strange: bool = False) -> None:
        super().__init__(problem)
        self.hint, self.after, self.strange = hint, after, strange


@dataclass
class Client:
    """A connection to one address.

    Args:
        address: where to.
        headers: to send along, the secret among them; they reach no other host and no message.
        patience: how it is waited for.
        clock: what waits.
        ca: file of certificates that are trusted beside the system's; empty: those alone.
        met: whether it is known to answer; until it has, what looks like another thing is not tried for long.
        retries: tries beyond the first, so far.
    """

    address: Address
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    patience: Patience = field(default_factory=Patience)
    clock: Clock = field(default_factory=Clock)
    ca: str = ""
    met: bool = False
    retries: int = 0
    _next: float = 0.0

    def __post_init__(self) -> None:
        self._httpx = library("httpx", extra="http")
        context = _trusting(self.ca)
        seconds = self.patience.timeout
        self._client = self._httpx.Client(
            timeout=self._httpx.Timeout(seconds, connect=min(seconds, 10.0)),
            follow_redirects=False,
            verify=context,
            trust_env=not self.address.is_here,  # no proxy gets to see what is meant for this machine
            headers={
                "Accept": "application/json",
                "Accept-Encoding": "identity",
                "User-Agent": "modelmark",
                **self.headers,
            },
        )

    def close(self) -> None:
        """Let the connection go."""
        self._client.close()

    def ask(self, request: Mapping[str, Any], parse: Callable[[bytes], T]) -> T:
        """Send a request until its answer can be read, and return what ``parse`` makes of it.

        Args:
            request: arguments of httpx; see ``body.request``.
            parse: from the answer's bytes; a SuspectError is tried again, as a server may answer rubbish once.

        Raises:
            SuspectError: no answer after so many tries, or one that no other try will change.
        """
        failures = 0
        while True:
            self._pace()
            try:
                found = self._parsed(self._sent(request), parse)
            except _Passing as problem:
                failures += 1
                most = self.patience.tries if self.met or not problem.strange else min(self.patience.tries, _STRANGE)
                if failures >= most:
                    raise SuspectError(f"{problem} ({counted(failures, 'try', 'tries')})", hint=problem.hint) from None
                self.retries += 1
                self.clock.sleep(self.patience.pause(failures) if problem.after is None else problem.after)
                continue
            self.met = True
            return found

    def _pace(self) -> None:
        if self.patience.rate:
            if (wait := self._next - self.clock.now()) > 0:
                self.clock.sleep(wait)
            self._next = max(self.clock.now(), self._next) + 1 / self.patience.rate

    def _parsed(self, data: bytes, parse: Callable[[bytes], T]) -> T:
        try:
            return parse(data)
        except SuspectError as error:
            raise _Passing(str(error), error.hint, strange=True) from None

    def _sent(self, request: Mapping[str, Any]) -> bytes:
        """Return the answer to one try, redirects within the host followed."""
        url = self.address.url
        for _ in range(_HOPS + 1):
            data, url = self._once(url, request)
            if not url:
                return data
        raise SuspectError(f"expected an answer from {self.address}, got redirects without end")

    def _once(self, url: str, request: Mapping[str, Any]) -> tuple[bytes, str]:
        """Return the body of an answer, or where it redirects to."""
        httpx, began = self._httpx, self.clock.now()
        try:
            with self._client.stream("POST", url, **request) as response:
                if response.is_redirect:
                    return b"", self.address.redirected(url, response.headers["location"], response.status_code)
                if response.headers.get("content-encoding", "identity") != "identity":
                    raise SuspectError(f"expected an answer that is not packed from {self.address}, got another")
                data = b""
                for part in response.iter_raw():
                    data += part
                    if len(data) > self.patience.most:
                        raise SuspectError(
                            f"expected an answer of at most {self.patience.most} bytes from {self.address}, got more",
                            hint="--via most=BYTES",
                        )
                    if self.clock.now() - began > self.patience.timeout:
                        raise httpx.ReadTimeout("the whole answer took too long")
                self._require(response, data)
                return data, ""
        except httpx.TimeoutException:
            raise _Passing(
                f"expected an answer from {self.address} within {self.patience.timeout:g} s, got none"
            ) from None
        except httpx.TransportError as error:
            raise self._broken(error) from None
        except (httpx.InvalidURL, httpx.StreamError, httpx.DecodingError, UnicodeError) as error:
            raise SuspectError(f"expected an answer from {self.address}, got {type(error).__name__}") from None

    def _require(self, response: Any, data: bytes) -> None:
        """Raise unless the answer is one of a server that did what it was asked."""
        status, kind = response.status_code, response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if status in AGAIN:
            raise _Passing(
                f"expected an answer from {self.address}, got status {status}", "", self._after(response, status)
            )
        if not 200 <= status < 300:
            said = (
                " ".join(data[:400].decode(errors="replace").split())[:80] if "json" in kind or "plain" in kind else ""
            )
            raise SuspectError(
                f"expected an answer from {self.address}, got status {status}{f': {said!r}' if said else ''}",
                hint=_HINTS.get(status, ""),
            )
        if kind and "json" not in kind and kind != "text/plain":
            raise _Passing(
                f"expected JSON from {self.address}, got {kind[:60]!r}", "another address, or --template", strange=True
            )

    def _after(self, response: Any, status: int) -> float | None:
        """Return how many seconds a server asks to wait, None if it does not say."""
        said = response.headers.get("retry-after", "").strip()
        if said.isdecimal() and len(said) < 12:
            wait = float(said)
        else:
            try:
                wait = max(0.0, parsedate_to_datetime(said).timestamp() - self.clock.date())
            except (TypeError, ValueError, OverflowError):
                return None
        if wait > self.patience.longest:
            raise SuspectError(
                f"expected an answer from {self.address}, got status {status} and to come back in {wait:.0f} s",
                hint="the same command goes on then",
            )
        return wait

    def _broken(self, error: Exception) -> Exception:
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, ssl.SSLCertVerificationError):
                return SuspectError(
                    f"expected a certificate that is trusted from {self.address}, got: {cause.verify_message}",
                    hint="--via ca=FILE trusts an authority of your own",
                )
            cause = cause.__cause__ or cause.__context__
        said = " ".join(str(error).split())[:100] or type(error).__name__
        return _Passing(
            f"expected an answer from {self.address}, got: {said}", strange=isinstance(error, self._httpx.ConnectError)
        )


def _trusting(ca: str) -> ssl.SSLContext:
    """Return what trusts whom this machine trusts and, where there is a file of one's own, who signed in it."""
    if not ca:
        return _machine()
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(cafile=ca)
    except (OSError, ssl.SSLError):
        raise UsageError(f"expected certificates in {ca}, cannot read any") from None
    return context


@functools.cache
def _machine() -> ssl.SSLContext:
    """Return what trusts whom this machine trusts: a hundred certificates, read once."""
    return ssl.create_default_context()
