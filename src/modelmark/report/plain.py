"""The report as plain text, in at most 100 columns."""

import textwrap
from collections.abc import Iterable, Sequence

from modelmark.naming import counted
from modelmark.report import facts
from modelmark.report.cells import Cell, gross
from modelmark.report.head import head
from modelmark.report.independent import Independent, independents
from modelmark.report.labels import ALIKE, bits, clean, percent, points, rate, several
from modelmark.report.parts import KINDS, Part, parts
from modelmark.report.rows import Audit, Row
from modelmark.report.sentences import sentences

WIDTH = 100
_NAME = 25
_CELL = 12
_SIGNS = {"unmarked": "none", "refused": "n/a", "failed": "failed", "other": "below"}


def plain(audit: Audit) -> str:
    """Return the report of an audit as text, without an end of line."""
    lines = ["modelmark audit", *(text for name, value in head(audit) for text in filled(f"{name}: {value}", 2))]
    for part in parts(audit.rows):
        lines += _part(part)
    return "\n".join(line.rstrip() for line in lines)


def _part(part: Part) -> list[str]:
    return [
        *heading(f"{part.data}, {part.arch}" + (f", setup {part.setup}" if part.setup else "")),
        *(filled(part.limits, 2) if part.limits else ()),
        *(line for one in sentences(part) for line in filled(one.text + _rows(one.rows), 2)),
        *heading("Net bits left / points of accuracy lost"),
        *filled(
            "x removed for at most 5 points, * in some seeds only, + only for more; - costs more everywhere and leaves the mark; "
            "none: no established mark",
            0,
        ),
        *_map(part),
        *_section(f"{ALIKE}: before any attack, and without a mark", (_alike(one) for one in independents(part))),
        *heading("What removes what, for at most 5 points"),
        *(line for one in facts.verdicts(part) for line in filled(_verdict(one), 2)),
        *_section("Where the field's rule differs", (_difference(one) for one in facts.differences(part))),
        *_section("Cost as a share of training", (_price(one) for one in facts.prices(part))),
        *_section("Forged claims", (_claim(one) for one in facts.forgeries(part))),
        *_section("Second marks", (_pirated(one) for one in facts.pirates(part))),
        *_section("Detection", (_seen(one) for one in facts.detections(part))),
        *_section("Failures and refusals", (_unmeasured(one) for one in facts.unmeasured(part))),
    ]


def _map(part: Part) -> list[str]:
    """Return the table of cells, in as many blocks of schemes as the width asks for."""
    at_once = (WIDTH - _NAME) // _CELL
    lines: list[str] = []
    for start in range(0, len(part.schemes), at_once):
        schemes = part.schemes[start : start + at_once]
        lines += ["", _line("", [clean(scheme, _CELL - 1) for scheme in schemes])]
        alone = {one.scheme: bits(one.most.result.net_bits) for one in independents(part)}
        lines += [_line(ALIKE, [alone.get(scheme, "") for scheme in schemes])] if alone else []
        for kind in dict.fromkeys(attack.kind for attack in part.attacks):
            lines.append(f"{KINDS.get(kind, kind)}:")
            for attack in part.attacks:
                if attack.kind == kind:
                    cells = [part.cells.get((scheme, attack.name)) for scheme in schemes]
                    lines.append(_line("  " + attack.name, [_cell(cell) for cell in cells]))
    return lines


def _alike(one: Independent) -> str:
    after = one.most.result.after
    read = f"{after['matches']} of {after['trials']}, {after['verdict']}" if after else "nothing read"
    most = f", the most of {counted(len(one.rows), 'reading')}" if len(one.rows) > 1 else ""
    said = f"{bits(gross(one.most))} gross, {bits(one.most.result.net_bits)} net bits"
    return f"{one.scheme}: {read}: {said}{most}" + _rows((one.most,))


def _line(name: str, texts: Sequence[str]) -> str:
    return f"{clean(name, _NAME - 2) if not name.startswith(' ') else '  ' + clean(name, _NAME - 4):{_NAME}}" + "".join(
        f"{text:>{_CELL}}" for text in texts
    )


def _cell(cell: Cell | None) -> str:
    if cell is None:
        return ""
    if cell.shown is None:
        return _SIGNS[cell.state]
    some = cell.shown.succeeded < cell.shown.seeds
    sign = {"removed": "*" if some else "x", "costly": "+" if cell.shown.removed else "-"}.get(cell.state, "")
    return f"{bits(cell.shown.net)}{sign}/{points(cell.shown.loss)}"


def _verdict(one: facts.Verdict) -> str:
    start = f"{one.attack.name}: {len(one.fell)} of {len(one.judged)}"
    if one.fell:
        return f"{start}: " + ", ".join(_left(cell) for cell in one.fell)
    more = f"; for more: {several(cell.scheme for cell in one.costly)}" if one.costly else ""
    return f"{start}: removed nothing" + (f"; least left: {_left(one.least)}" if one.least else "") + more


def _left(cell: Cell) -> str:
    return f"{cell.scheme} {bits(cell.shown.net)} (row {cell.shown.bits.ref})" if cell.shown else cell.scheme


def _difference(one: facts.Difference) -> str:
    ours, theirs = ("removed", "still there") if one.ours else ("still there", "removed")
    return f"{one.scheme} x {one.attack}: ours {ours}, the field's {theirs}" + _rows(one.rows)


def _price(one: facts.Price) -> str:
    middle = f"{one.attack.name}: median {percent(facts.share(one.middle))} (row {one.middle.ref})"
    return middle + (
        f", success from {percent(facts.share(one.success))} (row {one.success.ref})" if one.success else ""
    )


def _claim(one: facts.Claimed) -> str:
    read = f"{bits(gross(one.row))} gross, {bits(one.row.result.net_bits)} net bits"
    verdict = "established" if one.established else "not established"
    return (
        f"{clean(one.row.result.attack, 60)} of {one.scheme}: naive {rate(one.naive)}; ours {read}, {verdict}"
        + _rows((one.row,))
    )


def _pirated(one: facts.Pirated) -> str:
    owner = bits(one.row.result.net_bits)
    return (
        f"{clean(one.row.result.attack, 60)} on {one.scheme}: owner {owner}, thief {bits(one.thief)} net bits"
        + _rows((one.row,))
    )


def _seen(one: facts.Seen) -> str:
    said = [
        f"{name} {'–' if score is None else format(score, '.4g')} ({'marked' if marked else 'not marked'})"
        for name, (score, marked) in (("marked", one.marked), ("unmarked", one.host))
    ]
    return f"{clean(one.row.result.attack, 60)} on {one.scheme}: {', '.join(said)}" + _rows((one.row,))


def _unmeasured(one: facts.Unmeasured) -> str:
    return f"{one.status}: {one.scheme} x {several(one.attacks, 6)}: {one.reason}" + _rows(one.rows)


def _rows(rows: Sequence[Row]) -> str:
    return f" ({'row' if len(rows) == 1 else 'rows'} {several((row.ref for row in rows), 6)})" if rows else ""


def heading(text: str) -> list[str]:
    """Return a heading: an empty line, the text, and dashes under it."""
    return ["", *filled(text, 0), "-" * min(len(text), WIDTH)]


def _section(title: str, texts: Iterable[str]) -> list[str]:
    lines = [line for text in texts for line in filled(text, 2)]
    return [*heading(title), *lines] if lines else []


def filled(text: str, indent: int) -> list[str]:
    """Return a text in lines of at most ``WIDTH`` columns; all but the first are indented twice."""
    return textwrap.wrap(text, WIDTH, initial_indent=" " * indent, subsequent_indent=" " * 2 * indent)
