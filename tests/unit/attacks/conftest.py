"""What tests of several attacks share: a thief's own networks, each trained once."""

from typing import Any

import pytest
from torch import nn

import nets
from modelmark.attacks.evasion import _nets
from modelmark.models import cnn
from modelmark.training.task import Task


@pytest.fixture(scope="module")
def once_trained():
    """Train filters' second networks once for the tests of a file: the same data, passes and seed give the same."""
    kept: dict[tuple[Any, ...], nn.Module] = {}
    train = _nets.trained

    def trained(task: Task, *, epochs: int, seed: int, watch: Any) -> nn.Module:
        place = (task.train_inputs.numpy().tobytes(), task.train_targets.numpy().tobytes(), epochs, seed)
        if place not in kept:
            kept[place] = train(task, epochs=epochs, seed=seed, watch=watch)
        return kept[place]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(_nets, "trained", trained)
        if nets.SLIM:
            patched.setattr(cnn, "_CHANNELS", (16, 16, 64, 32))
            patched.setattr(cnn, "_UNITS", 256)
        yield
