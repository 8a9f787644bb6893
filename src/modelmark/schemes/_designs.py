"""Anti-collusion codes of projective planes: whose copies were averaged shows in which bits are left.

Source: Trappe, Wu, Wang, Liu, "Anti-collusion fingerprinting for multimedia", IEEE Trans. Signal Processing 2003; the blocks of a
(v, k, 1) design give codes for v users of which any k - 1 are told apart. Chen et al. 2019 take (31, 6, 1): a plane of order 5.
"""

from itertools import product

import numpy as np
import numpy.typing as npt

ORDERS = (2, 3, 5, 7, 11, 13)
"""Of planes over a prime field; 13 has 183 points."""

Codes = npt.NDArray[np.int64]


def points(order: int) -> int:
    """Return v, how many points a plane has, and lines as well: ``q^2 + q + 1``."""
    return order * order + order + 1


def codes(order: int) -> Codes:
    """Return one code a row, ``(v, v)``: bit i of user j is 0 where point i lies on line j, 1 elsewhere."""
    ordered = product(range(order), repeat=3)
    ends = np.array([one for one in ordered if any(one) and next(filter(None, one)) == 1])  # one of each direction
    return ((ends @ ends.T) % order != 0).astype(np.int64)


def users(bits: npt.NDArray[np.int64], order: int) -> list[int]:
    """Return the users all of whose zeros are in ``bits``, ascending: whose copies together give the AND of their codes.

    Two lines meet in one point, so that up to ``order`` others never cover all ``order + 1`` points of a line.
    """
    return [user for user, code in enumerate(codes(order)) if not bits[code == 0].any()]
