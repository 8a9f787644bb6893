"""What belongs together in a network: found by tracing, confirmed by reordering and rescaling it."""

import pytest
import torch
from torch import nn

from modelmark.channels import reparametrised, resized, trace
from modelmark.errors import MismatchError, UsageError
from modelmark.models import ARCHITECTURES, build

SHAPE = (2, 16, 16)


class Net(nn.Module):
    """A module from a forward function, with its layers by name."""

    def __init__(self, forward, **parts):
        super().__init__()
        for name, part in parts.items():
            setattr(self, name, part)
        self._forward = forward

    def forward(self, x):
        return self._forward(self, x)


def randomised(model):
    """Give batch norm statistics and slopes that are not those of a fresh network."""
    generator = torch.Generator().manual_seed(1)
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            for tensor, low, high in (
                (module.weight, -1.5, 1.5),
                (module.bias, -0.5, 0.5),
                (module.running_mean, -0.3, 0.3),
                (module.running_var, 0.2, 2),
            ):
                tensor.data.copy_(low + (high - low) * torch.rand(tensor.shape, generator=generator))
    return model.eval()


def scrambled(model, channels):
    """Use all the freedom that ``channels`` says there is."""
    generator = torch.Generator().manual_seed(2)
    orders = {axis: torch.randperm(channels.axes[axis].size, generator=generator) for axis in channels.movable}
    scales = {}
    for index in channels.scalable:
        gauge = channels.gauges[index]
        factor = torch.exp(torch.randn(channels.axes[gauge.axis].size, generator=generator))
        scales[index] = factor * (torch.randint(0, 2, factor.shape, generator=generator) * 2 - 1 if gauge.signed else 1)
    return reparametrised(model, channels, orders=orders, scales=scales)


def assert_free(model, shape=SHAPE):
    """Check that scrambling ``model`` keeps its function and changes every layer between input and output."""
    channels = trace(randomised(model))
    other = scrambled(model, channels)
    x = torch.randn(3, *shape, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        expected = model(x)
        torch.testing.assert_close(other(x), expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))
    for junction in channels.junctions:
        name = f"{junction.path}.weight"
        assert not torch.allclose(other.get_parameter(name), model.get_parameter(name))
    return channels


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_every_reference_network_can_be_reordered_and_rescaled(arch):
    model = build(arch, SHAPE, 10, seed=0)
    channels = assert_free(model)
    layers = {name for name, module in model.named_modules() if list(module.parameters(recurse=False))}
    assert {junction.path for junction in channels.junctions} == layers
    assert not {0, channels.junctions[-1].output.axis} & set(channels.movable)
    assert len(channels.movable) == len(channels.axes) - 2


def test_a_residual_stream_is_one_axis():
    channels = {junction.path: junction for junction in trace(build("resnet18", SHAPE, 10, seed=0)).junctions}
    stream = {channels[path].output.axis for path in ("conv1", "bn1", "layer1.0.bn2", "layer1.1.conv2")}
    assert len(stream) == 1
    assert channels["layer1.0.conv1"].output.axis not in stream
    assert channels["layer2.0.shortcut.bn"].output.gauge == channels["layer2.0.bn2"].output.gauge
    assert channels["layer2.0.conv2"].output.gauge != channels["layer2.0.bn2"].output.gauge


def test_signs_are_free_where_no_activation_looks_at_them():
    channels = trace(build("preact-resnet18", SHAPE, 10, seed=0))
    junctions = {junction.path: junction for junction in channels.junctions}
    assert channels.gauges[
        junctions["layer2.0.conv2"].output.gauge
    ].signed  # added to a convolution, read by batch norm
    assert not channels.gauges[junctions["layer2.0.bn2"].output.gauge].signed
    assert not any(gauge.signed for gauge in trace(build("cnn", SHAPE, 10, seed=0)).gauges)


def test_a_flattened_map_has_a_block_for_every_channel():
    junctions = {junction.path: junction for junction in trace(build("cnn", SHAPE, 10, seed=0)).junctions}
    assert junctions["fc1"].source.block == 16
    assert junctions["fc1"].source.axis == junctions["conv4"].output.axis
    assert junctions["head"].source.block == 1


def test_sequential_networks_of_modules():
    model = nn.Sequential(
        *(nn.Conv2d(2, 6, 3, 2), nn.BatchNorm2d(6), nn.LeakyReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Dropout()),
        *(nn.Linear(54, 7), nn.BatchNorm1d(7), nn.ReLU(inplace=True), nn.Identity(), nn.Linear(7, 3)),
    )
    assert assert_free(model).junctions[2].source.block == 9


def test_an_activation_that_is_not_homogeneous_holds_the_scale():
    model = nn.Sequential(nn.Conv2d(2, 6, 3), nn.Tanh(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3))
    channels = assert_free(model)
    assert len(channels.movable) == 1
    assert channels.scalable == ()


