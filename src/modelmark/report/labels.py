"""How values of rows are written for people; every text from a file passes through ``clean``."""

import json
import math
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

from modelmark.evidence.evidence import shown

ALIKE = "unmarked, same make"
"""What a network is that nobody marked: of the same configuration and data, from another seed."""
_DROPPED = ("Cc", "Cf", "Cs", "Co", "Cn")


def clean(text: object, most: int = 300) -> str:
    """Return a text in one line: white space as single spaces; control, bidi and other invisible characters left out.

    Args:
        text: anything; what is no string is written as JSON.
        most: characters, of which the last becomes an ellipsis where there are more.
    """
    whole = text if isinstance(text, str) else json.dumps(text, sort_keys=True, ensure_ascii=False, default=str)
    spaced = (" " if char.isspace() else char for char in whole[: 8 * most + 64])
    line = " ".join("".join(char for char in spaced if unicodedata.category(char) not in _DROPPED).split())
    return line if len(line) <= most else line[: most - 1] + "…"


def settings(given: Mapping[str, Any], most: int = 80) -> str:
    """Return settings as ``name=value, name=value``; empty where none were given."""
    return clean(
        ", ".join(f"{name}={value:g}" if type(value) is float else f"{name}={value}" for name, value in given.items()),
        most,
    )


def bits(value: float | None) -> str:
    """Return bits, rounded down to tenths; a dash where there are none."""
    if value is None:
        return "–"
    return shown(value) if abs(value) < 100_000 else f"{value:.3g}"


def points(share: float | None) -> str:
    """Return a share of all answers in points of accuracy, signed as a loss: ``4.2``, ``−0.3`` where accuracy rose."""
    if share is None:
        return "–"
    value = round(100 * share, 1) + 0.0
    return f"{value:.1f}".replace("-", "−")


def percent(share: float | None) -> str:
    """Return a share in percent, with three digits that count."""
    if share is None:
        return "–"
    value = 100 * share
    if value == 0 or not math.isfinite(value):
        return f"{value:.0f} %"
    digits = min(max(1 - math.floor(math.log10(abs(value))), 0), 4)
    return f"{value:.{digits}f} %" if value < 1e6 else f"{value:.3g} %"


def rate(share: float | None) -> str:
    """Return a share of answers in percent, to tenths."""
    return "–" if share is None else f"{100 * share:.1f} %"


def several(names: Iterable[str], most: int = 12) -> str:
    """Return names as ``a, b and c``; beyond ``most`` the rest is counted."""
    every = list(names)
    if len(every) > most:
        return f"{', '.join(every[:most])} and {len(every) - most} more"
    return " and ".join(filter(None, [", ".join(every[:-1]), *every[-1:]]))
