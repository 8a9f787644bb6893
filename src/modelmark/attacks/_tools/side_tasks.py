"""A second task that a network learns beside, or instead of, its own: no label of anybody takes part."""

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from modelmark.errors import UsageError
from modelmark.networks import layers, taps
from modelmark.networks.calling import scored
from modelmark.training.hooks import Hooks


class SideTask(Hooks):
    """Has a head of its own on what the network's head receives, and adds what telling some samples apart costs.

    Args:
        model: the copy that is trained.
        classes: of the side task.
        weight: of its cost beside the network's own.
        seed: of the head.

    Raises:
        UsageError: the last layer is no linear layer.
    """

    def __init__(self, model: nn.Module, classes: int, weight: float, seed: int) -> None:
        super().__init__()
        path = layers.head(model)
        last = layers.unwrapped(model).get_submodule(path)
        if not isinstance(last, nn.Linear):
            raise UsageError(f"expected a model whose last layer is linear, got {type(last).__name__} at {path!r}")
        self._tap = taps.Tap(model, path)
        self._weight = weight
        generator = torch.Generator().manual_seed(seed)
        bound = last.in_features**-0.5
        drawn = (2 * torch.rand(classes, last.in_features, generator=generator) - 1) * bound
        self.weight = nn.Parameter(drawn.to(last.weight))
        self.bias = nn.Parameter(last.weight.new_zeros(classes))

    def samples(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return samples of the side task as ``forward`` takes them, and their classes; chance comes from what ``fit`` forks."""
        raise NotImplementedError

    def loss(self, loss: Tensor, model: nn.Module, x: Tensor, y: Tensor, scores: Tensor) -> Tensor:
        """Add the side task's cross-entropy."""
        inputs, classes = self.samples(x)
        self._tap.clear()
        with taps.aside(self._tap):
            scored(model, inputs)
        told = self._tap.take() @ self.weight.T + self.bias
        return loss + self._weight * cross_entropy(told, classes)


class Turns(SideTask):
    """Tells by how many quarter turns a picture was turned; of pictures that are not square, by how many half turns."""

    def __init__(self, model: nn.Module, shape: tuple[int, ...], weight: float, seed: int) -> None:
        self._each = 4 if shape[-1] == shape[-2] else 2
        super().__init__(model, self._each, weight, seed)

    def samples(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the batch with each picture turned."""
        classes = torch.arange(len(x), device=x.device) % self._each
        turned = torch.empty_like(x)
        for turns in range(self._each):
            turned[classes == turns] = torch.rot90(x[classes == turns], turns * 4 // self._each, (2, 3))
        return turned, classes


class Given(SideTask):
    """Tells samples of another data set apart, as many a step as the batch has.

    Args:
        inputs: as ``forward`` takes them, ``(N, *input_shape)``.
        kinds: of each, ``(N,)``.
    """

    def __init__(self, model: nn.Module, inputs: Tensor, kinds: Tensor, weight: float, seed: int) -> None:
        super().__init__(model, int(kinds.max()) + 1, weight, seed)
        self.register_buffer("_inputs", inputs, persistent=False)
        self.register_buffer("_kinds", kinds, persistent=False)
        self._inputs: Tensor
        self._kinds: Tensor

    def samples(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return as many of the others."""
        picked = torch.randint(len(self._kinds), (len(x),), device=x.device)
        return self._inputs[picked].to(x), self._kinds[picked]


class Contrast(Hooks):
    """In place of the loss: each picture of a batch is to be nearer to its changed copy than to all others (NT-Xent).

    Source: Chen et al. 2020, "A simple framework for contrastive learning of visual representations", arXiv 2002.05709, eq. 1.
    Departs: the loss is of what the head receives, without a projection head; pictures are changed as ``views`` says.

    Args:
        model: the copy that is trained.
        views: changes pictures, each call another way.
        temperature: of the cosines.
    """

    def __init__(self, model: nn.Module, views: Hooks, temperature: float) -> None:
        super().__init__()
        self._tap = taps.Tap(model, layers.head(model))
        self._views = views
        self._temperature = temperature

    def loss(self, loss: Tensor, model: nn.Module, x: Tensor, y: Tensor, scores: Tensor) -> Tensor:
        """Return the contrast of two views of the batch; labels have no part in it."""
        both = torch.cat([self._views.change(x, y)[0] for _ in range(2)])
        self._tap.clear()
        with taps.aside(self._tap):
            scored(model, both)
        return nt_xent(self._tap.take(), self._temperature)


def nt_xent(features: Tensor, temperature: float) -> Tensor:
    """Return the mean cross-entropy of finding each sample's other view among all, a scalar.

    Args:
        features: ``(2 N, M)``, of one view of all samples and then of the other.
        temperature: of the cosines.
    """
    unit = normalize(features, dim=1)
    near = (unit @ unit.T / temperature).fill_diagonal_(-torch.inf)
    other = torch.arange(len(unit), device=unit.device).roll(len(unit) // 2)
    return cross_entropy(near, other)
