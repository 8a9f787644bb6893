"""What a judge knows of a claim: papers named one by one, and the folder in which he keeps all of his.

In the folder files are named by the digest of what they hold and by its kind: ``30b1...c5.challenge``. A challenge is put there,
and what stands there is looked at again, before it goes out: of two that are issued at one moment at least one sees the other.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from modelmark.errors import ModelmarkError, UsageError

if TYPE_CHECKING:
    from modelmark.claim.judging.ledger import Known
    from modelmark.claim.papers.claim import Claim
    from modelmark.claim.papers.dispute import Challenge
    from modelmark.claim.papers.envelope import Signed

Verdicts = Annotated[
    list[Path] | None,
    typer.Option("--verdict", metavar="FILE", help="an earlier verdict on the claim, or on its keys; may be repeated"),
]
Revocations = Annotated[
    list[Path] | None, typer.Option("--revocation", metavar="FILE", help="a revocation of the claim; may be repeated")
]
Challenges = Annotated[
    list[Path] | None,
    typer.Option("--challenge-record", metavar="FILE", help="an earlier challenge, judged or not; may be repeated"),
]
Claims = Annotated[
    list[Path] | None,
    typer.Option("--other-claim", metavar="FILE", help="another claim of the same keys; may be repeated"),
]
Ledger = Annotated[
    Path | None,
    typer.Option(
        "--ledger", metavar="FOLDER", help="where you keep your papers: all that it holds counts, and it grows"
    ),
]
MOST_PAPERS = 2**16
"""Files in a ledger."""


def known(
    claim: "Signed[Claim]",
    verdicts: list[Path] | None,
    revocations: list[Path] | None,
    challenges: list[Path] | None,
    claims: list[Path] | None,
    folder: Path | None,
) -> "Known":
    """Return what was tried before, of papers that were named and of those in a folder.

    Raises:
        UsageError: one that was named is about another claim, and would count for nothing.
        MalformedError: one is not as it must be.
    """
    from modelmark.claim.judging.ledger import Known
    from modelmark.claim.papers.claim import Claim
    from modelmark.claim.papers.dispute import Challenge
    from modelmark.claim.papers.verdict import Revocation, Verdict
    from modelmark.cli import papers

    others = [papers.load(path, Claim) for path in claims or ()]
    named: dict[type[Any], list[Any]] = {
        cls: papers.load_all(paths, cls, claim, others)
        for cls, paths in ((Verdict, verdicts), (Revocation, revocations), (Challenge, challenges))
    }
    kept = {cls: _kept(folder, cls) for cls in (*named, Claim)} if folder else {}
    roots = _roots(claim)
    same = _each([*others, *(one for one in kept.get(Claim, []) if roots & _roots(one))])
    names = {claim.digest, *(one.digest for one in same)}
    found = {
        cls: _each([*named[cls], *(one for one in kept.get(cls, []) if _concerns(one, names, roots))]) for cls in named
    }
    return Known(found[Verdict], found[Revocation], found[Challenge], same)


def _roots(claim: "Signed[Claim]") -> set[str]:
    return {entry.statement.root for entry in claim.document.keys}


def _concerns(signed: "Signed[Any]", claims: set[str], roots: set[str]) -> bool:
    """Return whether a paper of a ledger is about one of these claims or has burned carriers of these roots."""
    return signed.document.claim in claims or any(lot.root in roots for lot in getattr(signed.document, "burned", ()))


def keep(folder: Path, *signed: "Signed[Any]") -> None:
    """Put documents into a ledger that does not hold them yet."""
    from modelmark import files

    _require_folder(folder)
    for one in signed:
        if not (path := _path(folder, one)).exists():
            files.write_new(path, one.data)


def keep_challenge(folder: Path, claim: "Signed[Claim]", asked: "Signed[Challenge]") -> None:
    """Put a challenge into a ledger, unless another came there since it was looked at.

    Raises:
        MismatchError: one did, on its lot or about one suspect too many; this one is taken out again.
    """
    from modelmark.claim.judging import ledger

    keep(folder, claim, asked)
    path = _path(folder, asked)
    try:
        now = known(claim, None, None, None, None, folder)
        ledger.require_room(claim, asked.document, ledger.without(now, asked.digest))
    except ModelmarkError:
        path.unlink()
        raise


def _path(folder: Path, signed: "Signed[Any]") -> Path:
    return folder / f"{signed.digest}.{signed.document.kind}"


def _require_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise UsageError(f"expected a folder for the ledger, {folder} is none", hint=f"make one: mkdir {folder}")


def _kept(folder: Path, cls: type[Any]) -> "list[Signed[Any]]":
    from modelmark.cli import papers

    _require_folder(folder)
    paths = sorted(path for path in folder.iterdir() if path.suffix == f".{cls.kind}" and path.name[0] != ".")
    if len(paths) > MOST_PAPERS:
        raise UsageError(f"expected at most {MOST_PAPERS} papers of a kind in {folder}, got {len(paths)}")
    return [papers.load(path, cls) for path in paths]


def _each(signed: "list[Signed[Any]]") -> "list[Signed[Any]]":
    return list({one.digest: one for one in signed}.values())
