"""Reading with a budget: looks after an eighth, a quarter, a half and all of what may be asked, as far as it takes.

Whoever looks until it suits has as many tries as looks. At each look every rule gives a table which, for a suspect that does not
depend on the draw, is there whatever was drawn. So the chance that any of them ever says b bits is at most their number times
``2**-b``: log2 of rules and log2 of looks are charged, of all looks that could be taken, from the first on. Stopping at the first
that reaches the bar is then as good as having said beforehand which it would be.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from modelmark.carriers.base import Parted, every, told
from modelmark.errors import UsageError
from modelmark.evidence.evidence import BAR, Evidence, Observation
from modelmark.marks.reading import Reading
from modelmark.suspects.base import Suspect

if TYPE_CHECKING:
    from modelmark.marks.marks import Mark

PARTS = (8, 4, 2, 1)
"""Of what may be asked, the parts after which is looked: one in so many."""


def looks(budget: int) -> tuple[int, ...]:
    """Return after how many queries is looked, ascending; of few queries some looks are the same."""
    if budget < 1:
        raise UsageError(f"expected a budget of at least one query, got {budget}")
    return tuple(sorted({-(-budget // part) for part in PARTS}))


def evidence(
    mark: "Mark", suspect: Suspect, budget: int, *, bar: float = BAR, suspects: int = 1
) -> Evidence | Observation:
    """Return what a suspect says as soon as it says enough, else the most that it said at any look.

    Args:
        mark: whose queries stand in the order in which they tell most, as those of ``field`` do.
        suspect: asked with the first queries, and with more only while the bar is not reached.
        budget: queries at most; more than the key has are as many.
        bar: net bits at which to stop.
        suspects: how many suspects were tried with this key; charged. Another budget for the same suspect is another try.

    Raises:
        UsageError: no queries of this mark say anything before all are asked.
        MismatchError: suspect and key do not belong together.
        SuspectError: what the suspect answers is no answer.
    """
    own = mark.carriers
    if not isinstance(own, Parted):
        raise UsageError(f"expected a field key with a budget of queries, got {mark.key.scheme.name}")
    total, done = own.parts, 0
    stops, before = looks(min(budget, total)), suspect.queries
    labels, found = np.empty(0, np.int64), list[Evidence | Observation]()
    for stop in stops:
        given = suspect.observe(own.between(done, stop))[0]
        labels, part, done = np.concatenate([labels, given]), own.first(stop), stop
        tables = tuple(map(part.scores, every(part, [labels])))
        said = f"the first {stop} of {total} queries"
        reading = Reading(tables, suspect.queries - before, said, rules=told(own))
        found.append(mark.weigh([reading], bar=bar, suspects=suspects, looks=len(stops)))
        if found[-1].established:
            break
    best = found[-1] if found[-1].established else max(found, key=_bits)
    return replace(best, queries=suspect.queries - before)


def _bits(found: Evidence | Observation) -> float:
    return found.gross_bits if isinstance(found, Evidence) else 0.0
