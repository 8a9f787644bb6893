"""The training side of DeepSigns: learnable centres of classes, the terms that move them and what pulls the network along."""

from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from modelmark.carriers.means import Means
from modelmark.carriers.rows import real
from modelmark.errors import MismatchError
from modelmark.feeds.tensors import Normalise
from modelmark.networks import taps
from modelmark.schemes.blackbox import hard
from modelmark.training.hooks import Hooks

_SAMPLES = 32
"""The batch of the authors' demo, whose centre term is a sum over it."""


class Terms(Protocol):
    """The numbers of ``DeepSigns`` that training uses."""

    @property
    def centre(self) -> float: ...
    @property
    def separation(self) -> float: ...
    @property
    def norm(self) -> float: ...
    @property
    def strength(self) -> float: ...
    @property
    def unit(self) -> str: ...
    @property
    def start(self) -> str: ...


class Centres(Hooks):
    """Centres as parameters, tapped into the model that is trained.

    The message term moves the carrying centres alone; the network follows through the pull of activations to them.

    Args:
        model: the module that is trained.
        carriers: classes, inputs, projections A ``(N, M)`` of L layers, and their paths.
        message: bits, ``(L * s * N,)``.
        terms: weights of the terms.
    """

    message: Tensor
    carrying: Tensor
    inputs: Tensor
    scale: Tensor

    def __init__(
        self,
        model: nn.Module,
        carriers: Means,
        message: Tensor,
        terms: Terms,
    ) -> None:
        super().__init__()
        self._paths = list(carriers.layers)
        self._taps = [taps.Tap(model, path) for path in self._paths]
        self._terms = terms
        self._placed = False
        for index, projection in enumerate(carriers.projections):  # derived from the key, as what follows
            self.register_buffer(f"projection{index}", torch.from_numpy(real(projection)).float(), persistent=False)
        bits = message.float().reshape(len(self._paths), len(carriers.classes), carriers.bits)
        inputs = Normalise(carriers.feed)(torch.from_numpy(np.ascontiguousarray(carriers.flat)))
        for name, value in (("message", bits), ("carrying", torch.from_numpy(carriers.classes)), ("inputs", inputs)):
            self.register_buffer(name, value, persistent=False)
        self.register_buffer("scale", torch.ones(len(self._paths)))
        widths = (projection.shape[1] for projection in carriers.projections)
        self.centres = nn.ParameterList(torch.zeros(carriers.feed.classes, width) for width in widths)

    def loss(self, loss: Tensor, model: nn.Module, x: Tensor, y: Tensor, scores: Tensor) -> Tensor:
        """Add all terms for the samples that just went through the model; in float32, whatever the pass computes in."""
        received = [tap.take() for tap in self._taps]
        if self.inputs.device != x.device:
            self.to(x.device)
        with torch.autocast(x.device.type, enabled=False):
            if not self._placed:
                self._place(model)
            return loss + self._total([_wide(found) for found in received], y)

    def _total(self, received: list[Tensor], y: Tensor) -> Tensor:
        labels, terms = hard(y), self._terms
        total = torch.zeros((), device=self.inputs.device)
        for index, (found, centres) in enumerate(zip(received, self.centres, strict=True)):
            if len(found) < len(labels):
                raise MismatchError(f"expected activations of {len(labels)} samples, the layer received {len(found)}")
            distance = (found[: len(labels)] - centres[labels]).square().sum(dim=1).mean()
            carrying = centres[self.carrying]
            logit = carrying @ self.get_buffer(f"projection{index}").t()
            bits = nn.functional.binary_cross_entropy_with_logits(logit, self.message[index], reduction="sum")
            pull = terms.centre * _SAMPLES / 2 / self.scale[index]
            total = total + pull * distance + terms.strength * bits
            if terms.separation:
                total = total + terms.separation * _crowding(centres, labels)
            if terms.norm:
                total = total + terms.norm * (1 - centres.square().sum(dim=1)).abs().sum()
        return total

    def margins(self, model: nn.Module) -> Tensor:
        """Return ``(2 b - 1) A mu`` on live class means, or that in standard errors, ``(L * s * N,)``."""
        found = []
        for index, path in enumerate(self._paths):
            projection = self.get_buffer(f"projection{index}")
            read = self._read(model, path)
            values = read @ projection.to(read).t()
            margin = values.mean(dim=1)
            if self._terms.unit == "errors":
                margin = margin / (values.std(dim=1) / values.shape[1] ** 0.5).clamp_min(1e-12)
            found.append((margin * (2 * self.message[index].to(margin) - 1)).flatten())
        return torch.cat(found)

    def _read(self, model: nn.Module, path: str) -> Tensor:
        """Return activations of the key's inputs, ``(s, n, M)``; accelerate has autocast within ``forward``."""
        with torch.autocast(self.inputs.device.type, enabled=False):
            found = _wide(taps.activations(model, path, self.inputs)).to(self.inputs.device)
        return found.unflatten(0, (len(self.carrying), -1))

    @torch.no_grad()
    def _place(self, model: nn.Module) -> None:
        """Put the centres where the classes are now; those without inputs in the middle of the others."""
        for index, (path, centres) in enumerate(zip(self._paths, self.centres, strict=True)):
            found = self._read(model, path)
            means = found.mean(dim=1)
            self.scale[index] = means.square().sum(dim=1).mean().pow(0.25).clamp_min(1)
            centres.copy_(means.mean(dim=0).expand_as(centres))
            centres[self.carrying] = _components(found, means) if self._terms.start == "gmm" else means
        for tap in self._taps:
            tap.clear()
        self._placed = True

    def get_extra_state(self) -> dict[str, Any]:
        """Return whether the centres were placed."""
        return {"placed": self._placed}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Go on from ``get_extra_state``."""
        self._placed = bool(state["placed"])


def _wide(found: Tensor) -> Tensor:
    return found if found.dtype == torch.float64 else found.float()


def _crowding(centres: Tensor, labels: Tensor) -> Tensor:
    """Return the demo's separation term: the mean over the batch of ``(C_y . C_n) d^2 - d^2``, n the nearest other centre."""
    distances = torch.cdist(centres, centres)
    nearest = distances.detach().fill_diagonal_(torch.inf).argmin(dim=1)
    squared = (centres - centres[nearest]).square().sum(dim=1)
    return (((centres * centres[nearest]).sum(dim=1) - 1) * squared)[labels].mean()


def _components(found: Tensor, means: Tensor) -> Tensor:
    """Return the means of a Gaussian mixture with one component a class, fitted by EM and matched to ``means``, ``(s, M)``."""
    from scipy.optimize import linear_sum_assignment
    from sklearn.mixture import GaussianMixture

    mixture = GaussianMixture(
        len(means), covariance_type="diag", means_init=means.cpu().double().numpy(), reg_covar=1e-3, random_state=0
    )
    mixture.fit(found.flatten(0, 1).cpu().double().numpy())
    fitted = torch.from_numpy(mixture.means_).to(means)
    _, order = linear_sum_assignment(torch.cdist(means, fitted).cpu().numpy())
    return fitted[torch.from_numpy(order).to(means.device)]
