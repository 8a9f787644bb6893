"""A suspect in its host's coordinates: exact where the function is the host's, blind to the message where it is not."""

import copy
import functools

import pytest
import torch
from torch import nn

from modelmark.align.alignment import align
from modelmark.attacks.pruning.prune import Prune
from modelmark.attacks.pruning.prune_channels import PruneChannels
from modelmark.attacks.symmetries.dummy import Dummy
from modelmark.attacks.symmetries.flip import Flip
from modelmark.attacks.symmetries.permute import Permute
from modelmark.attacks.symmetries.rescale import Rescale
from modelmark.channels import resized, trace
from modelmark.errors import MismatchError, SuspectError, UsageError
from modelmark.feeds.pictures import PictureFeed
from modelmark.key.secret import Secret
from modelmark.marks.embedding import embed
from modelmark.marks.keys import keygen
from modelmark.models import ARCHITECTURES, build, mlp
from modelmark.schemes.uchida import Uchida
from modelmark.suspects.module import WhiteBox
from modelmark.training.loop import fit
from modelmark.training.recipe import annealed

SIDES = {"lenet5": 12, "vgg16": 16}
NEARLY_ALL = 250
"""Of 256 bits: a copy that trained on has scales of its own, and a bit near its margin may turn. On ``mlp`` each of four
secrets lost one bit, the same under every disguise."""
ATTACKS = [Permute(), Rescale(), Flip(), Dummy(), Dummy(share=1.0)]
STARTS = [("tuned", attack) for attack in ATTACKS] + [("scratch", attack) for attack in ATTACKS]
DAILY = {"mlp": [*range(5), 5], "resnet8": [], "cnn": []}
"""Which of ``STARTS`` are tried every day, by network: whatever ends the others would end these, or all disguises together,
or split channels and other disguises on ``resnet8``."""


