"""Neural attention distillation: the stolen model learns to look where its own fine-tuned copy looks."""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from modelmark import layers
from modelmark.attacks.base import Attack, Kind
from modelmark.attacks.cleansing._masks import units
from modelmark.attacks.fields import Strengths
from modelmark.attacks.tuning._settings import require
from modelmark.hooks import Hooks
from modelmark.recipe import constant
from modelmark.task import Task
from modelmark.training import Watch, fit


class Nad(Attack):
    """Fine-tune a teacher, then fine-tune the stolen model with a penalty on the distance between their attention maps.

    The map of a layer is the sum over its channels of squared outputs, scaled to length one; layers without positions, such
    as linear ones, give one value a channel. The penalty is the squared distance, summed over layers.

    Source: Li et al. 2021, "Neural attention distillation", ICLR 2021, arXiv 2101.05930.
    Departs: every hidden unit gives a map, not the ends of three groups; distances are summed over positions, not averaged.

    Args:
        beta: weight of the penalty.
        teacher_rate: learning rate of the teacher.
        rate: learning rate of the student.
        epochs: passes over the thief's data, of each.
        batch: samples a step.
    """

    name: ClassVar[str] = "nad"
    summary: ClassVar[str] = "fine-tune, then distil the fine-tuned copy's attention"
    source: ClassVar[str] = "Li et al. 2021, arXiv 2101.05930"
    kind: ClassVar[Kind] = "modification"
    family: ClassVar[str] = "cleansing"
    strengths: ClassVar[Strengths] = (
        {"beta": 1.0, "teacher_rate": 0.01, "rate": 0.01},
        {},
        {"beta": 20.0, "teacher_rate": 0.1, "rate": 0.1},
        {"beta": 20.0, "teacher_rate": 0.2, "rate": 0.2, "epochs": 10},
        {"beta": 20.0, "teacher_rate": 0.3, "rate": 0.3, "epochs": 10},
    )

    beta: float = 5.0
    teacher_rate: float = 0.02
    rate: float = 0.02
    epochs: int = 5
    batch: int = 64

    def __post_init__(self) -> None:
        require(rate=self.teacher_rate)
        require(epochs=self.epochs, batch=self.batch, rate=self.rate)
        if not 0 <= self.beta < float("inf"):
            raise ValueError(f"expected beta of at least 0, got {self.beta}")

    def __call__(self, model: nn.Module, task: Task, *, seed: int, watch: Watch | None = None) -> nn.Module:
        """Return the distilled copy."""
        recipe = constant(self.epochs, self.teacher_rate, batch=self.batch, clip=1.0)
        teacher = Attention(fit(model, task, recipe, seed=seed, watch=watch).requires_grad_(False))
        recipe = constant(self.epochs, self.rate, batch=self.batch, clip=1.0)
        return fit(
            model, task, recipe, seed=seed + 1, watch=watch,
            hooks=lambda copied: _Following(teacher, Attention(copied), self.beta),
        )  # fmt: skip


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
            self._teacher.model(x)
        pairs = zip(self._student.take(), self._teacher.take(), strict=True)
        distance = sum((a[: len(x)] - b).square().sum(dim=1).mean() for a, b in pairs)
        return loss + self._beta * distance

    def finish(self, model: nn.Module) -> None:
        """Leave the student as it was."""
        self._student.detach()