def test_common_ways_to_write_a_forward_pass():
    def forward(self, x):
        x = torch.relu(self.first(x)) * 0.5
        x = nn.functional.avg_pool2d(x + self.second(self.second(x)) / 2, 2)
        maps = x.mean(dim=(2, 3))
        left, right = self.head(x.view(x.size(0), -1)), self.head(x.reshape(-1, 245))
        return torch.log_softmax(left + right + right - self.other(maps), dim=1)

    parts = {"first": nn.Conv2d(2, 5, 3), "second": nn.Conv2d(5, 5, 3, padding=1)}
    assert_free(Net(forward, head=nn.Linear(245, 4), other=nn.Linear(5, 4), **parts))


def test_added_constants_hold_the_scale():
    model = Net(lambda self, x: self.b(self.a(x) + 1), a=nn.Conv2d(2, 4, 1), b=nn.Conv2d(4, 3, 1))
    assert assert_free(model).scalable == ()


@pytest.mark.parametrize(
    ("what", "forward", "parts"),
    [
        ("cat", lambda self, x: self.b(torch.cat((self.a(x), x), 1)), {"a": nn.Conv2d(2, 2, 1), "b": nn.Conv2d(4, 3, 1)}),
        ("matmul", lambda self, x: torch.matmul(self.a(x), x), {"a": nn.Conv2d(2, 2, 1)}),
        ("LayerNorm", lambda self, x: self.n(self.a(x)), {"a": nn.Conv2d(2, 2, 1), "n": nn.LayerNorm((2, 16, 16))}),
        ("GroupNorm", lambda self, x: self.n(self.a(x)), {"a": nn.Conv2d(2, 2, 1), "n": nn.GroupNorm(1, 2)}),
        ("mul", lambda self, x: self.a(x) * torch.sigmoid(self.a(x)), {"a": nn.Conv2d(2, 2, 1)}),
        ("getitem", lambda self, x: self.a(x)[:, :1], {"a": nn.Conv2d(2, 2, 1)}),
        ("size", lambda self, x: self.a(x) * x.size(1), {"a": nn.Conv2d(2, 2, 1)}),
        ("flatten", lambda self, x: self.a(x).flatten(), {"a": nn.Conv2d(2, 2, 1)}),
        ("mean", lambda self, x: self.a(x).mean(1), {"a": nn.Conv2d(2, 2, 1)}),
        ("a parameter", lambda self, x: self.a(x) * self.a.weight, {"a": nn.Conv2d(2, 2, 1)}),
        ("2 in a", lambda self, x: self.a(x), {"a": nn.Conv2d(2, 2, 1, groups=2)}),
        ("a map before b", lambda self, x: self.b(self.a(x)), {"a": nn.Conv2d(2, 2, 1), "b": nn.Linear(16, 3)}),
        ("n without", lambda self, x: self.n(self.a(x)), {"a": nn.Conv2d(2, 2, 1), "n": nn.BatchNorm2d(2, affine=False)}),
        ("control flow", lambda self, x: self.a(x) if x.sum() > 0 else x, {"a": nn.Conv2d(2, 2, 1)}),
        ("another structure", lambda self, x: (self.a(x), x), {"a": nn.Conv2d(2, 2, 1)}),
    ],
)  # fmt: skip
def test_what_cannot_be_followed_is_named(what, forward, parts):
    with pytest.raises(UsageError, match=what) as caught:
        trace(Net(forward, **parts))
    assert str(caught.value).startswith("expected ")


def test_weights_that_are_shared_or_computed_are_refused():
    layer = nn.Linear(4, 4)
    with pytest.raises(UsageError, match=r"3.bias under two"):
        trace(nn.Sequential(nn.Linear(4, 4), layer, nn.ReLU(), layer))
    with pytest.raises(UsageError, match="0, which computes them"):
        trace(nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(4, 4)), nn.ReLU(), layer))


def test_layers_that_do_not_fit_together_are_refused():
    with pytest.raises(MismatchError, match="expected layers that fit together"):
        trace(nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(5, 2)))


def test_resized_takes_the_widths_of_the_weights():
    narrow, wide = (
        nn.Sequential(nn.Conv2d(2, n, 3), nn.BatchNorm2d(n), nn.Flatten(), nn.Linear(4 * n, 3)) for n in (5, 8)
    )
    result = resized(narrow, wide.state_dict())
    assert narrow[0].weight.shape[0] == 5
    assert (result[0].out_channels, result[1].num_features, result[3].in_features) == (8, 8, 32)
    x = torch.randn(2, 2, 4, 4)
    torch.testing.assert_close(result.eval()(x), wide.eval()(x))


@pytest.mark.parametrize(
    "other",
    [
        nn.Sequential(nn.Conv2d(2, 5, 3), nn.BatchNorm2d(5)),
        nn.Sequential(nn.Conv2d(2, 5, 5), nn.ReLU(), nn.LayerNorm(5)),
        nn.Sequential(nn.Conv1d(2, 5, 3), nn.ReLU(), nn.LayerNorm(5)),
        nn.Sequential(nn.Conv2d(2, 5, 3), nn.ReLU(), nn.LayerNorm(6)),
    ],
)
def test_resized_refuses_other_names_kernels_ranks_and_layers_of_fixed_size(other):
    with pytest.raises(MismatchError):
        resized(nn.Sequential(nn.Conv2d(2, 5, 3), nn.ReLU(), nn.LayerNorm(5)), other.state_dict())