@pytest.fixture(scope="module", autouse=True)
def _whole():
    """With ``mlp`` as it ships: a narrower one has no place for 256 bits."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mlp, "_UNITS", 512)
        yield


def lived_in(model, shape):
    """Give batch norm the statistics of some inputs, and slopes and shifts of its own."""
    generator = torch.Generator().manual_seed(1)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None
            module.weight.data.uniform_(0.5, 1.5, generator=generator)
            module.bias.data.uniform_(-0.5, 0.5, generator=generator)
    with torch.no_grad():
        model.train()(torch.rand(16, *shape, generator=generator))
    return model.eval()


def disguised(model, *attacks, seed=5):
    """Apply one attack after the other, leaving out those for which the model has no place."""
    for attack in attacks:
        try:
            model = attack(model, None, seed=seed)
        except UsageError:
            assert isinstance(attack, Flip)
    return model


def obfuscated(model, maker, norm, reader):
    """Split four channels of ``maker`` in two and add a group of three whose outgoing weights cancel."""
    generator = torch.Generator().manual_seed(2)
    state = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
    rows, columns = state[f"{maker}.weight"], state[f"{reader}.weight"]

    def noise(size, like):
        return torch.randn(size, generator=generator) * like.std()

    factor = 1.0 if norm else 2.5
    shares = noise((len(columns), 4, *columns.shape[2:]), columns)
    clique = noise((len(columns), 2, *columns.shape[2:]), columns)
    columns[:, :4] -= factor * shares
    extra = noise((1, *rows.shape[1:]), rows).expand(3, *rows.shape[1:])
    state[f"{maker}.weight"] = torch.cat([rows, factor * rows[:4], extra])
    state[f"{reader}.weight"] = torch.cat([columns, shares, clique, -clique.sum(dim=1, keepdim=True)], dim=1)
    for path, scale in ((maker, factor), (norm, 1.0)):
        for name in state:
            if path and name.startswith(f"{path}.") and state[name].dim() == 1:
                state[name] = torch.cat([state[name], scale * state[name][:4], state[name][5].expand(3)])
    return resized(model, state)


class Marked:
    """An unmarked host, marks put into it and into a fresh copy, and a network that has nothing to do with either."""

    def __init__(self, arch, digits, recipe, *, strength):
        shape, classes = digits.feed.input_shape, digits.feed.classes
        fresh = build(arch, shape, classes, seed=0)
        self.arch, self.feed = arch, digits.feed
        self.host = fit(fresh, digits, recipe, seed=0)
        self.training = fresh, digits, recipe
        key = keygen(Uchida(strength=strength), fresh, self.feed, secret=Secret(bytes(range(32))))
        self.mark = key.mark()
        self.tuned = embed(self.host, [self.mark], digits, recipe, seed=1).model

    @functools.cached_property
    def scratch(self):
        fresh, digits, recipe = self.training
        return embed(fresh, [self.mark], digits, recipe, seed=1).model

    @functools.cached_property
    def other(self):
        shape, classes = self.feed.input_shape, self.feed.classes
        recipe = annealed(1, 0.05, batch=64, clip=1.0)
        return fit(build(self.arch, shape, classes, seed=7), self.training[1], recipe, seed=7)

    def read(self, model):
        return self.mark.evidence(WhiteBox(model))

    def aligned(self, model, host=None):
        return self.read(align(model, host or self.host, self.feed))


@pytest.fixture(scope="module")
def made(digits):
    """Return a function from an architecture to its networks, made once whatever the order of the tests is."""

    @functools.cache
    def get(arch):
        recipe, strength = {
            "cnn": (annealed(4, 0.05, batch=64, clip=1.0), 0.05),
            "mlp": (annealed(4, 0.1, batch=64, clip=1.0), 0.1),
            "resnet8": (annealed(4, 0.1, batch=64), 0.05),
        }[arch]
        return Marked(arch, digits, recipe, strength=strength)

    return get


@pytest.fixture(params=[pytest.param("cnn", marks=pytest.mark.slow), "mlp", "resnet8"])
def marked(request, made):
    """``mlp`` has layers without norms, ``resnet8`` convolutions; ``cnn`` has its way from maps to features, of which
    ``test_every_reference_network_is_itself_again_after_all_disguises`` is a fast test."""
    return made(request.param)


def slow(*values):
    return pytest.param(*values, marks=pytest.mark.slow)


flat = pytest.mark.parametrize("marked", ["mlp", slow("resnet8"), slow("cnn")], indirect=True)
"""For what hangs on no kind of layer: of the ``mlp`` alone every day, where an alignment takes half as long."""


LARGE = {"resnet18", "preact-resnet18", "vgg16"}
"""Slow: resnet8 has their shortcuts and norms, wrn-10-4 norms before its layers, lenet5 and cnn their way from
maps to features."""


@pytest.mark.parametrize("arch", [slow(arch) if arch in LARGE else arch for arch in ARCHITECTURES])
def test_every_reference_network_is_itself_again_after_all_disguises(arch):
    side = SIDES.get(arch, 8)
    feed = PictureFeed((1, side, side), tuple("0123456789"))
    model = lived_in(build(arch, feed.input_shape, 10, seed=0), feed.input_shape)
    other = disguised(model, Permute(), Rescale(), Flip(), Dummy())
    before = copy.deepcopy(other.state_dict()), copy.deepcopy(model.state_dict())
    aligned = align(other, model, feed)
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(aligned.state_dict()[name], tensor, rtol=1e-3, atol=1e-5)
    torch.testing.assert_close((other.state_dict(), model.state_dict()), before, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("marked", "start", "attack"),
    [
        (arch, *which) if number in days else slow(arch, *which)
        for arch, days in DAILY.items()
        for number, which in enumerate(STARTS)
    ],
    indirect=["marked"],
    ids=str,
)
def test_a_mark_survives_what_keeps_the_function(attack, start, marked):
    model = getattr(marked, start)
    if isinstance(attack, Flip) and not any(gauge.signed for gauge in trace(model).gauges):
        pytest.skip("no place for a flip")
    least = NEARLY_ALL if start == "tuned" else 225  # a mark embedded from scratch lives in other coordinates
    assert marked.aligned(disguised(model, attack)).matches >= least


@flat
def test_all_disguises_together_and_on_a_pruned_model(marked, digits):
    chain = Permute(), Rescale(), Flip(), Dummy(), Permute()
    assert marked.aligned(disguised(marked.tuned, *chain)).matches >= NEARLY_ALL
    assert marked.aligned(disguised(Prune(0.5)(marked.tuned, digits, seed=0), *chain)).matches >= 240


@flat
@pytest.mark.parametrize(("amount", "least"), [slow(0.1, 240), (0.3, 210)])
def test_a_mark_is_read_from_what_is_left_of_the_channels(amount, least, marked, digits):
    pytest.importorskip("torch_pruning")
    cut, few = PruneChannels(amount, epochs=2), digits.subset(240 if marked.arch == "mlp" else 480, seed=0)
    thinner = cut(marked.tuned, few, seed=0)
    assert marked.aligned(thinner).matches >= least
    assert marked.aligned(disguised(thinner, Permute(), Rescale())).matches >= least
    assert 96 <= marked.aligned(cut(marked.other, few, seed=0)).matches <= 160


@flat
def test_channels_that_were_cut_come_back_silent(marked, digits):
    pytest.importorskip("torch_pruning")
    thinner = PruneChannels(0.3, epochs=1)(marked.other, digits.subset(240, seed=0), seed=0)
    aligned = align(thinner, marked.host, marked.feed)
    x = torch.randn(16, *marked.feed.input_shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(aligned(x), thinner(x), rtol=1e-3, atol=1e-3)
    for name, tensor in aligned.state_dict().items():
        assert tensor.shape == marked.host.state_dict()[name].shape


def test_split_channels_and_groups_that_cancel_are_undone(marked):
    place = {
        "cnn": ("conv3", None, "conv4"),
        "mlp": ("fc1", None, "fc2"),
        "resnet8": ("res2.unit1.conv", "res2.unit1.bn", "res2.unit2.conv"),
    }[marked.arch]
    x = torch.randn(16, *marked.feed.input_shape, generator=torch.Generator().manual_seed(0))
    plain = align(marked.tuned, marked.host, marked.feed)
    other = disguised(obfuscated(marked.tuned, *place), Permute(), Rescale(), Flip(), Dummy())
    aligned = align(other, marked.host, marked.feed)
    with torch.no_grad():
        torch.testing.assert_close(other(x), marked.tuned(x), rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(aligned(x), marked.tuned(x), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(aligned.state_dict(), plain.state_dict(), rtol=1e-2, atol=1e-3)
    assert marked.read(aligned).matches >= NEARLY_ALL


def test_without_alignment_a_permuted_mark_is_gone(marked):
    found = marked.read(disguised(marked.tuned, Permute()))
    assert 96 <= found.matches <= 160  # four standard deviations


@flat
def test_an_unmarked_model_stays_at_chance(marked):
    for model in (marked.other, marked.host, *(disguised(marked.other, attack) for attack in (Permute(), Dummy()))):
        found = marked.aligned(model)
        assert 96 <= found.matches <= 160  # four standard deviations
        assert found.gross_bits < 20


@pytest.mark.parametrize("marked", ["mlp"], indirect=True)
def test_aligning_to_the_marked_model_would_let_the_message_leak(marked):
    assert marked.aligned(marked.other, marked.tuned).gross_bits > 20
    assert marked.aligned(marked.other).gross_bits < 20


@flat
def test_the_function_is_the_suspects(marked):
    x = torch.randn(32, *marked.feed.input_shape, generator=torch.Generator().manual_seed(0))
    for model in (marked.tuned, marked.scratch, marked.other):
        other = disguised(model, Permute(), Rescale(), Flip())
        aligned = align(other, marked.host, marked.feed)
        assert not any(module.training for module in aligned.modules())
        with torch.no_grad():
            torch.testing.assert_close(aligned(x), model(x), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("seed", [1, slow(2)])
def test_the_result_does_not_depend_on_the_disguise(marked, seed):
    plain = align(marked.tuned, marked.host, marked.feed).state_dict()
    other = disguised(marked.tuned, Rescale(spread=1e4), Permute(), Flip(), Dummy(), seed=seed)
    for name, tensor in align(other, marked.host, marked.feed).state_dict().items():
        torch.testing.assert_close(tensor, plain[name], rtol=1e-3, atol=1e-4)


def test_silent_channels_are_matched_by_their_weights():
    feed = PictureFeed((1, 8, 8), tuple("0123456789"))
    model = build("mlp", (1, 8, 8), 10, seed=0).eval()
    with torch.no_grad():
        model.fc1.bias[::2] = -100.0  # never above zero, so fc2 hears nothing of them
        model.fc2.weight[:50] *= 0
        model.fc2.bias[:50] = 0
    aligned = align(disguised(model, Permute(), Rescale()), model, feed)
    torch.testing.assert_close(aligned.fc1.weight, model.fc1.weight, rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(aligned.fc2.weight, model.fc2.weight, rtol=1e-3, atol=1e-5)


def test_other_architectures_are_refused(digits):
    feed = digits.feed
    host = build("cnn", feed.input_shape, 10, seed=0)
    kernel = copy.deepcopy(host)
    kernel.conv2 = nn.Conv2d(32, 32, 5, padding=2)
    for suspect, ours, message in (
        (build("mlp", feed.input_shape, 10, seed=0), host, "expected a suspect of the host's architecture"),
        (build("resnet8", feed.input_shape, 10, seed=0), host, "got another at conv1"),
        (build("cnn", feed.input_shape, 9, seed=0), host, "expected 10 channels at head, got 9"),
        (kernel, host, r"expected kernels of \(3, 3\) in conv2, got \(5, 5\)"),
    ):  # fmt: skip
        with pytest.raises(MismatchError, match=message):
            align(suspect, ours, feed)


def test_weights_that_are_not_numbers_are_refused(digits):
    host = build("mlp", digits.feed.input_shape, 10, seed=0)
    suspect = copy.deepcopy(host)
    suspect.fc1.weight.data[0, 0] = torch.nan
    with pytest.raises(SuspectError, match="finite"):
        align(suspect, host, digits.feed)


def test_wider_weights_reach_alignment_through_resized(digits):
    host = build("mlp", digits.feed.input_shape, 10, seed=0)
    wide = Dummy()(host, digits, seed=0)
    aligned = align(resized(host, wide.state_dict()), host, digits.feed)
    torch.testing.assert_close(aligned.fc2.weight, host.fc2.weight, rtol=1e-3, atol=1e-5)
