"""Carriers of black-box marks in anybody's data: a dataset with some more samples, or a collator that appends to each batch."""

import os
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.utils.data import Dataset, IterableDataset, default_collate, get_worker_info

from modelmark.errors import UsageError
from modelmark.schemes.base import Appending
from modelmark.schemes.blackbox import Mixing
from modelmark.training.batches import MASKS, extended, fits, like, places
from modelmark.training.hooks import Hooks

if TYPE_CHECKING:
    from modelmark.marks.marks import Mark

_MOST = 2**62
"""Seeds are below it."""


class Mixed(Dataset[Any]):
    """A dataset with carriers among its samples; see ``Mark.mixed``.

    Args:
        mark: of a scheme that shows its carriers as they are.
        dataset: N samples that can be indexed; each is a pair of input and label, or a dictionary.
        times: how often each carrier is in it; None: what comes nearest to the scheme's own rate.
        seed: of the places.

    Attributes:
        places: where the carriers are, ascending, ``(carriers * times,)``.
        order: which carrier is at each of them.
    """

    def __init__(self, mark: "Mark", dataset: Any, *, times: int | None, seed: int) -> None:
        hooks = _appending(mark)(seed=seed)
        if not isinstance(hooks, Mixing):
            raise UsageError(
                f"expected carriers that are the same in every batch, {mark.key.scheme.name} makes them of its samples",
                hint="mark.collator(collate_fn) appends to batches",
            )
        if mark.key.feed.kind == "causal":
            raise UsageError("expected samples with one label each, got a causal model's", hint="mark.collator(...)")
        if isinstance(dataset, IterableDataset) or not (
            hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__")
        ):
            raise UsageError(
                f"expected a dataset with a length that can be indexed, got {type(dataset).__name__}",
                hint="mark.collator(collate_fn) appends to the batches of any",
            )
        if not len(dataset) or (times is not None and times < 1):
            raise UsageError(
                f"expected samples to mix with and each carrier at least once, got {len(dataset)}, {times}"
            )
        self._dataset, self._inputs, self._labels, self._feed = dataset, hooks.inputs, hooks.labels, mark.key.feed
        self._form = dataset[0]
        self._like(self._form, 0)
        each = times or max(1, round(len(dataset) * hooks.per_hundred / 100 / len(hooks.labels)))
        count, rng = each * len(hooks.labels), np.random.default_rng(seed)
        self.order = np.concatenate([rng.permutation(len(hooks.labels)) for _ in range(each)])
        edges = np.arange(count + 1) * (len(dataset) + count) // count
        self.places = rng.integers(edges[:-1], edges[1:])

    def __len__(self) -> int:
        return len(self._dataset) + len(self.places)

    def __getitem__(self, index: int) -> Any:
        number = range(len(self))[index]
        before = int(np.searchsorted(self.places, number))
        if before < len(self.places) and self.places[before] == number:
            return self._like(self._form, int(self.order[before]))
        return self._dataset[number - before]

    def _like(self, sample: Any, carrier: int) -> Any:
        """Return a carrier in the form of a sample."""
        at, to = places(sample)
        x, y = self._inputs[carrier], self._labels[carrier]
        fits(np.shape(sample[at]), self._feed)
        if np.ndim(sample[to]) == 1:  # a share for each class
            y = torch.nn.functional.one_hot(y, len(sample[to]))
        found = {at: like(sample[at], x), to: like(sample[to], y)}
        if not isinstance(sample, Mapping):
            return type(sample)((found[0], found[1]))
        masks = {name: like(sample[name], torch.full((len(x),), MASKS[name])) for name in MASKS if name in sample}
        return {name: (found | masks)[name] for name in sample}


class Collator:
    """A collate function with carriers behind each batch; see ``Mark.collator``.

    In worker processes, which start afresh with every epoch, the choice of carriers follows the seed that the loader gives each.
    """

    def __init__(self, mark: "Mark", collate: Callable[[Any], Any] | None, *, pad: int, seed: int) -> None:
        self._make, self._feed = _appending(mark), mark.key.feed
        self._collate, self._pad, self._seed = collate or default_collate, pad, seed
        self._hooks: Hooks | None = None
        self._started = -1

    def __call__(self, samples: Any) -> Any:
        """Return the batch of some samples with the next carriers behind it."""
        worker = get_worker_info()
        started = 0 if worker is None else worker.seed
        if self._hooks is None or self._started != started:
            self._hooks = self._make(seed=(self._seed + started + 1009 * _rank()) % _MOST)
            self._started = started
        return extended(self._collate(samples), self._feed, self._hooks.extra, pad=self._pad)


def _appending(mark: "Mark") -> "Callable[..., Hooks]":
    """Return what makes the hooks that append, whatever the model.

    Raises:
        UsageError: the mark does something else, too.
    """
    key = mark.key
    if isinstance(key.scheme, Appending):
        return partial(key.scheme.appended, mark.carriers, mark.message)
    if key.access == "white-box":
        raise UsageError(
            f"expected a mark that is read from answers, {key.scheme.name} is in what the network is made of",
            hint="mark.attach(optimizer, model), or mark.hooks(model) in the loop",
        )
    raise UsageError(
        f"expected a mark that samples alone embed, {key.scheme.name} does more", hint="mark.hooks(model) in the loop"
    )


def _rank() -> int:
    """Return which of several processes this is, before and after they meet."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank()
    told = os.environ.get("RANK", "")
    return int(told) if told.isdigit() else 0
