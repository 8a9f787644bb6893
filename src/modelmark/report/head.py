"""The head of a report: what was audited, when, where and with what."""

from modelmark.naming import counted
from modelmark.report.facts import number
from modelmark.report.labels import clean, several
from modelmark.report.rows import Audit


def head(audit: Audit) -> list[tuple[str, str]]:
    """Return names and values of what identifies an audit."""
    results = [row.result for row in audit.rows]
    versions = sorted({clean(f"{name} {value}", 60) for result in results for name, value in result.versions.items()})
    machines = sorted(
        {clean(", ".join(f"{k} {v}" for k, v in result.machine.items()), 100) for result in results} - {""}
    )
    dates = sorted(clean(result.started, 40) for result in results if result.started)
    shares = {number(result.thief.get("share")) for result in results}
    held = sorted(share for share in shares if share is not None and 0 <= share <= 1)
    facts = [
        ("Data", several(sorted({clean(result.data, 80) for result in results}))),
        ("Architecture", several(sorted({clean(result.arch, 80) for result in results}))),
        ("Thief holds", several(f"{share:.0%} of the training data" for share in held[:3])),
        ("Seeds", several(map(str, sorted({result.seed for result in results})))),
        ("Rows", _rows(audit)),
        ("Versions", several(versions)),
        ("Machine", several(machines, 4)),
        ("Measured", " to ".join(dict.fromkeys((dates[0], dates[-1]))) if dates else ""),
    ]
    files = [
        (f"File {number}" if len(audit.sources) > 1 else "File", f"{clean(source.name, 80)}, SHA-256 {source.sha256}")
        for number, source in enumerate(audit.sources, start=1)
    ]
    return [(name, value) for name, value in [*facts, *files] if value]


def _rows(audit: Audit) -> str:
    text = f"{len(audit.rows):,}"
    if audit.superseded:
        text += (
            f"; {counted(len(audit.superseded), 'earlier row')} measured again since ({several(audit.superseded, 6)})"
        )
    torn = [f"{clean(source.name, 60)}, line {source.torn}" for source in audit.sources if source.torn]
    return text + (f"; torn and left out: {several(torn)}" if torn else "")
