"""Which scheme falls to which kind of attack, by bits and by the field's rule, from the committed audits; second opinions."""

import statistics
from pathlib import Path

import detection
from _rows import Row, markdown
from _rows import rows as studied
from modelmark.attacks import ATTACKS
from modelmark.audit.result import FIELD_LOSS, Result, read

AUDITS = {
    name: Path(__file__).parents[1] / "docs" / "audit" / f"{name}.jsonl"
    for name in ("digits", "standard", "normalised")
}
KINDS = {"evasion": "input, answers", "extraction": "extraction", "modification": "modification"}


def rows(name: str) -> list[Result]:
    """Return the results of a committed audit; none where there is none."""
    return read(AUDITS[name])[0] if AUDITS[name].exists() else []


def families(results: list[Result]) -> str:
    """Return for each scheme and kind how many attacks removed its mark, by our bar and by the field's rule."""
    body = []
    for scheme in _schemes(results):
        cells = []
        for kind in KINDS:
            own = [result for result in results if (result.scheme, result.kind) == (scheme, kind)]
            tried = {result.attack for result in own if result.removed is not None}
            ours = {result.attack for result in own if result.succeeded}
            theirs = {result.attack for result in own if _field(result)}
            cells.append(f"{len(ours)}, {len(theirs)} of {len(tried)}" if tried else "")
        body.append([f"`{scheme}`", *cells])
    return markdown(["scheme", *KINDS.values()], body)


def differences(results: list[Result]) -> str:
    """Return for each scheme the attacks that succeed by one rule and by no strength under the other."""
    body = []
    for scheme in _schemes(results):
        ours = {result.attack for result in results if result.scheme == scheme and result.succeeded}
        theirs = {result.attack for result in results if result.scheme == scheme and _field(result)}
        body.append([f"`{scheme}`", _named(ours - theirs), _named(theirs - ours)])
    return markdown(["scheme", "below our bar, and still far from chance", "by the field's rule alone"], body)


def removals(results: list[Result]) -> str:
    """Return for each attack the schemes it removed in an audit, each with the cheapest cost in points."""
    body = []
    for name in sorted(ATTACKS):
        own = [result for result in results if result.attack == name]
        if not own or own[0].kind not in (*KINDS, "collusion"):
            continue
        fell = [result for result in own if result.succeeded]
        cells = [
            f"{scheme} {100 * min(r.lost for r in fell if r.scheme == scheme):+.1f}"
            for scheme in sorted({result.scheme for result in fell})
        ]
        judged = any(result.removed is not None for result in own)
        body.append([f"`{name}`", ", ".join(cells) or ("nothing at 5 points or less" if judged else "does not apply")])
    return markdown(["attack", "removed, and points lost"], body)


def second_opinion() -> str:
    """Return what our attacks and another library's leave of marks, and of the accuracy, over the seeds."""
    table = studied("second-opinion")
    body = []
    for attack in dict.fromkeys(row["attack"] for row in table):
        for scheme in dict.fromkeys(row["scheme"] for row in table):
            own = [row for row in table if (row["scheme"], row["attack"]) == (scheme, attack)]
            if own:
                body.append([f"`{attack}`", f"`{scheme}`", *(_left(own, who) for who in ("ours", "theirs"))])
    return markdown(["attack", "scheme", "ours", "theirs"], body)


def shared_start() -> str:
    """Return what each kind of copy, and a network that copied nothing, matches of each mark, over the seeds."""
    table = studied("shared-start")
    marked = [row for row in table if "matches" in row]
    models = list(dict.fromkeys(row["model"] for row in marked if row["model"] != "marked"))
    body = []
    for scheme in sorted({row["scheme"] for row in table}):
        own = [row for row in marked if row["scheme"] == scheme]
        read = [", ".join(str(row["matches"]) for row in own if row["model"] == model) for model in models]
        refused = sum("refused" in row for row in table if row["scheme"] == scheme)
        body.append([f"`{scheme}`, of {own[0]['trials']}", *read, str(refused or "")])
    share = [statistics.mean(row["accuracy"] for row in marked if row["model"] == model) for model in models]
    most = [max(row["gross_bits"] for row in marked if row["model"] == model) for model in models]
    body.append(["most bits of evidence", *(f"{bits:.1f}" for bits in most), ""])
    body.append(["test accuracy %", *(f"{100 * mean:.2f}" for mean in share), ""])
    return markdown(["scheme", *models, "seeds refused"], body)


def _left(own: list[Row], who: str) -> str:
    matches = ", ".join(str(row[who]["matches"]) for row in own)
    mean = statistics.mean(row[who]["accuracy"] for row in own)
    return f"{matches} of {own[0][who]['trials']}, {100 * mean:.1f} %"


def _schemes(results: list[Result]) -> list[str]:
    return sorted({result.scheme for result in results if result.removed is not None})


def _field(result: Result) -> bool:
    return bool(result.field_removed) and result.lost is not None and result.lost <= FIELD_LOSS


def _named(names: set[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names))


TABLES = {
    "families-digits": lambda: families(rows("digits")),
    "families-standard": lambda: families(rows("standard")),
    "differences-digits": lambda: differences(rows("digits")),
    "differences-standard": lambda: differences(rows("standard")),
    "attacks-standard": lambda: removals(rows("standard")),
    "attacks-normalised": lambda: removals(rows("normalised")),
    "second-opinion": second_opinion,
    "shared-start": shared_start,
    "detection": lambda: detection.rates(studied("detection")),
}
