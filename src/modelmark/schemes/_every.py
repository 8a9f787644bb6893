"""Samples that are appended to every second batch, or to fewer, where a mark goes in with half of them."""

from typing import Any

import torch
from torch import Tensor

from modelmark.training.hooks import Hooks, Samples


class Every(Hooks):
    """Hooks whose samples join one batch in so many, the first of them.

    Args:
        hooks: that append samples.
        every: batches from one that they join to the next.
    """

    def __init__(self, hooks: Hooks, every: int) -> None:
        super().__init__()
        self.hooks, self._every = hooks, every
        self._batch = 0

    def extra(self, x: Tensor, y: Tensor) -> Samples | None:
        """Return what the hooks append, or nothing."""
        self._batch += 1
        return self.hooks.extra(x, y) if self._batch % self._every == 1 else None

    def margins(self, model: torch.nn.Module) -> Tensor:
        """Return those of the hooks."""
        return self.hooks.margins(model)

    def get_extra_state(self) -> dict[str, Any]:
        """Return how many batches there were."""
        return {"batch": self._batch}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Go on from what ``get_extra_state`` recorded."""
        self._batch = int(state["batch"])


def thinned(hooks: Hooks, every: int) -> Hooks:
    """Return hooks as they are, or such that their samples join one batch in ``every``."""
    return Every(hooks, every) if every > 1 else hooks
