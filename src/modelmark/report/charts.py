"""The figures of a part: frontiers of schemes, strips of cost, and the classes of colours."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from modelmark.report import facts
from modelmark.report.cells import Cell, Strength, established
from modelmark.report.labels import bits, clean, points, settings
from modelmark.report.parts import Part
from modelmark.report.rows import Row
from modelmark.report.svg import Scale, element, linked, polyline, ticks

WIDTH, HEIGHT = 360, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 38, 352, 10, 216
_LABELS = 3
_LINE = 11.0
COLOURS = 8
"""Colours of families; those after take them again, with dashed lines and hollow dots."""
SHADES = (0.25, 0.5, 1.0, 1.5, 2.5)
"""Multiples of the bar at which the heat map changes its colour."""
_LOSSES = (-10, -5, -2, 0, 1, 5, 10, 20, 40, 60, 80, 100)


def shade(net: float, bar: float) -> str:
    """Return the class of a heat map's colour: ``h0`` to ``h2`` below the bar, ``h3`` to ``h5`` from it on."""
    return f"h{sum(net >= limit * bar for limit in SHADES)}"


def shades(bar: float) -> list[tuple[str, str]]:
    """Return classes and what they mean in net bits, for the legend."""
    edges = [0.0, *(limit * bar for limit in SHADES)]
    return [
        (f"h{place}", f"{low:g} to {high:g}" if high else f"from {low:g}")
        for place, (low, high) in enumerate(zip(edges, [*edges[1:], 0.0], strict=True))
    ]


def families(part: Part) -> dict[str, str]:
    """Return the class of the colour of every family that was swept."""
    swept = [attack.family for attack in part.attacks if any(cell.sweep for cell in part.against(attack))]
    return {
        family: f"f{place % COLOURS}{' second' if place >= COLOURS else ''}"
        for place, family in enumerate(dict.fromkeys(swept))
    }


@dataclass(frozen=True)
class Axes:
    """What all frontiers of a part share.

    Args:
        x: points of accuracy lost, to pixels.
        y: net bits, to pixels.
        bar: net bits from which a mark is established.
    """

    x: Scale
    y: Scale
    bar: float


def axes(part: Part) -> Axes:
    """Return scales that hold everything measured in a part."""
    swept = [strength for cell in part.cells.values() for strength in cell.sweep]
    lost = [100 * strength.loss for strength in swept]
    before = [net for _, row in part.rows if (net := _before(row)) is not None]
    bar = swept[0].bar if swept else 64.0
    x = Scale(min([-1.0, *lost]), max([10.0, *lost]), _LEFT, _RIGHT, root=True)
    return Axes(x, Scale(0.0, 1.05 * max([bar, *before, *(one.net for one in swept)]), _BOTTOM, _TOP), bar)


def frontier(part: Part, scheme: str, shared: Axes, colours: dict[str, str]) -> Markup | None:
    """Return the figure of one scheme: net bits left against points lost, a line for each attack; None without any."""
    pairs = [(attack, part.cells.get((scheme, attack.name))) for attack in part.attacks]
    swept = [(attack, cell) for attack, cell in pairs if cell is not None and cell.sweep]
    if not swept:
        return None
    x, y = shared.x, shared.y
    lines, dots, fallen = [], [], []
    for attack, cell in sorted(swept, key=lambda pair: pair[1].state == "removed"):
        tone = f"{colours.get(attack.family, 'f0')} {'fell' if cell.state == 'removed' else 'held'}"
        places = [(x(100 * one.loss), y(one.net)) for one in cell.sweep]
        lines.append(polyline(places, class_=f"curve {tone}") if len(places) > 1 else "")
        dots += [_dot(cell, one, place, tone) for one, place in zip(cell.sweep, places, strict=True)]
        if cell.state == "removed" and cell.shown:
            fallen.append((x(100 * cell.shown.loss), y(cell.shown.net), attack.name, tone))
    return element(
        "svg", *_frame(shared), _start(part, scheme, shared), *lines, *dots, *_labels(fallen),
        viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", class_="frontier",
        aria_label=f"{scheme}: net bits left against points of accuracy lost, for {len(swept)} attacks",
    )  # fmt: skip


def _frame(shared: Axes) -> list[Markup]:
    x, y, bar = shared.x, shared.y, shared.bar
    zone = element(
        "rect", class_="zone", x=x.start, y=y(bar), width=x(5) - x.start, height=y(0) - y(bar)
    )  # cheap and below the bar
    grid = [zone]
    for loss in _LOSSES:
        if x.low <= loss <= x.high:
            grid.append(element("line", class_="grid", x1=x(loss), x2=x(loss), y1=float(_TOP), y2=y(0)))
            grid.append(
                element(
                    "text", str(loss).replace("-", "−"), class_="tick", x=x(loss), y=y(0) + 12, text_anchor="middle"
                )
            )
    for net in ticks(0, y.high):
        grid.append(element("line", class_="grid", x1=x.start, x2=x.end, y1=y(net), y2=y(net)))
        grid.append(element("text", f"{net:g}", class_="tick", x=x.start - 4, y=y(net) + 3, text_anchor="end"))
    grid.append(element("line", class_="bar", x1=x.start, x2=x.end, y1=y(bar), y2=y(bar)))
    grid.append(element("text", f"bar {bar:g}", class_="barname", x=x.end, y=y(bar) - 3, text_anchor="end"))
    title = "points of accuracy lost (square-root scale)"
    grid.append(element("text", title, class_="tick", x=(x.start + x.end) / 2, y=y(0) + 27, text_anchor="middle"))
    return grid


