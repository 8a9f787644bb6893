"""From files to the documents of a dispute, the parties that sign them, and the authorities that date them."""

import datetime
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from modelmark.cli.terminal import passphrase
from modelmark.errors import MalformedError, UsageError

if TYPE_CHECKING:
    from modelmark.claim.dates.deposit import Dated, Trust
    from modelmark.claim.judging.reading import Kinds
    from modelmark.claim.papers.claim import Claim
    from modelmark.claim.papers.dispute import Deposit
    from modelmark.claim.papers.envelope import Signed
    from modelmark.claim.papers.identity import Identity
    from modelmark.marks.keys import Key
    from modelmark.marks.marks import Mark

D = TypeVar("D")

IdentityFile = Annotated[
    Path, typer.Option("--identity", metavar="FILE", help="who signs; modelmark identity makes it")
]
Authorities = Annotated[
    list[Path] | None,
    typer.Option(
        "--authority",
        metavar="PEM",
        help="a timestamp authority you trust: its root certificate, with those below it or without; may be repeated",
    ),
]
ClaimFile = Annotated[Path, typer.Argument(metavar="CLAIM", help="the claim")]
DepositFile = Annotated[
    Path | None, typer.Option("--deposit", metavar="FILE", help="the claim's deposit, unless it is offline")
]
ClaimOption = Annotated[
    Path | None, typer.Option("--claim", metavar="FILE", help="the claim; default: as --deposit, ending in .claim")
]

JudgeName = Annotated[
    str, typer.Option("--name", metavar="NAME", help="the judge, for people: shown by --explain and --html, not signed")
]

Names = Annotated[
    Path | None,
    typer.Option("--names", metavar="FILE", help="recipients of copies, a line each, as the claim fixes or fixed them"),
]
MOST_NAMES_BYTES = 2**28
"""Of a list of names."""


def now() -> str:
    """Return this machine's clock, as documents write a time."""
    from modelmark.claim.papers.shapes import written

    return written(datetime.datetime.now(datetime.UTC))


def later(days: float) -> str:
    """Return the time so many days from now."""
    from modelmark.claim.papers.shapes import written

    try:
        return written(datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days))
    except (OverflowError, ValueError):
        raise UsageError(f"expected days that end before the year 10000, got {days:g}") from None


def moment(text: str, option: str) -> str:
    """Return a time that was typed, or refuse it; an empty text stays empty."""
    from modelmark.claim.papers.shapes import Moment

    try:
        Moment(optional=True).check(text)
    except ValueError:
        raise UsageError(f"expected a time like 2026-11-25T17:31:59Z for {option}, got {text!r}") from None
    return text


def named(text: str, option: str) -> str:
    """Return a name that was typed, or refuse it; an empty text stays empty."""
    from modelmark.claim.papers.shapes import Text

    try:
        Text(200).check(text)
    except ValueError as error:
        raise UsageError(f"{error} for {option}") from None
    return text


def load_identity(path: Path, passphrase_file: Path | None) -> "Identity":
    """Return the identity in a file, asking for its passphrase where it has one."""
    from modelmark.claim.papers import identity

    _, sealed = identity.inspect(path)
    return identity.load(path, passphrase(passphrase_file, confirm=False) if sealed else None)


def load_trust(paths: list[Path] | None) -> "Trust":
    """Return the pinned authorities."""
    from modelmark.claim.dates.deposit import Trust
    from modelmark.claim.dates.timestamp import Authority

    return Trust([Authority.load(path) for path in paths or ()])


def load(path: Path, cls: type[Any]) -> Any:
    """Return the signed document of one type in a file; what is wrong with it names the file."""
    from modelmark.claim.papers import envelope

    try:
        return envelope.load(path, cls)
    except MalformedError as error:
        if path.name not in str(error):
            error.args = (f"{error} ({path.name})",)
        raise


