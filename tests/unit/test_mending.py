"""Channels that do nothing hold no reading to ransom: spoilt ones take the host's weights, all others keep their own."""

import copy
import functools

import pytest
import torch
from torch import nn

from modelmark.align import alignment, gauges, mending
from modelmark.align.alignment import align
from modelmark.attacks.symmetries.permute import Permute
from modelmark.attacks.symmetries.rescale import Rescale
from modelmark.attacks.symmetries.spoil import Spoil
from modelmark.channels import trace
from modelmark.errors import SuspectError
from modelmark.feeds.pictures import PictureFeed
from modelmark.models import build
from modelmark.suspects.module import WhiteBox
from modelmark.training.task import accuracy

FACE = PictureFeed((1, 6, 6), ("a", "b", "c"))
STRENGTHS = [*Spoil.strengths, {"share": 0.02, "size": 0.3}, {"how": "constant", "share": 0.1, "size": 1e6}]
DAILY = STRENGTHS[-2:]
"""The least out of proportion and the fiercest; of what lies between, slow tests tell."""


def slow(*values):
    return pytest.param(*values, marks=pytest.mark.slow)


@pytest.fixture
def host():
    torch.manual_seed(0)
    layers = nn.Flatten(), nn.Linear(36, 12), nn.ReLU(), nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 3)
    return nn.Sequential(*layers).eval()


def blind(suspect, wider, feed):
    """What the old rule saw: no channel that does nothing."""
    return {axis: torch.zeros(wider.axes[axis].size, dtype=torch.bool) for axis in wider.movable}


def read(mark, model, host):
    return mark.evidence(WhiteBox(model), align_to=host)


def close(a, b, within=1e-3):
    torch.testing.assert_close(dict(a.state_dict()), dict(b.state_dict()), rtol=within, atol=within / 10)


@pytest.fixture(scope="module")
def spoilt(stolen, digits):
    """Return a function from a scheme and settings to its network with spoilt channels, each made once."""
    thief = digits.split({"owner": 0.7, "thief": 0.3}, seed=0)["thief"]
    return functools.cache(lambda scheme, *settings: Spoil(**dict(settings))(stolen(scheme)[1], thief, seed=1))


@pytest.mark.parametrize("disguised", [slow(False), True], ids=["in order", "in another order"])
@pytest.mark.parametrize("settings", [each if each in DAILY else slow(each) for each in STRENGTHS], ids=str)
@pytest.mark.parametrize("scheme", ["uchida", slow("deepsigns")])
def test_a_mark_is_read_whatever_channels_that_do_nothing_hold(
    stolen, spoilt, unmarked, digits, scheme, settings, disguised
):  # fmt: skip
    mark, model = stolen(scheme)
    suspect = spoilt(scheme, *settings.items())
    assert abs(accuracy(suspect, digits) - accuracy(model, digits)) <= 0.01
    if disguised:
        suspect = Rescale()(Permute()(suspect, digits, seed=2), digits, seed=3)
    found = read(mark, suspect, unmarked)
    assert found.established
    assert found.matches >= 0.98 * found.trials


@pytest.mark.slow  # every day, the new rule on more of them, above
@pytest.mark.parametrize(
    ("scheme", "settings"),
    [("uchida", {}), ("deepsigns", {"how": "constant"})],
)
def test_one_spoilt_channel_of_a_layer_was_enough_against_the_old_rule(
    stolen, unmarked, digits, monkeypatch, scheme, settings
):
    mark, model = stolen(scheme)
    spoilt = Spoil(share=0.001, **settings)(model, digits, seed=1)
    assert abs(accuracy(spoilt, digits) - accuracy(model, digits)) <= 0.01
    assert read(mark, spoilt, unmarked).matches == mark.evidence(WhiteBox(model)).matches
    monkeypatch.setattr(mending, "idle", blind)
    assert not read(mark, spoilt, unmarked).established


@pytest.mark.parametrize("settings", [{}, slow({"share": 0.5})], ids=str)
def test_an_unmarked_network_stays_at_chance_when_it_is_mended(stolen, unmarked, digits, settings):
    """Nothing that is replaced knows the message: the host was committed before there was one."""
    mark, _ = stolen("uchida")
    few = digits.split({"owner": 0.96, "thief": 0.04}, seed=0)[
        "thief"
    ]  # the fewer answers may not change, the more is spoilt
    spoilt = Spoil(**settings)(unmarked, few, seed=4)
    assert not torch.equal(spoilt.conv2.weight, unmarked.conv2.weight)
    found = read(mark, spoilt, unmarked)
    assert 96 <= found.matches <= 160


