"""``modelmark explain``: a verdict in plain words, for whoever got it."""

from pathlib import Path
from typing import Annotated

import typer

from modelmark.cli.papers import JudgeName
from modelmark.cli.terminal import show


def run(
    verdict: Annotated[Path, typer.Argument(metavar="VERDICT", help="a signed verdict")],
    claim: Annotated[Path | None, typer.Option("--claim", metavar="FILE", help="the claim it is about")] = None,
    challenge: Annotated[
        Path | None, typer.Option("--challenge", metavar="FILE", help="the challenge it answers, which names the case")
    ] = None,
    name: JudgeName = "",
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="write it as a page instead")] = None,
) -> None:
    """Say what a verdict shows, how strong it is, what was checked, and what it does not show.

    That its judge signed it is checked, and no more: whether you believe that judge, and that key, is yours to say.
    """
    from modelmark import files
    from modelmark.claim.judging import explaining, pages
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
    for path, paper, named in ((claim, claimed, signed.document.claim), (challenge, asked, signed.document.challenge)):
        if paper is not None and paper.digest != named:
            raise UsageError(
                f"expected the {paper.document.kind} that the verdict names, {named[:16]}, {path} is another"
            )
    if html is not None:
        files.write_new(html, pages.page(signed, claimed, asked, judge).encode())
        return
    for line in explaining.explain(signed, claimed, asked, judge):
        show(line)
