"""What a key can be worth, in words: its symbols, the bits of all of them, and how many must match."""

from typing import TYPE_CHECKING

from modelmark.naming import counted

if TYPE_CHECKING:
    from modelmark.marks.keys import Key


def described(key: "Key", bar: float) -> str:
    """Return in one line which key it is and what it can be worth."""
    return f"{key.scheme.name} key {key.fingerprint[:16]}, {worth(key, bar)}"


def worth(key: "Key", bar: float) -> str:
    """Return in one line how many symbols a key has and what they are worth."""
    from fractions import Fraction

    from modelmark.evidence.evidence import Charge, Evidence, shown
    from modelmark.key.draw import CHARGES
    from modelmark.schemes.base import Grading, Whole

    trials, alphabet = key.scheme.size(key.feed)
    title = f"{counted(trials, 'symbol')} of alphabet {alphabet}"
    if key.scheme.objection():
        return f"{title}; no exact test: {key.scheme.objection()}"
    if key.self_check:
        return f"{title}, for self-checks only"
    if isinstance(key.scheme, Grading):
        net = key.scheme.most_bits(key.feed) - CHARGES[key.draw_kind]
        return f"{title}, graded: at most {shown(max(net, 0.0))} net bits, where likelihood follows the order without a fault"
    charge = Charge(f"{key.draw_kind} draw", CHARGES[key.draw_kind])
    full = Evidence(key.scheme.name, trials, trials, Fraction(1, alphabet), (charge,))
    if isinstance(key.scheme, Whole):
        return f"{title}: at most {shown(full.net_bits)} net bits"
    return f"{title}: at most {shown(full.net_bits)} net bits, established from {fewest(key, bar)} matches on"


def fewest(key: "Key", bar: float) -> int | None:
    """Return how many matches establish a key, None if not even all do."""
    from fractions import Fraction

    from modelmark.evidence import stats
    from modelmark.key.draw import CHARGES

    trials, alphabet = key.scheme.size(key.feed)
    return stats.minimum_matches(bar + CHARGES[key.draw_kind], trials, Fraction(1, alphabet))


_ROOM = 30
"""A key is warned of if fewer than one symbol in so many may be lost."""


def slack(key: "Key", bar: float) -> list[str]:
    """Return that hardly a symbol may be lost, where that is so; any scheme, any size."""
    from modelmark.schemes.base import Grading

    if key.self_check or key.scheme.objection() or isinstance(key.scheme, Grading):
        return []
    trials, _ = key.scheme.size(key.feed)
    least = fewest(key, bar)
    lost = 0 if least is None else trials - least
    if lost * _ROOM >= trials:
        return []
    if lost:
        way = "" if key.draw_kind != "offline" else ", or --draw timestamp,"
        return [
            f"only {lost} of all {trials} symbols may be lost before {bar:g} bits are: more symbols{way} leave room"
        ]
    return [
        f"only all {trials} symbols together reach {bar:g} bits: one that an attack changes takes the evidence away"
    ]