def test_a_dead_channel_in_proportion_keeps_its_own_weights(host):
    """Training leaves such channels behind by itself; what a mark did to them is read."""
    host[1].weight.data[4] = -host[1].weight.data[4].abs()
    host[1].bias.data[4] = -0.01
    suspect = copy.deepcopy(host)
    suspect[1].weight.data[4] -= 0.02 * torch.rand(36)
    channels = trace(suspect)
    assert mending.idle(suspect, channels, FACE)[channels.movable[0]][4]
    row = align(suspect, host, FACE)[1].weight[4]
    assert (
        torch.cosine_similarity(row, suspect[1].weight[4], dim=0)
        > 0.9999
        > torch.cosine_similarity(row, host[1].weight[4], dim=0)
    )


@pytest.mark.parametrize("constant", [False, True], ids=["dead", "constant"])
def test_what_reads_and_what_makes_a_spoilt_channel_are_the_hosts(host, constant):
    suspect = copy.deepcopy(host)
    suspect[1].weight.data[5] = 0.0 if constant else 1e4
    suspect[1].bias.data[5] = 1e4 if constant else -1e9
    suspect[3].weight.data[:, 5] = 0.0 if constant else 1e4
    close(align(suspect, host, FACE), host)


def test_a_bias_that_makes_up_for_a_constant_channel_is_taken_back(host):
    suspect = copy.deepcopy(host)
    suspect[1].weight.data[5], suspect[1].bias.data[5] = 0.0, 1e3
    suspect[3].weight.data[:, 5] = 2.0
    cut = copy.deepcopy(host)
    cut[3].weight.data[:, 5] = 0.0
    suspect[3].bias.data -= 2e3
    x = torch.rand(4, *FACE.input_shape)
    torch.testing.assert_close(suspect(x), cut(x), rtol=1e-3, atol=1e-2)
    torch.testing.assert_close(align(suspect, host, FACE)[3].bias, host[3].bias, rtol=1e-3, atol=1e-3)


def test_a_bias_of_minus_infinity_is_a_dead_channel_and_other_infinities_are_refused(host):
    suspect = copy.deepcopy(host)
    suspect[1].bias.data[5] = -torch.inf
    assert all(tensor.isfinite().all() for tensor in align(suspect, host, FACE).state_dict().values())
    suspect[3].weight.data[0, 2] = torch.nan
    with pytest.raises(SuspectError, match="expected finite weights"):
        align(suspect, host, FACE)


@pytest.mark.parametrize("farthest", [60.0, slow(float("inf"))])
def test_a_network_of_which_a_whole_layer_is_silent_is_aligned_all_the_same(digits, monkeypatch, farthest):
    """Nothing held the scales of its neighbours, and without a bound they became zeros that no comparison bore."""
    monkeypatch.setattr(gauges, "_FARTHEST", farthest)
    host = build("cnn", digits.feed.input_shape, 10, seed=0).eval()
    generator = torch.Generator().manual_seed(0)
    suspect = copy.deepcopy(host)
    with torch.no_grad():
        for weight in suspect.parameters():
            if weight.dim() > 1:
                weight += torch.randn(weight.shape, generator=generator) * weight.std() / 2
        suspect.get_submodule("conv2").bias.fill_(-10.0)
    if farthest == float("inf"):
        with pytest.raises(ValueError, match="invalid numeric entries"):
            align(suspect, host, digits.feed)
        return
    aligned = align(suspect, host, digits.feed).state_dict()
    assert all(value.isfinite().all() for value in aligned.values())


def test_channels_are_mended_behind_batch_norm_too(digits):
    host = build("resnet8", digits.feed.input_shape, 10, seed=0)
    with torch.no_grad():
        host.train()(torch.rand(32, *digits.feed.input_shape, generator=torch.Generator().manual_seed(0)))
    suspect = copy.deepcopy(host.eval())
    state = suspect.state_dict()
    state["res2.unit1.conv.weight"][3] = 1e4
    state["res2.unit1.bn.weight"][3], state["res2.unit1.bn.bias"][3] = 0.0, -1e4
    state["res2.unit2.conv.weight"][:, 3] = 1e4
    close(align(Permute()(suspect, digits, seed=2), host, digits.feed), host, within=1e-2)


def test_nothing_is_mended_and_nothing_computed_twice_where_nothing_is_spoilt(host, monkeypatch):
    calls = []
    found = alignment._found
    monkeypatch.setattr(alignment, "_found", lambda *given: calls.append(1) or found(*given))
    align(copy.deepcopy(host), host, FACE)
    assert len(calls) == 1
