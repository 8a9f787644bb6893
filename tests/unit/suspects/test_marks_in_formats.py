"""One marked network in every format: all bits are read, whatever the format did to names, axes, types and batch norm."""

import numpy as np
import pytest
import torch
from torch import nn

from formats import MAKERS, Small, made
from modelmark.feeds.pictures import PictureFeed
from modelmark.key.secret import Secret
from modelmark.marks.keys import Key
from modelmark.marks.reading import read
from modelmark.networks import layers
from modelmark.schemes import spread
from modelmark.schemes.base import Material
from modelmark.schemes.spread import Spread
from modelmark.schemes.uchida import Uchida
from modelmark.suspects.files import held, open_weights
from modelmark.suspects.state import State

FEED = PictureFeed((1, 8, 8), tuple("0123456789"))
BITS = 40
pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning", "ignore::torch.jit.TracerWarning"
)


def uchida(layer, network, message):
    """Mark one layer by the least change of its mean filter; return the carriers."""
    scheme = Uchida(layer=layer, bits=len(message)).for_model(network, FEED, {})
    carriers = Key(scheme, Secret(bytes(32)), FEED).carriers
    weight = layers.weight(network, layer).data
    rows = weight.flatten(1)
    projection = torch.from_numpy(carriers.matrix / 65536).to(rows.dtype)
    wanted = (2 * torch.from_numpy(message).to(rows.dtype) - 1) * 1.0  # every projection on its side by 1
    rows += torch.linalg.lstsq(projection, wanted - projection @ rows.mean(dim=0)).solution
    return carriers


def bits(carriers, state):
    """Return the table of every reading."""
    return [scores.symbols for scores in read(carriers, state).scores]


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("layer", ["conv", "fc"])
def test_uchida(name, layer, tmp_path):
    count = BITS if layer == "conv" else 12
    message = np.random.default_rng(0).integers(0, 2, count)
    network = Small()
    carriers = uchida(layer, network, message)
    assert np.array_equal(bits(carriers, State(held(network.state_dict())))[0], message)
    found = bits(carriers, State(open_weights(made(name, network, tmp_path))))
    assert max((one == message).sum() for one in found) == count
    assert len(found) <= 2  # every candidate is a reading, and charged


@pytest.mark.parametrize("name", MAKERS)
def test_spread(name, tmp_path):
    network = Small()
    scheme = Spread(bits=16).for_model(network, FEED, {})
    secret = Secret(bytes(32))
    carriers = scheme.carriers(Material(secret, FEED, scheme.collect(secret, network, None)))
    message = np.random.default_rng(0).integers(0, 2, 16)
    spread.imprint(network, carriers, message, scheme.strength)
    assert np.array_equal(bits(carriers, State(held(network.state_dict())))[0], message)
    state = State(open_weights(made(name, network, tmp_path)))
    by_weights = bits(carriers, state)[0]  # the first rule, filters to one mean square: folding costs nothing
    assert (by_weights == message).sum() == 16, state.notes


class Deep(nn.Module):
    """Twelve convolutions of one size: their names are gone in some formats, their order is not."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), *(nn.Conv2d(8, 8, 3, padding=1) for _ in range(12)))
        self.head = nn.Linear(8, 10)

    def forward(self, x):
        return self.head(torch.relu(self.layers(x)).mean((2, 3)))


@pytest.mark.parametrize("name", ["onnx", "keras weights", "TorchScript frozen", "gguf"])
def test_layers_of_one_size_are_told_apart_by_their_order(name, tmp_path):
    network = Deep().eval()
    scheme = Spread(bits=16).for_model(network, FEED, {})
    secret = Secret(bytes(32))
    carriers = scheme.carriers(Material(secret, FEED, scheme.collect(secret, network, None)))
    message = np.random.default_rng(0).integers(0, 2, 16)
    spread.imprint(network, carriers, message, scheme.strength)
    state = State(open_weights(made(name, network, tmp_path)))
    assert np.array_equal(bits(carriers, state)[0], message)
