"""What the batteries of attacks share: the thief's data, and the networks that are stolen."""

from collections.abc import Callable

import pytest
from attack_cases import Case
from torch import nn

import language
import locks
from modelmark.models import build
from modelmark.models.cnn import Cnn
from modelmark.seeding import seeded
from modelmark.training.loop import fit
from modelmark.training.recipe import annealed
from modelmark.training.task import Task


@pytest.fixture(scope="module")
def thief(digits):
    return digits.split({"owner": 0.7, "thief": 0.3}, seed=0)["thief"]


@pytest.fixture(scope="session")
def narrow(digits, recipe):
    """``cnn`` with half as many channels and a quarter of the units, trained: an attack on it takes a third of the time."""
    with seeded(0):
        fresh = Cnn(digits.feed.input_shape, digits.feed.classes)
        fresh.conv1, fresh.conv2 = nn.Conv2d(1, 16, 3, padding=1), nn.Conv2d(16, 16, 3, padding=1)
        fresh.conv3, fresh.conv4 = nn.Conv2d(16, 32, 3, padding=1), nn.Conv2d(32, 32, 3, padding=1)
        fresh.fc1, fresh.head = nn.Linear(128, 128), nn.Linear(128, digits.feed.classes)
    return locks.made_once("narrow", fresh, lambda: fit(fresh, digits, recipe, seed=0))


@pytest.fixture(scope="module")
def flippable(thief):
    """A network whose signs can be flipped: batch norm takes them back."""
    fresh = build("resnet8", thief.feed.input_shape, thief.feed.classes, seed=0)
    return fit(fresh, thief, annealed(8, 0.1, batch=64), seed=0)


@pytest.fixture
def stolen_in(request) -> Callable[[Case], tuple[nn.Module, Task]]:
    """Return a function from a case to the network that is stolen in it, and the thief's data."""

    def get(case: Case) -> tuple[nn.Module, Task]:
        if case.net == "causal":
            return language.trained(), language.task(300)
        name = {"cnn": "unmarked", "resnet8": "flippable"}.get(case.net, case.net)
        found = request.getfixturevalue(name)
        return found[1] if name == "perceptron" else found, request.getfixturevalue("thief")

    return get
