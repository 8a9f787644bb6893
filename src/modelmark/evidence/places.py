"""The tail of matches under random orders: how many of some things stand at their place once each row of them was shuffled."""

import math


def place_bits(matches: int, rows: int) -> float:
    """Return -log2 of a bound on the chance that so many things, or more, stand at their place.

    Each of ``rows`` rows is in a random order, whatever the others are, and has one place for each thing. In one row of n the
    chance that r given places are right is (n - r)! / n! if different things are right there, else 0, and there are
    n! / (r! (n - r)!) choices of r places. So the expected number of r right places is at most 1 / r!, what it is of a Poisson
    number of mean 1; the mean of s^matches is at most e^(rows (s - 1)) for s >= 1, and with s = matches / rows that bounds the
    tail (Chernoff).

    Args:
        matches: of all rows together.
        rows: how many were shuffled.
    """
    if matches < 0 or rows < 1:
        raise ValueError(f"expected matches of a row or more, got {matches} of {rows}")
    if matches <= rows:
        return 0.0
    return (matches * math.log(matches / rows) - matches + rows) / math.log(2)
