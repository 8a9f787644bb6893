"""A small problem on which networks err as on a hard one, so that a field is read in a blink; for tests of ``field``."""

import functools
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from locks import made_once
from modelmark.evidence.scores import Scores, tail_bits
from modelmark.feeds.pictures import PictureFeed
from modelmark.feeds.tensors import Normalise
from modelmark.key.secret import Secret
from modelmark.marks.keys import Key, KeyPolicy, keygen
from modelmark.marks.marks import Mark
from modelmark.schemes.field import Field
from modelmark.seeding import seeded
from modelmark.training.loop import fit
from modelmark.training.recipe import annealed
from modelmark.training.rehearsing import rehearse
from modelmark.training.task import Task

FEED = PictureFeed((1, 8, 8), tuple(map(str, range(10))), (5000,), (2000,))
SCHEME = Field(queries=2000, lose=3)
RECIPE = annealed(8, 0.1, batch=64, clip=1.0)


def pictures(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return noisy pictures of ten patterns, of which a third cannot be told, and their labels."""
    rng, patterns = np.random.default_rng(seed), np.random.default_rng(7).normal(size=(10, 64))
    labels = rng.integers(0, 10, count)
    made = np.rint(128 + 12 * patterns[labels] + 40 * rng.normal(size=(count, 64)))
    return np.clip(made, 0, 255).astype(np.uint8).reshape(-1, 1, 8, 8), labels


def task() -> Task:
    (x, y), (test, labels) = pictures(2000, 0), pictures(1000, 1)
    return Task(FEED, *(torch.from_numpy(part) for part in (x, y, test, labels)))


def layers() -> nn.Module:
    """Return a fresh network; ``--arch fielding:layers`` names it."""
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 48), nn.ReLU(), nn.Linear(48, 10))


def network(seed: int) -> nn.Module:
    with seeded(seed):
        return layers()


def stored(inputs: Tensor) -> Tensor:
    """Return pictures as networks take them."""
    return Normalise(FEED)(inputs)


def halves(x: Tensor) -> Tensor:
    """Return numbers that no layer has: every second pixel; ``--along fielding:halves`` names it."""
    return x.flatten(1)[:, ::2]


@dataclass(frozen=True)
class Problem:
    """Data, a host, two rehearsals of it, and ordinary pictures to choose queries from."""

    task: Task
    host: nn.Module
    students: tuple[nn.Module, ...]
    pool: Tensor

    def key(self, scheme: Field = SCHEME, *, secret: int = 0, draw: str = "offline") -> Key:
        made = scheme.prepared(self.host, self.task, students=self.students, pool=self.pool)
        drawn = Secret(bytes([secret] * 32))
        return keygen(scheme, self.host, FEED, attachments=made, secret=drawn, policy=KeyPolicy(draw=draw))

    def mark(self, scheme: Field = SCHEME, *, secret: int = 0) -> Mark:
        return self.key(scheme, secret=secret).mark()

    def stolen(self, model: nn.Module, seed: int = 100) -> nn.Module:
        """Return a student of a thief's own pictures, labelled by a model."""
        other = replace(self.task, train_inputs=torch.from_numpy(pictures(2000, seed)[0]))
        return rehearse(network(seed), model, other, RECIPE, seed=seed)


@functools.cache
def problem() -> Problem:
    """Return the one of this process; who changes a network of it changes a copy."""
    made = task()
    host = made_once("fielding-host", network(0), lambda: fit(network(0), made, RECIPE, seed=0))
    students = tuple(
        made_once(
            f"fielding-{seed}", network(seed), lambda seed=seed: rehearse(network(seed), host, made, RECIPE, seed=seed)
        )
        for seed in (1, 2)
    )
    return Problem(made, host, students, torch.from_numpy(pictures(4000, 2)[0]))


def bits(scores: Scores, message: np.ndarray) -> float:
    """Return the gross bits of a table."""
    return tail_bits(scores, scores.total(message)).bits
