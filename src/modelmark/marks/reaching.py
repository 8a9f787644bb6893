"""Whether a key has symbols enough for evidence, and what may be typed where it has not. Loads without torch."""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

from modelmark.errors import CapacityError
from modelmark.evidence import stats
from modelmark.feeds.base import Feed
from modelmark.key.draw import CHARGES
from modelmark.schemes.base import Grading, Scheme

Fits = Callable[[Scheme], bool]
"""Whether a model has room for a scheme of these settings."""

_ARTICLES = {"offline": "an offline", "timestamp": "a timestamp", "beacon": "a beacon"}
_ELSEWHERE = "another scheme: spread is in the signs of all weights"


def require_reach(scheme: Scheme, feed: Feed, bar: float, draw: str, fits: Fits = lambda changed: True) -> None:
    """Raise CapacityError unless full evidence of a resolved scheme reaches the bar after the charge for its draw.

    Args:
        scheme: resolved.
        feed: of the key.
        bar: net bits.
        draw: ``offline``, ``timestamp`` or ``beacon``.
        fits: asked before more symbols are proposed.
    """
    trials, alphabet = scheme.size(feed)
    needed = bar + CHARGES[draw]
    if isinstance(scheme, Grading):
        if (most := scheme.most_bits(feed)) < needed:
            raise CapacityError(
                f"expected at least {needed:g} bits of a suspect that shows the whole mark, got {most:.1f} from {trials} records",
                hint="use more records, or --self-check for a key that is never evidence",
            )
        return
    smallest = stats.minimum_trials(needed, Fraction(1, alphabet))
    if trials < smallest:
        draws = [draw, "timestamp"] if draw == "offline" else [draw]
        enough = [stats.minimum_trials(bar + CHARGES[each], Fraction(1, alphabet)) for each in draws]
        raise CapacityError(
            f"expected at least {smallest} symbols of alphabet {alphabet} "
            f"({bar:g} bits and {CHARGES[draw]} charged for {_ARTICLES[draw]} draw), got {trials}",
            hint="; ".join([*_ways(scheme, trials, enough, fits), "or --self-check for a key that is never evidence"]),
        )


def _ways(scheme: Scheme, trials: int, enough: list[int], fits: Fits) -> list[str]:
    """Return what may be typed to have enough symbols, or to need fewer: nothing that would be refused in its turn.

    Args:
        scheme: resolved.
        trials: its symbols.
        enough: symbols that are enough with its draw, and with a timestamp where that asks for fewer.
        fits: see ``require_reach``.
    """
    name = getattr(scheme, "counted", "")
    value = getattr(scheme, name, None) if name else None
    if not isinstance(value, int):
        return ["use more", *(f"--draw timestamp, with which {fewer} are enough" for fewer in enough[1:])]
    sizes = [-(-value * symbols // trials) for symbols in enough]
    there = [size <= value or fits(replace(scheme, **{name: size})) for size in sizes]  # type: ignore[type-var]
    if not any(there):
        layer = getattr(scheme, "layer", "")
        more = f"more than {value} {name}" + (f" in {layer}: another layer (--set layer=NAME), or" if layer else ":")
        return [f"this network has no room for {more} {_ELSEWHERE}"]
    typed = [f"--set {name}={size}" for size in sizes]
    ways = typed[:1] if there[0] else []
    if len(enough) > 1:
        ways.append(f"--draw timestamp, with which {enough[1]} are enough" + ("" if there[0] else f" ({typed[1]})"))
    return ways
