"""What several keys say together about one suspect: independent tests, joined by Fisher's method."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from modelmark.errors import UsageError
from modelmark.evidence import stats
from modelmark.evidence.evidence import Evidence, shown


@dataclass(frozen=True)
class Combined:
    """Evidence of several keys that were named before the suspect was read.

    Each key's message was drawn for itself, so for a model that depends on no draw their matches are independent, and
    the net bits combine as p-values do: 64 and 64 give 121.5, 20 and 20 give 35.1.

    Args:
        parts: at least two, of different keys, all at one bar.
    """

    parts: tuple[Evidence, ...]

    def __post_init__(self) -> None:
        if len(self.parts) < 2:
            raise UsageError(f"expected evidence of at least two keys to combine, got {len(self.parts)}")
        if len({part.root for part in self.parts}) < len(self.parts):
            raise UsageError("expected keys with different carriers to combine, got the same root twice")
        if len({part.bar for part in self.parts}) > 1:
            raise UsageError("expected evidence at one bar to combine, got several bars")

    @property
    def net_bits(self) -> float:
        """Fisher's combination of the parts' net bits."""
        return stats.fisher_bits([part.net_bits for part in self.parts])

    @property
    def established(self) -> bool:
        """Whether the net bits reach the bar; never with a self-check key among them."""
        return self.net_bits >= self.parts[0].bar and not any(part.self_check for part in self.parts)

    @property
    def verdict(self) -> str:
        """The words "established" or "not established"."""
        return "established" if self.established else "not established"

    def __str__(self) -> str:
        return f"together: net {shown(self.net_bits)} bits: {self.verdict}"

    def to_json(self) -> dict[str, Any]:
        """Return plain data from which every number can be recomputed."""
        return {
            "type": "modelmark.evidence.combined",
            "v": 1,
            "parts": [part.to_json() for part in self.parts],
            "method": "fisher",
            "net_bits": self.net_bits,
            "bar": self.parts[0].bar,
            "verdict": self.verdict,
        }


def combine(parts: Sequence[Evidence]) -> Combined:
    """Return what the evidence of several keys says together.

    Raises:
        UsageError: fewer than two, the same root twice, or different bars.
    """
    return Combined(tuple(parts))
