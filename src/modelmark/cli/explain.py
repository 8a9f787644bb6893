"""``modelmark explain``: a verdict in plain words, for whoever got it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from modelmark.cli.papers import Authorities, JudgeName
from modelmark.cli.terminal import say, show

if TYPE_CHECKING:
    from modelmark.claim.judging.bundle import Bundle


def run(
    verdict: Annotated[Path, typer.Argument(metavar="VERDICT", help="a signed verdict")],
    claim: Annotated[Path | None, typer.Option("--claim", metavar="FILE", help="the claim it is about")] = None,
    challenge: Annotated[
        Path | None, typer.Option("--challenge", metavar="FILE", help="the challenge it answers, which names the case")
    ] = None,
    name: JudgeName = "",
    laid: Annotated[
        list[Path] | None,
        typer.Option(
            "--papers",
            metavar="PATH",
            help="the verdict's papers, files or folders, for every check to be made again; may be repeated",
        ),
    ] = None,
    authority: Authorities = None,
    weights: Annotated[
        Path | None, typer.Option("--weights", metavar="FILE", help="the suspect, with --papers, where it is at hand")
    ] = None,
    host: Annotated[
        Path | None, typer.Option("--host", metavar="FILE", help="the host that the judge was handed, with --papers")
    ] = None,
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="write it as a page instead")] = None,
) -> None:
    """Say what a verdict shows, how strong it is, what was checked, and what it does not show.

    That its judge signed it is checked, and no more: whether you believe that judge, and that key, is yours to say. With
    --papers every check is made again, without anybody's secret; exit status 1 if not all that is at hand comes out the same.
    """
    from modelmark import files
    from modelmark.claim.judging import bundle, explaining, pages
    from modelmark.claim.papers.claim import Claim
    from modelmark.claim.papers.dispute import Challenge
    from modelmark.claim.papers.verdict import Verdict
    from modelmark.cli import papers
    from modelmark.cli.loading import require_new
    from modelmark.errors import UsageError

    require_new(*([html] if html else []))
    signed, judge = papers.load(verdict, Verdict), papers.named(name, "--name")
    claimed = papers.load(claim, Claim) if claim else None
    asked = papers.load(challenge, Challenge) if challenge else None
    if laid is None and (authority or weights or host):
        raise UsageError("expected --papers with --authority, --weights and --host, got none")
    for path, paper, named in ((claim, claimed, signed.document.claim), (challenge, asked, signed.document.challenge)):
        if paper is not None and paper.digest != named:
            raise UsageError(
                f"expected the {paper.document.kind} that the verdict names, {named[:16]}, {path} is another"
            )
    came = None
    if laid is not None:
        found = _sorted(laid)
        claimed = claimed or found.named("claim", signed.document.claim)
        asked = asked or found.named("challenge", signed.document.challenge)
        came = bundle.repeat(signed, found, papers.load_trust(authority), **_read(weights, host))
    if html is not None:
        files.write_new(html, pages.page(signed, claimed, asked, judge, came).encode())
    else:
        for line in explaining.explain(signed, claimed, asked, judge, came):
            show(line)
    if came is not None and not (came.agrees and came.checks):
        raise typer.Exit(1)


def _sorted(paths: "list[Path]") -> "Bundle":
    """Return which paper is which; of a folder what is no paper is left aside, and said to be where it looks like one."""
    from modelmark.claim.judging import bundle
    from modelmark.errors import MalformedError, UsageError

    found: list[Path] = []
    for path in paths:
        if not path.is_dir():
            if bundle.is_secret(path):
                raise UsageError(
                    f"expected papers, got a key or an identity: {path}",
                    hint="a secret is no paper: keep it to yourself",
                )
            found.append(path)
            continue
        for beside in sorted(path.iterdir()):
            if not beside.is_file() or not beside.stat().st_size:
                say(f"{beside}: left aside: {_no_paper(beside)}")
                continue
            if bundle.is_secret(beside):
                say(f"{beside}: left aside: a key or an identity, which is no paper; it is not for anybody else")
                continue
            try:
                bundle.sort([beside])
            except MalformedError as error:
                say(f"{beside}: left aside: {error}")
            else:
                found.append(beside)
    return bundle.sort(found)


def _no_paper(path: Path) -> str:
    """Return why what lies in a folder of papers is none, and the way on where there is one."""
    if path.is_dir():
        return "a folder; its papers are taken where it is named, too: --papers"
    return "an empty file" if path.is_file() else "no file"


def _read(weights: Path | None, host: Path | None) -> dict[str, Any]:
    """Return suspect and host as a check of the verdict takes them."""
    from modelmark.align.handed import Handed
    from modelmark.suspects.files import open_weights
    from modelmark.suspects.state import State

    return {
        "suspect": State(open_weights(weights)) if weights else None,
        "host": Handed(open_weights(host)) if host else None,
    }
