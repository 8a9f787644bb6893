"""``modelmark deposit``: have a claim dated by RFC 3161 authorities, through files or over HTTP."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from modelmark.cli.options import Output, PassphraseFile
from modelmark.cli.papers import Authorities, ClaimFile
from modelmark.cli.terminal import say
from modelmark.errors import MalformedError, UsageError

if TYPE_CHECKING:
    from modelmark.claim.dates.timestamp import Authority
    from modelmark.claim.papers.claim import Claim
    from modelmark.claim.papers.envelope import Signed

_LIMIT = 2**20
"""Bytes of an authority's answer; real ones have some thousands."""


def run(
    claim: ClaimFile,
    output: Output,
    request: Annotated[
        bool, typer.Option("--request", help="write a request for an authority, and nothing else")
    ] = False,
    authority: Authorities = None,
    url: Annotated[
        list[str] | None, typer.Option("--url", help="where to post the request; one per --authority, in its order")
    ] = None,
    query: Annotated[
        list[Path] | None, typer.Option("--query", metavar="FILE", help="the request; one per --authority")
    ] = None,
    response: Annotated[
        list[Path] | None, typer.Option("--response", metavar="FILE", help="its answer; one per --authority")
    ] = None,
    identity: Annotated[Path | None, typer.Option("--identity", metavar="FILE", help="the claimant")] = None,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Write a timestamp request (--request), or the signed deposit made of the answers.

    A request may be sent by any means: curl -H 'Content-Type: application/timestamp-query' --data-binary @FILE URL.
    """
    from modelmark import files
    from modelmark.claim.dates import deposit as deposits
    from modelmark.claim.papers.claim import Claim
    from modelmark.cli import papers
    from modelmark.cli.loading import require_new

    require_new(output)
    claimed = papers.load(claim, Claim)
    if claimed.document.draw.kind != "timestamp":
        raise UsageError(f"expected a claim that is to be stamped, this one is drawn by {claimed.document.draw.kind}")
    if request:
        files.write_new(output, deposits.request(claimed))
        say(f"{output}: request for a timestamp of claim {claimed.digest[:16]}; send one to each authority")
        return
    trust = papers.load_trust(authority)
    if identity is None or not trust.authorities:
        missing = " and no ".join(["--identity"] * (identity is None) + ["--authority"] * (not trust.authorities))
        raise UsageError(f"expected --identity and --authority, or --request, got no {missing}")
    signer = papers.load_identity(identity, passphrase_file)
    tokens: dict[str, bytes] = {}
    for number, one in enumerate(trust.authorities):
        tokens[one.fingerprint] = _token(claimed, one, number, url or [], query or [], response or [])
    lacking = [named for named in claimed.document.draw.authorities if named not in tokens]
    if lacking or len(tokens) != len(claimed.document.draw.authorities):
        raise UsageError(
            f"expected the {len(claimed.document.draw.authorities)} authorities that the claim names, got others"
        )
    ordered = [tokens[named] for named in claimed.document.draw.authorities]
    signed = deposits.make(claimed, ordered, signer, trust, issued=papers.now())
    from modelmark.claim.papers import envelope

    envelope.save(signed, output)
    date = deposits.check(claimed, signed, trust).date
    say(f"{output}: claim {claimed.digest[:16]} existed on {date:%Y-%m-%d at %H:%M:%S} UTC; its message is drawn now")


def _token(
    claimed: "Signed[Claim]", one: "Authority", number: int, urls: list[str], queries: list[Path], responses: list[Path]
) -> bytes:
    from modelmark import files
    from modelmark.claim.dates import deposit as deposits

    if number < len(urls):
        asked = deposits.request(claimed)
        return _received(claimed, _post(urls[number], asked), asked, one, f"from {urls[number]}")
    if number >= len(queries) or number >= len(responses):
        raise UsageError("expected --url, or --query and --response, for every --authority, got fewer")
    asked = files.read(queries[number], limit=_LIMIT, what="a timestamp request")
    answer = files.read(responses[number], limit=_LIMIT, what="a timestamp response")
    return _received(claimed, answer, asked, one, f"{responses[number]}, to {queries[number]}")


def _received(claimed: "Signed[Claim]", answer: bytes, asked: bytes, one: "Authority", where: str) -> bytes:
    from modelmark.claim.dates import answers
    from modelmark.claim.dates import deposit as deposits

    try:
        token = deposits.receive(claimed, answer, asked, one)
    except MalformedError as error:
        raise MalformedError(f"{error} ({where})", hint=error.hint) from None
    if remark := answers.read(answer, asked).remark:
        say(f"{where}: {remark}")
    return token


def _post(url: str, asked: bytes) -> bytes:
    import http.client
    import urllib.request

    if not url.startswith(("http://", "https://")):
        raise UsageError(f"expected an http or https address for --url, got {url!r}")
    headers = {"Content-Type": "application/timestamp-query"}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, asked, headers), timeout=30) as answer:
            return bytes(answer.read(_LIMIT))
    except (OSError, http.client.HTTPException, ValueError) as error:
        cause = (
            error if hasattr(error, "code") else getattr(error, "reason", error)
        )  # no address, nobody there, a status
        said = str(getattr(cause, "strerror", None) or cause)
        raise UsageError(f"expected an answer from {url}, got: {' '.join(said.split())[:200]}") from None
