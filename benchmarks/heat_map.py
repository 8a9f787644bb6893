"""The picture of docs/results.md: net bits left of each scheme after each attack, from the kept rows of an audit.

Run: ``python benchmarks/heat_map.py docs/img/heat-map.svg``. Each square is the report's own cell: of all strengths that cost at
most 5 points of accuracy, one that removed the mark, or else the one that left fewest bits. ``tables.py`` counts them.
"""

import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

from markupsafe import Markup

from _rows import markdown
from attack_tables import AUDIT
from modelmark.report import charts, rows
from modelmark.report.cells import Cell
from modelmark.report.parts import Attack, Part, parts
from modelmark.report.svg import element

SIDE, LEFT, TOP, GAP = 13, 132, 30, 9
COLOURS = {"h0": "#b8392b", "h1": "#e2775c", "h2": "#f6c6a8", "h3": "#d3e3ee", "h4": "#8fbcd8", "h5": "#2f76a8"}
NOT_THERE, INK, PAPER = "#eeeeea", "#1d232b", "#ffffff"
HEADS = {
    "modification": "changes the network",
    "extraction": "trains another on its answers",
    "collusion": "copies",
    "evasion": "filters what an API is asked",
}
WHITE_BOX = ("spread", "uchida", "deepsigns", "deepmarks", "neuralmark", "passports", "riga")


@cache
def audited() -> Part:
    """Return the part of the audit that has most rows."""
    return max(parts(rows.load([AUDIT]).rows), key=lambda one: len(one.rows))


def columns(part: Part) -> list[tuple[Attack, int]]:
    """Return attacks that are meant to remove marks, of which any was judged, and where each stands from the left."""
    places, x, kind = [], LEFT, ""
    for attack in part.attacks:
        if attack.removes and any(cell.shown for cell in part.against(attack)):
            x += GAP if kind and attack.kind != kind else 0
            places.append((attack, x))
            x, kind = x + SIDE, attack.kind
    return places


def ordered(part: Part) -> list[str]:
    """Return schemes, those read from weights first."""
    return sorted(part.schemes, key=lambda name: (name not in WHITE_BOX, name != "spread", name))


def square(cell: Cell | None, x: int, y: int) -> Markup:
    """Return one cell: its colour, and a sign where the mark was removed or the attack costs too much."""
    if cell is None or cell.shown is None:
        return element("rect", x=x + 1, y=y + 1, width=SIDE - 2, height=SIDE - 2, fill=NOT_THERE)
    shown = cell.shown
    lost = f"{100 * shown.loss:.1f} points lost"
    title = element("title", f"{cell.scheme}, {cell.attack}: {shown.net:.0f} net bits left, {lost}")
    if cell.state == "costly":
        return element("circle", title, cx=x + SIDE / 2, cy=y + SIDE / 2, r=2, fill="#9aa5b1")
    colour = COLOURS[charts.shade(shown.net, shown.bar)]
    return element("rect", title, x=x + 1, y=y + 1, width=SIDE - 2, height=SIDE - 2, rx=2, fill=colour)


def text(words: str, x: float, y: float, **more: object) -> Markup:
    return element("text", words, x=float(x), y=float(y), **more)


def legend(y: int, bar: float) -> list[Markup]:
    """Return what colours and signs mean."""
    found, x = [text("net bits left:", LEFT - 6, y + 10, text_anchor="end")], float(LEFT)
    for name, meaning in charts.shades(bar):
        found.append(element("rect", x=x + 1, y=y + 1, width=SIDE - 2, height=SIDE - 2, rx=2, fill=COLOURS[name]))
        found.append(text(meaning, x + SIDE + 3, y + 10))
        x += 84
    found.append(element("circle", cx=x + SIDE / 2, cy=y + SIDE / 2, r=2, fill="#9aa5b1"))
    found.append(text("costs more than 5 points of accuracy", x + SIDE + 3, y + 10))
    x += 235
    found.append(element("rect", x=x + 1, y=y + 1, width=SIDE - 2, height=SIDE - 2, fill=NOT_THERE))
    found.append(text("does not apply, or not measured", x + SIDE + 3, y + 10))
    said = f"Red: less than {bar:g}, no longer established. Blue: still established."
    return [*found, text(said, LEFT, y + 28)]


def drawn(part: Part) -> Markup:
    """Return the whole picture."""
    there, schemes = columns(part), ordered(part)
    bottom = TOP + SIDE * len(schemes)
    found, heads = [], dict.fromkeys(attack.kind for attack, _ in there)
    for kind in heads:
        own = [x for attack, x in there if attack.kind == kind]
        found.append(element("line", x1=own[0] + 1, x2=own[-1] + SIDE - 1, y1=TOP - 5, y2=TOP - 5, stroke="#5d6873"))
        found.append(text(HEADS[kind], own[0] + 1, TOP - 10, font_weight="600"))
    for row, scheme in enumerate(schemes):
        y = TOP + SIDE * row
        found.append(text(scheme, LEFT - 6, y + 10, text_anchor="end"))
        found += [square(part.cells.get((scheme, attack.name)), x, y) for attack, x in there]
    for attack, x in there:
        place = f"rotate(-90 {x + 10} {bottom + 6})"
        found.append(text(attack.name, x + 10, bottom + 6, text_anchor="end", font_size="9.5", transform=place))
    bar = next(cell.shown.bar for cell in part.cells.values() if cell.shown)
    deep = bottom + 6 + round(5.4 * max(len(attack.name) for attack, _ in there))
    width, height = there[-1][1] + SIDE + 12, deep + 38
    ground = element("rect", width=width, height=height, fill=PAPER)
    return element(
        "svg", ground, *found, *legend(deep, bar), xmlns="http://www.w3.org/2000/svg", width=width, height=height,
        viewBox=f"0 0 {width} {height}", font_family="system-ui, 'Liberation Sans', sans-serif", font_size="11",
        fill=INK, role="img", aria_label=f"{len(schemes)} schemes against {len(there)} attacks: net bits left",
    )  # fmt: skip


def held() -> str:
    """Return the table below the picture: of how many attacks of a kind, at 5 points or less, a mark was still established."""
    part = audited()
    body = []
    for scheme in ordered(part):
        found = [scheme]
        for kind in HEADS:
            cells = [part.cells.get((scheme, attack.name)) for attack in part.attacks if attack.kind == kind]
            judged = [cell for cell in cells if cell is not None and cell.state in ("holds", "removed")]
            kept = sum(cell.state == "holds" for cell in judged)
            found.append(f"{kept} of {len(judged)}" if judged else "")
        body.append(found)
    return markdown(["still established", *HEADS.values()], body)


TABLES: dict[str, Callable[[], str]] = {"held": held}


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(f"{drawn(audited())}\n")
