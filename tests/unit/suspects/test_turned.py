"""Layers whose filters are not their rows, as many in as out: a file shows no difference, the key does."""

import numpy as np
import pytest
import torch
from torch import nn

from modelmark.feeds.pictures import PictureFeed
from modelmark.key.secret import Secret
from modelmark.marks.keys import Key
from modelmark.marks.reading import read
from modelmark.schemes.uchida import Uchida
from modelmark.suspects.files import held
from modelmark.suspects.module import WhiteBox
from modelmark.suspects.places import Place
from modelmark.suspects.state import State

FEED = PictureFeed((1, 8, 8), tuple("0123456789"))


class Up(nn.Module):
    def __init__(self):
        super().__init__()
        self.up = nn.ConvTranspose2d(12, 12, 3)
        self.flat = nn.Conv2d(12, 12, 3)
        self.head = nn.Linear(12, 10)


@pytest.mark.parametrize(("layer", "named"), [("up", "up@0.1"), ("flat", "flat")])
def test_a_file_is_read_as_the_network_it_belongs_to(layer, named):
    torch.manual_seed(0)
    model = Up()
    scheme = Uchida(layer=layer, bits=40).for_model(model, FEED, {})
    assert scheme.layer == named
    carriers = Key(scheme, Secret(bytes(32)), FEED).carriers
    (own,) = read(carriers, WhiteBox(model)).scores
    (filed,) = read(carriers, State(held(model.state_dict()))).scores
    assert np.array_equal(own.symbols, filed.symbols)


def test_other_names_are_paths_as_they_stand():
    assert Place.named("a@b", 3) == Place("a@b", 3)
    assert Place.named("experts.down_proj@1.1", 3) == Place("experts.down_proj", 3, layout=(1, 1))


def test_a_layer_that_was_found_by_its_size_is_said():
    model = Up()
    scheme = Uchida(layer="flat", bits=40).for_model(model, FEED, {})
    carriers = Key(scheme, Secret(bytes(32)), FEED).carriers
    named, renamed = (
        State(held({f"{prefix}{name}": tensor for name, tensor in model.state_dict().items()})) for prefix in ("", "x_")
    )
    read(carriers, named)
    read(carriers, renamed)
    assert not named.notes
    assert any("read where the size fits" in note and "x_flat.weight" in note for note in renamed.notes)
