"""What an attack on a model is: hyperparameters as fields, ``attack(model, task) -> model``, and no place for a key."""

from typing import ClassVar, Protocol

from torch import nn

from modelmark.task import Task
from modelmark.training import Watch


class Attack(Protocol):
    """A way to remove marks: a frozen dataclass whose fields are its hyperparameters."""

    name: ClassVar[str]
    summary: ClassVar[str]
    source: ClassVar[str]

    def __call__(self, model: nn.Module, task: Task, *, seed: int, watch: Watch | None = None) -> nn.Module:
        """Return the attacked copy of ``model``; the model given is left as it was.

        Args:
            model: the stolen model.
            task: the thief's data.
            seed: of everything random.
            watch: called after every training step, if the attack trains.
        """
        ...
