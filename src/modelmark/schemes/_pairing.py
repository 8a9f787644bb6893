"""Which pictures of which two classes make a trial, for the schemes whose triggers are made of two pictures."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from modelmark.errors import CapacityError, UsageError
from modelmark.feeds.base import Feed
from modelmark.key.secret import Secret
from modelmark.schemes import blackbox
from modelmark.training.task import Task

_MOST = 128
"""Symbols, unless more are needed or asked for: a hundred classes have 9,900 pairs."""
_MOST_PAIRS = 2**22
"""To choose symbols from, in all layouts: all pairs of 2,048 classes in one."""


def combinations(classes: int, *, symmetric: bool) -> int:
    """Return the number of pairs of different classes, with an order unless ``symmetric``."""
    return classes * (classes - 1) // (2 if symmetric else 1)


def enough(pairs: int, fewest: int, symbols: int | None, layouts: int | None, most: int) -> tuple[int, int]:
    """Return how many symbols and layouts there are, where they were left open: as few as leave a quarter to lose.

    Args:
        pairs: of classes.
        fewest: symbols that reach the bar.
        symbols: that were asked for.
        layouts: likewise.
        most: layouts that there are.
    """
    wanted = symbols or fewest * 4 // 3
    layouts = layouts or min(-(-wanted // pairs), most)
    return symbols or min(layouts * pairs, max(_MOST, wanted)), layouts


@dataclass(frozen=True)
class Pairing:
    """Symbols, each a pair of classes in a layout, and the pictures that are put together for each.

    Args:
        use: names the choices of the secret; the scheme's name.
        classes: of the data.
        symbols: trials.
        layouts: in which a pair is asked.
        queries: pictures of each class that the key keeps: the n-th of one goes with the n-th of another.
        symmetric: whether a pair has no order.
        literal: whether all trials are of one pair, one picture each.
    """

    use: str
    classes: int
    symbols: int
    layouts: int
    queries: int
    symmetric: bool = False
    literal: bool = False

    def require_capacity(self) -> None:
        """Raise CapacityError unless there are so many pairs, and not too many to choose from."""
        if self.literal:
            return
        pairs = combinations(self.classes, symmetric=self.symmetric)
        most = self.layouts * pairs
        if self.symbols > most:
            raise CapacityError(f"expected at most {most} symbols of {pairs} pairs of classes, got {self.symbols}")
        if most > _MOST_PAIRS:
            raise CapacityError(f"expected at most {_MOST_PAIRS} pairs of classes in all layouts, got {most}")

    def pairs(self, secret: Secret) -> npt.NDArray[np.int64]:
        """Return classes and layout of each symbol, ``(symbols, 3)``; a choice by the secret where there are more."""
        if self.literal:
            first, second = secret.permutation(f"{self.use}/classes", self.classes)[:2]
            return np.tile(np.array([[first, second, 0]], np.int64), (self.symbols, 1))
        grid = np.indices((self.classes, self.classes, self.layouts)).reshape(3, -1).T
        every = grid[grid[:, 0] < grid[:, 1]] if self.symmetric else grid[grid[:, 0] != grid[:, 1]]
        if self.symbols == len(every):
            return every
        return every[np.sort(secret.permutation(f"{self.use}/symbols", len(every))[: self.symbols])]

    def target(self, secret: Secret) -> int:
        """Return the label of the literal form, a class beside its two."""
        return int(secret.permutation(f"{self.use}/classes", self.classes)[2])

    def needed(self, secret: Secret) -> npt.NDArray[np.int64]:
        """Return the classes that pictures are needed of, in ascending order."""
        return np.unique(self.pairs(secret)[:, :2])

    def sources(self, secret: Secret, task: Task) -> npt.NDArray[np.uint8]:
        """Return the owner's pictures that are put together, picked by the secret, ``(needed, queries, *input_shape)``.

        Raises:
            UsageError: there are too few pictures of a class.
        """
        targets, chosen = blackbox.hard(task.train_targets.cpu()).numpy(), []
        for number in self.needed(secret):
            own = np.flatnonzero(targets == number)
            if len(own) < self.queries:
                name = task.feed.class_names[number]
                raise UsageError(
                    f"expected at least {self.queries} training pictures of class {name!r}, got {len(own)}"
                )
            chosen.append(own[secret.permutation(f"{self.use}/pictures/{number}", len(own))[: self.queries]])
        return np.asarray(task.train_inputs.cpu().numpy()[np.stack(chosen)])

    def paired(
        self, secret: Secret, feed: Feed, sources: npt.NDArray[np.uint8]
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
        """Return the two pictures and the layout of each that is made of them, the queries of a symbol together."""
        pairs = self.pairs(secret)
        rows = np.searchsorted(self.needed(secret), pairs[:, :2])
        if self.literal:
            return sources[rows[0, 0]], sources[rows[0, 1]], pairs[:, 2]
        first, second = (sources[rows[:, side]].reshape(-1, *feed.input_shape) for side in (0, 1))
        return first, second, pairs[:, 2].repeat(self.queries)
