"""What a measurement says: ``Evidence`` where an exact test exists, ``Observation`` where none does."""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from modelmark.evidence import stats
from modelmark.evidence.stats import NOTHING, Tail

BAR = 64
"""Net bits from which evidence counts as established, unless another bar is named beforehand."""


@dataclass(frozen=True)
class Charge:
    """Bits subtracted because the claimant had that much freedom.

    Args:
        reason: what the freedom was.
        bits: its size, log2 of the number of tries it allowed.
    """

    reason: str
    bits: float


def charge_tries(reason: str, tries: int) -> tuple[Charge, ...]:
    """Return the charge for having made ``tries`` attempts: log2 of them, nothing for a single one."""
    if tries < 1:
        raise ValueError(f"expected at least one of: {reason}, got {tries}")
    return (Charge(f"{tries} {reason}", math.log2(tries)),) if tries > 1 else ()


def charge_name(name: str) -> tuple[Charge, ...]:
    """Return the charge for a name that a claimant could choose: 8 bits a byte and 10 more; nothing where there is none.

    Over all names of 1 to 800 bytes the chances ``2**-charge`` add up to less than 1, so that trying names gains nothing.
    """
    size = len(name.encode())
    return (Charge(f"a name of {size} bytes", 8.0 * size + 10),) if size else ()


@dataclass(frozen=True)
class Evidence:
    """Matches between a suspect's answers and a message that was drawn after the carriers were committed.

    Args:
        scheme: the name of the scheme.
        matches: symbols read as expected.
        trials: symbols drawn.
        chance: probability of one match for every model that does not depend on the draw.
        charges: what is subtracted, item by item.
        queries: inputs the suspect was asked to classify.
        bar: net bits from which the verdict is "established".
        self_check: made with a key that is never evidence.
        root: hex of the root that commits to the key's carriers; two keys with one root are one key.
        note: what else the scheme read, for people; no part of the test.
        unit: what a symbol is called, for people; empty: an answer, or a bit where nothing was asked.
    """

    scheme: str
    matches: int
    trials: int
    chance: Fraction
    charges: tuple[Charge, ...] = ()
    queries: int = 0
    bar: float = BAR
    self_check: bool = False
    root: str = ""
    note: str = ""
    unit: str = ""

    def __post_init__(self) -> None:
        if not 0 < self.bar < math.inf:
            raise ValueError(f"expected a bar above 0 bits, got {self.bar}")

    @property
    def gross_bits(self) -> float:
        """``-log2`` of the exact chance of at least this many matches."""
        return stats.tail_bits(self.matches, self.trials, self.chance)

    @property
    def net_bits(self) -> float:
        """Gross bits less all charges, at least 0."""
        return max(self.gross_bits - sum(charge.bits for charge in self.charges), 0.0)

    @property
    def interval(self) -> tuple[float, float]:
        """Where the suspect's match rate lies, except with probability ``2**-40`` (Clopper-Pearson)."""
        return stats.clopper_pearson(self.matches, self.trials)

    @property
    def established(self) -> bool:
        """Whether the net bits reach the bar; never for a self-check key."""
        return self.net_bits >= self.bar and not self.self_check

    @property
    def verdict(self) -> str:
        """The words "established" or "not established"."""
        return "established" if self.established else "not established"

    def __str__(self) -> str:
        gross, net = shown(self.gross_bits), shown(self.net_bits)
        line = f"{self.scheme}: {self.count}, {gross} bits (net {net}): {self.verdict}"
        line += f" at a bar of {self.bar:g}" if self.bar != BAR else ""
        line += f"; {self.note}" if self.note else ""
        return line + (" (self-check key: never evidence)" if self.self_check else "")

    @property
    def count(self) -> str:
        """What matched, in words."""
        return f"{self.matches}/{self.trials} expected {self.unit or ('answers' if self.queries else 'bits')}"

    def to_json(self) -> dict[str, Any]:
        """Return plain data from which every number can be recomputed."""
        return {
            "type": "modelmark.evidence.evidence",
            "v": 1,
            "scheme": self.scheme,
            "matches": self.matches,
            "trials": self.trials,
            "chance": str(self.chance),
            "match_rate_interval": list(self.interval),
            **self._common(),
        }

    def _common(self) -> dict[str, Any]:
        return {
            "gross_bits": self.gross_bits,
            "charges": [{"reason": charge.reason, "bits": charge.bits} for charge in self.charges],
            "net_bits": self.net_bits,
            "bar": self.bar,
            "queries": self.queries,
            "self_check": self.self_check,
            "root": self.root,
            "note": self.note,
            "verdict": self.verdict,
        }


@dataclass(frozen=True)
class Graded(Evidence):
    """Evidence of a scheme whose trials give scores, not matches: ``matches`` is their sum, ``trials`` the largest it could be.

    Args:
        tail: gross bits of a sum at least this large, and how they were computed; see ``scores.tail_bits``.
    """

    tail: Tail = NOTHING

    @property
    def gross_bits(self) -> float:
        """``-log2`` of the chance of a sum at least this large, or less than that where it is bounded."""
        return self.tail.bits

    @property
    def count(self) -> str:
        """The score, in words."""
        return f"score {self.matches} of {self.trials} ({self.tail.method})"

    def to_json(self) -> dict[str, Any]:
        """Return plain data; version 2, which has a score and no match rate."""
        return {
            "type": "modelmark.evidence.evidence",
            "v": 2,
            "scheme": self.scheme,
            "score": self.matches,
            "highest": self.trials,
            "method": self.tail.method,
            **self._common(),
        }


@dataclass(frozen=True)
class Observation:
    """A match rate with no exact test behind it: the message was chosen, or the reading depends on it.

    It has no bits and is never established. ``reference`` says what unmarked models score, where that was measured.
    ``note`` says what the paper's own rule makes of the reading.

    Args:
        scheme: the name of the scheme.
        matches: symbols read as expected.
        trials: symbols compared.
        reason: why there is no exact test.
        queries: inputs the suspect was asked to classify.
        reference: match rates of models known to be unmarked.
        note: the paper's own rule, for what it is worth.
    """

    scheme: str
    matches: int
    trials: int
    reason: str
    queries: int = 0
    reference: tuple[float, ...] = ()
    note: str = ""

    established = False
    verdict = "not established"

    def __str__(self) -> str:
        line = f"{self.scheme}: {self.matches}/{self.trials} as expected; no exact test: {self.reason}"
        if self.note:
            line += f"; {self.note}"
        rates = f"{min(self.reference):.0%} to {max(self.reference):.0%}" if self.reference else "not measured"
        return f"{line}; unmarked models: {rates}: {self.verdict}"

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "type": "modelmark.observation",
            "v": 1,
            "scheme": self.scheme,
            "matches": self.matches,
            "trials": self.trials,
            "reason": self.reason,
            "queries": self.queries,
            "reference": list(self.reference),
            "note": self.note,
            "verdict": self.verdict,
        }


def shown(bits: float) -> str:
    """Return bits as text, rounded down: what is printed is never more than what was measured."""
    return f"{math.floor(bits * 10) / 10:.1f}"
