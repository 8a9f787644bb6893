"""The tail of matches under a random order: how many things stand at their place once they were shuffled."""

import math
from collections.abc import Sequence


def place_bits(matches: Sequence[int]) -> float:
    """Return -log2 of a bound on the chance that some row has so many things at their place as the best of these rows.

    A row of n things is in a random order and has one place for each. The chance that r given places are right is (n - r)! / n!
    if different things are right there, else 0, and there are n! / (r! (n - r)!) choices of r places. So the expected number of
    r right places is at most 1 / r!, what it is of a Poisson number of mean 1; the mean of s^matches is at most e^(s - 1) for
    s >= 1, and with s = matches that bounds the tail of one row (Chernoff). Rows may depend on one another in whatever way, as
    layers that were copied from one do: the best of them is charged by their number.

    Args:
        matches: of each row.
    """
    if not matches or min(matches) < 0:
        raise ValueError(f"expected matches of a row or more, got {list(matches)[:3]}")
    most = max(matches)
    if most < 2:
        return 0.0
    return max(0.0, (most * math.log(most) - most + 1 - math.log(len(matches))) / math.log(2))
