"""Neural attention distillation: the stolen model learns to look where its own fine-tuned copy looks."""

from typing import Annotated, Any

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from modelmark.attacks.base import Removal, Thief
from modelmark.attacks.cleansing._masks import units
from modelmark.attacks.fields import Batch, Count, Positive, Within
from modelmark.networks import layers
from modelmark.networks.calling import call
from modelmark.training.hooks import Hooks
from modelmark.training.recipe import constant


class Nad(Removal, family="cleansing"):
    """Fine-tune, then distil the fine-tuned copy's attention into the stolen model.

    The map of a layer is the sum over its channels of squared outputs, scaled to length one; layers without positions, such
    as linear ones, give one value a channel. The penalty is the squared distance, summed over layers.

    Source: Li et al. 2021, arXiv 2101.05930; "Neural attention distillation", ICLR.
    Departs: every hidden unit gives a map, not the ends of three groups; distances are summed over positions, not averaged.
    """

    strengths = (
        {"beta": 1.0, "teacher_rate": 0.01, "rate": 0.01},
        {},
        {"beta": 20.0, "teacher_rate": 0.1, "rate": 0.1},
        {"beta": 20.0, "teacher_rate": 0.2, "rate": 0.2, "epochs": 10},
        {"beta": 20.0, "teacher_rate": 0.3, "rate": 0.3, "epochs": 10},
    )

    beta: Annotated[float, Within(0), "weight of the penalty"] = 5.0
    teacher_rate: Annotated[Positive, "learning rate of the teacher"] = 0.02
    rate: Annotated[Positive, "learning rate of the student"] = 0.02
    epochs: Annotated[Count, "passes over the thief's data, of each"] = 5
    batch: Batch = 64

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the distilled model."""
        first, second = (
            constant(self.epochs, rate, batch=self.batch, clip=1.0) for rate in (self.teacher_rate, self.rate)
        )
        teacher = Attention(thief.fit(stolen, first).requires_grad_(False))
        return thief.fit(
            stolen, second, seed=thief.seed + 1, hooks=lambda copied: _Following(teacher, Attention(copied), self.beta)
        )


class Attention:
    """The attention maps of a model's hidden units at its latest forward pass.

    Args:
        model: gets hooks, which ``detach`` removes.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.paths = units(model)
        self._maps: dict[str, Tensor] = {}
        self._handles = [
            layers.unwrapped(model).get_submodule(path).register_forward_hook(self._hook(path)) for path in self.paths
        ]

    def take(self) -> list[Tensor]:
        """Return the maps, each ``(N, positions)`` of length one, once."""
        maps = [self._maps[path] for path in self.paths if path in self._maps]
        self._maps = {}
        return maps

    def detach(self) -> None:
        """Leave the model as it was."""
        for handle in self._handles:
            handle.remove()

    def _hook(self, path: str) -> Any:
        def record(module: nn.Module, inputs: Any, output: Tensor) -> None:
            squares = output.square()
            self._maps[path] = normalize((squares.sum(dim=1) if squares.dim() > 2 else squares).flatten(1))

        return record


class _Following(Hooks):
    """Adds the distance between the student's maps and the teacher's."""

    def __init__(self, teacher: Attention, student: Attention, beta: float) -> None:
        super().__init__()
        self._teacher, self._student, self._beta = teacher, student, beta

    def loss(self, loss: Tensor, model: nn.Module, x: Tensor, y: Tensor, scores: Tensor) -> Tensor:
        """Let the teacher see what the student just saw, and add the weighted distance."""
        with torch.no_grad():
            call(self._teacher.model, x)
        pairs = zip(self._student.take(), self._teacher.take(), strict=True)
        distance = sum((a[: len(x)] - b).square().sum(dim=1).mean() for a, b in pairs)
        return loss + self._beta * distance

    def finish(self, model: nn.Module) -> None:
        """Leave the student as it was."""
        self._student.detach()
