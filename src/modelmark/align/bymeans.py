"""A suspect in its host's coordinates in two forms, of which one keeps the means that LayerNorm throws away."""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import ClassVar

from modelmark.suspects.base import Array, Probe, Read, ReadEach, Sense, Suspect


class ByMeans:
    """Answers a probe of rows, whose mean may be where a mark is, from the form that keeps means, any other from the other.

    Both follow from suspect and host alone, and a probe is read from one of them: it is one reading.

    Args:
        restored: what LayerNorm throws away is the host's where it is out of proportion.
        kept: makes the form in which it is the suspect's own.
    """

    answers: ClassVar[frozenset[type[Probe]]] = frozenset({Read, ReadEach, Sense})

    def __init__(self, restored: Suspect, kept: Callable[[], Suspect]) -> None:
        self.queries = 0
        self._restored, self._make = restored, kept

    @cached_property
    def _kept(self) -> Suspect:
        return self._make()

    def observe(self, probe: Probe) -> Sequence[Array]:
        """See ``Suspect.observe``."""
        return (self._kept if isinstance(probe, Read) else self._restored).observe(probe)
