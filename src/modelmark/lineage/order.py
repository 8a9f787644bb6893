"""Whether a suspect's hidden units stand in the order of one's own: an exact test for networks of one architecture.

A network that is trained apart, from first weights of its own, is as likely with its hidden units in any other order:
initialisers draw every unit alike, and training treats them alike. So for each unit of one's own network one looks for the
suspect's unit whose incoming weights are most like it; where the two networks have nothing to do with each other, the one found
stands at the same place by chance alone, one unit an order on average. ``evidence.places`` has the tail. Orders of one network
may depend on one another, as those of experts that were copied from one perceptron; so the best of them counts, charged by
their number.

Source: the exchangeability of hidden units is the null hypothesis of Zhu, Ahmed, Kuditipudi and Liang, "Independence tests for
language models" (ICML 2025). Departs: they permute at random and compare, and a thousand permutations end at ten bits; here the
tail is that of matches in a random order.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from modelmark.errors import MismatchError
from modelmark.evidence.evidence import BAR
from modelmark.evidence.places import place_bits
from modelmark.lineage.units import Units
from modelmark.suspects.files import WeightFile, weight_of

Floats = npt.NDArray[np.float32]

MOST_UNITS = 1024
"""Of one order, evenly spaced, that are looked for among all the suspect's."""
_BLOCK = 2**24  # numbers compared at a time


@dataclass(frozen=True)
class Order:
    """What was found in one order.

    Args:
        layer: where.
        units: that were looked for.
        matches: of which the most alike unit of the suspect stands at the same place.
    """

    layer: str
    units: int
    matches: int


@dataclass(frozen=True)
class Lineage:
    """What a suspect's orders say.

    Args:
        orders: that both networks have.
        unread: layers that the suspect has not, or in another size.
        suspects: models that were tried; charged.
        bar: net bits from which the two count as of one origin.
    """

    orders: tuple[Order, ...]
    unread: tuple[str, ...] = ()
    suspects: int = 1
    bar: float = BAR

    @property
    def matches(self) -> int:
        """Units at their place, of all orders."""
        return sum(order.matches for order in self.orders)

    @property
    def units(self) -> int:
        """Units that were looked for."""
        return sum(order.units for order in self.orders)

    @property
    def bits(self) -> float:
        """Net bits of the best order: -log2 of a bound on its chance in networks trained apart, less what the tries cost."""
        return max(0.0, place_bits([order.matches for order in self.orders]) - math.log2(self.suspects))

    @property
    def related(self) -> bool:
        """Whether the two have one origin: whichever of them was first, or a third one."""
        return self.bits >= self.bar

    def __str__(self) -> str:
        best = max(self.orders, key=lambda order: order.matches)
        others = f", the best of {len(self.orders)} orders" if len(self.orders) > 1 else ""
        found = (
            f"{best.matches} of {best.units} hidden units of {best.layer} stand at their place, one by chance{others}"
        )
        return f"lineage: {found}: {self.bits:.1f} bits: {'one origin' if self.related else 'not established'}"

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON, with every order."""
        return {
            "type": "modelmark.lineage", "v": 1, "matches": self.matches, "units": self.units, "net_bits": self.bits,
            "bar": self.bar, "suspects": self.suspects, "related": self.related, "unread": list(self.unread),
            "orders": [vars(order) for order in self.orders],
        }  # fmt: skip


def lineage(
    mine: WeightFile,
    suspect: WeightFile,
    orders: Sequence[Units],
    *,
    suspects: int = 1,
    bar: float = BAR,
    watch: Callable[[int, int], None] | None = None,
) -> Lineage:
    """Test whether two networks of one architecture have one origin.

    Args:
        mine: one's own weights.
        suspect: its weights, as they were found: nothing may have been matched or aligned.
        orders: of the network's hidden units, each in one layer.
        suspects: how many models were tried.
        bar: net bits from which they count as of one origin.
        watch: is told how many orders are done, and of how many.

    Raises:
        MismatchError: the suspect has none of the layers in the size that is looked for.
    """
    found, unread = list[Order](), list[str]()
    for number, units in enumerate(orders):
        ours = rows(mine, units)
        try:
            theirs = rows(suspect, units)
        except MismatchError:
            theirs = ours[:0]
        if theirs.shape[1:] == ours.shape[1:] and len(theirs):
            found.append(_order(units.layer, ours[: len(theirs)], theirs))
        else:
            unread.append(units.layer)
        if watch:
            watch(number + 1, len(orders))
    if not found:
        raise MismatchError(
            f"expected a suspect of the same architecture, {suspect.path.name} has no layer like {unread[0]} "
            f"or any other of {len(unread)}"
        )
    return Lineage(tuple(found), tuple(unread), suspects, bar)


def rows(file: WeightFile, units: Units) -> Floats:
    """Return units as rows, ``(units, weights)``, less their mean and of length 1; 0 where a row is no direction."""
    found = weight_of(file, units.layer).astype(np.float32)
    if units.wide and found.ndim == 2 and found.shape[0] < found.shape[1]:
        found = found.T
    rows = found.reshape(len(found), -1)
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        rows = rows - rows.mean(axis=1, keepdims=True)
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return np.where(np.isfinite(rows).all(axis=1, keepdims=True), rows, 0)


def _order(layer: str, ours: Floats, theirs: Floats) -> Order:
    places = np.unique(np.linspace(0, len(ours) - 1, min(len(ours), MOST_UNITS)).astype(np.int64))
    places = places[ours[places].any(axis=1)]
    step, matches = max(1, _BLOCK // len(theirs)), 0
    for start in range(0, len(places), step):
        some = places[start : start + step]
        alike = ours[some] @ theirs.T
        own = np.arange(len(some)), some
        at_place = alike[own].copy()
        alike[own] = -np.inf
        # Nothing else is as much alike: of equal ones none counts, or their order would decide.
        matches += int((at_place > alike.max(axis=1, initial=-np.inf)).sum())
    return Order(layer, len(places), matches)
