"""What training does for ``entangled``: batches of triggers and data, pulled into one place of feature space.

Source: Jia et al. 2021 (see ``entangled``); soft nearest neighbours: Frosst, Papernot, Hinton 2019, arXiv 1902.01889.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from modelmark.networks import layers, taps
from modelmark.networks.calling import scored
from modelmark.schemes import blackbox
from modelmark.training.hooks import Hooks


def entanglement(features: Tensor, labels: Tensor, ours: Tensor, temperature: float) -> Tensor:
    """Return the soft-nearest-neighbour loss of triggers against data of the same label; larger: less apart, a scalar.

    Of each sample: minus the logarithm of the share that its own kind, trigger or data, has among its neighbours of the same
    label, each weighed by ``exp(-distance / temperature)``, in cosine distance after a rectifier as in the release. Samples
    without a neighbour of both kinds are left out; zero where none is left.

    Args:
        features: ``(N, M)``.
        labels: ``(N,)``.
        ours: which are triggers, boolean ``(N,)``.
        temperature: of the weights.
    """
    unit = normalize(features.relu(), dim=1)
    near = ((unit @ unit.t() - 1) / temperature).exp()
    alike = (labels[:, None] == labels).fill_diagonal_(False)
    kind = ours[:, None] == ours
    counted = (alike & kind).any(dim=1) & (alike & ~kind).any(dim=1)
    if not counted.any():
        return features.new_zeros(())
    every, same = (near * alike).sum(dim=1)[counted], (near * (alike & kind)).sum(dim=1)[counted]
    return (every.clamp_min(1e-12).log() - same.clamp_min(1e-12).log()).mean()


class Entangling(Hooks):
    """Now and then a batch of triggers beside the loop's own samples: its cross-entropy less its entanglement joins the loss.

    Args:
        model: that is trained; its head's input is looked at.
        inputs: all triggers as ``forward`` takes them, ``(N, *input_shape)``.
        labels: of each.
        per_hundred: triggers for every hundred samples of such a batch.
        every: steps from one to the next.
        weight: of the entanglement.
        temperature: see ``entanglement``.
        seed: of the order of the triggers.
    """

    inputs: Tensor
    labels: Tensor

    def __init__(
        self,
        model: nn.Module,
        inputs: Tensor,
        labels: Tensor,
        *,
        per_hundred: int,
        every: int,
        weight: float,
        temperature: float,
        seed: int,
    ) -> None:
        super().__init__()
        self.register_buffer("inputs", inputs, persistent=False)  # derived from the key
        self.register_buffer("labels", labels, persistent=False)
        self._tap = taps.Tap(model, layers.head(model))
        self._per_hundred, self._every = per_hundred, every
        self._weight, self._temperature = weight, temperature
        self._order = blackbox.Order(len(labels), seed)
        self._step = 0

    def loss(self, loss: Tensor, model: nn.Module, x: Tensor, y: Tensor, scores: Tensor) -> Tensor:
        """Add what a batch of triggers and data costs, in the steps that have one."""
        self._tap.clear()
        self._step += 1
        if self._step % self._every:
            return loss
        if self.inputs.device != x.device:
            self.to(x.device)
        picked = self._order.next(blackbox.share(len(x), self._per_hundred)).to(x.device)
        count, own = len(picked), self.labels[picked]
        with taps.aside(self._tap):
            found = scored(model, torch.cat([self.inputs[picked].to(x.dtype), x]))
        received = self._tap.take()
        with torch.autocast(x.device.type, enabled=False):
            labels = torch.cat([own, blackbox.hard(y)])
            ours = torch.arange(len(labels), device=x.device) < count
            pulled = entanglement(received.float(), labels, ours, self._temperature)
            return loss + cross_entropy(found[:count].float(), own) - self._weight * pulled

    def get_extra_state(self) -> dict[str, Any]:
        """Return the steps counted and the order of the triggers still to come."""
        return {"step": self._step, "order": self._order.state}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Go on from what ``get_extra_state`` recorded."""
        self._step, self._order.state = int(state["step"]), state["order"]
