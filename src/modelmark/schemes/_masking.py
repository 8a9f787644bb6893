"""Random weight masking: now and then a few weights are set to zero, and training regrows them.

Source: Wen, Li, Jiang, Xu 2023, arXiv 2302.10296, and its release. Neither dropout nor DropConnect: zeros are written in
place, for all samples, and nothing is scaled.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from modelmark.networks import layers
from modelmark.schemes import blackbox
from modelmark.training.hooks import Composed, Hooks


class Masking(Hooks):
    """Zeroes a random share of the weights of all linear and convolution layers but the head, every few steps.

    Departs: linear layers are masked too; the release lists the convolutions of one ResNet.
    Departs: places are drawn with replacement; at a share of 0.002 one in a thousand is drawn twice.
    Departs: nothing is masked while the last masked weights regrow at less than half of the best pace so far. At the end of
    an annealed schedule they would not regrow at all: that is pruning at random, and cost LeNet-5 0.3 points
    on MNIST (three seeds), where masking that waits costs 0.1 or less (``benchmarks/masking.py``).

    Frozen weights are left alone: they could not regrow.

    Args:
        every: steps from one masking to the next.
        ratio: share of the weights, of all layers together; 0: none.
        seed: of the choice.
    """

    def __init__(self, every: int, ratio: float, seed: int) -> None:
        super().__init__()
        self._every = every
        self._ratio = ratio
        self._step = 0
        self._generator = torch.Generator().manual_seed(seed)
        self._last = torch.empty(0, dtype=torch.int64)
        self._best = 0.0

    @torch.no_grad()
    def after_step(self, model: nn.Module) -> None:
        """Count the step, and mask if it is one of those."""
        self._step += 1
        if self._step % self._every or not self._ratio:
            return
        head = layers.head(model)
        paths = [layer.path for layer in layers.markable(model) if layer.path != head]
        weights = [weight for path in paths if (weight := layers.weight(model, path)).requires_grad]
        total = sum(weight.numel() for weight in weights)
        count = round(self._ratio * total)
        if not count or not self._regrown(weights, total):
            return
        self._last = torch.randint(total, (count,), generator=self._generator)
        for weight, here in _split(weights, self._last):
            weight[here] = 0.0

    def _regrown(self, weights: list[Tensor], total: int) -> bool:
        """Return whether what was masked last is coming back at half of the best pace or more."""
        if not len(self._last):
            return True
        back = sum(float(weight[here].abs().sum()) for weight, here in _split(weights, self._last)) / len(self._last)
        pace = back / (sum(float(weight.abs().sum()) for weight in weights) / total + 1e-12)
        self._best = max(self._best, pace)
        return pace >= self._best / 2

    def get_extra_state(self) -> dict[str, Any]:
        """Return the steps counted and what the choice goes on from."""
        return {
            "step": self._step,
            "generator": self._generator.get_state(),
            "last": self._last.clone(),
            "best": self._best,
        }

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Go on from what ``get_extra_state`` recorded."""
        self._step, self._best = int(state["step"]), float(state["best"])
        self._generator.set_state(state["generator"])
        self._last = state["last"].clone()


def _split(weights: list[Tensor], places: Tensor) -> Iterator[tuple[Tensor, tuple[Tensor, ...]]]:
    """Yield each weight with the indices of its share of ``places``, which count through all of them."""
    for weight in weights:
        here = places[(places >= 0) & (places < weight.numel())].to(weight.device)
        yield weight, torch.unravel_index(here, weight.shape)  # whatever the memory format
        places = places - weight.numel()


class Coupling(Composed):
    """What appends fused pictures and what masks weights, with the reading of the carriers.

    Args:
        parts: the hooks.
        inputs: all carriers as ``forward`` takes them, the queries of a symbol together.
        labels: of each.
        queries: for each symbol.
    """

    def __init__(self, parts: Iterable[Hooks], inputs: Tensor, labels: Tensor, queries: int) -> None:
        super().__init__(parts)
        self._inputs, self._labels, self._queries = inputs, labels, queries

    def margins(self, model: nn.Module) -> Tensor:
        """Return the lead that a majority of each symbol's queries has at least, in logits, ``(symbols,)``.

        Above zero, more than half of the queries give the label, which is then their plurality.
        """
        leads = blackbox.lead(model, self._inputs, self._labels).view(-1, self._queries)
        return leads.sort(dim=1, descending=True).values[:, self._queries // 2]
