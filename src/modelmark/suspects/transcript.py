"""A suspect of which a record of answers is all there is. Loads without torch."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from modelmark.errors import MismatchError
from modelmark.suspects.base import MISSING, Array, Ask, AskBeyond, AskNext, Probe, Weigh


class Recorded:
    """Answers by the SHA-256, in hex, of the leaf of the input that was asked.

    Args:
        given: the label, or the surprisal, that each was answered with, or ``ABSTAIN``.
    """

    answers: ClassVar[frozenset[type[Probe]]] = frozenset({Ask, AskNext, Weigh})

    def __init__(self, given: Mapping[str, int]) -> None:
        self._given = given
        self.queries = 0

    def observe(self, probe: Probe) -> Sequence[Array]:
        """Return the recorded labels, or surprisals, ``MISSING`` where nobody asked.

        Raises:
            MismatchError: the probe is not a question that a record can hold.
        """
        if not isinstance(probe, Ask | Weigh) or isinstance(probe, AskBeyond):
            raise MismatchError("expected a scheme whose carriers are asked as they are, of a record of answers")
        digests = (hashlib.sha256(leaf).hexdigest() for leaf in probe.leaves())
        labels = np.array([self._given.get(digest, MISSING) for digest in digests], np.int64)
        self.queries += int((labels != MISSING).sum())
        return [labels]