def load_deposit(path: Path | None, claim: "Signed[Claim]") -> "Signed[Deposit] | None":
    """Return the deposit of a claim; None for an offline claim, which has none.

    Raises:
        UsageError: there must be one, and none was named.
    """
    from modelmark.claim.papers.dispute import Deposit

    if path is None and claim.document.draw.kind != "offline":
        raise UsageError("expected the deposit of this claim, got none", hint="--deposit FILE")
    return load(path, Deposit) if path else None


def refused(error: Exception) -> UsageError:
    """Return the refusal of a field that was typed; its name stands for the record's."""
    return UsageError(re.sub(r" in [A-Z]\w*\.(\w+)$", r" for \1", str(error)))


def load_all(
    paths: list[Path] | None, cls: type[Any], claim: "Signed[Claim]", others: "list[Signed[Claim]]"
) -> list[Any]:
    """Return the signed documents of one type in several files, all about one claim, or about the same keys.

    Raises:
        UsageError: one is about another claim that is not at hand, and would count for nothing.
    """
    found = [load(path, cls) for path in paths or ()]
    roots = {entry.statement.root for entry in claim.document.keys}
    for path, one in zip(paths or (), found, strict=True):
        same = roots & {lot.root for lot in getattr(one.document, "burned", ())}
        if not same and one.document.claim not in [known.digest for known in (claim, *others)]:
            raise UsageError(
                f"expected a {one.document.kind} about this claim, {path.name} is about another",
                hint="if that is one of the same keys: --other-claim FILE",
            )
    return found


def claimed(claim: Path | None, deposit: Path | None, authorities: list[Path] | None) -> "Dated | None":
    """Return the dated claim that ``--claim``, ``--deposit`` and ``--authority`` name, or None where nothing was said."""
    if claim is None and deposit is None:
        if authorities:
            raise UsageError("expected --deposit with --authority, got none")
        return None
    from modelmark.claim.dates import deposit as deposits
    from modelmark.claim.papers.claim import Claim
    from modelmark.claim.papers.dispute import Deposit

    paper: Signed[Deposit] | None = load(deposit, Deposit) if deposit else None
    beside = claim or (deposit.with_suffix(".claim") if deposit else Path())
    if claim is None and not beside.exists():
        raise UsageError(f"expected the claim beside its deposit as {beside}, found none", hint="name it: --claim FILE")
    found: Signed[Claim] = load(beside, Claim)
    return deposits.check(found, paper, load_trust(authorities))


def load_names(path: Path | None) -> list[str]:
    """Return the names in a file, a line each, empty lines left out; none where no file was typed.

    Raises:
        UsageError: it holds no name.
        MalformedError: it cannot be read, or is no text.
    """
    from modelmark import files

    if path is None:
        return []
    try:
        text = files.read(path, limit=MOST_NAMES_BYTES, what="a list of names").decode()
    except UnicodeDecodeError:
        raise MalformedError(f"expected names in UTF-8, a line each, in {path.name}, got something else") from None
    if not (found := [line for line in text.splitlines() if line]):
        raise UsageError(f"expected names in {path.name}, a line each, got none")
    return found


def kinds(scheme: str) -> "Kinds":
    """Return how a suspect is read for a scheme outside the table, by its name in statements; nothing where none was typed."""
    from modelmark.schemes import IN_DATA, SCHEMES, scheme_class

    return {scheme: scheme_class(scheme, trusted=True).reads} if scheme and scheme not in SCHEMES | IN_DATA else {}


def marks(keys: "list[Key]", dated: "Dated | None", *, offline: bool = False) -> "list[Mark]":
    """Return the marks of keys: drawn by the deposit of their claim, or offline.

    Raises:
        MismatchError: the claim is about other keys, every one of these.
        UsageError: a key waits for a deposit and there is none, unless ``offline`` is said.
    """
    if dated is None:
        return [key.mark(key.draw(offline=offline)) for key in keys]
    if offline:
        raise UsageError("expected --deposit or --offline, got both")
    return [key.mark(dated.draw_of(key.digest, key.draw_kind)) for key in keys]
