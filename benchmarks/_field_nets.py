"""Networks of the study of ``field``: hosts, rehearsals and students of CIFAR-10 (JPEG), kept in folders so that a run goes on.

At 32 x 32, and averaged to 16 x 16, where answers are more often undecided. Of the 50,000 pictures the owner has 35 %, the
thief 35 % and a pool of unlabelled ones 30 %, each seed its own split; accuracy is measured on the 10,000 test pictures.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from modelmark import data
from modelmark.feeds.tensors import Normalise
from modelmark.models import build
from modelmark.suspects.module import logits
from modelmark.training.loop import fit
from modelmark.training.recipe import Recipe, annealed
from modelmark.training.rehearsing import rehearse
from modelmark.training.task import Task

SHARES = {"owner": 0.35, "thief": 0.35, "pool": 0.3}
EPOCHS = {16: 12, 32: 10}
PEAK = {"resnet8": 0.1, "cnn": 0.05}
"""Largest learning rates; without batch norm it is half as high, as ``recipe.suggest`` has it."""
_BATCH = 1000


def loaded(specification: str, size: int) -> Task:
    """Return the data at 32 x 32, or averaged to 16 x 16."""
    task = Task.from_dataset(data.load(specification))
    if size == task.feed.input_shape[1]:
        return task
    train, test = (
        avg_pool2d(inputs.float(), 2).round().to(torch.uint8) for inputs in (task.train_inputs, task.test_inputs)
    )
    feed = replace(task.feed, input_shape=(3, size, size))
    return replace(task, feed=feed, train_inputs=train, test_inputs=test)


@dataclass(frozen=True, eq=False)
class Nets:
    """The networks of one size and seed.

    Args:
        whole: all the data at this size.
        size: 16 or 32.
        seed: of the split, of the host and, moved on, of all that is trained.
        folders: where networks may lie already; what is trained is kept in the last.
    """

    whole: Task
    size: int
    seed: int
    folders: tuple[Path, ...]

    @cached_property
    def parts(self) -> dict[str, Task]:
        """What owner, thief and pool have."""
        return self.whole.split(SHARES, seed=100 + self.seed)

    @property
    def owner(self) -> Task:
        """The owner's data."""
        return self.parts["owner"]

    @cached_property
    def host(self) -> nn.Module:
        """The network that is to be marked."""
        return self.kept("host", "resnet8", lambda made: self.trained(made, self.owner, self.seed), self.seed)

    def rehearsals(self, count: int) -> list[nn.Module]:
        """Return students of the unmarked host on the owner's pictures, which a key is made with."""
        return [self.rehearsal(number) for number in range(count)]

    def rehearsal(self, number: int) -> nn.Module:
        """Return one of them."""
        seed, recipe = 1000 + 10 * self.seed + number, self.recipe("resnet8", len(self.owner.train_inputs))

        def learned(made: nn.Module) -> nn.Module:
            return rehearse(made, self.host, self.owner, recipe, seed=seed)

        return self.kept(f"rehearsal-{number}", "resnet8", learned, seed)

    def student(
        self, name: str, stolen: nn.Module, *, soft: bool = False, arch: str = "resnet8", pictures: int = 0
    ) -> nn.Module:
        """Return a thief's network, trained from scratch on what a stolen one answers to his own pictures.

        Args:
            name: that it is kept by; says which network was stolen.
            stolen: that answers.
            soft: with probabilities; else with labels alone.
            arch: of the student.
            pictures: that he has; 0: as many as the owner.
        """
        parts = [name, "soft" if soft else "hard", arch, *([str(pictures)] if pictures else [])]
        seed = 5000 + self.seed

        def learned(made: nn.Module) -> nn.Module:
            task = self.parts["thief"]
            asked = task.train_inputs[: pictures or None]
            scores = asked_of(stolen, asked, task)
            task = replace(task, train_inputs=asked, train_targets=scores.softmax(1) if soft else scores.argmax(1))
            return self.trained(made, task, seed, arch)

        return self.kept("-".join(parts), arch, learned, seed)

    def recipe(self, arch: str, pictures: int) -> Recipe:
        """Return how networks are trained: in as many steps as the host, so in more passes where pictures are few."""
        epochs = round(EPOCHS[self.size] * max(len(self.owner.train_inputs) / pictures, 1))
        clip = 0.0 if arch == "resnet8" else 1.0
        return annealed(epochs, PEAK[arch], batch=128, augment="crop-flip", pad=2, channels_last=True, clip=clip)

    def trained(self, made: nn.Module, task: Task, seed: int, arch: str = "resnet8") -> nn.Module:
        """Return a fresh network, trained."""
        return fit(made, task, self.recipe(arch, len(task.train_inputs)), seed=seed)

    def kept(self, name: str, arch: str, learned: Callable[[nn.Module], nn.Module], seed: int) -> nn.Module:
        """Return the network of a name, trained now unless a folder has it."""
        file = self._file(name)
        feed = self.whole.feed
        made = build(arch, feed.input_shape, feed.classes, seed=seed)
        for folder in self.folders:
            if (folder / file).exists():
                made.load_state_dict(torch.load(folder / file))
                return made.eval()
        learned_one = learned(made)
        torch.save(learned_one.state_dict(), self.folders[-1] / file)
        return learned_one.eval()

    def _file(self, name: str) -> str:
        first, _, rest = name.partition("-")
        return "-".join(part for part in (first, str(self.seed), rest) if part) + ".pt"


def asked_of(model: nn.Module, inputs: Tensor, task: Task) -> Tensor:
    """Return the scores of a network, ``(N, C)``."""
    normalise = Normalise(task.feed)
    return torch.cat([logits(model, normalise(part)) for part in inputs.split(_BATCH)])


def folders(chosen: Sequence[Path], size: int) -> tuple[Path, ...]:
    """Return the folders of one size, the last of them made."""
    own = chosen[-1] / str(size)
    own.mkdir(parents=True, exist_ok=True)
    return (*chosen[:-1], own)
