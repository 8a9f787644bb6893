"""Filters brought to the norm and the sign that they had in the host, before their mean is taken. Loads without torch.

Batch norm that is folded into a convolution multiplies every filter by a number of its own, which may be negative, and a mark in
the mean of all filters shrinks with those that were many times larger. Norm and sign of a filter are of the suspect and the host
alone, so taking them out leaves the test as it was.
"""

import numpy as np
import numpy.typing as npt

Reals = npt.NDArray[np.float64]
MOST_PRODUCTS = 2**36
"""Of all filters with all others, to find who is who; of larger layers filters are compared by their number."""


def levelled(filters: Reals, host: Reals) -> Reals:
    """Return filters of the norm of the host's filters, with the sign of their correlation.

    Which of the host's a filter was is told by the correlation too, as filters may have been re-ordered or cut; a filter of zeros
    stays one.

    Args:
        filters: of the suspect, ``(F, M)``.
        host: ``(H, M)``.
    """
    own, known = unit(filters), unit(host)
    if len(own) * len(known) * own.shape[1] <= MOST_PRODUCTS:
        products = own @ known.T
        which = np.abs(products).argmax(axis=1)
        nearest = products[np.arange(len(own)), which]
    else:
        which = np.minimum(np.arange(len(own)), len(known) - 1)
        nearest = np.einsum("ij,ij->i", own, known[which])
    norms = np.sqrt(np.square(host).sum(axis=1))[which]
    return np.asarray((np.where(nearest < 0, -1.0, 1.0) * norms)[:, None] * own)


def unit(filters: Reals) -> Reals:
    """Return filters of norm 1; those of zeros as they are."""
    largest = np.abs(filters).max(axis=1, keepdims=True, initial=0.0)
    scaled = filters / np.where(largest > 0, largest, 1.0)  # squares of very large or small numbers leave their range
    norms = np.sqrt(np.square(scaled).sum(axis=1, keepdims=True))
    return np.asarray(scaled / np.where(norms > 0, norms, 1.0))