def _start(part: Part, scheme: str, shared: Axes) -> Markup:
    before = sorted(net for name, row in part.rows if name == scheme and (net := _before(row)) is not None)
    if not before:
        return Markup("")
    place = shared.y(before[(len(before) - 1) // 2])
    named = element("title", f"before any attack: {bits(before[(len(before) - 1) // 2])} net bits")
    return element("rect", named, class_="start", x=shared.x(0) - 4, y=place - 4, width=8, height=8)


def _before(row: Row) -> float | None:
    marked = row.result.marked
    return marked.get("net_bits") if marked is not None and established(marked) else None


def _dot(cell: Cell, strength: Strength, place: tuple[float, float], tone: str) -> Markup:
    given = settings(strength.bits.result.settings, 60)
    seeds = f", median of {strength.seeds} seeds" if strength.seeds > 1 else ""
    name = f"{cell.attack} ({given})" if given else cell.attack
    said = f"{name}: {bits(strength.net)} net bits, {points(strength.loss)} points lost{seeds}"
    dot = element(
        "circle",
        element("title", f"{said}, row {strength.bits.ref}"),
        class_=f"dot {tone}",
        cx=place[0],
        cy=place[1],
        r=2.5,
    )
    return linked(strength.bits.anchor, dot)


def _labels(fallen: Sequence[tuple[float, float, str, str]]) -> list[Markup]:
    """Name the attacks that succeeded, a line apart from each other, where they are few; the caption names all."""
    if len(fallen) > _LABELS:
        return []
    placed: list[Markup] = []
    floor = _BOTTOM - 3.0
    for x, y, name, tone in sorted(fallen, key=lambda one: -one[1]):
        at = min(y + 3, floor)
        floor = at - _LINE
        left = x < (_LEFT + _RIGHT) / 2
        anchor, beside = ("start", x + 6) if left else ("end", x - 6)
        placed.append(element("text", clean(name, 24), class_=f"name {tone}", x=beside, y=at, text_anchor=anchor))
    return placed


def cost_scale(prices: Sequence[facts.Price]) -> Scale:
    """Return the scale of shares of training, as powers of ten, to percent of a strip's width."""
    shares = [facts.share(row) or 0.0 for one in prices for row in (one.lowest, one.highest)]
    powers = [math.log10(share) for share in shares if share > 0]
    return Scale(math.floor(min([-2.0, *powers])), math.ceil(max([0.0, *powers])) + 0.001, 2.0, 98.0)


def strip(price: facts.Price, scale: Scale) -> Markup:
    """Return one attack's costs on a logarithmic scale: least to most, the median, and the cheapest success."""

    def at(row: Row) -> float:
        share = facts.share(row) or 0.0
        return scale(math.log10(share)) if share > 0 else scale.start

    marks = [_upright(power, scale) for power in _powers(scale)]
    marks.append(
        element("line", class_="range", x1=f"{at(price.lowest):.1f}%", x2=f"{at(price.highest):.1f}%", y1=9, y2=9)
    )
    marks.append(
        linked(price.middle.anchor, element("circle", class_="middle", cx=f"{at(price.middle):.1f}%", cy=9, r=4))
    )
    if price.success:
        dot = element("circle", class_="success", cx=f"{at(price.success):.1f}%", cy=9, r=4.5)
        marks.append(linked(price.success.anchor, dot))
    return element("svg", *marks, class_="strip", width="100%", height=18, aria_hidden="true")


def strip_axis(scale: Scale) -> Markup:
    """Return the head of the strips: shares of training."""
    names = [
        element(
            "text",
            _share(power),
            class_=f"tick {'odd' if power % 2 else 'even'}",
            x=f"{scale(power):.1f}%",
            y=12,
            text_anchor="middle",
        )
        for power in _powers(scale)
    ]
    return element("svg", *names, class_="strip", width="100%", height=18, aria_hidden="true")


def _powers(scale: Scale) -> range:
    low, high = round(scale.low), math.floor(scale.high)
    return range(low, high + 1, max(math.ceil((high - low) / 6), 1)) if high - low > 6 else range(low, high + 1)


def _upright(power: int, scale: Scale) -> Markup:
    place = f"{scale(power):.1f}%"
    return element("line", class_="whole" if power == 0 else "grid", x1=place, x2=place, y1=0, y2=18)


def _share(power: int) -> str:
    return f"{10**power}×" if power >= 0 else f"{10.0 ** (power + 2):g} %"
