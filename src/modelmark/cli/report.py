"""``modelmark report``: a page, a text or JSON of an audit, from its JSON lines alone."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from modelmark.cli.terminal import say, show
from modelmark.naming import counted

if TYPE_CHECKING:
    from modelmark.report.rows import Audit

_PROTOCOL = "ieee-3304"
_SUFFIXES = {".html": "html", ".htm": "html", ".json": "json", ".txt": "text"}


def run(
    results: Annotated[list[Path], typer.Argument(metavar="RESULTS...", help="JSON lines of modelmark audit")],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="a file that does not exist yet; default: stdout"),
    ] = None,
    form: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="NAME",
            help="html, text, json, or ieee-3304 for its tables; default: by FILE's ending, or text",
        ),
    ] = "",
) -> None:
    """Sum up audits: what removed which mark at what price, every number with the row it comes from.

    The page is one file that needs no other, no script and no network. Of rows of one cell the last counts.
    """
    from modelmark import files
    from modelmark.report.rows import load

    chosen = _format(form, output)
    if output is not None:
        files.require_absent(output)
    audit = load(results)
    for source in audit.sources:
        if source.torn:
            say(f"warning: {source.name}, line {source.torn} has no end and was left out; audit measures it again")
    text = _made(chosen, audit)
    if output is None:
        show(text)
        return
    files.write_new(output, (text + "\n").encode())
    say(f"{output}: {counted(len(audit.rows), 'row')}")


def _format(form: str, output: Path | None) -> str:
    from modelmark.errors import UsageError
    from modelmark.naming import suggest

    if form:
        known = sorted({*_SUFFIXES.values(), _PROTOCOL})
        if form not in known:
            raise UsageError(f"expected a format, got {form!r}", hint=suggest(form, known))
        return form
    if output is None:
        return "text"
    if output.suffix.lower() not in _SUFFIXES:
        raise UsageError(
            f"expected FILE to end in {', '.join(_SUFFIXES)}, got {output}", hint="or say --format html, text or json"
        )
    return _SUFFIXES[output.suffix.lower()]


def _made(chosen: str, audit: "Audit") -> str:
    if chosen == "html":
        from modelmark.report.page import page

        return page(audit)
    if chosen == "json":
        from modelmark.report.machine import machine

        return machine(audit)
    if chosen == _PROTOCOL:
        from modelmark.report.ieee3304 import tables

        return tables(audit)
    from modelmark.report.plain import plain

    return plain(audit)
