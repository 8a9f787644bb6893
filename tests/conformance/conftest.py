"""What the batteries of attacks share: the thief's data, and a network of which signs can be flipped."""

import pytest

from modelmark.models import build
from modelmark.training.loop import fit
from modelmark.training.recipe import annealed


@pytest.fixture(scope="module")
def thief(digits):
    return digits.split({"owner": 0.7, "thief": 0.3}, seed=0)["thief"]


@pytest.fixture(scope="module")
def flippable(thief):
    """A network whose signs can be flipped: batch norm takes them back."""
    fresh = build("resnet8", thief.feed.input_shape, thief.feed.classes, seed=0)
    return fit(fresh, thief, annealed(8, 0.1, batch=64), seed=0)
