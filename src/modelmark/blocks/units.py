"""Hidden units in another order and of other sizes. All changes are made in place."""

import numpy as np
import numpy.typing as npt

from modelmark.blocks.description import Units
from modelmark.blocks.views import Changed, Reals, matrix, put, vector


def permute(state: Changed, units: Units, order: npt.NDArray[np.int64]) -> None:
    """Put units into another order: unit ``c`` is what was at ``order[c]``; units that are left out are gone."""
    for linear in units.makers:
        bias = vector(state, linear)
        put(state, linear, matrix(state, linear)[order], None if bias is None else bias[order])
    for linear in units.readers:
        put(state, linear, matrix(state, linear)[:, order])


def scale(state: Changed, units: Units, factors: Reals) -> None:
    """Multiply what makes each unit by a factor that its readers take back.

    Args:
        state: changed in place.
        units: whose freedom allows the factors.
        factors: ``(units,)``.
    """
    for linear in units.scaled:
        bias = vector(state, linear)
        put(state, linear, matrix(state, linear) * factors[:, None], None if bias is None else bias * factors)
    for linear in units.readers:
        put(state, linear, matrix(state, linear) / factors)
