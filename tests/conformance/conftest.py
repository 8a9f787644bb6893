"""What the batteries of attacks share: the thief's data, and a network of which signs can be flipped."""

import pytest

from modelmark.models import build
from modelmark.recipe import annealed
from modelmark.training import fit


@pytest.fixture(scope="module")
def thief(digits):
    return digits.split({"owner": 0.7, "thief": 0.3}, seed=0)["thief"]


@pytest.fixture(scope="module")
def flippable(thief):
    """A network whose signs can be flipped: batch norm takes them back."""
    fresh = build("resnet8", thief.interface.input_shape, thief.interface.classes, seed=0)
    return fit(fresh, thief, annealed(8, 0.1, batch=64), seed=0)
