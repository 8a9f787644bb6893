"""The networks of digits that most tests are about, and fixtures of what is made of one of them."""

from collections.abc import Callable
from typing import Any

import pytest
from torch import nn

import locks
from modelmark.key.secret import Secret
from modelmark.marks.embedding import embed
from modelmark.marks.imprinting import imprint
from modelmark.marks.keys import Provenance, keygen
from modelmark.marks.marks import Mark
from modelmark.models import build
from modelmark.schemes import scheme_class
from modelmark.seeding import seeded
from modelmark.suspects import weights
from modelmark.training.loop import fit
from modelmark.training.recipe import annealed
from modelmark.training.task import Task

SLIM = False
"""Whether the tests of this run are those of every day."""
UNITS = 320
"""Of a hidden layer of ``mlp`` in tests of every day, in place of 512: it trains, is aligned and is written in half the time."""


def cnn(digits: Task) -> nn.Module:
    """Where the architecture is named: in keys, on the command line, before a judge."""
    return build("cnn", digits.feed.input_shape, digits.feed.classes, seed=0)


def slim(digits: Task) -> nn.Module:
    """``cnn`` with fewer channels where pictures are large and fewer units behind: it trains in two fifths of the time."""
    net = cnn(digits)
    with seeded(0):
        net.conv1, net.conv2 = nn.Conv2d(1, 16, 3, padding=1), nn.Conv2d(16, 16, 3, padding=1)
        net.conv3, net.conv4 = nn.Conv2d(16, 64, 3, padding=1), nn.Conv2d(64, 32, 3, padding=1)
        net.fc1, net.head = nn.Linear(128, 256), nn.Linear(256, digits.feed.classes)
    return net


def usual(digits: Task) -> nn.Module:
    """What of the two the tests of a run share: bounds of slow tests are of the whole network."""
    return slim(digits) if SLIM else cnn(digits)


def around(make: Callable[[Task], nn.Module], epochs: int = 20) -> tuple[Any, ...]:
    """Return fixtures: an untrained network, what trains one like it once a run, it trained, and it with a scheme's mark.

    Args:
        make: the untrained one.
        epochs: for which it is trained without a mark.
    """

    @pytest.fixture(scope="session", name="fresh")
    def fresh(digits):
        return make(digits)

    @pytest.fixture(scope="session", name="made_once")
    def made_once(fresh):
        """Return a function that trains a network like ``fresh``, or takes what another process of this run has trained."""

        def get(name: str, train: Callable[[], nn.Module]) -> nn.Module:
            return locks.made_once(f"{make.__name__}-{name}", fresh, train)

        return get

    @pytest.fixture(scope="session", name="unmarked")
    def unmarked(fresh, digits, made_once):
        return made_once("unmarked", lambda: fit(fresh, digits, annealed(epochs, 0.05, batch=64, clip=1.0), seed=0))

    @pytest.fixture(scope="session", name="stolen")
    def stolen(unmarked, digits, recipes, made_once):
        """Return a function from a scheme's name to its mark and a digits network that carries it, each made once."""
        made: dict[str, tuple[Mark, nn.Module]] = {}

        def marked(mark: Mark) -> nn.Module:
            if mark.key.scheme.name == "spread":  # needs no training
                return imprint(unmarked, mark)
            return embed(unmarked, [mark], digits, recipes(mark.key.scheme.name), seed=1).model

        def get(name: str) -> tuple[Mark, nn.Module]:
            if name not in made:
                owner = Provenance(host=weights.digest(unmarked.state_dict()))
                secret, scheme = Secret(bytes(range(32))), scheme_class(name)()
                mark = keygen(scheme, unmarked, digits.feed, task=digits, secret=secret, owner=owner).mark()
                made[name] = mark, made_once(f"stolen-{name}", lambda: marked(mark))
            return made[name]

        return get

    return fresh, made_once, unmarked, stolen
