"""The papers' own networks build, take both marks for a few steps, and can be read; full training wants a GPU."""

import pytest
import torch

from modelmark.evidence import Evidence
from modelmark.hooks import Composed
from modelmark.interface import Interface
from modelmark.keys import keygen
from modelmark.models import build
from modelmark.recipe import constant
from modelmark.schemes.adi import Adi
from modelmark.schemes.uchida import Uchida
from modelmark.suspect import WhiteBox
from modelmark.task import Task
from modelmark.training import fit


@pytest.mark.parametrize(
    ("arch", "layer", "width"),
    [("wrn-10-4", "conv2.0.conv2", 576), ("resnet18", "", 4608), ("preact-resnet18", "", 4608)],
)
def test_a_few_steps_move_both_marks(arch, layer, width):
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (24, 3, 32, 32), dtype=torch.uint8, generator=generator)
    labels = torch.randint(10, (24,), generator=generator)
    task = Task(Interface((3, 32, 32), tuple("0123456789"), (4914,), (2470,)), images, labels, images, labels)
    model = build(arch, (3, 32, 32), 10, seed=0)
    marks = [keygen(scheme, model, task.interface).mark() for scheme in (Uchida(layer=layer), Adi(triggers=44))]
    assert (marks[0].key.scheme.width, marks[0].key.scheme.bits) == (width, 256)
    hooks = Composed(mark.hooks(model) for mark in marks)
    moved = fit(model, task, constant(2, 0.05, batch=8, channels_last=True), seed=0, hooks=lambda model: hooks)
    before, after = (marks[0].margins(net) for net in (model, moved))
    assert after.mean() > before.mean()
    for mark in marks:
        found = mark.evidence(WhiteBox(moved, 10))
        assert isinstance(found, Evidence)
        assert found.trials == len(mark.message)
