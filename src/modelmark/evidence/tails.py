"""The tail of a sum of independent rows in bits: counted in integers, or bounded from outside where sums are too many.

``table`` is int64 ``(trials, alphabet)``, entries from 0; one entry of each row is picked, all with the same chance, and ``S``
is the sum of those picked. Both functions return at most ``-log2 P(S >= total)``: rounding only makes the evidence smaller.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from modelmark.evidence.stats import log2_integer

Table = npt.NDArray[np.int64]
_STEPS = 8  # values of theta in an octave
_STRIDE = 32  # rows after which coefficients get more room


def exact_bits(table: Table, total: int) -> float:
    """Return ``-log2 P(S >= total)``; what is counted is the tail or the rest, whichever has fewer sums."""
    return _counted(np.ascontiguousarray(table, dtype=np.int64).tobytes(), table.shape, total)


@lru_cache(maxsize=64)
def _counted(data: bytes, shape: tuple[int, int], total: int) -> float:
    """Return what ``exact_bits`` does, of a table by its bytes: what was read once is weighed, shown and charged for."""
    table = np.frombuffer(data, np.int64).reshape(shape)
    most, whole = table.max(axis=1, keepdims=True), shape[1] ** shape[0]
    missing = int(most.sum()) - total
    ways = _ways(most - table, missing) if missing < total else whole - _ways(table, total - 1)
    return max(log2_integer(whole) - log2_integer(ways) - 4 * math.ulp(log2_integer(whole)), 0.0)


def exact_work(table: Table) -> int:
    """Return the bits that ``exact_bits`` moves at most, about; 2**34 are two seconds. It holds 1/256 of them at a time."""
    trials, alphabet = table.shape
    distinct = trials + int((np.diff(np.sort(table, axis=1), axis=1) > 0).sum())
    sums, width = int(table.max(axis=1).sum()) // 2 + 1, trials * alphabet.bit_length() + 1
    return int(max(distinct, 256) * sums * width)


def _ways(table: Table, most: int) -> int:
    """Return in how many ways the sum is at most ``most``: the coefficients of ``prod_i sum_a x**s_ia`` up to there, summed.

    The polynomial is one integer, a coefficient every ``width`` bytes (Kronecker's substitution). Coefficients grow by the row:
    those of the first rows stand closer, and are set apart as more come.
    """
    if most < 0:
        return 0
    product, width = 1, 1
    for first in range(0, len(table), _STRIDE):
        rows = table[first : first + _STRIDE]
        wider = (table.shape[1] ** (first + len(rows))).bit_length() // 8 + 1
        product, width = _apart(product, most + 1, width, wider), wider
        kept = (1 << 8 * width * (most + 1)) - 1
        for row in rows:
            values, counts = (found.tolist() for found in np.unique(row[row <= most], return_counts=True))
            product = kept & sum(n * (product << 8 * width * value) for value, n in zip(values, counts, strict=True))
    return int(product % ((1 << 8 * width) - 1))


def _apart(product: int, count: int, width: int, wider: int) -> int:
    """Return the integer of which every so many bytes are one of ``count`` coefficients, with more bytes for each."""
    held = np.frombuffer(product.to_bytes(count * width, "little"), np.uint8).reshape(count, width)
    return int.from_bytes(np.pad(held, ((0, 0), (0, wider - width))).tobytes(), "little")


def bound_bits(table: Table, total: int) -> float:
    """Return the exponential bound: ``P(S >= t) <= exp(-theta * t) * prod_i mean_a exp(theta * s_ia)`` for every theta >= 0.

    It is Markov's inequality for ``exp(theta * S)``; the best theta is looked for, and any is valid. Scores count from the
    largest of their row, so each mean is at least ``1 / alphabet`` and nothing overflows. Rounding moves a row by less than
    ``alphabet * 2**-49`` bits and the other terms by less than that part of them; twice as much is taken off.

    Source: Chernoff, Annals of Mathematical Statistics 23 (1952); Hoeffding, JASA 58 (1963), section 4, for rows that differ.
    """
    from scipy.optimize import minimize_scalar  # slow to import, and most tables are counted

    below = table.max(axis=1, keepdims=True) - table
    missing = int(table.max(axis=1).sum()) - total

    def bits(theta: float) -> float:
        won, paid = -math.fsum(np.log2(np.exp(-theta * below).mean(axis=1))), theta * missing / math.log(2)
        return won - paid - 2.0**-48 * (won + paid + table.size)

    flattest = -10 - math.log2(below.max(initial=1)) - math.log2(len(table)) / 2
    found = minimize_scalar(lambda exponent: -bits(2.0**exponent), bounds=(flattest, 10), method="bounded")
    return max(bits(float(2.0**found.x)), 0.0)


@dataclass(frozen=True, eq=False)
class Bound:
    """The exponential bound of one table, at some values of theta; what many messages reach is read off at once.

    Args:
        won: bits of a sum that lacks nothing of the largest, by theta, ``(thetas,)``; what rounding may move is taken off.
        paid: bits that each point lacking costs, ``(thetas,)``.
    """

    won: npt.NDArray[np.float64]
    paid: npt.NDArray[np.float64]

    @classmethod
    def of(cls, table: Table) -> "Bound":
        """Return the bound of a table, but for a hundredth the best that ``bound_bits`` finds: few values of theta are tried."""
        below = table.max(axis=1, keepdims=True) - table
        unit = math.sqrt(np.square(below, dtype=np.float64).mean()) or 1.0
        thetas = 2.0 ** np.arange(-4 - math.log2(len(table)) / 2, 7, 1 / _STEPS) / unit
        won = np.array([-np.log2(np.exp(-theta * below).mean(axis=1)).sum() for theta in thetas])
        return cls(won, thetas / math.log(2))

    def bits(self, missing: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the bits of sums that lack so much of the largest one, ``(n,)``; the same shape.

        Rounding takes no more than ``2**-44`` of a term from any sum of 32,768 of them, and ten times that is taken off.
        """
        slack = 2.0**-40
        found = self.won * (1 - slack) - missing[:, None] * (self.paid * (1 + slack)) - slack
        best: npt.NDArray[np.float64] = np.maximum(found.max(axis=1), 0.0)
        return best
