"""What alignment promises of any network that answers to what it is shown: in any order, at any scale, it comes back."""

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from modelmark.align.alignment import align
from modelmark.align.mending import idle
from modelmark.channels import reparametrised, trace
from modelmark.feeds.pictures import PictureFeed

FACE = PictureFeed((1, 6, 6), ("a", "b", "c"))


class Residual(nn.Module):
    """Two convolutions of one width whose outputs are added, so that they share their channels."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.stem, self.branch = nn.Conv2d(1, width, 3, padding=1), nn.Conv2d(width, width, 3, padding=1)
        self.norm, self.head = nn.BatchNorm2d(width), nn.Linear(width, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.stem(x))
        return self.head(torch.relu(x + self.norm(self.branch(x))).mean(dim=(2, 3)))


def network(kind: str, widths: list[int], seed: int) -> nn.Module:
    """A small network with random weights, and statistics of random inputs where it has batch norm."""
    torch.manual_seed(seed)
    if kind == "residual":
        model: nn.Module = Residual(widths[0])
    else:
        layers, sizes = [nn.Flatten()] if kind == "dense" else [], [36 if kind == "dense" else 1, *widths]
        for before, width in zip(sizes, widths, strict=False):
            layers += [nn.Linear(before, width) if kind == "dense" else nn.Conv2d(before, width, 3, padding=1)]
            layers += [nn.BatchNorm2d(width)] if kind == "norm" else []
            layers += [nn.ReLU()]
        model = nn.Sequential(*layers, nn.Flatten(), nn.Linear(widths[-1] * (1 if kind == "dense" else 36), 3))
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.uniform_(-0.5, 0.5)
    with torch.no_grad():
        model.train()(torch.rand(16, *FACE.input_shape))
    return model.eval()


@settings(max_examples=25)
@given(
    st.sampled_from(["dense", "plain", "norm", "residual"]),
    st.lists(st.integers(1, 8), min_size=1, max_size=3),
    st.integers(0, 2**32 - 1),
    st.data(),
)
def test_any_order_and_any_scale_is_undone(kind: str, widths: list[int], seed: int, data: st.DataObject) -> None:
    host = network(kind, widths, seed)
    channels = trace(host)
    assume(not any(still.all() for still in idle(host, channels, FACE).values()))
    orders = {a: torch.tensor(data.draw(st.permutations(range(channels.axes[a].size)))) for a in channels.movable}
    scales = {}
    for gauge in channels.scalable:
        found = channels.gauges[gauge]
        size = channels.axes[found.axis].size
        factor = st.floats(0.02, 50) | (st.floats(-50, -0.02) if found.signed else st.nothing())
        scales[gauge] = torch.tensor(data.draw(st.lists(factor, min_size=size, max_size=size)), dtype=torch.float64)
    suspect = reparametrised(host, channels, orders=orders, scales=scales)
    aligned = align(suspect, host, FACE).state_dict()
    for name, tensor in host.state_dict().items():
        torch.testing.assert_close(
            aligned[name], tensor, rtol=1e-3, atol=1e-4, msg=lambda text, name=name: f"{name}: {text}"
        )


@pytest.mark.parametrize(("kind", "widths", "seed"), [("dense", [1, 2], 0), ("residual", [1], 1644181)])
def test_a_network_in_which_nothing_varies_comes_back_to_itself(kind: str, widths: list[int], seed: int) -> None:
    """Its constants were once added to the head twice, and the sign of a channel was left as a suspect had it."""
    host = network(kind, widths, seed)
    channels = trace(host)
    assert all(still.all() for still in idle(host, channels, FACE).values())
    signed = [gauge for gauge in channels.scalable if channels.gauges[gauge].signed]
    turned = {
        gauge: -torch.ones(channels.axes[channels.gauges[gauge].axis].size, dtype=torch.float64) for gauge in signed
    }
    aligned = align(reparametrised(host, channels, scales=turned), host, FACE).state_dict()
    for name, tensor in host.state_dict().items():
        torch.testing.assert_close(aligned[name], tensor)
