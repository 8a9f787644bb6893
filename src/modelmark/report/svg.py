"""Drawing: elements of SVG as escaped text, and scales from values to places."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape


def element(name: str, *content: str, **attributes: object) -> Markup:
    """Return one element; texts that are not ``Markup`` are escaped.

    Args:
        name: of the element, one of ours and never from a file.
        content: elements and texts inside.
        attributes: ``class_`` gives ``class``, ``stroke_width`` gives ``stroke-width``; numbers are rounded to tenths.
    """
    given = "".join(
        f' {key.strip("_").replace("_", "-")}="{escape(_plain(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{name}{given}>{''.join(escape(part) for part in content)}</{name}>")


def _plain(value: object) -> str:
    return f"{value:.1f}" if isinstance(value, float) else str(value)


def polyline(points: Sequence[tuple[float, float]], **attributes: object) -> Markup:
    """Return a line through points."""
    return element("polyline", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in points), **attributes)


def linked(anchor: str, *content: str) -> Markup:
    """Return content that leads to a place on the page."""
    return element("a", *content, href=f"#{anchor}")


@dataclass(frozen=True)
class Scale:
    """Places on a line of pixels, or of percent.

    Args:
        low: smallest value.
        high: largest value, above ``low``.
        start: place of ``low``.
        end: place of ``high``.
        root: square-root scale, so that what happens near 0 can be seen.
    """

    low: float
    high: float
    start: float
    end: float
    root: bool = False

    def __call__(self, value: float) -> float:
        """Return the place of a value; values outside stay at the ends."""
        held = min(max(value, self.low), self.high)
        low, high, at = (self._bent(each) for each in (self.low, self.high, held))
        return self.start + (at - low) / (high - low) * (self.end - self.start)

    def _bent(self, value: float) -> float:
        return math.copysign(math.sqrt(abs(value)), value) if self.root else value


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Return round values from ``low`` to ``high``, with at most ``most`` steps between them."""
    power = 10.0 ** math.floor(math.log10(max(high - low, 1e-9) / most))
    step = next(times * power for times in (1, 2, 5, 10) if (high - low) / (times * power) <= most)
    return [number * step for number in range(math.ceil(low / step), math.floor(high / step) + 1)]
