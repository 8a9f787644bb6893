"""The papers' own networks build, take both marks for a few steps, and can be read; full training wants a GPU."""

import pytest
import torch

from modelmark.evidence.evidence import Evidence
from modelmark.feeds.pictures import PictureFeed
from modelmark.marks.keys import keygen
from modelmark.models import build
from modelmark.schemes.adi import Adi
from modelmark.schemes.uchida import Uchida
from modelmark.suspects.module import WhiteBox
from modelmark.training.hooks import Composed
from modelmark.training.loop import fit
from modelmark.training.recipe import constant
from modelmark.training.task import Task

WIDTHS = [("wrn-10-4", "conv2.0.conv2", 576), ("resnet18", "", 4608), ("preact-resnet18", "", 4608)]
"""Networks, a layer or none, and how wide the filters are that are marked then."""
FEED = PictureFeed((3, 32, 32), tuple("0123456789"), (4914,), (2470,))


@pytest.mark.parametrize(("arch", "layer", "width"), WIDTHS)
def test_the_layer_that_is_marked_is_the_papers(arch, layer, width):
    scheme = keygen(Uchida(layer=layer), build(arch, (3, 32, 32), 10, seed=0), FEED).scheme
    assert (scheme.width, scheme.bits) == (width, 256)


@pytest.mark.parametrize(
    ("arch", "layer"),
    [pytest.param(arch, layer, marks=[pytest.mark.slow] * ("resnet" in arch)) for arch, layer, _ in WIDTHS],
)
def test_a_few_steps_move_both_marks(arch, layer):
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (24, 3, 32, 32), dtype=torch.uint8, generator=generator)
    labels = torch.randint(10, (24,), generator=generator)
    task = Task(FEED, images, labels, images, labels)
    model = build(arch, (3, 32, 32), 10, seed=0)
    marks = [keygen(scheme, model, task.feed).mark() for scheme in (Uchida(layer=layer), Adi(triggers=44))]
    hooks = Composed(mark.hooks(model) for mark in marks)
    moved = fit(model, task, constant(1, 0.05, batch=8, channels_last=True), seed=0, hooks=lambda model: hooks)
    before, after = (marks[0].margins(net) for net in (model, moved))
    assert after.mean() > before.mean()
    for mark in marks:
        found = mark.evidence(WhiteBox(moved))
        assert isinstance(found, Evidence)
        assert found.trials == len(mark.message)
