"""The page: one HTML file that needs nothing else, no script, no network."""

from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from modelmark.report import charts, facts, labels
from modelmark.report.cells import STATES, Cell, judged
from modelmark.report.head import head
from modelmark.report.independent import independents
from modelmark.report.parts import KINDS, Part, parts
from modelmark.report.rows import Audit
from modelmark.report.sentences import sentences
from modelmark.templating import templates

_FOLDER = Path(__file__).parent / "templates"


def page(audit: Audit) -> str:
    """Return the report of an audit as HTML; the same rows give the same bytes."""
    every, template = parts(audit.rows), _environment().get_template("page.html.j2")
    return template.render(
        css=Markup((_FOLDER / "style.css").read_text()),
        head=head(audit),
        audit=audit,
        parts=[_sections(part) for part in every],
        schemes={row.ref: scheme for part in every for scheme, row in (*part.independents, *part.rows)},
        states=STATES,
    )


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = templates(_FOLDER)
    environment.filters.update(
        bits=labels.bits, points=labels.points, percent=labels.percent, rate=labels.rate, clean=labels.clean,
        settings=labels.settings,
    )  # fmt: skip
    environment.globals.update(judged=judged, share=facts.share, number=facts.number, field=facts.field_succeeded)
    return environment


def _sections(part: Part) -> dict[str, Any]:
    """Return what the template shows of a part."""
    shared, colours = charts.axes(part), charts.families(part)
    figures = [(scheme, charts.frontier(part, scheme, shared, colours)) for scheme in part.schemes]
    prices = facts.prices(part)
    scale = charts.cost_scale(prices)
    return {
        "part": part,
        "sentences": sentences(part),
        "alike": labels.ALIKE,
        "independents": {one.scheme: one for one in independents(part)},
        "heat": _heat(part),
        "shade": charts.shade,
        "shades": charts.shades(shared.bar),
        "bar": shared.bar,
        "figures": [(scheme, figure, _fallen(part, scheme)) for scheme, figure in figures if figure is not None],
        "colours": colours,
        "verdicts": facts.verdicts(part),
        "differences": facts.differences(part),
        "prices": [(price, charts.strip(price, scale)) for price in prices],
        "cost_axis": charts.strip_axis(scale),
        "forgeries": facts.forgeries(part),
        "detections": facts.detections(part),
        "pirates": facts.pirates(part),
        "unmeasured": facts.unmeasured(part),
    }


def _fallen(part: Part, scheme: str) -> list[Cell]:
    cells = (part.cells.get((scheme, attack.name)) for attack in part.attacks)
    return sorted(
        (cell for cell in cells if cell and cell.state == "removed"), key=lambda one: one.shown.net if one.shown else 0
    )


def _heat(part: Part) -> list[tuple[str, list[tuple[str, str, list[Cell | None]]]]]:
    """Return the heat map: kinds, in each its attacks as family, name and one cell, or none, for every scheme."""
    kinds = dict.fromkeys(attack.kind for attack in part.attacks)
    return [
        (
            KINDS.get(kind, kind),
            [
                (attack.family, attack.name, [part.cells.get((scheme, attack.name)) for scheme in part.schemes])
                for attack in part.attacks
                if attack.kind == kind
            ],
        )
        for kind in kinds
    ]
