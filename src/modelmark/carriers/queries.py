"""Queries that repeat a few carriers many times over, made when they are looked at. Loads without torch."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, eq=False)
class Queries(Mapping[int, bytes]):
    """What stands for each query, by number from 0, made when it is looked at: it repeats carriers many times over.

    Args:
        count: of the queries.
        made: what stands for one.
    """

    count: int
    made: Callable[[int], bytes]

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.count))

    def __getitem__(self, number: int) -> bytes:
        if not 0 <= number < self.count:
            raise KeyError(number)
        return self.made(number)
