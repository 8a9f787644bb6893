"""Which is which, of things that are alike in pairs."""

import numpy as np
import numpy.typing as npt

from modelmark.blocks.views import Reals


def assigned(likeness: Reals) -> npt.NDArray[np.int64]:
    """Return the suspect's place for each of the host's, one to one.

    Pairs that like each other best are taken as they are; the rest, few where the two are related, by one linear assignment.

    Args:
        likeness: ``(host's, suspect's)``, of the suspect's at least as many.
    """
    likeness = np.nan_to_num(likeness, nan=0.0, posinf=0.0, neginf=0.0)
    best = likeness.argmax(axis=1)
    mutual = likeness.argmax(axis=0)[best] == np.arange(len(best))
    found = np.where(mutual, best, -1)
    rows = np.flatnonzero(~mutual)
    columns = np.setdiff1d(np.arange(likeness.shape[1]), best[mutual])
    if len(rows):
        from scipy.optimize import (
            linear_sum_assignment,  # half a second, which a suspect that was not moved does not take
        )

        first, second = linear_sum_assignment(likeness[np.ix_(rows, columns)], maximize=True)
        found[rows[first]] = columns[second]
    return found
